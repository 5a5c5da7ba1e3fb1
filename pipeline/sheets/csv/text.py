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
from dataclasses import dataclass, replace
from itertools import accumulate, chain, islice, repeat
from typing import NamedTuple, TextIO

from pipeline.core.model import Grid, Patch
from pipeline.sheets.csv.decoding import decoded
from pipeline.sheets.csv.delimiters import DELIMITERS, LETTERS, delimiter_line, delimiter_of
from pipeline.sheets.csv.encodings import Encoding

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
        fresh: Iterator[tuple[str, ...]] = map(tuple, records)
        if earlier:
            beside = zip(fresh, chain(earlier, repeat(())), strict=False)
            fresh = (was if row == was else row for row, was in beside)
        *rows, last = fresh
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
        return self.changed(patch).content

    def changed(self, patch: Patch) -> CsvText:
        """The text of the file with those cells changed, as `patched` does it.

        Only the changed records are read again. Its grid is empty if the change may have given the
        others another meaning: the whole file has to be read then.
        """
        readable = {
            (row, column): self.encoding.readable(harmless(text, self.delimiter) if row else text)
            for (row, column), text in patch.items()
        }
        for place, text in patch.items():
            if place[0] == 0 and readable[place] != text:
                raise CannotHold(self.encoding.title, text)
        changes = _changes(self.grid, readable)
        if not changes:
            return self
        edited = list(self._edited(changes))
        content = self._with_edited(edited)
        fresh = replace(self, content=content, grid=())
        if 0 in changes or not fresh._is_read_like(self):
            return fresh
        return replace(fresh, grid=self._grid_with(edited))

    def _is_read_like(self, before: CsvText) -> bool:
        """True if encoding and delimiter are found to be the same, under the same header.

        The letters of the whole file decide about an 8-bit encoding, and those of a beginning about
        the delimiter.
        """
        fresh, old = self.content, before.content
        if fresh[:4] != old[:4] or fresh.isascii() != old.isascii() or len(before.grid[0]) < 2:
            return False
        most = slice(len(self.encoding.mark), 4 * LETTERS)
        if self.encoding.title == "UTF-8" and fresh[most] != old[most]:
            beginning = fresh[most].decode("utf-8", "ignore")[len(self.lead) :]
            return delimiter_of(beginning) == self.delimiter
        return self.encoding.title == "UTF-8"

    def _grid_with(self, edited: Iterable[_Edited]) -> Grid:
        """The grid with these records; empty if one of them is not one record any more."""
        rows = list(self.grid)
        for one in edited:
            text = io.StringIO(one.text, newline="")
            read = [*map(tuple, csv.reader(text, delimiter=self.delimiter))]
            if len(read) != 1:
                return ()
            rows[one.row] = read[0]
        return tuple(rows)

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

    def _edited(self, changes: Mapping[int, Mapping[int, str]]) -> Iterator[_Edited]:
        """The records with those cells changed."""
        codec = self.encoding.codec
        end = len(self.encoding.mark) + len(self.lead.encode(codec))
        ends = chain(_line_ends(self.content, codec, end), repeat(len(self.content)))
        next_row = 0
        for row in sorted(changes):
            start = _after(ends, _line_count(self.grid[next_row:row]), end)
            end = _after(ends, _line_count(self.grid[row : row + 1]), start)
            next_row = row + 1
            # A header with a strange delimiter in a bare name could be taken for another kind.
            special = DELIMITERS if row == 0 else self.delimiter
            record = str(self.content[start:end], codec)
            yield _Edited(row, start, end, _edited(record, self.delimiter, special, changes[row]))

    def _with_edited(self, edited: Iterable[_Edited]) -> bytes:
        """The file with these records in place of the old ones; all other bytes are the same."""
        content, kept = memoryview(self.content), 0
        pieces = list[bytes | memoryview]()
        for one in edited:
            pieces += [content[kept : one.start], one.text.encode(self.encoding.codec, "replace")]
            kept = one.end
        return b"".join([*pieces, content[kept:]])


class _Edited(NamedTuple):
    """A record with changed cells: its row, the bytes that it replaces, and its new text."""

    row: int
    start: int
    end: int
    text: str


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


def _line_ends(content: bytes, codec: str, start: int) -> Iterator[int]:
    """Where each line ends that begins at `start` or later, in bytes."""
    width = len("\n".encode(codec))
    if width == 1 and content.count(b"\r") == content.count(b"\r\n"):
        lines = io.BytesIO(content)  # Much faster, and does not copy the bytes.
        lines.seek(start)
        return islice(accumulate(map(len, lines), initial=start), 1, None)
    ends = b"|".join(re.escape(end.encode(codec)) for end in ("\r\n", "\r", "\n"))
    found = re.compile(ends).finditer(content, start)
    # In UTF-16, the second byte of a letter and the first of the next may look like an end.
    return (one.end() for one in found if width == 1 or (one.start() - start) % width == 0)


def _line_count(records: Grid) -> int:
    """How many lines of the file these records take."""
    count = len(records)
    for start in range(0, len(records), _AT_ONCE):
        text = " ".join(chain.from_iterable(records[start : start + _AT_ONCE]))
        count += text.count("\n") + text.count("\r") - text.count("\r\n")
    return count


#: Records whose text is in memory a second time.
_AT_ONCE = 5_000


def _after(ends: Iterator[int], lines: int, start: int) -> int:
    """Where this number of lines ends, if the first one begins at `start`."""
    return next(islice(ends, lines - 1, None)) if lines else start


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
