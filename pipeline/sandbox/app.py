"""The sandbox as a web application: the API's routes, the results, `/_sandbox` for its owner."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pipeline.sandbox import media, pictures
from pipeline.sandbox.answers import Reply, errors, request_id
from pipeline.sandbox.calls import ApiRoute, Call, json_object
from pipeline.sandbox.counts import Gauge, SandboxCounts
from pipeline.sandbox.desk import BUSIEST, Desk
from pipeline.sandbox.settings import SandboxSettings, SettingsError
from pipeline.sandbox.tasks import Kind, Task
from pipeline.sandbox.wire import deliver, is_gone

PICTURE = re.compile(r"(?P<task>.+)-(?P<which>[1-9]\d?|grid)\.png")
MEDIUM = re.compile(r"(?P<task>.+)-(?P<which>[1-9]\d?)\.(?P<ending>mp4|wav)")
ENDINGS: Mapping[str, Kind] = {"mp4": "video", "wav": "audio"}
TYPES: Mapping[Kind, str] = {"picture": "image/png", "video": "video/mp4", "audio": "audio/wav"}


def create_app(
    settings: SandboxSettings | None = None,
    *,
    key: str = "sandbox",
    seed: int = 0,
) -> Starlette:
    """The application. Answers can only be lost under the server of `pipeline.sandbox.server`."""
    desk = Desk(settings or SandboxSettings(), key=key, seed=seed)
    owner = _Owner(desk)
    api = _routes(desk)
    app = Starlette(
        routes=[
            *api[:BUSIEST],
            Route("/pictures/{name}", _Results(desk, "/pictures"), methods=["GET"]),
            Route("/media/{name}", _Results(desk, "/media"), methods=["GET"]),
            Route("/uploads/{name}", _Uploads(desk), methods=["GET"]),
            Route("/_sandbox", owner.state, methods=["GET"]),
            Route("/_sandbox", owner.change, methods=["POST"]),
            Route("/_sandbox/reset", owner.reset, methods=["POST"]),
            Route("/_sandbox/finish", owner.finish, methods=["POST"]),
            *api[BUSIEST:],
        ],
        exception_handlers={404: _no_such_route, 405: _no_such_route},
    )
    app.state.desk = desk  # the server closes its courier
    return app


def _routes(desk: Desk) -> list[Route]:
    """A route for each path: 405 then names all its methods."""
    paths: dict[str, dict[str, _Api]] = {}
    for route in desk.routes:
        paths.setdefault(route.path, {})[route.method] = _Api(desk, route)
    return [
        Route(path, _Methods(apis) if len(apis) > 1 else next(iter(apis.values())), methods=[*apis])
        for path, apis in paths.items()
    ]


async def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405: text, and in version 2 JSON."""
    if not isinstance(error, HTTPException):
        raise error
    if request.url.path.startswith("/v2/"):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return PlainTextResponse(error.detail, error.status_code, error.headers)


class _Api:
    """One route of the API: reads the request, has it answered, sends or loses the answer."""

    def __init__(self, desk: Desk, route: ApiRoute) -> None:
        self._desk = desk
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A reset puts new counts in place; a request ends in those that it began in.
        counts = self._desk.counts
        with _inside(counts.api, scope):
            await self._serve(counts, scope, receive, send)

    async def _serve(
        self, counts: SandboxCounts, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = await _read(receive)
        if body is None:
            counts.unfinished += 1
            return
        desk, headers = self._desk, dict(scope["headers"])
        fields = json_object(body)
        now, draw_for = desk.arrived(self._route, fields)
        call = Call(
            self._route,
            headers,
            body,
            fields,
            scope["path_params"],
            scope["query_string"].decode("latin-1"),
            _base_url(scope, headers),
            now,
            draw_for,
        )
        answer = desk.answer(call)
        if self._route.api == "v2":
            answer = replace(answer, headers=(*answer.headers, request_id()))
        if answer.task:
            await desk.courier.begin(answer.task, counts.webhooks[answer.task.id])
        if wait := desk.patience(call, answer):
            await asyncio.sleep(wait)
        if is_gone(scope) and not answer.loss:
            is_success = 200 <= answer.status < 300
            answer = replace(answer, outcome="unheard" if is_success else answer.outcome)
        if self._route.is_submission:
            counts.submissions[answer.outcome] += 1
        await deliver(answer, scope, receive, send, pause=lambda: desk.settings.trickle_seconds)


class _Methods:
    """A path with more than one method."""

    def __init__(self, apis: Mapping[str, _Api]) -> None:
        self._apis = apis

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._apis[method](scope, receive, send)


class _Results:
    """Files of finished tasks: pictures, which are drawn when first asked for, videos, tones."""

    def __init__(self, desk: Desk, path: str) -> None:
        self._desk = desk
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counts = self._desk.counts
        counts.requests[self._path] += 1
        with _inside(counts.pictures, scope):
            answer = await self._answer(scope["path_params"]["name"])
            await deliver(answer, scope, receive, send, pause=float)

    async def _answer(self, name: str) -> Reply:
        pattern = PICTURE if self._path == "/pictures" else MEDIUM
        found = pattern.fullmatch(name)
        task = self._desk.tasks.get(found["task"]) if found else None
        if found is None or task is None or self._is_dead(task, name):
            return errors("Not found", 404)
        kind = ENDINGS[found["ending"]] if pattern is MEDIUM else "picture"
        number = 0 if found["which"] == "grid" else int(found["which"])
        if not task.files.has(kind, number):
            return errors("Not found", 404)
        # In a thread, so that the API goes on answering while a picture is drawn.
        data = await asyncio.to_thread(self._made, task, kind, number)
        return Reply(200, data, ((b"content-type", TYPES[kind].encode()),))

    def _made(self, task: Task, kind: Kind, number: int) -> bytes:
        if kind == "video":
            return media.clip()
        if kind == "audio":
            return media.tone(task.prompt, task.number, number)
        if task.flaw:
            its = task.prompt, task.aspect_ratio, task.number, number
            return pictures.flawed(*its, task.flaw)
        plain = self._desk.settings.plain_pictures
        return pictures.draw(task.prompt, task.aspect_ratio, task.number, number, plain=plain)

    def _is_dead(self, task: Task, name: str) -> bool:
        desk, now = self._desk, self._desk.clock()
        life = desk.settings.link_seconds
        # A song that is still being made can be heard already.
        is_there = task.has_results(now) or (task.files.sounds and now < task.ends)
        if not is_there or (life and now > task.ends + life):
            return True
        # Drawn for the file, not for the request: a dead link stays dead.
        which = f"{task.prompt}\0{task.number}\0{name.removeprefix(task.id)}"
        return desk.chance.strikes("dead_links", f"{self._path}/{name}", which) is not None


class _Uploads:
    """Files that clients uploaded."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = self._desk.uploads.find(scope["path_params"]["name"], self._desk.clock())
        answer = errors("Not found", 404)
        if upload is not None:
            kind = (b"content-type", upload.content_type.encode())
            # Never as a page: the file is the client's.
            answer = Reply(200, upload.data, (kind, (b"x-content-type-options", b"nosniff")))
        await deliver(answer, scope, receive, send, pause=float)


class _Owner:
    """Routes for the owner of the sandbox: they need no key and are not counted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def state(self, request: Request) -> Response:
        """Settings and counts; `?times=1` adds arrival times, `?ids=1` each task's prompt.

        `?hooks=1` adds the counts of each task's webhooks, `?ends=1` when each task ends, by a
        clock that shows `now`, `?orders=1` how often each request was accepted.
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
        if "orders" in request.query_params:
            state["orders"] = dict(self._desk.counts.orders)
        if "hooks" in request.query_params:
            state["hooks"] = dict(self._desk.counts.webhooks)
        return _shown(state)

    async def change(self, request: Request) -> Response:
        """Set the switches that are sent."""
        changes = json_object(await request.body())
        try:
            self._desk.change({"": None} if changes is None else changes)
        except SettingsError as error:
            return JSONResponse({"errors": [{"msg": str(error)}]}, 400)
        return _shown(self._desk.state())

    async def finish(self, request: Request) -> Response:
        """End every task that still runs."""
        self._desk.finish()
        return _shown(self._desk.state())

    async def reset(self, request: Request) -> Response:
        """Start again, with the settings of the start."""
        self._desk.reset()
        return _shown(self._desk.state())


def _shown(state: Mapping[str, object]) -> Response:
    # ASCII only: a prompt may hold half of a surrogate pair, which UTF-8 cannot write.
    return Response(json.dumps(state), media_type="application/json")


@contextmanager
def _inside(gauge: Gauge, scope: Scope) -> Iterator[None]:
    gauge.enter()
    try:
        yield
    except asyncio.CancelledError:
        # The server stops: it cut the connection, and no client waits for the answer.
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


def _base_url(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    host = headers.get(b"host", b"").decode("latin-1")
    return f"{scope['scheme']}://{host or ':'.join(map(str, scope['server']))}"
