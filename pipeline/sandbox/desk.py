"""The API itself: checks each request, and decides what it answers.

A request passes the gateway (cut connections, HTML, redirects, 500), the check of its key, the pace
(429), then its route. Faults after the work come last: by then the task is accepted and paid.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

from pipeline.sandbox.account import SandboxAccount
from pipeline.sandbox.answers import (
    TEXT,
    Headers,
    Reply,
    broken,
    errors,
    page,
    refusal,
    retry_after,
    say,
)
from pipeline.sandbox.calls import ApiRoute, Call, canonical
from pipeline.sandbox.chance import Chance
from pipeline.sandbox.counts import MINUTE, SandboxCounts
from pipeline.sandbox.settings import Fault, SandboxSettings, merged, shown
from pipeline.sandbox.tasks import GRID, Files, Order, Task
from pipeline.sandbox.uploads import Uploads
from pipeline.sandbox.v1.routes import V1
from pipeline.sandbox.v2.routes import V2
from pipeline.sandbox.webhooks import Courier, Letter

#: How many tasks are remembered from one sandbox to the next.
MOST_REMEMBERED = 2000
#: A longer text in a submission is not remembered: it is an image.
LONGEST_REMEMBERED = 2000
V2_KEY = "afk_"
V2_BASE_URL = "https://api.apiframe.ai/v2"
USER_ID = "00000000-0000-4000-8000-000000000001"
TEAM_ID = "00000000-0000-4000-8000-000000000002"
#: So many routes of version 1 are asked for most.
BUSIEST = 4
NO_CAPACITY = "No available capacity — please retry shortly"
REMEMBERED = (
    *("id", "prompt", "aspect_ratio", "number", "failure", "failure_key", "flaw"),
    *("endpoint", "model", "cost", "created"),
)


class Arrival(NamedTuple):
    """When a request came, by the clock of the desk, and what chance is drawn for."""

    now: float
    draw_for: str


class Desk:
    """The API itself: its account, its tasks, its counts.

    The key of version 2 is that of version 1 with `afk_` before it.
    """

    def __init__(self, settings: SandboxSettings, *, key: str, seed: int) -> None:
        self.clock = time.monotonic
        self.key = key.removeprefix(V2_KEY)
        self.key_v2 = V2_KEY + self.key
        self._seed = seed
        self._first_settings = settings
        self.courier = Courier(lambda: self.settings, lambda: self.chance, self.clock, self._letter)
        self.user_id, self.team_id = USER_ID, TEAM_ID
        self.v1, self.v2 = V1(self), V2(self)
        # The busiest first: routes are tried one after the other.
        first, others = self.v1.routes()[:BUSIEST], self.v1.routes()[BUSIEST:]
        self.routes = [*first, *self.v2.routes(), *others]
        self.reset()

    def reset(self) -> None:
        """Start again: first settings, full account, no tasks, counts at zero."""
        self.settings = self._first_settings
        self.chance = Chance(self._seed, self.settings)
        self.counts = SandboxCounts(self.clock())
        self.tasks: dict[str, Task] = {}
        self.account = SandboxAccount(self.settings.credits)
        self.uploads = Uploads()
        self.v1.forget()
        self.v2.forget()
        #: How many tasks of each prompt there were, also in an earlier sandbox.
        self._drawn: Counter[str] = Counter()
        self._admitted: deque[float] = deque()
        self._seen: Counter[str] = Counter()
        self.courier.forget()

    def change(self, changes: Mapping[str, object]) -> None:
        """Set some switches; `SettingsError` if one of them is wrong, and then none is set."""
        self.settings = merged(self.settings, changes)
        self.chance.arm(self.settings, changes)
        if "credits" in changes:
            self.account.fill(self.settings.credits)

    def remembered(self) -> list[dict[str, object]]:
        """The latest tasks, as JSON can carry them, for `restore`."""
        return [_kept(task) for task in list(self.tasks.values())[-MOST_REMEMBERED:]]

    def restore(self, tasks: Iterable[Mapping[str, Any]], base_url: str) -> None:
        """Add the tasks of an earlier sandbox: all of them have ended, and none is counted."""
        for kept in tasks:
            try:
                files = Files(**kept["files"]) if "files" in kept else GRID
                values = {**kept, "files": files}
                task = Task(**values, base_url=base_url, began=self.clock(), seconds=0)
            except (TypeError, AttributeError):
                continue  # written by another version
            self.tasks[task.id] = task
            self._drawn[task.prompt] = max(self._drawn[task.prompt], task.number)

    def finish(self) -> None:
        """End every task that still runs, also the endless ones, as if its time were over."""
        now = self.clock()
        self.account.finish(now)
        for task in self.tasks.values():
            if task.ends > now:
                ended = replace(task, seconds=now - task.began, endless=False)
                self.tasks[task.id] = ended
                self.courier.finish(ended, self.counts.webhooks[task.id])
        self.counts.running.finish()

    def state(self) -> dict[str, object]:
        """Settings and counts."""
        now = self.clock()
        return {
            "settings": shown(self.settings),
            "left": {name: n for name, n in self.chance.left.items() if n},
            "credits_left": self.account.left(now),
            "credits_charged": self.account.charged,
            "credits_refunded": self.account.refunded(now),
            **self.counts.shown(now),
        }

    def arrived(self, route: ApiRoute, fields: Mapping[str, object] | None) -> Arrival:
        """Count a request that was read to its end."""
        now = self.clock()
        self.counts.arrived(route.path, now, is_submission=route.is_submission)
        prompt = fields.get("prompt") if fields and route.is_submission else None
        mark = route.path
        if isinstance(prompt, str):
            mark = prompt if route.path == "/imagine" else f"{route.path}\0{prompt}"
        self._seen[mark] += 1
        return Arrival(now, f"{mark}\0{self._seen[mark]}")

    def answer(self, call: Call) -> Reply:
        """The answer of the API: the work is done, and counted, when this returns."""
        refused = self._gateway(call) or self._door(call) or self._pace(call)
        if refused:
            return refused
        answer = call.route.answer(call)
        spoilt = self._aftermath(call, answer)
        return answer if spoilt is answer else replace(spoilt, task=answer.task)

    def patience(self, call: Call, answer: Reply) -> float:
        """How long the answer is held back, in seconds."""
        seconds, spread = self.settings.answer_seconds, self.settings.answer_spread
        if seconds and spread:
            drawn = self.chance.draw("patience", call.draw_for)
            seconds = max(0.0, seconds * (1 + spread * (2 * drawn - 1)))
        is_work = call.route.is_sync and answer.task is not None
        return seconds + (self.settings.sync_seconds if is_work else 0.0)

    def wall(self, moment: float) -> float:
        """A moment of the desk's clock in seconds since 1970."""
        return time.time() + moment - self.clock()

    def seeded(self, call: Call) -> str:
        """A seed for a choice in the answer to this request."""
        return f"{self._seed} {call.draw_for}"

    # Before anything is accepted

    def _gateway(self, call: Call) -> Reply | None:
        struck, api = self._striker(call), call.route.api
        if fault := struck("cut"):
            return Reply(0, b"", outcome="cut", loss=fault.kind)
        if struck("html"):
            return page(502, "Bad Gateway", "html")
        if fault := struck("redirect"):
            address = self.settings.redirect_to.rstrip("/") + call.path
            return Reply(int(fault.kind), b"", ((b"location", address.encode()),), "redirect")
        if fault := struck("code"):
            return _plain(api, int(fault.kind))
        if fault := struck("unavailable"):
            headers = self._retry_after() if fault.kind == "retry" else ()
            return refusal(api, "Service unavailable", 503, "unavailable", headers)
        return broken(api, "error") if struck("error") else None

    def _door(self, call: Call) -> Reply | None:
        if call.route.api == "v2":
            return self.v2.door(call)
        given = call.header("authorization").removeprefix("Bearer ").strip()
        if given.startswith(V2_KEY):
            return errors(
                f"This is a v2 API key. Use it with the v2 base URL, {V2_BASE_URL}.",
                outcome="no_key",
            )
        if given and given == self.key:
            return None
        # Pro's 401 has no body.
        is_pro = call.route.path.startswith("/pro/")
        return Reply(401, b"", (), "no_key") if is_pro else say({}, 401, "no_key")

    def _pace(self, call: Call) -> Reply | None:
        if self._striker(call)("busy"):
            return self.too_many(call, "busy")
        if not (limit := self.settings.per_minute):
            return None
        while self._admitted and self._admitted[0] <= call.now - MINUTE:
            self._admitted.popleft()
        if len(self._admitted) >= limit:
            return self.too_many(call, "per_minute")
        self._admitted.append(call.now)
        return None

    def too_many(self, call: Call, outcome: str) -> Reply:
        """429."""
        return refusal(call.route.api, "Too many requests", 429, outcome, self._retry_after())

    def _retry_after(self) -> Headers:
        return retry_after(self.settings.retry_after, self.settings.retry_after_as)

    # Accepting a task

    def admit(self, call: Call, cost: int) -> Reply | None:
        """The refusal, if there is no room for one more task, or no money."""
        settings, is_v2 = self.settings, call.route.api == "v2"
        for limit in (settings.max_running, settings.max_concurrent_jobs if is_v2 else 0):
            if limit and self.counts.running.size(call.now) >= limit:
                return self.too_many(call, "max_running")
        left = self.account.left(call.now)
        if left >= cost:
            return None
        numbers = {"creditsRequired": cost, "creditsAvailable": max(0, left)} if is_v2 else {}
        return refusal(call.route.api, "Insufficient credits", 402, "no_credits", more=numbers)

    def take(self, call: Call, order: Order) -> Task:
        """The task, accepted and paid."""
        asked = canonical(call.route.path, order.fields)
        task = self._new_task(call, order, asked)
        self.tasks[task.id] = task
        self._drawn[task.prompt] += 1
        self.account.charge(order.cost)
        refunds = self.settings.refunds
        if task.failure and (refunds == "all" or (refunds == "v2" and task.is_v2)):
            self.account.refund_at(task.ends, order.cost)
        self.counts.took(order, asked, task.ends, call.now)
        return task

    def _new_task(self, call: Call, order: Order, asked: str) -> Task:
        struck, words = self._striker(call), order.own_prompt or asked
        failed, full, odd = struck("fail"), struck("no_capacity"), struck("odd_status")
        flaw = struck("flaw")
        failure = NO_CAPACITY if full else "generation failed" if failed else ""
        prompt = order.prompt or asked
        return Task(
            # Not drawn from the seed: an API that is restarted does not give an id twice.
            id=str(uuid4()),
            prompt=prompt,
            aspect_ratio=order.aspect_ratio,
            number=self._drawn[prompt] + 1,
            base_url=call.base_url,
            began=call.now,
            seconds=0.0 if order.sync else self._duration(call, words),
            failure="banned word" if "[fail]" in words else failure,
            failure_key=failed.kind if failed else "message",
            endless=struck("endless") is not None and not order.sync,
            odd_status=odd.kind if odd else "",
            flaw=flaw.kind if flaw else "",
            endpoint=order.endpoint,
            model=order.model,
            fields=order.fields,
            files=order.files,
            cost=order.cost,
            created=time.time(),
            hook=order.hook,
        )

    def _duration(self, call: Call, words: str) -> float:
        if self.settings.together_at:
            return max(0.0, self.counts.began + self.settings.together_at - call.now)
        vary = 0.6 + 0.8 * self.chance.draw("duration", call.draw_for)
        seconds = self.settings.task_seconds * vary * (5 if "[slow]" in words else 1)
        return min(seconds, self.settings.max_seconds or seconds)

    # After it was accepted

    def _aftermath(self, call: Call, answer: Reply) -> Reply:
        if not 200 <= answer.status < 300:
            return answer
        struck = self._striker(call)
        if fault := struck("lost"):
            return replace(answer, outcome=f"lost_{fault.kind}", loss=fault.kind)
        if struck("error_after"):
            return broken(call.route.api, "error_after")
        if struck("html_after"):
            return page(502, "Bad Gateway", "html_after")
        if fault := struck("garbled"):
            status = answer.status
            garbled = {
                "no_id": say({"ok": True}, status),
                "text": Reply(status, b"Accepted", (TEXT,)),
            }
            return replace(garbled.get(fault.kind, Reply(status, b"")), outcome="garbled")
        return answer

    def _striker(self, call: Call) -> Callable[[str], Fault | None]:
        if self.chance.is_calm:
            return _never
        route = call.route
        return partial(
            self.chance.strikes,
            path=route.path,
            key=call.draw_for,
            is_submission=route.is_submission,
        )

    def _letter(self, task: Task, moment: float) -> Letter | None:
        return (self.v2 if task.is_v2 else self.v1).letter(task, moment)


def _never(name: str) -> None:
    """No fault happens."""


def _kept(task: Task) -> dict[str, object]:
    files = task.files
    fields = {
        name: value
        for name, value in task.fields.items()
        if len(str(value)) <= LONGEST_REMEMBERED and not name.startswith("webhook")
    }
    return {name: getattr(task, name) for name in REMEMBERED} | {
        "fields": fields,
        "files": {name: getattr(files, name) for name in Files.__dataclass_fields__},
    }


def _plain(api: str, status: int) -> Reply:
    # Cloudflare's own 403 is plain text; the API's error bodies are not documented for the rest.
    if status == 403:
        return Reply(403, b"error code: 1010", (TEXT,), "code_403")
    known = {known.value: known.phrase for known in HTTPStatus}
    return refusal(api, known.get(status, "Error"), status, f"code_{status}")
