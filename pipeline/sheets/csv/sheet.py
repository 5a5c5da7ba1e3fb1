"""A CSV file as a sheet: only our cells change, and every other byte stays the same."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.core.errors import SheetError, UnclearText
from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow, place_below, whole
from pipeline.core.text import quoted, shortened
from pipeline.sheets.csv.delimiters import named
from pipeline.sheets.csv.encodings import NotText, Unclear
from pipeline.sheets.csv.text import CannotHold, CsvText, LeftOpen, harmless
from pipeline.sheets.files.claim import read_claim, write_claim
from pipeline.sheets.files.recovery import Pause
from pipeline.sheets.files.replace import after_a_kill, read_file, rewrite
from pipeline.sheets.files.swap import Exchange, exchange

#: A sign before it makes no formula of it.
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_SAVE_AGAIN = 'Save it again as "CSV UTF-8".'


class CsvSheet:
    """The sheet in one .csv or .tsv file. A link is followed once, when the sheet is made.

    For encodings see `decoding`, for delimiters `delimiters`. `write` keeps a save by another
    program (see `replace`), and does not change a file that is open in a spreadsheet program (see
    `open_elsewhere`).
    """

    def __init__(
        self,
        path: Path,
        *,
        key: str | None = None,
        encoding: str = "",
        exchange: Exchange = exchange,
        pause: Pause = time.sleep,
    ) -> None:
        self._path = path.resolve()
        self._delimiter = "\t" if path.suffix.lower() == ".tsv" else None
        self._encoding = encoding
        self._exchange = exchange
        self._pause = pause
        self.key = key or str(self._path)
        self.title = path.name
        #: A digest of the file's bytes as they were last read, and their text without these bytes.
        self.fingerprint = hashlib.sha256().hexdigest()
        self._text: CsvText | None = None

    @property
    def left_out(self) -> str:
        """Always empty: a file is written whole, or not at all."""
        return ""

    @property
    def read_as(self) -> str:
        """The encoding and the delimiter of the last reading."""
        if self._text is None:
            return ""
        return f"{self._text.encoding.title}, cells separated by {named(self._text.delimiter)}"

    @property
    def delimiter(self) -> str:
        """The delimiter of the last reading."""
        return self._text.delimiter if self._text else ","

    @property
    def elsewhere(self) -> str:
        """Always empty: a text file has no tabs."""
        return ""

    def read(self) -> Grid:
        """The file as it is now; an empty file is an empty grid."""
        after_a_kill(self._path, self._exchange)
        return self._taken_in(read_file(self._path, pause=self._pause)).grid

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Read the file, change the cells that `patch_for` names, and return the grid read back.

        The file is left unchanged if every named cell already has its new value.
        """

        made: dict[str, CsvText] = {}

        def change(content: bytes) -> bytes:
            text = self._taken_in(content)
            try:
                fresh = text.changed(patch_for(text.grid))
            except CannotHold as lost:
                raise SheetError(
                    f"{self._path} is {lost.encoding} text, which has no letters for the column"
                    f" {lost.name}. {_SAVE_AGAIN}"
                ) from lost
            if fresh.grid and fresh is not text:
                made[_digest(fresh.content)] = replace(fresh, content=b"")
            return fresh.content

        written = rewrite(self._path, change, exchange=self._exchange, pause=self._pause)
        return self._taken_in(written, made).grid

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        """Read the file, add the rows that `rows_for` names, and return the grid read back.

        They go below the last row that is not empty. Each is as wide as the header.
        """

        def change(content: bytes) -> bytes:
            text = self._taken_in(content)
            rows = rows_for(text.grid)
            for cell in {cell for row in rows for cell in row.values()}:
                if why := self.objection(cell):
                    raise SheetError(f"{quoted(cell, 60)} {why}.")
            at = place_below(text.grid)
            return text.with_rows(whole(text.grid, rows), at) if rows else content

        written = rewrite(self._path, change, exchange=self._exchange, pause=self._pause)
        return self._taken_in(written).grid

    def objection(self, text: str) -> str:
        """Why a cell of the file cannot hold this text, as the end of a sentence; else empty."""
        is_number = _NUMBER.fullmatch(text) is not None
        if not is_number and harmless(f"\n{text}", self.delimiter) != f"\n{text}":
            return (
                "would be a formula for a program that opens the file: write it in another way, "
                "or use a workbook or a Google Sheet"
            )
        if self._text and self._text.encoding.readable(text) != text:
            return f"has letters that {self._text.encoding.title} text cannot hold. {_SAVE_AGAIN}"
        return ""

    def read_claim(self) -> Claim | None:
        """The claim in `NAME.promptsheet` beside the file, or None."""
        return read_claim(self._path)

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Store `claim` beside the file if its claim is `instead_of`. Returns whether it did."""
        return write_claim(self._path, claim, instead_of)

    def _taken_in(self, content: bytes, made: Mapping[str, CsvText] | None = None) -> CsvText:
        """The text of the bytes. Rows that did not change are the same objects as before.

        `made` are texts that we made of earlier ones, by the digests of their bytes.
        """
        was, self.fingerprint = self.fingerprint, _digest(content)
        if self._text and self.fingerprint == was:
            return replace(self._text, content=content)
        if made and (ours := made.get(self.fingerprint)):
            self._text = ours
            return replace(ours, content=content)
        earlier = self._text.grid if self._text else ()
        self._text = None
        try:
            text = CsvText.of(content, self._delimiter, earlier, self._encoding)
        except Unclear as unclear:
            raise UnclearText(_choice(self._path, unclear)) from unclear
        except NotText as what:
            raise SheetError(f"{self._path} {what}. {_SAVE_AGAIN}") from what
        except LeftOpen as quote:
            raise SheetError(
                f"{self._path} has a quotation mark in line {quote.line} that is never closed, and"
                " all that follows would be one cell. Close it, or save the file again."
            ) from quote
        self._text = replace(
            text, content=b""
        )  # Memory: the bytes of a big file are kept by the caller.
        return text


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _choice(path: Path, unclear: Unclear) -> str:
    """The message about a file whose encoding is not certain, with one line in each."""
    names: dict[str, list[str]] = {}
    for codec, text in unclear.readings.items():
        names.setdefault(shortened(text, _SHOWN), []).append(f'"{codec}"')
    shown = "; ".join(f"encoding = {' or '.join(some)}: {text}" for text, some in names.items())
    return (
        f"{path} is not UTF-8, and could be text of several code pages. Line {unclear.line} in "
        f"each: {shown}. Set the right one in [sheet], or save the file again as UTF-8."
    )


_SHOWN = 60
