"""The row that a person names: by its row_id, its name or its line number."""

from __future__ import annotations

from pipeline.core.errors import ConfigError
from pipeline.core.planning.lines import Line


class NamedRow:
    """Matches the named row. A line number counts only in the first reading, later the id."""

    def __init__(self, row: str) -> None:
        self._row = row
        self._pinned = ""

    def __call__(self, line: Line) -> bool:
        if self._pinned:
            return line.seen.row_id == self._pinned
        if is_named(line, self._row):
            self._pinned = line.seen.row_id
            return True
        return False


def find_rows(lines: tuple[Line, ...], row: str) -> list[Line]:
    """The line with this row_id, name or number. Raises ConfigError if several match."""
    found = [line for line in lines if is_named(line, row)]
    if len(found) > 1:
        numbers = ", ".join(str(line.seen.place + 1) for line in found)
        # The number is a line number and also the name of a row, so a line number does not help.
        cure = "its row_id, or rename it" if row.isdecimal() else "one of these numbers"
        raise ConfigError(f'"{row}" matches several rows: lines {numbers}. Give {cure}.')
    return found


def no_row(row: str) -> str:
    """The message that there is no such row, and what to do."""
    return f'There is no row "{row}": give its row_id, name or line number.'


def is_named(line: Line, row: str) -> bool:
    """Returns whether `row` is the row_id, the name or the line number of this line."""
    return row in (line.seen.row_id, line.name) or row == str(line.seen.place + 1)
