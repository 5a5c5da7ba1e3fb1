"""Receives webhooks at `POST /hooks/{hook token}`, and decides which calls are refused.

A caller learns nothing before it has proved that it is the API: a wrong proof and an unknown token
get the same answer. A proof in a header is checked before the body is read. Each refusal is an HTTP
status from `_REFUSALS`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline import telemetry, wiring
from pipeline.callers import caller_of, limited_logger
from pipeline.core.api.accounts import Api
from pipeline.core.api.webhook import PATH, Proofs
from pipeline.core.errors import ConfigError
from pipeline.core.rows.rules import Rules
from pipeline.server.webhook_proofs import proofs_of
from pipeline.server.webhook_recorder import Call, CallCounts, CallResult, WebhookRecorder
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign

# Anyone can cause these messages, so each kind appears at most once a minute.
log = limited_logger("hooks")

#: Longest body in bytes. A description of a task has a few kilobytes.
MOST_BYTES: Final = 1_000_000
#: Seconds in which a whole body must arrive.
BODY_WITHIN: Final = 5.0

# Without a body, because uvicorn would send it in a second packet.
_TAKEN = Response()
_NOT_POSTED = PlainTextResponse("Method Not Allowed", 405, {"allow": "POST"})
# Identical to the 404 of an unknown path.
_UNKNOWN = PlainTextResponse("Not Found", 404)
# Closed, because the rest of the body is not read.
_CLOSE = {"connection": "close"}
_REFUSALS: Final = {
    "too long": PlainTextResponse("Content Too Large", 413, _CLOSE),
    "too slow": PlainTextResponse("Request Timeout", 408, _CLOSE),
    "proof": _UNKNOWN,
    "no token": _UNKNOWN,
    "other task": _UNKNOWN,
    "not JSON": PlainTextResponse("Bad Request: this is not a JSON object", 400),
    "store away": PlainTextResponse("Service Unavailable", 503, {"retry-after": "5"}),
}


#: What a log says beside the reason. Anybody can make such a call, so it is no alarm.
_CURES: Final = {"proof": ": if the API made it, promptsheet doctor says why"}


class CallRefused(Exception):
    """A refused call. Its text is a key of `_REFUSALS`."""


class _Left(Exception):
    """The caller disconnected before the whole body had arrived."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The APIs of campaigns that share a store, and whose calls are proved alike.

    What proves a call decides whom it may be about. The name of a provider file does not: two
    accounts may share it, and one account may be used under two names.
    """

    store: Store
    proofs: Proofs
    #: Key of the sheet -> its APIs, each with the rules of the configuration.
    apis: dict[str, list[tuple[Rules, Api]]]


class Hooks:
    """Receives the webhooks of these campaigns. Raises ConfigError if a secret is missing."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self.tally = CallCounts()
        self._recorders: dict[Store, WebhookRecorder] = {}
        self._groups = self._made(campaigns)

    def before(self, app: ASGIApp) -> ASGIApp:
        """The app, with webhooks handled before routing, because thousands may arrive at once."""

        async def first(scope: Scope, receive: Receive, send: Send) -> None:
            token = _token(scope["path"]) if scope["type"] == "http" else ""
            if not token:
                await app(scope, receive, send)
            elif scope["method"] != "POST":
                await _NOT_POSTED(scope, receive, send)
            else:
                await self._answer(token, scope, receive, send)

        return first

    async def close(self) -> None:
        """Record the calls that have arrived."""
        for recorder in self._recorders.values():
            await recorder.close()

    async def _answer(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with telemetry.span("webhook"):
                await self._take(token, scope, receive)
            response: Response = _TAKEN
        except CallRefused as refused:
            why = str(refused)
            self.tally.refused[why] += 1
            # No token, secret or body, because many people read a log. The reason is a fixed word.
            caller = caller_of(scope["client"][0] if scope["client"] else "")
            cure = _CURES.get(why, "")
            log.info(f"a call was refused ({why}){cure}; the caller was %s", caller)
            response = _REFUSALS[why]
        except _Left:
            self.tally.refused["left"] += 1
            return
        await response(scope, receive, send)

    async def _take(self, token: str, scope: Scope, receive: Receive) -> None:
        """Record the call. Returns once it is on disk. Raises CallRefused or _Left."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        # Every group is checked, also after a match, so that the time reveals nothing.
        groups = [group for group in self._groups if group.proofs.may_be_met(token, headers)]
        if not groups:
            raise CallRefused("proof")
        body = await _body(headers.get("content-length", ""), receive)
        now = time.time()
        groups = [
            group
            for group in groups
            if group.proofs.webhook.is_proved_by_head
            or group.proofs.are_met(token, headers, body, now)
        ]
        if not groups:
            raise CallRefused("proof")
        parsed = _json_object(body)
        result = CallResult.NO_TOKEN
        for group in groups:
            call = Call(token, parsed, group.proofs.webhook, group.apis)
            result = await self._recorders[group.store].take(call)
            if result is not CallResult.NO_TOKEN:
                break
        if result not in (CallResult.RECORDED, CallResult.KNOWN):
            raise CallRefused(result.value)

    def _made(self, campaigns: Sequence[Campaign]) -> list[_Group]:
        groups: list[_Group] = []
        for one in campaigns:
            settings, ours = one.settings, one.settings.webhook
            if ours.public_url and ours.secret is None:
                raise ConfigError(
                    f"{settings.path.name}: webhook.secret: is not set, missing or empty. Put it "
                    "there: without it, a forged call cannot be told apart."
                )
            if ours.secret is None:
                continue
            if one.store not in self._recorders:
                self._recorders[one.store] = WebhookRecorder(one.store, self.tally)
            rules = wiring.rules(settings, one.key)
            for api, proofs in proofs_of(settings, rules):
                group = next(
                    (g for g in groups if g.store is one.store and g.proofs == proofs), None
                )
                if group is None:
                    groups.append(group := _Group(one.store, proofs, {}))
                group.apis.setdefault(one.key, []).append((rules, api))
        return groups


def _token(path: str) -> str:
    """The hook token at the end of the path; empty if the path is not for webhooks."""
    token = path.removeprefix(PATH) if path.startswith(PATH) else ""
    return "" if "/" in token else token


async def _body(length: str, receive: Receive) -> bytes:
    """The whole body. Raises CallRefused or _Left."""
    # A number with very many digits is refused by its length, because int() would raise an error.
    if length.isdecimal() and (len(length) > 9 or int(length) > MOST_BYTES):
        raise CallRefused("too long")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Left
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise CallRefused("too long")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise CallRefused("too slow") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise CallRefused("not JSON") from None
    if not isinstance(parsed, dict):
        raise CallRefused("not JSON")
    return parsed
