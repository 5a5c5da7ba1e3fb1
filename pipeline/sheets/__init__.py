"""The kinds of sheet, and what the runner asks of each.

A kind of sheet knows cells and nothing of what they mean. It reads itself as a grid, and writes a
patch that is worked out *from the grid it has just read*: so a row that moved between two readings
is found where it is now, and a write that lost a race is worked out again, never repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.core.model import Claim, Grid, Patch


class Sheet(Protocol):
    """One sheet, wherever it lies. Every method may raise SheetError with a sentence."""

    @property
    def key(self) -> str:
        """The sheet's identity in the store, the same for as long as it is the same sheet."""

    @property
    def title(self) -> str:
        """What people call it, for messages."""

    @property
    def fingerprint(self) -> str:
        """A digest of the bytes of the last reading; empty where the sheet is no file."""

    @property
    def left_out(self) -> str:
        """What the last write could not write, in a sentence; empty if all of it was written."""

    @property
    def read_as(self) -> str:
        """How the bytes were read, for people: encoding and delimiter; "" if nothing was chosen."""

    @property
    def delimiter(self) -> str:
        """What separates the cells of a text file; "" for every other kind of sheet."""

    @property
    def elsewhere(self) -> str:
        """Where else a header could be than where it was last looked for; empty if nowhere."""

    def read(self) -> Grid:
        """The sheet as it is now. Raises SheetError if it cannot be reached."""

    def write(self, patch_for: Callable[[Grid], Patch]) -> Grid:
        """Read anew, ask `patch_for` which cells to change, change those: the grid as it now is.

        `patch_for` may be called again with a newer grid when somebody saved in between, and must
        then answer for that one. An empty patch writes nothing. Cells beyond the width of a row or
        of the header are added. Raises SheetError if the sheet cannot be written; nothing has then
        changed.
        """

    def read_claim(self) -> Claim | None:
        """The claim that lies with the sheet, or None if nobody has claimed it.

        As it was at the last reading or claim of ours, at the earliest.
        """

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Put `claim` beside the sheet if `instead_of` is what lies there: whether that was so.

        Between two that write a first claim (`instead_of=None`) exactly one gets True.
        """
