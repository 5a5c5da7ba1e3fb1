"""A big sheet whose last word is said, made fast: by book and store, without a wire."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline import wiring
from pipeline.core.model import Result
from pipeline.core.states import Accepted, Succeeded
from pipeline.store import Fact

T = TypeVar("T")
BATCH = 2000
NOW = datetime.now(UTC)


def fill(config: Path, rows: int) -> Path:
    """The sheet of a configuration, with so many rows that are all done."""
    settings = wiring.load(config)
    sheet = Path(str(settings.source))
    with sheet.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["prompt", "remark"])
        out.writerows([f"a fox in the snow, number {n}", f"batch {n % 50}"] for n in range(rows))
    with wiring.open_store(settings) as store:
        book = wiring.open_book(settings, store, wiring.open_sheet(settings, store))
        # All of it happens in one moment: no reading grows old.
        book._now = store._now = lambda: NOW
        book.look()
        for lines in _by(BATCH, [line for line in book.plan.to_send if line.job]):
            begun, refused = book.begin(lines)
            assert not refused, refused[0]
            keys = [(one.key, one.attempt.number) for one in begun]
            book.record([Fact(*key, Accepted(f"task-{key[0].row_id}")) for key in keys])
            book.record([Fact(*key, Succeeded(_result(key[0].row_id))) for key in keys])
        book.look()
    return sheet


def _result(row_id: str) -> Result:
    return Result(tuple(f"https://cdn.example/{row_id}/{n}.png" for n in range(1, 5)))


def _by(size: int, lines: Sequence[T]) -> Iterator[Sequence[T]]:
    return (lines[at : at + size] for at in range(0, len(lines), size))


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
