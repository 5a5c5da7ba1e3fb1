"""Our side of the local Google, as the tests open it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pipeline.core.header import Columns, Header
from pipeline.sheets.google.client import Spreadsheet, account
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def columns_of(header: Sequence[str]) -> Columns:
    """Columns of a sheet whose only field is the prompt."""
    return Header(frozenset({"prompt"})).read_line(header)


def open_spreadsheet(
    google: GoogleSheets,
    book: Book,
    *,
    pause: Callable[[float], None] = lambda _: None,
    budget: Callable[[], float] = lambda: 0.0,
    timeout: tuple[float, float] = (5.0, 20.0),
    patience: float = 75.0,
) -> Spreadsheet:
    """The way to a spreadsheet of the local Google, with the real libraries all the way."""
    return Spreadsheet(
        book.id,
        account(json.dumps(google.key)),
        base=google.url,
        pause=pause,
        budget=budget,
        timeout=timeout,
        patience=patience,
    )
