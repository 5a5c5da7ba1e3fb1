"""What the checks of `doctor` look at, and what they find."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

from pipeline import wiring
from pipeline.cli.doctor.accounts import Answer, asked
from pipeline.config import Settings
from pipeline.core.errors import PromptsheetError
from pipeline.core.messages import row_notes
from pipeline.core.model import JobKey
from pipeline.core.text import quoted
from pipeline.plain_files import is_plain
from pipeline.server import event_loop
from pipeline.store import damage
from pipeline.sync.sheet_sync import SheetSync

#: How bad a finding is: nothing is wrong; a person has to act; the header cannot be used; the
#: sheet, the store or an API cannot be reached.
Sign = Literal["ok", "person", "unusable", "reach"]
#: Saved file -> pictures that are recorded for it, as (job, URL).
Pictures = Mapping[str, Sequence[tuple[JobKey, str]]]

#: Most rows that a finding names; the others are only counted.
MOST_NAMED: Final = 10
_SIGNS: Final[Mapping[int, Sign]] = {2: "unusable", 3: "reach"}


class Finding(NamedTuple):
    """One line of `doctor`: how bad it is, and a sentence; then lines to copy."""

    sign: Sign
    sentence: str
    lines: tuple[str, ...] = ()


def finding_of(error: PromptsheetError) -> Finding:
    """The finding for an error that ended a check."""
    return Finding(_SIGNS.get(error.exit_code, "person"), str(error))


@dataclass
class Case:
    """One configuration under examination. Use it in a `with`: the sheet stays open until its end.

    Sheet and store are read through a temporary copy of the store; nothing is changed.
    """

    settings: Settings
    #: True after a repair: the next comparison of balances starts here.
    is_repaired: bool = False
    #: Files that contained pictures of several rows -> those that the repair could not save again.
    lost: Pictures = field(default_factory=dict)
    #: The sheet beside its store; None until `open`, and if one of them cannot be read.
    sync: SheetSync | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> SheetSync:
        """Read the sheet and the store. Raises PromptsheetError if that is impossible."""
        self.sync = self._stack.enter_context(wiring.previewing(self.settings))
        return self.sync

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def store_trouble(self) -> str:
        """Why the store cannot be used, as a sentence; empty if it can."""
        return store_trouble(self.settings)

    @property
    def has_store(self) -> bool:
        """True if there is a store that can be used."""
        return self.settings.has_store and not self.store_trouble

    @cached_property
    def answers(self) -> list[Answer]:
        """What the accounts say, the sheet's own first, as far as they can be asked."""
        return event_loop.run(asked(self.settings))

    def is_there(self, path: str) -> bool:
        """True if a saved file exists, or is on another machine."""
        return is_saved(self.settings, path)


def is_saved(settings: Settings, path: str) -> bool:
    """True if a saved file exists, or is on another machine."""
    return settings.media is None or "://" in path or is_plain(settings.media / path)


def store_trouble(settings: Settings) -> str:
    """Why the store cannot be opened, created or trusted, as a sentence; empty if it can."""
    store = settings.store_file
    if store is None:
        return _trouble_of_server(settings)
    cure = "Correct that, or set [store] url to another place."
    if store.exists():
        if not (store.is_file() and os.access(store, os.W_OK)):
            return f"The store {store} is not a writable file. {cure}"
        return _damage(store)
    if not store.parent.is_dir():
        return f"The store {store} cannot be created: there is no folder {store.parent}. {cure}"
    if not os.access(store.parent, os.W_OK | os.X_OK):
        return f"The store {store} cannot be created: {store.parent} is not writable. {cure}"
    return ""


def _trouble_of_server(settings: Settings) -> str:
    try:
        with wiring.open_store(settings):
            return ""
    except PromptsheetError as e:
        return str(e)


def _damage(store: Path) -> str:
    try:
        found = damage(store)
    except PromptsheetError as e:
        return str(e)
    return found and (
        f"The store {store} is damaged ({found}). Put a backup in its place, then run "
        "promptsheet doctor. If there is none, move the store away and run promptsheet doctor "
        "--adopt: it takes over the results that are in the sheet, and pays nothing."
    )


def numbered(numbers: Iterable[int]) -> str:
    """Row numbers of the sheet: "Row 2", "Rows 2, 3 and 5"."""
    lines = sorted(numbers)
    word = "Row" if len(lines) == 1 else "Rows"
    return f"{word} {row_notes.in_a_list(lines)}"


def named(sync: SheetSync, pictures: Iterable[tuple[JobKey, str]]) -> str:
    """The rows of some pictures in the order of the sheet: row 2 ("red fox"), row 3 and 4 more."""
    row_ids = {key.row_id for key, _ in pictures}
    names = []
    for line in sync.last.plan.lines:
        if line.seen.row_id in row_ids:
            row_ids.discard(line.seen.row_id)
            given = sync.rules.given(line.memory.inputs, line.take or 1)
            name = line.name or given.get("prompt", "")
            number = f"row {line.seen.place + 1}"
            names.append(f"{number} ({quoted(name, 40)})" if name else number)
    names += sorted(row_ids)  # of rows that are no longer in the sheet
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
