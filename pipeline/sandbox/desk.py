"""What the API answers to a request that was read: decided here, sent elsewhere.

A request passes the gateway (cut, HTML, redirects, 500), the door (the key), the pace (429), then
its route. What goes wrong after the work was done comes last: by then the task is taken and paid.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from pipeline.sandbox.answers import TEXT, Headers, Reply, errors, message, page, retry_after, say
from pipeline.sandbox.chance import Chance
from pipeline.sandbox.counts import MINUTE, Counts
from pipeline.sandbox.settings import Fault, SandboxSettings, merged, shown
from pipeline.sandbox.tasks import PICTURES, Task
from pipeline.sandbox.webhooks import Courier

#: So many tasks are remembered from one sandbox to the next.
MOST_REMEMBERED = 2000
V2_KEY = "afk_"
V2_BASE_URL = "https://api.apiframe.ai/v2"
FETCH_MANY = range(2, 21)
RATIO = re.compile(r"[1-9]\d{0,3}:[1-9]\d{0,3}")


@dataclass(frozen=True, slots=True)
class DueCall:
    """One request of the API, read to its end."""

    path: str
    #: The header `Authorization`, or "".
    authorization: str
    #: The JSON object that was sent, or None if it was not one.
    fields: Mapping[str, object] | None
    #: The address that the client used.
    base_url: str
    now: float
    #: What chance is drawn for: the same in every run with the same requests.
    draw_for: str


class Desk:
    """The API itself: its account, its tasks, its books."""

    def __init__(
        self, settings: SandboxSettings, *, key: str, seed: int, clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self._key = key
        self._seed = seed
        self._first_settings = settings
        self.courier = Courier(lambda: self.settings, lambda: self.chance, clock)
        self._routes: Mapping[str, Callable[[DueCall], Reply]] = {
            "/imagine": self._imagine,
            "/fetch": self._fetch,
            "/fetch-many": self._fetch_many,
            "/account": self._account,
        }
        self.reset()

    def reset(self) -> None:
        """Begin anew: first settings, full account, no tasks, books at zero."""
        self.settings = self._first_settings
        self.chance = Chance(self._seed, self.settings)
        self.counts = Counts(self.clock())
        self.tasks: dict[str, Task] = {}
        #: How many tasks of each prompt an earlier sandbox took.
        self._earlier: Counter[str] = Counter()
        self.credits = self.settings.credits
        self._admitted: deque[float] = deque()
        self._seen: Counter[str] = Counter()
        self.courier.forget()

    def change(self, changes: Mapping[str, object]) -> None:
        """Set some switches; `SettingsError` if one of them is wrong, and then none is set."""
        self.settings = merged(self.settings, changes)
        self.chance.arm(self.settings, changes)
        if "credits" in changes:
            self.credits = self.settings.credits

    def remembered(self) -> list[dict[str, object]]:
        """The latest tasks, as JSON can carry them, for `restore`."""
        names = ("id", "prompt", "aspect_ratio", "number", "failure", "failure_key")
        latest = list(self.tasks.values())[-MOST_REMEMBERED:]
        return [{name: getattr(task, name) for name in names} for task in latest]

    def restore(self, tasks: Iterable[Mapping[str, Any]], base_url: str) -> None:
        """Know an earlier sandbox's tasks: all of them have ended, and none counts as taken."""
        for fields in tasks:
            try:
                task = Task(**fields, base_url=base_url, began=self.clock(), seconds=0)
            except TypeError:
                continue  # written by another version
            self.tasks[task.id] = task
            self._earlier[task.prompt] = max(self._earlier[task.prompt], task.number)

    def finish(self) -> None:
        """End every task that still runs, also those without an end, as if its time were over."""
        now = self.clock()
        for task in self.tasks.values():
            if task.ends > now:
                ended = replace(task, seconds=now - task.began, endless=False)
                self.tasks[task.id] = ended
                self.courier.finish(ended, self.counts.webhooks[task.id])
        self.counts.running.finish()

    def state(self) -> dict[str, object]:
        """Settings and books."""
        left = {name: n for name, n in self.chance.left.items() if n}
        now = self.clock()
        return {
            "settings": shown(self.settings),
            "left": left,
            "credits_left": self.credits,
            **self.counts.shown(now),
        }

    def call(
        self, path: str, authorization: str, fields: Mapping[str, object] | None, base_url: str
    ) -> DueCall:
        """A request that was just read to its end; it is counted by this."""
        now = self.clock()
        self.counts.arrived(path, now)
        prompt = fields.get("prompt") if fields else None
        mark = prompt if path == "/imagine" and isinstance(prompt, str) else path
        self._seen[mark] += 1
        return DueCall(path, authorization, fields, base_url, now, f"{mark}\0{self._seen[mark]}")

    def answer(self, call: DueCall) -> Reply:
        """What the API does with it: the work is done, and counted, when this returns."""
        refused = self._gateway(call) or self._door(call) or self._pace(call)
        if refused:
            return refused
        answer = self._routes[call.path](call)
        return replace(self._aftermath(call, answer), task=answer.task)

    def patience(self, call: DueCall) -> float:
        """How long the answer lets people wait, in seconds."""
        seconds, spread = self.settings.answer_seconds, self.settings.answer_spread
        if not seconds or not spread:
            return seconds
        return max(
            0.0, seconds * (1 + spread * (2 * self.chance.draw("patience", call.draw_for) - 1))
        )

    # Before anything is taken

    def _gateway(self, call: DueCall) -> Reply | None:
        struck = self._striker(call)
        if fault := struck("cut"):
            return Reply(0, b"", outcome="cut", loss=fault.kind)
        if struck("html"):
            return page(502, "Bad Gateway", "html")
        if fault := struck("redirect"):
            address = self.settings.redirect_to.rstrip("/") + call.path
            return Reply(int(fault.kind), b"", ((b"location", address.encode()),), "redirect")
        if fault := struck("code"):
            return _plain(int(fault.kind))
        if fault := struck("unavailable"):
            headers = self._retry_after() if fault.kind == "retry" else ()
            return message("Service unavailable", 503, "unavailable", headers)
        if struck("error"):
            return say({}, 500, "error")
        return None

    def _door(self, call: DueCall) -> Reply | None:
        given = call.authorization.removeprefix("Bearer ").strip()
        if given.startswith(V2_KEY):
            return errors(
                f"This is a v2 API key. Use it with the v2 base URL, {V2_BASE_URL}.",
                outcome="no_key",
            )
        return None if given and given == self._key else say({}, 401, "no_key")

    def _pace(self, call: DueCall) -> Reply | None:
        if self._striker(call)("busy"):
            return self._too_many("busy")
        if not (limit := self.settings.per_minute):
            return None
        while self._admitted and self._admitted[0] <= call.now - MINUTE:
            self._admitted.popleft()
        if len(self._admitted) >= limit:
            return self._too_many("per_minute")
        self._admitted.append(call.now)
        return None

    def _too_many(self, outcome: str) -> Reply:
        return message("Too many requests", 429, outcome, self._retry_after())

    def _retry_after(self) -> Headers:
        return retry_after(self.settings.retry_after, self.settings.retry_after_as)

    # The routes

    def _imagine(self, call: DueCall) -> Reply:
        if call.fields is None:
            return errors("The body is not a JSON object")
        prompt = call.fields.get("prompt")
        ratio = call.fields.get("aspect_ratio", "1:1")
        if not isinstance(prompt, str) or not prompt.strip():
            return errors("prompt is required")
        if not isinstance(ratio, str) or not RATIO.fullmatch(ratio):
            return errors("aspect_ratio must be W:H, such as 16:9")
        for name in ("webhook_url", "webhook_secret"):
            if not isinstance(call.fields.get(name, ""), str):
                return errors(f"{name} must be a text")
        if "[refuse]" in prompt:
            return errors("banned word in the prompt: refuse", outcome="refused")
        limit = self.settings.max_running
        if limit and self.counts.running.size(call.now) >= limit:
            return self._too_many("max_running")
        if self.credits < self.settings.cost:
            return message("Insufficient credits", 402, "no_credits")
        task = self._take(call, prompt, ratio)
        return replace(say({"task_id": task.id}, outcome="accepted"), task=task)

    def _take(self, call: DueCall, prompt: str, ratio: str) -> Task:
        task = self._new_task(call, prompt, ratio)
        self.tasks[task.id] = task
        self.credits -= self.settings.cost
        self.counts.took(prompt, self.settings.cost, task.ends, call.now)
        return task

    def _new_task(self, call: DueCall, prompt: str, ratio: str) -> Task:
        struck, fields = self._striker(call), call.fields or {}
        failed, odd = struck("fail"), struck("odd_status")
        failure = "banned word" if "[fail]" in prompt else "generation failed" if failed else ""
        return Task(
            # Not drawn from the seed: an API that is started anew does not give an id twice.
            id=str(uuid4()),
            prompt=prompt,
            aspect_ratio=ratio,
            number=self._earlier[prompt] + self.counts.tasks[prompt] + 1,
            base_url=call.base_url,
            began=call.now,
            seconds=self._duration(call, prompt),
            failure=failure,
            failure_key=failed.kind if failed else "message",
            endless=struck("endless") is not None,
            odd_status=odd.kind if odd else "",
            webhook_url=str(fields.get("webhook_url", "")),
            webhook_secret=str(fields.get("webhook_secret", "")),
        )

    def _duration(self, call: DueCall, prompt: str) -> float:
        if self.settings.together_at:
            return max(0.0, self.counts.began + self.settings.together_at - call.now)
        vary = 0.6 + 0.8 * self.chance.draw("duration", call.draw_for)
        seconds = self.settings.task_seconds * vary * (5 if "[slow]" in prompt else 1)
        return min(seconds, self.settings.max_seconds or seconds)

    def _fetch(self, call: DueCall) -> Reply:
        task_id = call.fields.get("task_id") if call.fields is not None else None
        if not isinstance(task_id, str) or not task_id:
            return errors("task_id is required")
        if task_id not in self.tasks:
            return errors("Task not found", 404)
        return say(self._payload(self.tasks[task_id], call.now))

    def _fetch_many(self, call: DueCall) -> Reply:
        ids = call.fields.get("task_ids") if call.fields is not None else None
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            return errors("task_ids is required, a list of ids")
        if len(ids) not in FETCH_MANY:
            return errors("task_ids must hold 2 to 20 ids")
        known = [self.tasks[id_] for id_ in dict.fromkeys(ids) if id_ in self.tasks]
        if self.settings.shuffle:
            random.Random(f"{self._seed} {call.draw_for}").shuffle(known)  # noqa: S311 (no secret)
        return say({"tasks": [self._payload(task, call.now) for task in known]})

    def _payload(self, task: Task, now: float) -> dict[str, object]:
        settings = self.settings
        return task.payload(
            now, bare=settings.bare_final, numeric=settings.percentage_as == "number"
        )

    def _account(self, call: DueCall) -> Reply:
        done = sum(task.has_pictures(call.now) for task in self.tasks.values())
        return say(
            {
                "email": "team@example.com",
                "credits": self.credits,
                "total_images": done * PICTURES,
                "plan": "Sandbox",
            }
        )

    # After it was taken

    def _aftermath(self, call: DueCall, answer: Reply) -> Reply:
        if answer.status != 200:
            return answer
        struck = self._striker(call)
        if fault := struck("lost"):
            return replace(answer, outcome=f"lost_{fault.kind}", loss=fault.kind)
        if struck("error_after"):
            return say({}, 500, "error_after")
        if struck("html_after"):
            return page(502, "Bad Gateway", "html_after")
        if fault := struck("garbled"):
            garbled = {"no_id": say({"ok": True}), "text": Reply(200, b"Accepted", (TEXT,))}
            return garbled.get(fault.kind, Reply(200, b"")).as_outcome("garbled")
        return answer

    def _striker(self, call: DueCall) -> Callable[[str], Fault | None]:
        return partial(self.chance.strikes, path=call.path, key=call.draw_for)


def _plain(status: int) -> Reply:
    # Cloudflare's own 403 is plain text; the API's error bodies are not documented for the rest.
    if status == 403:
        return Reply(403, b"error code: 1010", (TEXT,), "code_403")
    known = {known.value: known.phrase for known in HTTPStatus}
    return message(known.get(status, "Error"), status, f"code_{status}")
