"""The text of a CSV file as a grid, and the same text with some cells changed and no other byte.

Values come from Python's `csv`, which is fast and reads odd quoting as spreadsheets do. Only a
record with a changed cell is cut into pieces, one for each field as it is written. Together with
the delimiters they are the whole record, so a piece that is not replaced stays as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from operator import methodcaller
from typing import NamedTuple, TextIO

from pipeline.core.model import Grid, Patch
from pipeline.sheets.csv.delimiters import DELIMITERS, delimiter_line, delimiter_of
from pipeline.sheets.csv.encodings import Encoding, decoded

#: A line after the last one. It is a separate row, unless a quotation mark is still open.
_END = "\ue000"
_LINE_END = re.compile(r"\r\n|\r|\n")

# A cell of 50,000 characters with every quote doubled is near csv's own limit (131,072).
csv.field_size_limit(2**31 - 1)


class CannotHold(ValueError):
    """The encoding lacks a letter of a column's name, so the column could not be found again."""

    def __init__(self, encoding: str, name: str) -> None:
        self.encoding = encoding
        self.name = name
        super().__init__(f"{encoding} has no letters for {name}")


class LeftOpen(ValueError):
    """A quotation mark is never closed, so everything after it would be one cell."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(f"a quotation mark of line {line} is never closed")


@dataclass(frozen=True)
class CsvText:
    """One CSV file: its encoding, the line `sep=;` if it begins with one, and its delimiter."""

    content: bytes
    encoding: Encoding
    lead: str
    delimiter: str
    #: Every record in order; a blank line is an empty one, so that rows keep their numbers.
    grid: Grid

    @classmethod
    def of(
        cls, content: bytes, delimiter: str | None = None, earlier: Grid = (), encoding: str = ""
    ) -> CsvText:
        """The text in `content`. Without `delimiter`, the text shows its delimiter itself.

        `encoding` is the one in the configuration, or empty. Rows that equal those of the `earlier`
        grid are the same objects, which saves memory. Raises NotText, Unclear, and LeftOpen for a
        file that ends within quotation marks: one is missing, or the file is being saved at this
        moment.
        """
        spelling, text = decoded(content, encoding)
        lead, named = delimiter_line(text)
        text = text[len(lead) :]
        delimiter = named or delimiter or delimiter_of(text)
        ends_a_line = text.endswith(("\n", "\r"))
        del text  # With rare letters, this text needs more memory than everything else.
        lines = chain(_lines(content, spelling, lead), [_END + delimiter + _END])
        records = csv.reader(lines, delimiter=delimiter)
        beside = zip(map(tuple, records), chain(earlier, repeat(())), strict=False)
        *rows, last = (was if row == was else row for row, was in beside)
        if last != (_END, _END):
            after = len(_LINE_END.findall(last[-1])) + (not ends_a_line)
            raise LeftOpen(records.line_num - after + bool(lead))
        return cls(content, spelling, lead, delimiter, tuple(rows))

    def patched(self, patch: Patch) -> bytes:
        """The file with those cells changed; the same bytes if they already have these values.

        Letters that the encoding lacks become question marks, and a cell that shows them counts as
        up to date. Cells beyond the end of a record are added. Raises IndexError for a row that is
        not there, CannotHold for a column's name that would lose letters.
        """
        readable = {
            (row, column): self.encoding.readable(harmless(text, self.delimiter) if row else text)
            for (row, column), text in patch.items()
        }
        for place, text in patch.items():
            if place[0] == 0 and readable[place] != text:
                raise CannotHold(self.encoding.title, text)
        changes = _changes(self.grid, readable)
        return b"".join(self._with_changes(changes)) if changes else self.content

    def with_rows(self, rows: Iterable[Sequence[str]], at: int) -> bytes:
        """The file with more records in front of record `at`; all other bytes stay as they are."""
        before: list[str] = []

        def lines() -> Iterator[str]:
            for line in _lines(self.content, self.encoding, self.lead):
                before.append(line)
                yield line

        records = csv.reader(lines(), delimiter=self.delimiter)
        next(records, None)
        own = _end_of(before[-1:])
        deque(islice(records, at - 1), maxlen=0)
        last = _end_of(before[-1:])
        end = last or own or "\n"
        fresh = end.join(_record(row, self.delimiter) for row in rows)
        # If the last line of the file has no end, the new last line has none either.
        text = f"{fresh}{end}" if last or not before else f"{end}{fresh}"
        codec = self.encoding.codec
        size = len(self.encoding.mark) + len(f"{self.lead}{''.join(before)}".encode(codec))
        return self.content[:size] + text.encode(codec) + self.content[size:]

    def _with_changes(
        self, changes: Mapping[int, Mapping[int, str]]
    ) -> Iterator[bytes | memoryview]:
        """The pieces of the file with those cells changed; unchanged pieces are parts of the old
        file.
        """
        codec, content = self.encoding.codec, memoryview(self.content)
        lines = partial(_lines, self.content, self.encoding, self.lead)
        records = csv.reader(lines(), delimiter=self.delimiter)
        sizes = map(len, map(methodcaller("encode", codec), lines()))
        end = len(self.encoding.mark) + len(self.lead.encode(codec))
        kept = row = line = 0
        for changed in sorted(changes):
            deque(islice(records, changed - row), maxlen=0)
            start = end + sum(islice(sizes, records.line_num - line))
            line = records.line_num
            next(records)
            end = start + sum(islice(sizes, records.line_num - line))
            row, line = changed + 1, records.line_num
            # A header with a strange delimiter in a bare name could be taken for another kind.
            special = DELIMITERS if changed == 0 else self.delimiter
            record = str(content[start:end], codec)
            edited = _edited(record, self.delimiter, special, changes[changed])
            yield content[kept:start]
            yield edited.encode(codec, "replace")
            kept = end
        yield content[kept:]


def harmless(text: str, delimiter: str) -> str:
    """Text that is not a formula even if the file is read with another delimiter, or line by line.

    Excel uses the delimiter of the reader's country. If it reads a file of commas with semicolons,
    our quotation marks are inside a cell and protect nothing: the text after a semicolon or a line
    break is a separate cell. If that would be a formula, it gets an apostrophe in front; in an
    address, the delimiter is written as `%3B` and the like.
    """
    if not _MAY_BE_LIVE.search(text):
        return text
    others = "".join(one for one in DELIMITERS if one != delimiter)

    def changed(match: re.Match[str]) -> str:
        sign = match[1]
        if sign not in others + "\r\n":
            return sign
        return f"%{ord(sign):02X}" if is_address and sign in others else f"{sign}'"

    is_address = text.startswith(("http://", "https://"))
    return _MAY_BE_LIVE.sub(changed, text)


_MAY_BE_LIVE = re.compile(r'([,;\t|\r\n])(?=[\s"\ufeff\u200b]*+[=+\-@＝＋－＠])')


def _lines(content: bytes, encoding: Encoding, lead: str) -> TextIO:
    """The lines of a file, decoded in parts."""
    encoded = io.BytesIO(content)
    encoded.seek(len(encoding.mark))
    lines = io.TextIOWrapper(encoded, encoding.codec, newline="")
    lines.read(len(lead))
    return lines


def _changes(grid: Grid, patch: Patch) -> dict[int, dict[int, str]]:
    """The cells whose value would change, by row."""
    changes: dict[int, dict[int, str]] = defaultdict(dict)
    for (row, column), text in patch.items():
        record = grid[row]
        if text != (record[column] if column < len(record) else ""):
            changes[row][column] = text
    # A record that grows gets its empty cells too, so that it has the requested length.
    growing = {row for row, cells in changes.items() if max(cells) >= len(grid[row])}
    for (row, column), text in patch.items():
        if row in growing and column >= len(grid[row]):
            changes[row].setdefault(column, text)
    return changes


def _end_of(line: Sequence[str]) -> str:
    """The line end of the only one of these lines; empty if it has none."""
    found = _LINE_END.search(line[0], max(len(line[0].rstrip("\r\n")), 0)) if line else None
    return found[0] if found else ""


def _record(row: Sequence[str], delimiter: str) -> str:
    """A new record. Cells are in quotation marks only where they need them."""
    return delimiter.join(_written(text, delimiter, quoted=False) for text in row) or '""'


def _edited(record: str, delimiter: str, special: str, cells: Mapping[int, str]) -> str:
    pieces, line_end = record_text(record, delimiter)
    missing = max(cells) + 1 - len(pieces)
    if missing > 0:
        pieces += [""] * missing
    for column, text in cells.items():
        pieces[column] = _written(text, special, quoted=pieces[column].startswith('"'))
    # One bare empty field would read as a blank line.
    return (delimiter.join(pieces) or '""') + line_end


class RecordText(NamedTuple):
    """The fields of one record as they are written, with quotes, and the line end after them."""

    fields: list[str]
    line_end: str


def record_text(record: str, delimiter: str) -> RecordText:
    """Divide a record into its fields. A delimiter within quotes is part of a field."""
    bare = record.rstrip("\r\n")
    if '"' not in record:
        return RecordText(bare.split(delimiter) if bare else [], record[len(bare) :])
    field = _FIELD[delimiter]
    pieces, place = [], -1
    while place < 0 or record[place : place + 1] == delimiter:
        match = field.match(record, place + 1)
        assert match is not None, "a field may be empty, so it always matches"
        pieces.append(match.group())
        place = match.end()
    return RecordText(pieces, record[place:])


# After a closing quote, csv reads the rest up to the delimiter as it is.
_FIELD = {
    delimiter: re.compile(rf'"[^"]*+(?:""[^"]*+)*+"[^{delimiter}\r\n]*+|[^{delimiter}\r\n]*+')
    for delimiter in DELIMITERS
}


def _written(text: str, special: str, *, quoted: bool) -> str:
    if quoted or any(mark in text for mark in special + '"\r\n') or text.strip(" \t\ufeff") != text:
        return '"' + text.replace('"', '""') + '"'
    return text
