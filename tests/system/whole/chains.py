"""Which row follows which, judged by what people can see in the sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.system.whole.line import INDEX, NAME, Line

#: What an index cell may hold. Each task makes two pictures.
INDEXES = ("", "", "", "1", "2", "2", "3")
PICTURES = 2


class Wish(NamedTuple):
    """What a line asks the API for."""

    words: str
    #: The prompt of the row that it follows; None if that row may have been made from another one.
    #: Empty if it follows none.
    parent: str | None = ""
    #: Which picture of that row, counted from 1; 0 if it follows none.
    picture: int = 0

    def allows(self, other: Wish) -> bool:
        """True if a request for `other` is what was asked for."""
        if (self.words, self.picture) != (other.words, other.picture):
            return False
        return self.parent in (None, other.parent)


class Chains:
    """The chains among these lines; `ids` holds what their row_id cells show."""

    def __init__(self, lines: Sequence[Line], ids: Sequence[str]) -> None:
        # A line without a prompt and a parent is no row.
        rows = [
            (line, mark) for line, mark in zip(lines, ids, strict=True) if line.words or line.parent
        ]
        self._exact = _by((line.cells.get(NAME, ""), line) for line, _ in rows)
        self._folded = _by((line.cells.get(NAME, "").casefold(), line) for line, _ in rows)
        self._ids = _by((mark, line) for line, mark in rows)

    def named_by(self, line: Line) -> list[Line]:
        """The lines that its parent cell may mean; more than one if they have the same name."""
        text = line.parent
        if not text:
            return []
        return self._exact[text] or self._folded[text.casefold()] or self._ids[text.lower()]

    def is_good(self, line: Line) -> bool:
        """True if its parent cell names one row, and it does not wait for itself.

        A name that a copy has, too, still means one row: which one of them is a copy is not known
        here.
        """
        found = self.named_by(line)
        if not found or (len(found) > 1 and not any(one.copied or one.odd for one in found)):
            return False
        return not self.is_circle(line)

    def is_circle(self, line: Line) -> bool:
        """True if the line follows itself, directly or through others."""
        seen, at = [line], line
        while len(found := self.named_by(at)) == 1:
            at = found[0]
            if at is line:
                return True
            if any(at is one for one in seen):
                return False
            seen.append(at)
        return False

    def wishes(self, line: Line) -> Iterator[Wish]:
        """What the line asks for; nothing if its parent cannot be told."""
        if not line.parent:
            yield Wish(line.words)
        elif self.is_good(line):
            index = line.cells.get(INDEX, "") or "1"
            for one in self.named_by(line):
                is_sure = not (one.odd or one.copied or one.reworded)
                yield Wish(line.words, one.words if is_sure else None, int(index))


def _by(named: Iterable[tuple[str, Line]]) -> defaultdict[str, list[Line]]:
    found: defaultdict[str, list[Line]] = defaultdict(list)
    for name, line in named:
        if name:
            found[name].append(line)
    return found
