"""Who may sign in to the page, with which token, and the signed cookies of their sessions.

The page token and one-time links share one account without a name; each person of `[page] people`
has an account. Cookies and forms of an account are signed with a key that is derived from its
token. So a session ends when its person is removed, or gets another token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer

from pipeline.config import PageSettings, Secret


class Session(NamedTuple):
    """A session as its cookie names it: random characters, and since when (seconds since 1970)."""

    name: str
    since: int


@dataclass(frozen=True, slots=True)
class Account:
    """What signs the sessions of one person, or of all who use the page token or a link."""

    #: The name of the person; empty for the page token and for links.
    person: str
    #: Digest of the token; of random characters if there is none.
    token_digest: bytes = field(repr=False)
    key: bytes = field(repr=False)

    def cookie(self, session: Session) -> str:
        """The session as a signed text."""
        return str(self._serializer.dumps([session.name, session.since]))

    def session_in(self, cookie: str) -> Session | None:
        """The session of a cookie; None if this account did not sign it."""
        try:
            name, since = self._serializer.loads(cookie)
            return Session(str(name), int(since))
        except (BadSignature, ValueError, TypeError):
            return None

    def csrf(self, session: Session) -> str:
        """What the forms of a session must contain."""
        return hmac.new(self.key, f"csrf {session.name}".encode(), "sha256").hexdigest()

    @property
    def _serializer(self) -> URLSafeSerializer:
        digest = {"digest_method": hashlib.sha256}
        return URLSafeSerializer(self.key, salt="promptsheet cookie", signer_kwargs=digest)


def accounts_of(page: PageSettings) -> tuple[Account, ...]:
    """The account without a name, then those of the people."""
    people = page.people.items()
    return (_account(page.token), *(_account(token, name) for name, token in people))


def account_for(accounts: Sequence[Account], token: str) -> Account | None:
    """The account with this token. All digests are compared, each in constant time."""
    given, found = digest(token.strip()), None
    for one in accounts:
        if hmac.compare_digest(one.token_digest, given):
            found = one
    return found


def cookie_name(page: PageSettings, common: Account) -> str:
    """A cookie name of its own for each page on a machine, because cookies ignore the port.

    It stays the same when the service is restarted, unless nobody can sign in with a token.
    """
    of_page = page.people and not page.token
    key = digest(f"{page.listen} {page.public_url}") if of_page else common.key
    return f"promptsheet_{hmac.digest(key, b'name', 'sha256').hex()[:8]}"


def digest(text: str) -> bytes:
    """A digest of a token or link: of fixed length, so that a comparison reveals nothing."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _account(token: Secret | None, person: str = "") -> Account:
    if token is None:
        return Account(person, secrets.token_bytes(32), secrets.token_bytes(32))
    text, about = token.reveal(), f"promptsheet page {person}".strip()
    key = hmac.digest(text.encode(), about.encode("utf-8", "surrogatepass"), "sha256")
    return Account(person, digest(text), key)
