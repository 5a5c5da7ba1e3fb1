"""The sandbox as a web application: the API's routes, the pictures, `/_sandbox` for its owner."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pipeline.sandbox import pictures
from pipeline.sandbox.answers import Headers, Reply, errors
from pipeline.sandbox.counts import Counts, Gauge
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.settings import SandboxSettings, SettingsError
from pipeline.sandbox.tasks import Task
from pipeline.sandbox.wire import deliver, is_gone

PNG: Headers = ((b"content-type", b"image/png"),)
PICTURE = re.compile(r"(?P<task>.+)-(?P<which>[1-4]|grid)\.png")


def create_app(
    settings: SandboxSettings | None = None,
    *,
    key: str = "sandbox",
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The application. Answers can only be lost under the server of `pipeline.sandbox.server`."""
    desk = Desk(settings or SandboxSettings(), key=key, seed=seed, clock=clock)
    owner = _Owner(desk)
    app = Starlette(
        routes=[
            Route("/imagine", _Api(desk, "/imagine"), methods=["POST"]),
            Route("/fetch", _Api(desk, "/fetch"), methods=["POST"]),
            Route("/fetch-many", _Api(desk, "/fetch-many"), methods=["POST"]),
            Route("/account", _Api(desk, "/account"), methods=["GET"]),
            Route("/pictures/{name}", _Pictures(desk), methods=["GET"]),
            Route("/_sandbox", owner.state, methods=["GET"]),
            Route("/_sandbox", owner.change, methods=["POST"]),
            Route("/_sandbox/reset", owner.reset, methods=["POST"]),
            Route("/_sandbox/finish", owner.finish, methods=["POST"]),
        ]
    )
    app.state.desk = desk  # the server closes its courier
    return app


class _Api:
    """One route of the API: reads the request, has it answered, sends or loses the answer."""

    def __init__(self, desk: Desk, path: str) -> None:
        self._desk = desk
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A reset puts new books in place; a request ends in those that it began in.
        counts = self._desk.counts
        with _inside(counts.api, scope):
            await self._serve(counts, scope, receive, send)

    async def _serve(self, counts: Counts, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            counts.unfinished += 1
            return
        desk, headers = self._desk, dict(scope["headers"])
        fields = _fields(body)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        call = desk.call(self._path, authorization, fields, _base_url(scope, headers))
        answer = desk.answer(call)
        if answer.task:
            await desk.courier.begin(answer.task, counts.webhooks[answer.task.id])
        if wait := desk.patience(call):
            await asyncio.sleep(wait)
        if is_gone(scope) and not answer.loss:
            answer = replace(answer, outcome="unheard" if answer.status == 200 else answer.outcome)
        if self._path == "/imagine":
            counts.submissions[answer.outcome] += 1
        await deliver(answer, scope, receive, send, pause=lambda: desk.settings.trickle_seconds)


class _Pictures:
    """Pictures of finished tasks, drawn when they are first asked for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counts = self._desk.counts
        counts.requests["/pictures"] += 1
        with _inside(counts.pictures, scope):
            answer = await self._answer(scope["path_params"]["name"])
            await deliver(answer, scope, receive, send, pause=float)

    async def _answer(self, name: str) -> Reply:
        found = PICTURE.fullmatch(name)
        task = self._desk.tasks.get(found["task"]) if found else None
        if found is None or task is None or self._is_dead(task, name):
            return errors("Not found", 404)
        index = pictures.GRID if found["which"] == "grid" else int(found["which"])
        plain = self._desk.settings.plain_pictures
        # In a thread: the API goes on answering, and its times stay true, while pictures are drawn.
        png = await asyncio.to_thread(
            pictures.draw, task.prompt, task.aspect_ratio, task.number, index, plain=plain
        )
        return Reply(200, png, PNG)

    def _is_dead(self, task: Task, name: str) -> bool:
        desk, now = self._desk, self._desk.clock()
        life = desk.settings.link_seconds
        if not task.has_pictures(now) or (life and now > task.ends + life):
            return True
        # Drawn for the picture, not for the asking: a dead link stays dead.
        which = f"{task.prompt}\0{task.number}\0{name.removeprefix(task.id)}"
        return desk.chance.strikes("dead_links", f"/pictures/{name}", which) is not None


class _Owner:
    """Routes for whoever runs the sandbox: they need no key and are not counted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def state(self, request: Request) -> Response:
        """Settings and books; `?times=1` adds arrival times, `?ids=1` each task's prompt.

        `?hooks=1` adds what became of the webhooks of each task, `?ends=1` when each ends, by a
        clock that shows `now`.
        """
        state = self._desk.state()
        if "times" in request.query_params:
            state["times"] = self._desk.counts.times()
        if "ids" in request.query_params:
            state["ids"] = {task.id: task.prompt for task in self._desk.tasks.values()}
        if "ends" in request.query_params:
            state["now"] = self._desk.clock()
            finite = (task for task in self._desk.tasks.values() if not task.endless)
            state["ends"] = {task.id: task.ends for task in finite}
        if "hooks" in request.query_params:
            state["hooks"] = dict(self._desk.counts.webhooks)
        return JSONResponse(state)

    async def change(self, request: Request) -> Response:
        """Set the switches that are sent."""
        changes = _fields(await request.body())
        try:
            self._desk.change({"": None} if changes is None else changes)
        except SettingsError as error:
            return JSONResponse({"errors": [{"msg": str(error)}]}, 400)
        return JSONResponse(self._desk.state())

    async def finish(self, request: Request) -> Response:
        """End every task that still runs."""
        self._desk.finish()
        return JSONResponse(self._desk.state())

    async def reset(self, request: Request) -> Response:
        """Begin anew, with the settings of the start."""
        self._desk.reset()
        return JSONResponse(self._desk.state())


@contextmanager
def _inside(gauge: Gauge, scope: Scope) -> Iterator[None]:
    gauge.enter()
    try:
        yield
    except asyncio.CancelledError:
        # The server stops: it cut the connection, and there is nobody left to answer.
        if not is_gone(scope):
            raise
    finally:
        gauge.leave()


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None if the client left before it was there."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body.extend(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(body)


def _fields(body: bytes) -> Mapping[str, object] | None:
    try:
        fields = json.loads(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _base_url(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    host = headers.get(b"host", b"").decode("latin-1")
    return f"{scope['scheme']}://{host or ':'.join(map(str, scope['server']))}"
