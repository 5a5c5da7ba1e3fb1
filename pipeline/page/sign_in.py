"""The pages for signing in with the page token or a one-time link, and for signing out."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.core.language import Said, say
from pipeline.core.text import joined
from pipeline.page.auth import Authenticator, local_address, read_form
from pipeline.page.rendering import STATIC, rendered, static

WRONG: Final = say("That is not a token of this page. Ask the person who runs Promptsheet for it.")
MANY: Final = say("Many wrong tokens came from your network lately; try again in a moment.")
USED: Final = say("This link was used already, or is too old. Ask for a new one.")


class SignInPages:
    """The pages for people who have not signed in, and signing out."""

    def __init__(self, auth: Authenticator) -> None:
        self._auth = auth

    async def sign_in(self, request: Request) -> Response:
        """Show the form for the page token, or check the token that it sent."""
        then = local_address(request.query_params.get("then", ""))
        if request.method != "POST":
            return self._form(request, "", 200, then)
        # Counted before the body has arrived, so that slow bodies are counted too.
        if not self._auth.begin_try(request):
            return self._too_many_tries(request, then)
        form = await read_form(request)
        then = local_address(form.get("then", ""))
        signed_in = self._auth.sign_in_with_token(request, form.get("token", ""), then)
        return signed_in or self._refused(request, WRONG, then)

    async def link(self, request: Request) -> Response:
        """Sign in with a one-time link. Link previews send a GET, so a GET does not use it up."""
        if self._auth.visitor(request.cookies):
            # A visitor needs no link. It stays valid for another person.
            return RedirectResponse("/", 303)
        code, is_post = request.path_params["code"], request.method == "POST"
        if not is_post and self._auth.is_valid_code(code):
            return HTMLResponse(rendered(self._auth.catalogue_for(request), "link.html.j2"))
        if not self._auth.begin_try(request):
            return self._too_many_tries(request, "/")
        signed_in = self._auth.sign_in_with_link(request, code) if is_post else None
        return signed_in or self._refused(request, USED, "/")

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        return await asyncio.to_thread(self._auth.sign_out, request)

    async def static(self, request: Request) -> Response:
        """A style sheet, the script or the logo of the page."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(static(name).content, headers=kept, media_type=STATIC[name])

    def _refused(self, request: Request, sentence: Said, then: str) -> Response:
        if self._auth.has_many_failures(request):
            return self._too_many_tries(request, then, sentence)
        return self._form(request, sentence, 403, then)

    def _too_many_tries(self, request: Request, then: str, sentence: str = "") -> Response:
        answer = self._form(request, joined(sentence, MANY), 429, then)
        answer.headers["Retry-After"] = "1"
        # Closed, because the rest of the body is not read.
        answer.headers["Connection"] = "close"
        return answer

    def _form(self, request: Request, sentence: str, status: int, then: str) -> Response:
        html = rendered(
            self._auth.catalogue_for(request),
            "sign_in.html.j2",
            sentence=sentence,
            has_token=self._auth.has_token,
            has_people=self._auth.has_people,
            then=then,
        )
        return HTMLResponse(html, status)
