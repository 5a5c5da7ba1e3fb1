"""Webhooks: the address that an API is asked to call, and whether a call is really from the API.

Each attempt has a *hook token*, the last part of its address. The secret that proves a call is
derived from the token and a secret of the configuration, so that it need not be stored. A token
alone proves nothing, and the secret of one attempt does not prove calls about another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

#: Where calls come in, before the token.
PATH = "/hooks/"
#: Random bytes in a token.
TOKEN_BYTES = 24
#: What a signature looks like (see `is_signed`).
_SIGNATURE = re.compile(r"(?:sha256=)?[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Webhook:
    """How an API is asked to call back, and how it proves that it is the one that calls.

    `secret`: it was given one with the submission, and returns it word for word in `header`.
    `signature`: `header` holds a signature of the body, made with the API key.
    """

    url_field: str
    header: str
    proof: Literal["secret", "signature"] = "secret"
    #: The field of a submission that takes the secret.
    secret_field: str = ""
    #: What else a submission says about it.
    fields: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Callback:
    """What is said of it in each submission: our address, and what secrets are derived from."""

    webhook: Webhook
    public_url: str
    secret: str = field(repr=False)

    def fields(self, token: str) -> dict[str, object]:
        """What a submission says besides its inputs; it is in no store and no repr."""
        said: dict[str, object] = dict(self.webhook.fields)
        said[self.webhook.url_field] = f"{self.public_url}{PATH}{token}"
        if self.webhook.secret_field:
            said[self.webhook.secret_field] = secret_for(self.secret, token)
        return said


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a call may be proved with: the secret of now, the one before it, the API key."""

    webhook: Webhook
    secrets: Sequence[str] = field(repr=False)
    api_key: str = field(default="", repr=False)

    def may_be_met(self, token: str, headers: Mapping[str, str]) -> bool:
        """Whether the head of a call proves it, or holds what may prove it once the body is read.

        Header names in lower case. A secret is compared here; of a signature only its form is
        known, which keeps out strangers who send none. Takes as long for a token that exists as for
        one that does not.
        """
        given = headers.get(self.webhook.header.lower(), "")
        if self.webhook.proof == "signature":
            return bool(self.api_key) and _SIGNATURE.fullmatch(given) is not None
        wanted = [secret_for(secret, token) for secret in self.secrets]
        # All of them are compared, whichever is the right one.
        return sum(_same(given, one) for one in wanted) > 0

    def are_met(self, token: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the API made this call; header names in lower case."""
        if self.webhook.proof == "signature":
            given = headers.get(self.webhook.header.lower(), "")
            return bool(self.api_key) and is_signed(given, body, self.api_key)
        return self.may_be_met(token, headers)


def new_token(chance: Random) -> str:
    """A hook token of 192 random bits, as a part of an address."""
    return urlsafe_b64encode(chance.randbytes(TOKEN_BYTES)).decode()


def secret_for(secret: str, token: str) -> str:
    """The secret of one attempt: nothing else has it, and it is never kept."""
    return hmac.digest(secret.encode(), token.encode(), "sha256").hex()


def is_signed(given: str, body: bytes, api_key: str) -> bool:
    """Whether the signature of a body was made with the API key.

    The vendor's pages leave open whether the key of the HMAC is the digest of the API key as bytes
    or as text, and whether `sha256=` stands before the signature: all of them count.
    """
    digest = hashlib.sha256(api_key.encode())
    keys = digest.digest(), digest.hexdigest().encode()
    made = [hmac.digest(key, body, "sha256").hex() for key in keys]
    return any(_same(given.removeprefix("sha256="), one) for one in made)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
