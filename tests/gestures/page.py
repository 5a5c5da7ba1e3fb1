"""Makes docs/reference/gestures.md from the table: `python -m tests.gestures.page` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.gestures.table import CSV, EXCEL, GOOGLE, TABLE, Gesture

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "gestures.md"
KINDS = {CSV: "CSV", EXCEL: "Excel", GOOGLE: "Google Sheets"}

_INTRODUCTION = """\
# What may I do in the sheet?

Anything that you do in other sheets. This table says what happens then, and what it costs. *Under
way* means that a row was sent and has no result yet. *Later* means after the next run. *Our cells*
are those that Promptsheet fills, such as `status` ([all columns](columns.md)).

Each line is a test: it is done in a CSV file, a workbook and a Google Sheet, and the API counts
what is paid. The last column counts rows; those that would be sent anyway do not count.

| you do this | with a row that is | what happens | you pay for |
|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    return _INTRODUCTION + "".join(f"| {' | '.join(cells)} |\n" for cells in _lines())


def _lines() -> Iterator[tuple[str, str, str, str]]:
    for (name, happens, price), same in groupby(TABLE, key=_said):
        lines = [*same]
        kinds = [KINDS[one] for one in KINDS if any(one in line.kinds for line in lines)]
        where = "" if len(kinds) == len(KINDS) else f" ({', '.join(kinds)})"
        whens = [*dict.fromkeys(line.when for line in lines)]
        yield f"{name}{where}", "" if whens == ["any time"] else ", ".join(whens), happens, price


def _said(gesture: Gesture) -> tuple[str, str, str]:
    return gesture.name, gesture.happens, _price(gesture.more)


def _price(more: int) -> str:
    if more <= 0:
        return "nothing"
    return "1 row" if more == 1 else f"{more} rows"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
