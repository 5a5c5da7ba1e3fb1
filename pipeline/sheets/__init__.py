"""The kinds of sheet, and the protocol that they share.

A kind of sheet knows cells, but not their meaning. `read` returns the sheet as a grid. `write`
works out which cells to change *from the grid that it has just read*. So a row that moved between
two readings is found where it is now, and a write that lost a race is worked out again, never
repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.core.model import Claim, Grid, Patch
from pipeline.core.sheet.new_rows import NewRow


class Sheet(Protocol):
    """One sheet, of any kind. Every method may raise SheetError, which says what to do."""

    @property
    def key(self) -> str:
        """The sheet's key in the store. It stays the same as long as it is the same sheet."""

    @property
    def title(self) -> str:
        """The title of the sheet, for messages."""

    @property
    def fingerprint(self) -> str:
        """A digest of the bytes of the last reading; empty if the sheet is not a file."""

    @property
    def left_out(self) -> str:
        """A sentence about what the last write left out; empty if everything was written."""

    @property
    def read_as(self) -> str:
        """Encoding and delimiter of the last reading, for people; empty if there was no choice."""

    @property
    def delimiter(self) -> str:
        """The delimiter of a text file; empty for every other kind of sheet."""

    @property
    def elsewhere(self) -> str:
        """Where a header could be if it is not where we looked, as a sentence; else empty."""

    def read(self) -> Grid:
        """The sheet as it is now. Raises SheetError if it cannot be read."""

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Read the sheet, change the cells that `patch_for` names, and return the grid afterwards.

        `patch_for` is called again with a newer grid if a person saved in between; it must then
        answer for that grid. An empty patch writes nothing. Cells beyond the width of a row or of
        the header are added. Raises SheetError if the sheet cannot be written; nothing has changed
        then.
        """

    def append(self, rows_for: Callable[[Grid], Sequence[NewRow]]) -> Grid:
        """Read the sheet, add the rows that `rows_for` names, and return the grid afterwards.

        The rows go below the last one, as text. Each is whole in the sheet, or not there at all,
        and no cell of a person is changed. `rows_for` is called again with a newer grid if a
        person saved in between. Without rows nothing is written. Raises SheetError if the sheet
        cannot be written: a file has none of the rows then.
        """

    def objection(self, text: str) -> str:
        """Why no cell of the sheet can hold this text as it is, as the end of a sentence; else "".

        The sheet was read before.
        """

    def read_claim(self) -> Claim | None:
        """The claim next to the sheet; None if there is none.

        It is at most as old as the last reading, or the last claim that we wrote.
        """

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Write `claim` next to the sheet if `instead_of` is there now. Returns whether it was.

        If two write a first claim (`instead_of=None`) at once, exactly one gets True.
        """
