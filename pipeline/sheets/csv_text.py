"""The text of a CSV file as a grid, and the same text with some cells changed and no other byte.

Values come from Python's `csv`, which is fast and reads odd quoting as people's programs do. Only a
record with a cell to change is cut into pieces, one for each field as it is written; the pieces and
the delimiters between them are the record, so what is not replaced stays as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Self, TextIO

from pipeline.core.model import Grid, Patch
from pipeline.sheets.delimiters import DELIMITERS, delimiter_of, said
from pipeline.sheets.encodings import Encoding, decoded

# A cell of 50,000 characters with every quote doubled is near csv's own limit (131,072).
csv.field_size_limit(2**31 - 1)


class CannotHold(ValueError):
    """The encoding has no letters for a column's name, which would never be found again."""

    def __init__(self, encoding: str, name: str) -> None:
        self.encoding = encoding
        self.name = name
        super().__init__(f"{encoding} has no letters for {name}")


@dataclass(frozen=True)
class CsvText:
    """One CSV file: its encoding, the line `sep=;` if it begins with one, and all that follows."""

    content: bytes
    encoding: Encoding
    lead: str
    text: str
    delimiter: str

    @classmethod
    def of(cls, content: bytes, delimiter: str | None = None) -> CsvText:
        """The text in `content`; it tells its delimiter itself where none is given."""
        encoding, text = decoded(content)
        lead, told = said(text)
        text = text[len(lead) :]
        return cls(content, encoding, lead, text, told or delimiter or delimiter_of(text))

    @cached_property
    def grid(self) -> Grid:
        """Every record in order; a blank line is an empty one, so that rows keep their numbers."""
        return tuple(map(tuple, csv.reader(self._lines(), delimiter=self.delimiter)))

    def grid_beside(self, earlier: Grid) -> Grid:
        """The grid; rows that are as they were are the very same, so that both take one's room."""
        rows = map(tuple, csv.reader(self._lines(), delimiter=self.delimiter))
        return tuple(
            was if row == was else row
            for row, was in zip(rows, chain(earlier, repeat(())), strict=False)
        )

    def _lines(self) -> TextIO:
        # Decoded bit by bit: all at once it would take four bytes a letter.
        content = io.BytesIO(self.content)
        content.seek(len(self.encoding.mark))
        lines = io.TextIOWrapper(content, self.encoding.codec, newline="")
        lines.read(len(self.lead))
        return lines

    def patched(self, patch: Patch) -> bytes:
        """The file with those cells changed: the very same bytes where they already say so.

        Letters that the encoding lacks become question marks, and a cell that shows these says so.
        Cells beyond the end of a record are added. Raises IndexError for a row that is not there,
        CannotHold for a column's name that would lose letters.
        """
        readable = {place: self.encoding.readable(text) for place, text in patch.items()}
        for place, text in patch.items():
            if place[0] == 0 and readable[place] != text:
                raise CannotHold(self.encoding.title, text)
        changes = _changes(self.grid, readable)
        if not changes:
            return self.content
        text = _with_changes(self.text, self._lines(), self.delimiter, changes)
        return self.encoding.encoded(self.lead + text)


def _changes(grid: Grid, patch: Patch) -> dict[int, dict[int, str]]:
    """The cells that would show something else than now, by row."""
    changes: dict[int, dict[int, str]] = defaultdict(dict)
    for (row, column), text in patch.items():
        record = grid[row]
        if text != (record[column] if column < len(record) else ""):
            changes[row][column] = text
    # A record that grows takes its empty cells along, so that it is as long as it was asked to be.
    growing = {row for row, cells in changes.items() if max(cells) >= len(grid[row])}
    for (row, column), text in patch.items():
        if row in growing and column >= len(grid[row]):
            changes[row].setdefault(column, text)
    return changes


def _with_changes(
    text: str, lines: TextIO, delimiter: str, changes: Mapping[int, Mapping[int, str]]
) -> str:
    measured = _Measured(lines)
    pieces: list[str] = []
    kept = start = 0
    for row, _ in enumerate(csv.reader(measured, delimiter=delimiter)):
        end = measured.letters
        if cells := changes.get(row):
            # A header with a strange delimiter in a bare name could be taken for another kind.
            special = DELIMITERS if row == 0 else delimiter
            pieces += text[kept:start], _edited(text[start:end], delimiter, special, cells)
            kept = end
        start = end
    return "".join([*pieces, text[kept:]])


class _Measured:
    """Lines, and how many letters they have had so far."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.letters = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.letters += len(line)
        return line


def _edited(record: str, delimiter: str, special: str, cells: Mapping[int, str]) -> str:
    pieces, line_end = pieces_of(record, delimiter)
    missing = max(cells) + 1 - len(pieces)
    if missing > 0:
        pieces = [*_closed(pieces), *[""] * missing]
    for column, text in cells.items():
        pieces[column] = _written(text, special, quoted=pieces[column].startswith('"'))
    # One bare empty field would read as a blank line.
    return (delimiter.join(pieces) or '""') + line_end


def pieces_of(record: str, delimiter: str) -> tuple[list[str], str]:
    """The fields of one record as they are written, quotes and all, and the line end after them."""
    bare = record.rstrip("\r\n")
    if '"' not in record:
        return (bare.split(delimiter) if bare else []), record[len(bare) :]
    field = _FIELD[delimiter]
    pieces, place = [], -1
    while place < 0 or record[place : place + 1] == delimiter:
        match = field.match(record, place + 1)
        assert match is not None, "a field may be empty, so it always matches"
        pieces.append(match.group())
        place = match.end()
    return pieces, record[place:]


# After a closing quote, csv takes what follows as it is, up to the delimiter. A quote that is never
# closed takes the rest of the file.
_FIELD = {
    delimiter: re.compile(
        rf'"[^"]*+(?:""[^"]*+)*+(?:"[^{delimiter}\r\n]*+|\Z)|[^{delimiter}\r\n]*+'
    )
    for delimiter in DELIMITERS
}
_UNCLOSED = re.compile(r'"[^"]*+(?:""[^"]*+)*+')


def _closed(pieces: list[str]) -> list[str]:
    """The same fields, so that another one may follow: a quote left open at the end is closed."""
    if pieces and _UNCLOSED.fullmatch(pieces[-1]):
        return [*pieces[:-1], pieces[-1] + '"']
    return pieces


def _written(text: str, special: str, *, quoted: bool) -> str:
    if quoted or any(mark in text for mark in special + '"\r\n') or text.strip(" \t\ufeff") != text:
        return '"' + text.replace('"', '""') + '"'
    return text
