"""Finds the delimiter of a CSV file, from a first line `sep=;` or from the header."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import NamedTuple

from pipeline.core.messages.row_notes import DELIMITER_NAMES

DELIMITERS = ",;\t|"
#: How much of a file is read to choose between two delimiters that are both in the header.
LETTERS, _RECORDS = 100_000, 50

# As people write it, and as programs save it that treat it as a row.
_SAID = re.compile(r'"?sep="?([,;\t|])[",;\t|]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


def named(delimiter: str) -> str:
    """The delimiter's usual name, in the plural."""
    return f"{DELIMITER_NAMES[delimiter]}s"


class DelimiterLine(NamedTuple):
    """A line `sep=;` with its line end, and its delimiter; empty texts if there is none."""

    line: str
    delimiter: str


def delimiter_line(text: str) -> DelimiterLine:
    """The line `sep=;` that Excel understands, if the text begins with one.

    Excel does not show that line: its row 1, and ours, is the one after it.
    """
    match = _SAID.match(text)
    return DelimiterLine(match.group(), match[1]) if match else DelimiterLine("", "")


def delimiter_of(text: str) -> str:
    """The delimiter of the header: comma, semicolon, tab or bar.

    If the header has two of them: the one that it has more of without a space next to it (as there
    is in `size, in cm`); then the one with which more rows are as wide as the header. Under a
    header of one name: one that leaves the rows whole, because a prompt that is cut at its first
    comma is paid for, too.
    """
    beginning = text[:LETTERS]
    header = next(filter(None, re.split(r"[\r\n]", _QUOTED_NAME.sub("name", beginning))), "")
    there = [delimiter for delimiter in DELIMITERS if delimiter in header]
    if len(there) == 1:
        return there[0]
    if there:
        return max(there, key=lambda one: (_tight(header, one), _agreeing(beginning, one)))
    return next((one for one in DELIMITERS if _leaves_whole(text, one)), ",")


# A quote opens only at the start of a name; in `12" prints;price` it is a letter.
_QUOTED_NAME = re.compile(r'(?:(?<=[,;\t|\r\n])|^)"[^"]*+(?:""[^"]*+)*+(?:"|\Z)')


def _tight(header: str, delimiter: str) -> int:
    return sum(name == name.strip(" ") for name in header.split(delimiter)[1:])


def _agreeing(text: str, delimiter: str) -> int:
    """How many of the first rows are as wide as the header."""
    records = filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    width = len(next(records))
    return sum(len(record) == width for record in islice(records, _RECORDS))


def _leaves_whole(text: str, delimiter: str) -> bool:
    if delimiter not in text:
        return True
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return all(len(record) < 2 for record in records)
