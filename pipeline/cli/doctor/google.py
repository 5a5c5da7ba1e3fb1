"""What `doctor` says about the keys for Google: when they end.

A key of a service account ends on the day of its certificate, which Google publishes with the
account's other ones; the key file does not say it. Most keys never end, but an organization can
limit them. A person's consent that ends says so when it is given; `init --drive` keeps it.
Sources: https://cloud.google.com/iam/docs/keys-create-delete,
https://developers.google.com/identity/protocols/oauth2/web-server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from pipeline import wiring
from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import GoogleSource, Secret, Settings

#: How long before its end a key, and a consent, is worth a finding.
KEY_SOON, CONSENT_SOON = timedelta(days=14), timedelta(days=3)
#: Seconds for the answer.
WITHIN: Final = 10.0
_CERTIFICATES: Final = "https://www.googleapis.com/robot/v1/metadata/x509/"


def keys(case: Case) -> Iterator[Finding]:
    """Keys of service accounts that end soon."""
    accounts = {
        (str(info["client_email"]), str(info["private_key_id"])): (info, base)
        for info, base in _infos(case.settings)
        if info.get("client_email") and info.get("private_key_id")
    }
    for (email, _), (info, base) in accounts.items():
        end = _end_of_key(info, base)
        if end and end - wiring.now() < KEY_SOON:
            yield Finding(
                "person",
                f"The key of {email} ends on {end:%Y-%m-%d} (UTC). Make a new one in the Google "
                "Cloud console (IAM, Service accounts, Keys, JSON), and put it in place of the "
                "old one.",
            )


def consent(case: Case) -> Iterator[Finding]:
    """A person's consent to save files in Google Drive that ends soon."""
    for info, _ in _infos(case.settings):
        try:
            end = datetime.fromisoformat(str(info.get("ends", "")))
        except ValueError:
            continue
        if end - wiring.now() < CONSENT_SOON:
            yield Finding(
                "person",
                f"The consent of {info.get('account') or 'a person'} to save in Google Drive ends "
                f"on {end:%Y-%m-%d %H:%M} (UTC). Run promptsheet init --drive again. If the "
                "consent screen of your Google Cloud project is in Testing, publish it first: "
                "then the consent does not end.",
            )


def _infos(settings: Settings) -> Iterator[tuple[dict[str, Any], str]]:
    """The key files for Google that the configuration names, and where requests go instead."""
    source, remote = settings.source, settings.remote
    named: list[tuple[Secret | None, str]] = []
    if isinstance(source, GoogleSource):
        named.append((source.credentials, source.base_url))
    if remote and remote.kind == "drive":
        named.append((remote.credentials, remote.base_url))
    for secret, base in named:
        try:
            info = json.loads(secret.reveal()) if secret else None
        except ValueError:
            continue
        if isinstance(info, dict):
            yield info, base


def _end_of_key(info: dict[str, Any], base: str) -> datetime | None:
    """When the key of a service account ends; None if that cannot be told."""
    import requests
    from cryptography.x509 import load_pem_x509_certificate

    from pipeline.google_session import token_session

    try:
        with token_session(base) as session:
            address = _CERTIFICATES + quote(str(info["client_email"]), safe="@")
            answer = session.get(address, timeout=WITHIN, allow_redirects=False)
        certificate = answer.json()[info["private_key_id"]]
        return load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
        return None
