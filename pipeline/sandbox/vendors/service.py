"""A vendor's stand-in as a web application: its routes, the results, `/_sandbox` for its owner.

What is taken, and so paid, is counted here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pipeline.sandbox import media, pictures
from pipeline.sandbox.answers import Reply, compact
from pipeline.sandbox.vendors.calls import Caller
from pipeline.sandbox.vendors.vendor import Order, Refused, Task, Vendor, VendorAnswer
from pipeline.sandbox.wire import deliver

#: So much longer does a task take with [slow] in its prompt.
SLOW = 5
#: A timer may wake up so many seconds early.
EARLY = 0.01
#: How many tasks are remembered from one stand-in to the next.
MOST_REMEMBERED = 1000
#: The longest that an answer is held back for `Prefer: wait`.
MOST_WAIT = 60.0


class SwitchError(ValueError):
    """A switch that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The faults that a stand-in can show. The next submissions use up the counted ones."""

    #: A task takes this long.
    task_seconds: float = 5.0
    #: What the account holds at first, in the vendor's unit.
    credits: int = 1_000_000
    #: So many submissions are taken, and the connection is cut before the answer.
    lost: int = 0
    #: So many submissions are answered 429, and not taken.
    busy: int = 0
    #: So many submissions are answered 500, and not taken.
    error: int = 0
    #: Flat pictures: quicker to draw.
    plain_pictures: bool = False

    def changed(self, changes: Mapping[str, object]) -> Switches:
        """The switches with these changes, as numbers or as text. Raises SwitchError."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        read: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                raise SwitchError(f"no switch is named {name!r}; there are {', '.join(kinds)}")
            try:
                number = {"true": 1.0, "false": 0.0}.get(str(value).lower())
                number = float(str(value)) if number is None else number
            except ValueError:
                number = math.nan
            if not 0 <= number < math.inf:
                raise SwitchError(f"{name}: {value!r} is not a number from 0 up")
            read[name] = kinds[name](number)
        return replace(self, **read)


class Service:
    """The stand-in of one vendor: its account, its tasks, its counts."""

    def __init__(self, vendor: Vendor, switches: Switches, key: str) -> None:
        self.vendor = vendor
        self._key = key
        self._first = switches
        self.caller = Caller()
        self.reset()

    def reset(self) -> None:
        """Start again: first switches, full account, no tasks, counts at zero."""
        self.switches = self._first
        self.tasks: dict[str, Task] = {}
        self._taken: Counter[str] = Counter()
        #: How many tasks of each prompt an earlier stand-in took.
        self._earlier: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._charged = 0.0
        self.caller.stop()

    def remembered(self) -> list[dict[str, object]]:
        """The latest tasks, as JSON can carry them, for `restore`."""
        return [task.kept() for task in list(self.tasks.values())[-MOST_REMEMBERED:]]

    def restore(self, tasks: Iterable[Mapping[str, Any]], base_url: str) -> None:
        """Add the tasks of an earlier stand-in: all of them have ended, and none is counted."""
        for kept in tasks:
            try:
                task = Task.of(kept, base_url, time.monotonic())
            except (TypeError, ValueError, KeyError):
                continue  # written by another version
            self.tasks[task.id] = task
            self._earlier[task.order.prompt] += 1

    def app(self) -> Starlette:
        """The web application."""
        vendor = self.vendor
        routes = [
            Route("/_sandbox", self._owner, methods=["GET", "POST"]),
            Route("/_sandbox/reset", self._reset, methods=["POST"]),
            Route("/_sandbox/finish", self._finish, methods=["POST"]),
            Route("/results/{name}", self._result, methods=["GET"]),
        ]
        pages = vendor.pages(0, self._key)
        routes += [Route(vendor.base + page, self._page, methods=["GET"]) for page in pages]
        if vendor.cancel is not None:
            method, path = vendor.cancel
            routes.append(Route(vendor.base + path, self._cancel, methods=[method]))
        routes.append(Route(vendor.base + vendor.status, self._status, methods=["GET"]))
        submit = _Submission(self)
        routes += [Route(vendor.base + p, submit, methods=["POST"]) for p in vendor.submissions]
        app = Starlette(routes=routes)
        app.state.service = self  # the server closes its caller
        return app

    # The API

    async def submit(self, request: Request) -> tuple[VendorAnswer, bool]:
        """The answer to a submission, and whether it is lost on its way."""
        self._requests["submissions"] += 1
        try:
            self._admit(request)
            try:
                said = json.loads(await request.body())
            except ValueError:
                said = None
            if not isinstance(said, dict):
                raise Refused(400, "The body is not a JSON object")
            task = self._take(request, said)
        except Refused as refused:
            self._outcomes[str(refused.status)] += 1
            return self._refusal(refused), False
        now = time.monotonic()
        answer = self.vendor.accepted(task, now)
        if wait := _wanted_wait(request, task.ends - now):
            await asyncio.sleep(wait + EARLY)
            answer = VendorAnswer(answer.status, self.vendor.shown(task, time.monotonic()))
        is_lost = self._use_up("lost")
        self._outcomes["lost" if is_lost else "accepted"] += 1
        return answer, is_lost

    def _admit(self, request: Request) -> None:
        """Check the key and what every request must have. Raises Refused."""
        headers = dict(request.headers)
        if self.vendor.key(headers) != self._key:
            raise self.vendor.wrong_key
        self.vendor.check(headers)

    def _take(self, request: Request, said: Mapping[str, Any]) -> Task:
        if self._use_up("error"):
            raise Refused(500, "Internal Server Error")
        if self._use_up("busy"):
            raise Refused(429, "Too many requests")
        order = self.vendor.order(request.path_params, said)
        if "[refuse]" in order.prompt:
            raise Refused(400, "The prompt was refused by the moderation")
        self._check_sources(order, str(request.base_url).rstrip("/"))
        if order.cost > self._left():
            raise Refused(402, "Not enough credits")
        counted = order.prompt or compact(said).decode()
        self._taken[counted] += 1
        self._charged += order.cost
        task = Task(
            id=self.vendor.new_id(),
            order=order,
            number=self._taken[counted] + self._earlier[order.prompt],
            base_url=str(request.base_url).rstrip("/"),
            began=time.monotonic(),
            seconds=self.switches.task_seconds * (SLOW if "[slow]" in order.prompt else 1),
            failure="The output was flagged by the moderation" if "[fail]" in order.prompt else "",
        )
        self.tasks[task.id] = task
        self.caller.follow(task, self.vendor, self._key)
        return task

    def _check_sources(self, order: Order, base_url: str) -> None:
        """Check that what an order follows is here and done. Raises Refused."""
        now = time.monotonic()
        for name in order.follows:
            if name not in self.tasks or self.tasks[name].stage(now) != "done":
                raise Refused(400, f"{name} is not a finished task")
        for address in _texts(order.said):
            if address.startswith(f"{base_url}/results/"):
                task = self.tasks.get(address.rpartition("/")[2].rpartition("-")[0])
                if task is None or not task.has_result(address, now):
                    raise Refused(400, f"{address} cannot be loaded")

    async def _status(self, request: Request) -> Response:
        self._requests["polls"] += 1
        try:
            self._admit(request)
        except Refused as refused:
            return _response(self._refusal(refused))
        task_id = request.path_params.get("id") or request.query_params.get("id", "")
        if task := self.tasks.get(task_id):
            return _response(VendorAnswer(200, self.vendor.shown(task, time.monotonic())))
        return _response(self.vendor.unknown(task_id))

    async def _cancel(self, request: Request) -> Response:
        self._requests["cancels"] += 1
        try:
            self._admit(request)
        except Refused as refused:
            return _response(self._refusal(refused))
        task = self.tasks.get(request.path_params["id"])
        if task is None:
            return _response(self.vendor.unknown(request.path_params["id"]))
        now = time.monotonic()
        if now < task.ends:
            task.canceled = now
            self.caller.follow(task, self.vendor, self._key)
        return _response(self.vendor.canceled(task, now))

    async def _page(self, request: Request) -> Response:
        self._requests["others"] += 1
        try:
            self._admit(request)
        except Refused as refused:
            return _response(self._refusal(refused))
        path = request.url.path.removeprefix(self.vendor.base)
        return _response(VendorAnswer(200, self.vendor.pages(self._left(), self._key)[path]))

    async def _result(self, request: Request) -> Response:
        self._requests["results"] += 1
        name, _, ending = request.path_params["name"].rpartition(".")
        task_id, _, number = name.rpartition("-")
        task = self.tasks.get(task_id)
        if task is None or task.stage(time.monotonic()) != "done" or not number.isdigit():
            return Response("Not found", 404)
        if ending == "mp4":
            return Response(media.clip(), media_type="video/mp4")
        order, plain = task.order, self.switches.plain_pictures
        # In a thread, so that the API goes on answering while a picture is drawn.
        png = await asyncio.to_thread(
            pictures.draw, order.prompt, order.ratio, task.number, int(number), plain=plain
        )
        return Response(png, media_type="image/png")

    # For the owner of the stand-in: no key is needed, and nothing is counted

    async def _owner(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.switches = self.switches.changed(json.loads(await request.body()))
            except (SwitchError, ValueError) as error:
                return JSONResponse({"errors": [{"msg": str(error)}]}, 400)
        return JSONResponse(self._state())

    async def _reset(self, request: Request) -> Response:
        self.reset()
        return JSONResponse(self._state())

    async def _finish(self, request: Request) -> Response:
        now = time.monotonic()
        for task in self.tasks.values():
            if now < task.ends:
                task.seconds = now - task.began
                self.caller.follow(task, self.vendor, self._key)
        return JSONResponse(self._state())

    def _state(self) -> dict[str, object]:
        return {
            "settings": asdict(self.switches),
            "tasks": dict(self._taken),
            "tasks_taken": self._taken.total(),
            "credits_charged": self._charged,
            "credits_left": self._left(),
            "requests": dict(self._requests),
            "submissions": dict(self._outcomes),
            "webhooks": dict(self.caller.counts),
        }

    def _left(self) -> float:
        return self.switches.credits - self._charged

    def _refusal(self, refused: Refused) -> VendorAnswer:
        return VendorAnswer(refused.status, self.vendor.error(refused.status, str(refused)))

    def _use_up(self, name: str) -> bool:
        """True if this counted switch applies now; it is then one less."""
        left: int = getattr(self.switches, name)
        if left:
            self.switches = self.switches.changed({name: left - 1})
        return left > 0


class _Submission:
    """The route of a submission, whose answer can be lost: below HTTP, as in real life."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer, is_lost = await self._service.submit(Request(scope, receive))
        if is_lost:
            reply = Reply(answer.status, compact(answer.body), loss="rst")
            await deliver(reply, scope, receive, send, pause=float)
            return
        await _response(answer)(scope, receive, send)


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _response(answer: VendorAnswer) -> Response:
    headers = {"retry-after": "1"} if answer.status == 429 else {}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    return JSONResponse(answer.body, answer.status, headers)


def _wanted_wait(request: Request, left: float) -> float:
    """Seconds that the client wants to wait for the result (`Prefer: wait`, Replicate)."""
    word, _, seconds = request.headers.get("prefer", "").partition("=")
    if word.strip() != "wait":
        return 0.0
    most = float(seconds) if seconds.strip().isdigit() else MOST_WAIT
    return max(0.0, min(most, left, MOST_WAIT))
