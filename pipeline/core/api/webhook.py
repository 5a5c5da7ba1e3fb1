"""Webhooks: the address that an API is asked to call, and whether a call is really from the API.

Each attempt has a *hook token*, the last part of its address. The secret that proves a call is
derived from the token and a secret of the configuration, so that it need not be stored. A token
alone proves nothing, and the secret of one attempt does not prove calls about another.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

from pipeline.core.api.paths import put

#: Where calls come in, before the token.
PATH = "/hooks/"
#: Random bytes in a token.
TOKEN_BYTES = 24
#: What an HMAC-SHA256 in hexadecimal looks like, with or without its name before it.
_SIGNATURE = re.compile(r"(?:sha256=)?[0-9a-f]{64}")
#: How a call proves that the API made it (see `Webhook`).
Proof = Literal["secret", "signature", "standard", "body", "none"]
#: The headers of Standard Webhooks (https://www.standardwebhooks.com), and how old a call may be.
ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
FRESH_SECONDS: Final = 300
#: How its secrets begin, and how many bytes they have at least.
STANDARD_PREFIX: Final = "whsec_"
STANDARD_BYTES: Final = 24
#: Between two polls of one task that unproved calls ask for.
EARLY_POLL_EVERY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Webhook:
    """How an API is asked to call back, and how it proves that it is the one that calls.

    `secret`: it was given one with the submission, and returns it word for word in `header`.
    `signature`: `header` holds a signature of the body, made with a digest of the API key.
    `standard`: Standard Webhooks, signed with a secret that the vendor shows in its settings.
    `body`: `header` holds a signature of the body, made with the secret of the submission.
    `none`: nothing proves it, so what a call says is not used. It makes the task be polled now.
    """

    #: Where a submission says our address: a path into its body.
    url_field: str
    header: str = ""
    proof: Proof = "secret"
    #: Where it says the secret.
    secret_field: str = ""
    #: What else a submission says about it: path -> value.
    fields: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def needs_vendor_secret(self) -> bool:
        """True if calls are proved with a secret that the vendor chose."""
        return self.proof == "standard"

    @property
    def is_proved_by_head(self) -> bool:
        """True if the head of a call is all that can prove it (see `Proofs.may_be_met`)."""
        return self.proof in ("secret", "none")

    @property
    def is_proved_by_submission(self) -> bool:
        """True if a proof belongs to one submission, and not to an account at the vendor."""
        return self.proof in ("secret", "body")


@dataclass(frozen=True, slots=True)
class Callback:
    """What each submission needs: our address, and the secret that the others are derived from."""

    webhook: Webhook
    public_url: str
    secret: str = field(repr=False)

    def shown(self, token: str) -> dict[str, object]:
        """What a submission says besides its inputs, without the secret."""
        said: dict[str, object] = {}
        for path, value in self.webhook.fields.items():
            put(said, path, value)
        put(said, self.webhook.url_field, f"{self.public_url}{PATH}{token}")
        return said

    def hidden(self, token: str) -> dict[str, object]:
        """The secret, for the API alone; it is in no store and no repr."""
        said: dict[str, object] = {}
        if self.webhook.secret_field:
            put(said, self.webhook.secret_field, secret_for(self.secret, token))
        return said


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a call may be proved with.

    These are the secret of now and the one before it, the API key, and the vendor's own secret.
    `now` is the time in seconds since 1970, for calls that say when they were made.
    """

    webhook: Webhook
    secrets: Sequence[str] = field(repr=False)
    api_key: str = field(default="", repr=False)
    vendor_secret: str = field(default="", repr=False)

    def may_be_met(self, token: str, headers: Mapping[str, str]) -> bool:
        """True if the head of a call proves it, or holds what may prove it once the body is read.

        Header names in lower case. A secret is compared here; of a signature only its form is
        known, which keeps out strangers who send none. Takes as long for a token that exists as for
        one that does not.
        """
        given = headers.get(self.webhook.header.lower(), "")
        match self.webhook.proof:
            case "none":
                return True
            case "signature":
                return bool(self.api_key) and _SIGNATURE.fullmatch(given) is not None
            case "body":
                return bool(self.secrets) and _SIGNATURE.fullmatch(given) is not None
            case "standard":
                return bool(self.vendor_secret) and SIGNATURE_HEADER in headers
        wanted = [secret_for(secret, token) for secret in self.secrets]
        # All of them are compared, whichever is the right one.
        return sum(_same(given, one) for one in wanted) > 0

    def are_met(
        self, token: str, headers: Mapping[str, str], body: bytes, now: float = 0.0
    ) -> bool:
        """True if the API made this call; header names in lower case."""
        if not self.may_be_met(token, headers):
            return False
        given = headers.get(self.webhook.header.lower(), "").removeprefix("sha256=")
        match self.webhook.proof:
            case "signature":
                return is_signed(given, body, self.api_key)
            case "body":
                keys = [secret_for(secret, token).encode() for secret in self.secrets]
                return sum(_same(given, _hex(key, body)) for key in keys) > 0
            case "standard":
                return is_standard(headers, body, self.vendor_secret, now)
        return True


def proving(proofs: Proofs, token: str, body: bytes, now: float) -> dict[str, str] | None:
    """The headers with which a call is proved; None if there is nothing to prove it with."""
    webhook = proofs.webhook
    match webhook.proof:
        case "secret" if proofs.secrets:
            return {webhook.header: secret_for(proofs.secrets[0], token)}
        case "body" if proofs.secrets:
            return {webhook.header: _hex(secret_for(proofs.secrets[0], token).encode(), body)}
        case "signature" if proofs.api_key:
            return {webhook.header: _hex(hashlib.sha256(proofs.api_key.encode()).digest(), body)}
        case "standard" if proofs.vendor_secret:
            key = b64decode(proofs.vendor_secret.removeprefix(STANDARD_PREFIX))
            signature = standard_signature(key, token, str(now), body)
            return {ID_HEADER: token, TIME_HEADER: str(now), SIGNATURE_HEADER: signature}
    return None


def new_token(chance: Random) -> str:
    """A hook token of 192 random bits, as a part of an address."""
    return urlsafe_b64encode(chance.randbytes(TOKEN_BYTES)).decode()


def early_poll(before: datetime | None, now: datetime) -> datetime | None:
    """When to poll a task because of an unproved call; None if such a poll is planned already.

    `before` is the moment that the last such call led to. However many calls arrive, there is at
    most one poll in EARLY_POLL_EVERY, and the last call is always followed by one.
    """
    if before is None:
        return now
    return None if before > now else max(now, before + EARLY_POLL_EVERY)


def secret_for(secret: str, token: str) -> str:
    """The secret of one attempt: nothing else has it, and it is never kept."""
    return hmac.digest(secret.encode(), token.encode(), "sha256").hex()


def is_signed(given: str, body: bytes, api_key: str) -> bool:
    """True if the signature of a body was made with the API key.

    The vendor's pages leave open whether the key of the HMAC is the digest of the API key as bytes
    or as text, and whether `sha256=` stands before the signature: all of them count.
    """
    digest = hashlib.sha256(api_key.encode())
    keys = digest.digest(), digest.hexdigest().encode()
    return any(_same(given.removeprefix("sha256="), _hex(key, body)) for key in keys)


def is_standard(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """True if a call is signed as Standard Webhooks say, and not older than five minutes.

    The secret is base64 after `whsec_`; the header may hold several signatures.
    """
    seconds = headers.get(TIME_HEADER, "")
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
        age = abs(now - float(seconds))
    except (binascii.Error, ValueError):
        return False
    wanted = standard_signature(key, headers.get(ID_HEADER, ""), seconds, body)
    given = headers.get(SIGNATURE_HEADER, "").split()
    return age <= FRESH_SECONDS and sum(_same(one, wanted) for one in given) > 0


def standard_signature(key: bytes, id: str, seconds: str, body: bytes) -> str:  # noqa: A002
    """The signature of a call with this id and time, as Standard Webhooks 1.0.0 say."""
    signed = f"{id}.{seconds}.".encode() + body
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def standard_keys(secrets: str) -> list[bytes]:
    """The keys of one or more secrets for Standard Webhooks, with blanks between them.

    Raises ValueError unless each is `whsec_` and the base64 of at least 24 bytes.
    """
    keys = []
    for secret in secrets.split():
        try:
            keys.append(b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True))
        except ValueError:
            raise ValueError("no base64") from None
        if not secret.startswith(STANDARD_PREFIX) or len(keys[-1]) < STANDARD_BYTES:
            raise ValueError("no secret for Standard Webhooks")
    return keys


def _hex(key: bytes, body: bytes) -> str:
    return hmac.digest(key, body, "sha256").hex()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
