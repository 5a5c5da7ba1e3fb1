"""Receives webhooks at `POST /hooks/{hook token}`, and decides which calls are refused.

A caller learns nothing before it has proved that it is the API: a wrong proof and an unknown token
get the same answer. A proof in a header is compared before the body is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.callers import caller_of, limited_logger
from pipeline.core.errors import ConfigError
from pipeline.core.webhook import PATH, Proofs
from pipeline.server.webhook_recorder import Call, CallCounts, CallResult, Intake
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign

# Strangers cause what is logged here: each kind of refusal appears once a minute.
log = limited_logger("hooks")

#: A description of a task is a few kilobytes.
MOST_BYTES: Final = 1_000_000
#: Seconds in which a whole body must arrive.
BODY_WITHIN: Final = 5.0

# Without a body, because uvicorn sends one in a second packet.
_TAKEN = Response()
_NOT_POSTED = PlainTextResponse("Method Not Allowed", 405, {"allow": "POST"})
# Identical to the 404 of an unknown path.
_UNKNOWN = PlainTextResponse("Not Found", 404)
# The rest of an unread body is not awaited.
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


class CallRefused(Exception):
    """A refused call; its text is a key of `_REFUSALS`."""


class _Left(Exception):
    """The caller closed the connection before the whole body had arrived."""


@dataclass(frozen=True, slots=True)
class _Door:
    """Campaigns that share a store and a proof."""

    intake: Intake
    proofs: Proofs
    campaigns: dict[str, Campaign]


class Hooks:
    """Receives the webhooks of these campaigns. Raises ConfigError if a secret is missing."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self.tally = CallCounts()
        self._intakes: dict[Store, Intake] = {}
        self._doors = self._made(campaigns)

    def before(self, app: ASGIApp) -> ASGIApp:
        """The app, with webhooks handled before its routing, because thousands may come at once."""

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
        for intake in self._intakes.values():
            await intake.close()

    async def _answer(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(token, scope, receive)
            response: Response = _TAKEN
        except CallRefused as refused:
            why = str(refused)
            self.tally.refused[why] += 1
            # No token, secret or body, because many people read a log. The reason is one of ours.
            caller = caller_of(scope["client"][0] if scope["client"] else "")
            log.info(f"a call was refused ({why}); the caller was %s", caller)
            response = _REFUSALS[why]
        except _Left:
            self.tally.refused["left"] += 1
            return
        await response(scope, receive, send)

    async def _take(self, token: str, scope: Scope, receive: Receive) -> None:
        """Return once the call is on disk. Raises CallRefused or _Left."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        # All of them are compared, also after the first that fits, so that it takes equally long.
        doors = [door for door in self._doors if door.proofs.may_be_met(token, headers)]
        if not doors:
            raise CallRefused("proof")
        body = await _body(headers.get("content-length", ""), receive)
        doors = [door for door in doors if door.proofs.are_met(token, headers, body)]
        if not doors:
            raise CallRefused("proof")
        said = _json_object(body)
        told = CallResult.NO_TOKEN
        for door in doors:
            told = await door.intake.take(Call(token, said, door.campaigns))
            if told is not CallResult.NO_TOKEN:
                break
        if told not in (CallResult.RECORDED, CallResult.KNOWN):
            raise CallRefused(told.value)

    def _made(self, campaigns: Sequence[Campaign]) -> list[_Door]:
        doors: dict[tuple[Store, str, tuple[str, ...], str], _Door] = {}
        for one in campaigns:
            settings, ours = one.settings, one.settings.webhook
            if ours.public_url and ours.secret is None:
                raise ConfigError(
                    f"{settings.path.name}: webhook.secret: is not set, missing or empty. Put it "
                    "there: without it no call can be told from a forged one."
                )
            if settings.provider.webhook is None or ours.secret is None:
                continue
            kept = ours.secret, ours.previous_secret
            secrets = tuple(secret.reveal() for secret in kept if secret)
            api_key = settings.api_key.reveal() if settings.api_key else ""
            same = one.store, repr(settings.provider.webhook), secrets, api_key
            if same not in doors:
                intake = self._intakes.setdefault(one.store, Intake(one.store, self.tally))
                doors[same] = _Door(intake, Proofs(settings.provider.webhook, secrets, api_key), {})
            doors[same].campaigns[one.key] = one
        return list(doors.values())


def _token(path: str) -> str:
    """The hook token at the end of an address; empty if it is not an address for webhooks."""
    token = path.removeprefix(PATH) if path.startswith(PATH) else ""
    return "" if "/" in token else token


async def _body(length: str, receive: Receive) -> bytes:
    """The whole body. Raises CallRefused or _Left."""
    # A number with very many digits is refused by its length: int() would raise an error.
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
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise CallRefused("not JSON") from None
    if not isinstance(said, dict):
        raise CallRefused("not JSON")
    return said
