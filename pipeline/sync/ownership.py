"""Which store owns a sheet, and what else puts the sheet on hold.

A store writes its claim next to the sheet before the first request of a pass. The sheet is held if
there is a claim of another store or of another copy of this store, or if columns or rows are gone.
A held sheet gets no row_ids and nothing is sent, until a person does what the hold says.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from pipeline.core.model import Claim
from pipeline.core.sheet.header import Columns
from pipeline.core.sheet.header_checks import loss
from pipeline.sheets import Sheet
from pipeline.store import Store
from pipeline.sync.hold import Hold
from pipeline.sync.look import Look
from pipeline.sync.sheet_state import SheetState


class Ownership:
    """The claim of one store on one sheet, and the hold after each reading.

    `config` is the resolved path of the configuration. `accept_columns` accepts a reading that
    lost a column or all rows.
    """

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        state: SheetState,
        *,
        config: str,
        accept_columns: bool,
        chance: Random,
    ) -> None:
        self.sheet = sheet
        self._store = store
        self._state = state
        self._config = config
        self._accept_columns = accept_columns
        self._chance = chance
        #: The claim that we wrote, and the one that was next to the sheet when we last checked.
        self._claim: Claim | None = None
        self._found: Claim | None = None
        self._has_sent = False
        self._seen: Claim | None = None

    @property
    def found(self) -> Claim | None:
        """The claim that was next to the sheet at the last reading; None if there was none."""
        return self._found

    def compare_with(self, seen: Claim | None) -> None:
        """Compare the store with this claim, and not with the one that is there by now."""
        self._seen = seen

    @property
    def has_claimed(self) -> bool:
        """True if this pass has raised the claim."""
        return self._claim is not None

    @property
    def has_sent(self) -> bool:
        """True if an attempt was begun since the claim was raised."""
        return self._has_sent

    def must_claim(self, look: Look) -> bool:
        """True if there are new rows, and the sheet must be claimed before they are noted."""
        return look.has_new_rows and not (self.has_claimed or look.hold)

    def note_sent(self) -> None:
        """An attempt was begun."""
        self._has_sent = True

    def own(self) -> Hold | None:
        """Raise the claim, in the store first, then next to the sheet; a hold if another store did.

        Each pass raises it before its first request, and at each look after it has sent something.
        So a backup of the store that was made in between is older than the claim, and is detected.
        """
        if self._claim is not None and not self._has_sent:
            return None
        word = f"{self._chance.getrandbits(64):016x}"
        mine = self._store.sheets.raise_claim(self._state.key, word, config=self._config)
        # Compare-and-swap against the claim we checked; the current one may be another store's.
        if self.sheet.write_claim(mine, self._found) and self.sheet.read_claim() == mine:
            self._claim = self._found = mine
            self._has_sent = False
            self._state.claimed(mine, self._config)
            return None
        return Hold("owner", f"Another Promptsheet has just taken over {self.sheet.title}.")

    def hold(self, columns: Columns, rows: int) -> Hold | None:
        """The hold after a reading with these columns and this number of rows; None without one."""
        if sentence := self._not_the_owner():
            return Hold("owner", sentence)
        other = self._state.record.config
        if other and other != self._config and Path(other).exists():
            return Hold(
                "config",
                f"{self.sheet.title} is run by another configuration, {other}. Use that one, or "
                "move it away if this one takes its place. To use another endpoint, name it in a "
                f"column named endpoint.{self._one_tab()}",
            )
        accepted, known = self._state.record.columns, len(self._state.rows.memory.order)
        if self._accept_columns:
            accepted, known = None, 0
        if sentence := loss(columns, accepted, rows, known):
            return Hold("columns", sentence, 2 if columns.doubled else 1)
        if self._state.record.paused:
            return Hold(
                "paused", f"{self.sheet.title} is paused. Run promptsheet resume to continue."
            )
        return None

    def _not_the_owner(self) -> str:
        """Why this store does not own the sheet, as a sentence; empty if it does."""
        found = self._found = self._seen or self.sheet.read_claim()
        if found is None or (self._claim is not None and found == self._claim):
            return ""
        cure = "If this is the right place to run it from, run promptsheet doctor --adopt here."
        if found.store != self._store.id:
            message = f"{self.sheet.title} belongs to another store of Promptsheet. {cure}"
            return message + self._one_tab()
        record = self._store.sheets.get(self._state.key)
        if found.sheet != self._state.key:
            return self._under_another_name(found.sheet, record.place)
        ahead = found.counter > record.counter
        twin = found.counter == record.counter and found.word != record.word
        if self._claim is not None and not (ahead or twin):
            return f"Another run of this store has taken over {self.sheet.title}."
        if ahead or twin:
            return (
                f"{self.sheet.title} has been run from another copy of this store. This copy is "
                f"old, or it is a second one. {cure}"
            )
        return ""

    def _one_tab(self) -> str:
        """A hint for workbooks: the person may want a second tab of the same file."""
        file, _, _ = self.sheet.title.casefold().partition(", ")
        if not file.endswith((".xlsx", ".xlsm")):
            return ""
        return " Only one tab of a workbook can be used. Save a second one as its own workbook."

    def _under_another_name(self, key: str, place: str) -> str:
        """Why a claim of our own store names another sheet, if that is a problem.

        It is none if the claim was copied with the file: this sheet has no claim yet.
        """
        if place and any(one.key == key and one.place == place for one in self._store.sheets.all()):
            return (
                f"{self.sheet.title} is known to this store by another name. Set [sheet] id to "
                f'"{key}" again, or remove it if there was none.'
            )
        return ""
