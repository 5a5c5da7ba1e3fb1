"""Access to the fake Google, for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from pipeline.core.sheet.header import Columns, Header
from pipeline.sheets.google.client import Budget, GoogleAccount, Spreadsheet, account
from tests.fakes.google.account import LASTS
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def columns_of(header: Sequence[str]) -> Columns:
    """Columns of a sheet whose only field is the prompt."""
    return Header(frozenset({"prompt"})).read_line(header)


def _account(google: GoogleSheets, has_token: bool) -> GoogleAccount:
    """The account of the fake Google's key."""
    who = _loaded(json.dumps({**google.key, "token_uri": "http://127.0.0.1/"}))
    credentials = who.credentials.with_token_uri(google.key["token_uri"])
    if has_token:
        credentials.token = google.tokens.new(google.key["client_email"])
        credentials.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=LASTS)
    return replace(who, credentials=credentials)


@cache
def _loaded(key: str) -> GoogleAccount:
    """An account whose private key is loaded once, because that takes 8 ms."""
    return account(key)


def open_spreadsheet(
    google: GoogleSheets,
    book: Book,
    *,
    pause: Callable[[float], None] = lambda _: None,
    budget: Budget = lambda kind: 0.0,
    timeout: tuple[float, float] = (5.0, 20.0),
    patience: float = 75.0,
    has_token: bool = True,
) -> Spreadsheet:
    """Open a spreadsheet of the fake Google with the real libraries.

    Without `has_token` it signs in with the key first: two requests take as long as a short test.
    """
    return Spreadsheet(
        book.id,
        _account(google, has_token),
        base=google.url,
        pause=pause,
        budget=budget,
        timeout=timeout,
        patience=patience,
    )
