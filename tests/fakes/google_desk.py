"""Access to the fake Google, for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from pipeline.core.header import Columns, Header
from pipeline.sheets.google.client import Account, Spreadsheet, account
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def columns_of(header: Sequence[str]) -> Columns:
    """Columns of a sheet whose only field is the prompt."""
    return Header(frozenset({"prompt"})).read_line(header)


def _account(key: dict[str, str]) -> Account:
    """The account of this key, without a token yet."""
    who = _loaded(json.dumps({**key, "token_uri": "http://127.0.0.1/"}))
    return replace(who, credentials=who.credentials.with_token_uri(key["token_uri"]))


@cache
def _loaded(key: str) -> Account:
    """An account whose private key is loaded once, because that takes 8 ms."""
    return account(key)


def open_spreadsheet(
    google: GoogleSheets,
    book: Book,
    *,
    pause: Callable[[float], None] = lambda _: None,
    budget: Callable[[], float] = lambda: 0.0,
    timeout: tuple[float, float] = (5.0, 20.0),
    patience: float = 75.0,
) -> Spreadsheet:
    """Open a spreadsheet of the fake Google with the real libraries."""
    return Spreadsheet(
        book.id,
        _account(google.key),
        base=google.url,
        pause=pause,
        budget=budget,
        timeout=timeout,
        patience=patience,
    )
