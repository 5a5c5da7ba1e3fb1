"""Whose the sheet is, and whatever else holds it back.

A store lays its claim beside the sheet before the first request of a pass. Where another store's
claim lies, or another copy's of this one, or where the sheet is not as it was left, it is held: no
ids are made and nothing is sent, until somebody does what the one sentence says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from pipeline.core.header import Columns, loss
from pipeline.core.model import Claim
from pipeline.sheets import Sheet
from pipeline.store import Store
from pipeline.sync.sheet_state import SheetState


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no ids are made and nothing is sent: one sentence with its one cure."""

    kind: Literal["owner", "config", "columns", "paused"]
    sentence: str
    #: What a command ends with: 2 where the header cannot be used.
    exit_code: int = 1


class Ownership:
    """The claim of one store on one sheet, and what holds the sheet at each reading.

    `config` is the resolved path of the configuration, `accept_columns` believes a reading that
    lost a column.
    """

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        known: SheetState,
        *,
        config: str,
        accept_columns: bool,
        chance: Random,
    ) -> None:
        self.sheet = sheet
        self._store = store
        self._known = known
        self._config = config
        self._accept_columns = accept_columns
        self._chance = chance
        #: What we wrote, and what lay with the sheet when it was last judged.
        self._claim: Claim | None = None
        self._lying: Claim | None = None
        #: Whether anything was begun since the claim was raised.
        self.has_sent = False

    @property
    def has_claimed(self) -> bool:
        """Whether this pass has raised the claim."""
        return self._claim is not None

    def own(self) -> Hold | None:
        """Raise the claim, in the store first, then beside the sheet; hold if somebody else did.

        Raised by each pass before its first request, and at each look after it has sent: so a
        backup of the store made in between is behind the sheet, and is known for what it is.
        """
        if self._claim is not None and not self.has_sent:
            return None
        word = f"{self._chance.getrandbits(64):016x}"
        self._store.update_sheet(self._known.key, config=self._config)
        mine = self._store.raise_claim(self._known.key, word)
        # Instead of what was judged, not of what lies there by now: that may be another store's.
        if self.sheet.write_claim(mine, self._lying) and self.sheet.read_claim() == mine:
            self._claim = self._lying = mine
            self.has_sent = False
            accepted = self._known.record.columns
            self._known.record = replace(self._store.sheet(self._known.key), columns=accepted)
            return None
        return Hold("owner", f"Another Promptsheet took {self.sheet.title} just now.")

    def hold(self, columns: Columns, rows: int) -> Hold | None:
        """What holds the sheet, by a reading with these columns and so many rows."""
        if sentence := self._not_the_owner():
            return Hold("owner", sentence)
        other = self._known.record.config
        if other and other != self._config and Path(other).exists():
            return Hold(
                "config",
                f"{self.sheet.title} is run by another configuration, {other}. Use that one; its "
                f"rows can name an endpoint in a column of that name.{self._one_tab()}",
            )
        accepted, known = self._known.record.columns, len(self._known.memory.order)
        if self._accept_columns:
            accepted, known = None, 0
        if sentence := loss(columns, accepted, rows, known):
            return Hold("columns", sentence, 2 if columns.doubled else 1)
        if self._store.sheet(self._known.key).paused:
            return Hold("paused", f"{self.sheet.title} is paused. Run resume to go on.")
        return None

    def _not_the_owner(self) -> str:
        """Why this store does not own the sheet, as a sentence; empty if nothing is against it."""
        lying = self._lying = self.sheet.read_claim()
        if lying is None or (self._claim is not None and lying == self._claim):
            return ""
        cure = "If this is the right place to run it from, run doctor --adopt here."
        if lying.store != self._store.id:
            told = f"{self.sheet.title} belongs to another store of Promptsheet. {cure}"
            return told + self._one_tab()
        record = self._store.sheet(self._known.key)
        if lying.sheet != self._known.key:
            return self._under_another_name(lying.sheet, record.place)
        ahead = lying.counter > record.counter
        twin = lying.counter == record.counter and lying.word != record.word
        if self._claim is not None and not (ahead or twin):
            return f"Another pass over this store has taken {self.sheet.title} over."
        if ahead or twin:
            return (
                f"{self.sheet.title} has been run from another copy of this store: this one is an "
                f"old or a second copy. {cure}"
            )
        return ""

    def _one_tab(self) -> str:
        """Said where it may be another tab of one file that somebody means."""
        file, _, _ = self.sheet.title.casefold().partition(", ")
        if not file.endswith((".xlsx", ".xlsm")):
            return ""
        return (
            " Of a workbook one tab is a sheet: for a second one, save it as a workbook of its own."
        )

    def _under_another_name(self, key: str, place: str) -> str:
        """Why a claim of our own store is for another sheet, where that is a trouble.

        Copied along with a file it is none: this sheet has not been claimed yet.
        """
        if place and any(one.key == key and one.place == place for one in self._store.sheets()):
            return (
                f"{self.sheet.title} is known to this store by another name. Set [sheet] id to "
                f'"{key}" again, or take it out if there was none.'
            )
        return ""
