"""Keys and consents for Google that end: `doctor` names the day before it comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pipeline.sandbox import Sandbox
from tests.cli.test_drive import configure, consent, write
from tests.fakes.google.account import EMAIL
from tests.fakes.google_drive import GoogleDrive, google_drive
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import call
from tests.fakes.team import Team

TASK_SECONDS = 0


@pytest.fixture
def google_team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    with google_sheets() as google:
        book = google.new_book("Spring", [["prompt"], ["a fox"]])
        yield GoogleTeam(google, book, tmp_path, api)


def certificate(end: datetime) -> str:
    """The certificate of a key that ends then, as Google publishes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, EMAIL)])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(end - timedelta(days=400)).not_valid_after(end)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_the_key_of_a_service_account_that_ends_within_two_weeks_is_named(
    google_team: GoogleTeam,
) -> None:
    config = google_team.configure()
    unknown = call("doctor", config)
    soon = datetime.now(UTC) + timedelta(days=9)
    google_team.google.certificates["k1"] = certificate(soon + timedelta(days=300))
    later = call("doctor", config)
    google_team.google.certificates["k1"] = certificate(soon)
    ends = call("doctor", config)

    assert (unknown.code, later.code, ends.code) == (0, 0, 1), unknown.said + later.said
    assert f"The key of {EMAIL} ends on {soon:%Y-%m-%d} (UTC)." in ends.said
    assert "Make a new one in the Google Cloud console" in ends.said


@pytest.fixture
def drive() -> Iterator[GoogleDrive]:
    with google_drive() as drive:
        yield drive


@pytest.mark.parametrize(("days", "is_named"), [(0, False), (7, False), (2, True)])
def test_a_consent_that_ends_within_three_days_is_named(
    team: Team, drive: GoogleDrive, days: int, is_named: bool
) -> None:
    write(team, "client.json", drive.client)
    drive.tokens.consent_ends = days * 86_400
    address = consent(team, drive).said.split('save_to = "')[1].split('"')[0]
    configure(team, drive, address)
    team.write("prompt", "a fox")

    said = team.start("doctor").said

    assert ("The consent of anna@example.com to save in Google Drive ends on 2" in said) is is_named
    assert "Pictures can be saved in" in said
