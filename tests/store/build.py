"""What the tests of the store have in common: a clock, limits, and what they send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.core.credits import Credits
from pipeline.core.model import JobKey
from pipeline.store import Intent, Limits, NewFile, SavedFile, Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(api_key="key", run="run", day="2026-03-01")
KEY = JobKey("sheet", "r_000000000", 1)


class Clock:
    """A clock that changes only when the test moves it."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def intent(key: JobKey = KEY, number: int = 1, price: Credits = 8) -> Intent:
    """The intent to begin an attempt of a row with the prompt "a cat"."""
    return Intent(key, number, '{"prompt":"a cat"}', ("prompt",), "imagine", price, 120)


def save(
    store: Store, key: JobKey, number: int, url: str, path: str, link: str = "", sha256: str = ""
) -> int:
    """Note that a picture is saved there. Returns how many jobs of this key exist."""
    return store.files.save([NewFile(key, number, url, SavedFile(path, link, sha256))])
