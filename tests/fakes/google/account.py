"""Service accounts: a key file that was made here, and the endpoint that gives tokens for it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

EMAIL = "bot@local.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LASTS = 3600
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
#: What push channels need at least.
METADATA_SCOPE = "https://www.googleapis.com/auth/drive.metadata.readonly"
#: The length of the key, read when it is made. Google's have 2048 bits, and some programs take no
#: shorter ones; to read such a key takes 70 ms, which each test would pay.
key_bits = 1024


@cache
def _key_pair() -> tuple[str, str]:
    """A private key and its public one, as PEM; made once for a process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def key_file(token_uri: str, email: str = EMAIL) -> dict[str, str]:
    """The content of the JSON file of a service account."""
    return {
        "type": "service_account",
        "project_id": "local",
        "private_key_id": "k1",
        "private_key": _key_pair()[0],
        "client_email": email,
        "client_id": "1",
        "token_uri": token_uri,
    }


def claims_of(form: dict[str, list[str]]) -> dict[str, Any] | str:
    """The claims that a key of `key_file` signed; if they are not good, why not."""
    assertion = form.get("assertion", [""])[0]
    try:
        claims: dict[str, Any] = jwt.decode(assertion, verify=False)  # type: ignore[no-untyped-call]
    except ValueError:
        return "Invalid JWT: bad format."
    try:
        jwt.decode(assertion, certs=_key_pair()[1])  # type: ignore[no-untyped-call]
    except ValueError:
        return "Invalid JWT Signature."
    return claims


@dataclass
class Tokens:
    """The valid tokens, their expiry, and their accounts."""

    clock: Callable[[], float]
    given: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: Accounts that were deleted or switched off: they get no token any more.
    disabled: set[str] = field(default_factory=set)
    #: Tokens that are for push channels, and for nothing else.
    for_channels: set[str] = field(default_factory=set)

    def give(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Status and body of the token endpoint's answer."""
        if form.get("grant_type") != [GRANT]:
            return 400, flat("unsupported_grant_type", "Invalid grant_type")
        claims = claims_of(form)
        if isinstance(claims, str):
            return 400, flat("invalid_grant", claims)
        email = str(claims["iss"])
        if email in self.disabled:
            return 400, flat("invalid_grant", "Invalid grant: account not found")
        scopes = str(claims.get("scope", "")).split()
        if not {SCOPE, METADATA_SCOPE} & {*scopes}:
            return 400, flat("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = self.new(email)
        if SCOPE not in scopes:
            self.for_channels.add(token)
        return 200, {"access_token": token, "expires_in": LASTS, "token_type": "Bearer"}

    def new(self, email: str) -> str:
        """A new token of an account."""
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.given[token] = email, self.clock() + LASTS
        return token

    def whose(self, header: str, *, for_channels: bool = False) -> str | None:
        """The account that the token of an `Authorization` header belongs to, if it is good."""
        token = header.removeprefix("Bearer ")
        email, until = self.given.get(token, ("", 0.0))
        is_good = (token in self.for_channels) is for_channels and self.clock() < until
        return email if email and is_good else None

    def revoke(self) -> None:
        """Make all given tokens invalid."""
        self.given.clear()


def flat(error: str, description: str) -> dict[str, Any]:
    """The body of a refusal of the token endpoint."""
    return {"error": error, "error_description": description}
