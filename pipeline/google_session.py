"""Sessions for Google's APIs: a token with each request, and the way to a stand-in.

Imported only where Google is used: its libraries are the extra `google`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from google.auth.transport.requests import AuthorizedSession, Request


class _Elsewhere(requests.adapters.HTTPAdapter):
    """Sends requests for Google to another address: a stand-in on this machine."""

    def __init__(self, base: str) -> None:
        self._base = urlsplit(base)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        asked = urlsplit(request.url or "")
        request.url = urlunsplit((*self._base[:2], str(asked.path), str(asked.query), ""))
        return super().send(request, *args, **kw)


def rerouted(session: requests.Session, base: str) -> requests.Session:
    """The session, whose requests go to the stand-in `base`; if that is empty, to Google."""
    if base:
        session.trust_env = False
        session.mount("https://", _Elsewhere(base))
    return session


def token_session(base: str) -> requests.Session:
    """A session for the requests for tokens; none is repeated."""
    return rerouted(requests.Session(), base)


def authorized_session(
    credentials: Any, tokens: requests.Session, base: str, **options: Any
) -> AuthorizedSession:
    """A session for the requests of an account; `tokens` gets its tokens.

    `options` are those of google-auth's AuthorizedSession.
    """
    make: Any = AuthorizedSession
    session: AuthorizedSession = make(credentials, auth_request=Request(tokens), **options)
    rerouted(session, base)
    return session


def words(error: Exception) -> str:
    """The message of an error of google-auth, without technical parts."""
    said = error.args[0] if error.args else error
    text = str(said).strip().rstrip(".") or type(error).__name__
    text = re.sub(r"HTTPS?ConnectionPool\(.*", "no connection", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)[:200]
