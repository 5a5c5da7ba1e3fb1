"""Signing in with the page token or a one-time link, and signing out."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.page.auth import Gate, form_of, place_within
from pipeline.page.rendering import STATIC, rendered, static

WRONG: Final = "That is not the page token. Ask the person who runs Promptsheet for it."
MANY: Final = " Many wrong tokens came from your network lately; try again in a moment."
USED: Final = "This link was used already, or is too old. Ask for a new one."


class Door:
    """The pages for people who are not signed in, and signing out."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def sign_in(self, request: Request) -> Response:
        """The form for the page token, and the answer to it."""
        then = place_within(request.query_params.get("then", ""))
        if request.method != "POST":
            return self._door("", 200, then)
        # Counted before the body has arrived, so that many late bodies count as well.
        if not self._gate.begins_try(request):
            return self._flooded(then)
        form = await form_of(request)
        then = place_within(form.get("then", ""))
        if self._gate.is_token(form.get("token", "")):
            self._gate.was_right(request)
            return self._gate.let_in(request, then)
        return self._refused(request, WRONG, then)

    async def link(self, request: Request) -> Response:
        """A link that works once. Looking at it does not use it up: previews look at links too."""
        if self._gate.visitor(request.cookies):
            # A visitor needs no link: another person can still use it.
            return RedirectResponse("/", 303)
        code = request.path_params["code"]
        if request.method != "POST" and self._gate.knows(code):
            return HTMLResponse(rendered("link.html.j2"))
        if not self._gate.begins_try(request):
            return self._flooded("/")
        if request.method == "POST" and self._gate.opens(code):
            self._gate.was_right(request)
            return self._gate.let_in(request)
        return self._refused(request, USED, "/")

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        return await asyncio.to_thread(self._gate.let_out, request)

    async def static(self, request: Request) -> Response:
        """A style sheet, the script or the logo of the page."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        content, _ = static(name)
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, headers=kept, media_type=STATIC[name])

    def _refused(self, request: Request, sentence: str, then: str) -> Response:
        if self._gate.guesses(request):
            return self._flooded(then, sentence + MANY)
        return self._door(sentence, 403, then)

    def _flooded(self, then: str, sentence: str = MANY.strip()) -> Response:
        answer = self._door(sentence, 429, then)
        answer.headers["Retry-After"] = "1"
        # The rest of an unread body is not waited for.
        answer.headers["Connection"] = "close"
        return answer

    def _door(self, sentence: str, status: int, then: str) -> Response:
        takes_token = self._gate.takes_token
        html = rendered("door.html.j2", sentence=sentence, takes_token=takes_token, then=then)
        return HTMLResponse(html, status)
