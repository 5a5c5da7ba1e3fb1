"""Who calls Google Drive: service accounts, and people who gave a program their consent."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.fakes.google.account import GRANT, LASTS, claims_of, flat, key_file

DRIVE = "https://www.googleapis.com/auth/drive"
DRIVE_FILE = "https://www.googleapis.com/auth/drive.file"
#: Clients of people: the browser, and the program that asks for consent.
BROWSER, OUR_CLIENT = "browser", "123-ours.apps.googleusercontent.com"
CLIENT_SECRET = "GOCSPX-not-so-secret"


@dataclass(frozen=True)
class Caller:
    """An account, the client that it uses, and what that may do."""

    email: str
    client: str
    scope: str

    @property
    def is_service(self) -> bool:
        """A service account has no storage of its own."""
        return self.email.endswith("gserviceaccount.com")

    @property
    def sees_all(self) -> bool:
        """False: only the files that its client made or that were opened with it."""
        return not {DRIVE, f"{DRIVE}.readonly"}.isdisjoint(self.scope.split())


@dataclass
class DriveTokens:
    """The tokens that are valid, and the grants to get new ones."""

    clock: Callable[[], float]
    given: dict[str, tuple[Caller, float]] = field(default_factory=dict)
    #: Refresh token -> who gave it.
    grants: dict[str, Caller] = field(default_factory=dict)
    #: People whom a service account may act for (domain-wide delegation).
    delegated: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    #: Seconds after which a consent ends, as with a consent screen in Testing; 0: never.
    consent_ends: int = 0
    #: Code of a consent -> who gave it, the challenge, and the address to go back to.
    _codes: dict[str, tuple[Caller, str, str]] = field(default_factory=dict)

    def user_file(self, email: str, scope: str = DRIVE_FILE, **more: Any) -> dict[str, Any]:
        """The JSON of a person's consent, as google-auth saves it."""
        refresh = f"1//{secrets.token_urlsafe(24)}"
        self.grants[refresh] = Caller(email, OUR_CLIENT, scope)
        return {
            "type": "authorized_user",
            "client_id": OUR_CLIENT,
            "client_secret": CLIENT_SECRET,
            "refresh_token": refresh,
            "scopes": [scope],
            **more,
        }

    def consent(self, query: dict[str, list[str]], email: str) -> str:
        """Where the browser goes when this person has agreed."""
        said = {name: given[0] for name, given in query.items()}
        assert said["client_id"] == OUR_CLIENT
        assert said["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(12)
        caller = Caller(email, OUR_CLIENT, said["scope"])
        self._codes[code] = caller, said["code_challenge"], said["redirect_uri"]
        return f"{said['redirect_uri']}?state={said['state']}&code={code}&scope={said['scope']}"

    def give(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Status and body of the token endpoint's answer."""
        match form.get("grant_type"):
            case [kind] if kind == GRANT:
                return self._for_key(form)
            case ["refresh_token"]:
                caller = self.grants.get(form["refresh_token"][0])
                if form["client_secret"] != [CLIENT_SECRET]:
                    return 401, flat("invalid_client", "The provided client secret is invalid.")
                if caller is None:
                    return 400, flat("invalid_grant", "Token has been expired or revoked.")
                return 200, self._token(caller)
            case ["authorization_code"]:
                return self._for_code(form)
        return 400, flat("unsupported_grant_type", "Invalid grant_type")

    def _for_key(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        claims = claims_of(form)
        if isinstance(claims, str):
            return 400, flat("invalid_grant", claims)
        email, scope = str(claims["iss"]), str(claims.get("scope", ""))
        if email in self.disabled:
            return 400, flat("invalid_grant", "Invalid grant: account not found")
        if not {DRIVE, DRIVE_FILE, f"{DRIVE}.readonly"} & set(scope.split()):
            return 400, flat("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if (person := str(claims.get("sub", ""))) and person not in self.delegated:
            return 401, flat(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client "
                "not authorized for any of the scopes requested.",
            )
        return 200, self._token(Caller(person or email, f"client of {email}", scope))

    def _for_code(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        caller, challenge, back = self._codes.pop(form["code"][0], (None, "", ""))
        digest = sha256(form["code_verifier"][0].encode()).digest()
        if (
            caller is None
            or form["redirect_uri"] != [back]
            or urlsafe_b64encode(digest).decode().rstrip("=") != challenge
        ):
            return 400, flat("invalid_grant", "Malformed auth code.")
        refresh = f"1//{secrets.token_urlsafe(24)}"
        self.grants[refresh] = caller
        ends = {"refresh_token_expires_in": self.consent_ends} if self.consent_ends else {}
        return 200, {**self._token(caller), "refresh_token": refresh, **ends}

    def _token(self, caller: Caller) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.given[token] = caller, self.clock() + LASTS
        kind = {"token_type": "Bearer", "scope": caller.scope}
        return {"access_token": token, "expires_in": LASTS, **kind}

    def whose(self, header: str) -> Caller | None:
        """Who calls, by the `Authorization` header; None if the token is not good."""
        caller, until = self.given.get(header.removeprefix("Bearer "), (None, 0.0))
        return caller if self.clock() < until else None

    def revoke(self) -> None:
        """Make all given tokens invalid; new ones are given."""
        self.given.clear()


__all__ = ["BROWSER", "DRIVE", "DRIVE_FILE", "OUR_CLIENT", "Caller", "DriveTokens", "key_file"]
