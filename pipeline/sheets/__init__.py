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
    """One sheet of any kind. Every method may raise SheetError with a sentence for people."""

    @property
    def key(self) -> str:
        """The sheet's key in the store; it never changes for the same sheet."""

    @property
    def title(self) -> str:
        """What people call it, for messages."""

    @property
    def fingerprint(self) -> str:
        """A digest of the bytes that were last read; empty if the sheet is not a file."""

    @property
    def left_out(self) -> str:
        """A sentence that names the cells the last write left out; empty if it wrote all."""

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
        """Read the sheet, change the cells that `patch_for` names, and return the new grid.

        `patch_for` may be called again with a newer grid when somebody saved in between, and must
        then answer for that one. An empty patch writes nothing. Cells beyond the width of a row or
        of the header are added. Raises SheetError if the sheet cannot be written; nothing has then
        changed.
        """

    def read_claim(self) -> Claim | None:
        """The claim stored with the sheet, or None if the sheet is not claimed.

        As it was at the last reading or claim of ours, at the earliest.
        """

    def write_claim(self, claim: Claim, instead_of: Claim | None) -> bool:
        """Store `claim` with the sheet if its claim is `instead_of`. Returns whether it did.

        Between two that write a first claim (`instead_of=None`) exactly one gets True.
        """
