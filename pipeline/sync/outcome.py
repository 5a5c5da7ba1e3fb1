"""The options of a pass, and its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.core.credits import Credits
from pipeline.core.messages.repeats import trouble_of
from pipeline.core.money.costs import Cost, own
from pipeline.core.planning.files import PlannedSheet
from pipeline.core.planning.lines import Line
from pipeline.store import OutletState
from pipeline.sync.row_reports import Row

#: The exit code of a pass that was interrupted.
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a run."""

    wait: bool = False
    limit: int | None = None
    #: Picks the lines that may be sent; None for all.
    only: Callable[[Line], bool] | None = None
    #: Sheet's key -> its plan, of which exactly these rows are sent; None: no plan was given.
    plans: Mapping[str, PlannedSheet] | None = None
    #: True if the outcome lists the rows that changed.
    detailed: bool = False


@dataclass(slots=True)
class PassCounts:
    """What a pass has sent and received. A row with three generations counts three times."""

    #: Rows that this pass sent, whatever came of them: taken, refused or without an answer.
    new: int = 0
    #: Rows that were done, refused or failed in this pass, whichever run sent them.
    done: int = 0
    refused: int = 0
    failed: int = 0
    #: Rows that this pass sent and that no answer says anything about.
    lost: int = 0
    #: Those of them whose earlier pictures were of no use.
    made_again: int = 0
    #: Pictures that were saved in this pass.
    saved: int = 0
    #: What this pass sent costs at each account: as the API reported until its end, else as listed;
    #: without what the API did not take.
    costs: tuple[Cost, ...] = ()

    @property
    def credits(self) -> Credits:
        """The part of the costs that is paid at the sheet's own account, in its unit."""
        return own(self.costs)

    def __bool__(self) -> bool:
        """True if any row was sent, or has got an answer."""
        return any((self.new, self.done, self.refused, self.failed, self.lost))


@dataclass(slots=True)
class Outcome:
    """The outcome of a pass, for the closing line and the exit code."""

    title: str = ""
    #: The sheet's key in the store; empty where the pass did not get that far.
    key: str = ""
    counts: PassCounts = field(default_factory=PassCounts)
    statuses: Counter[str] = field(default_factory=Counter)
    #: How many rows began to need attention in this pass (see `core.rows.attention`).
    newly: int = 0
    #: The rows that need attention: first those that newly do, then in the order of the sheet.
    attention: list[Row] = field(default_factory=list)
    #: The rows that changed in this pass, if they were asked for (`Asked.detailed`).
    changed: list[Row] = field(default_factory=list)
    #: A sentence each: a hold, a stop, an unreachable sheet or store.
    sentences: list[str] = field(default_factory=list)
    #: Things to know although nothing is wrong: a sentence each.
    notices: list[str] = field(default_factory=list)
    #: What was quoted for the batch that ended in this pass, and what it became; else empty.
    quote: str = ""
    #: A rule of ours stopped the sending.
    stopped: bool = False
    #: Why the sending was stopped, by a rule of ours or by the API; empty if it was not.
    stop: str = ""
    #: That the sample is done, and rows wait for a person to look at it; empty otherwise.
    sample: str = ""
    #: The outlets of the sheet and their messages, when the pass ended.
    outlets: Sequence[OutletState] = ()
    #: The version of the sheet's jobs when the pass last read their changes.
    version: int = 0
    #: When its last look began that read the sheet; None if none did.
    looked_at: datetime | None = None
    code: int = 0

    @property
    def needing(self) -> int:
        """How many rows need attention."""
        return len(self.attention)

    @property
    def troubles(self) -> set[str]:
        """The problems of the sheet, without the amounts that differ from run to run."""
        return {trouble_of(sentence) for sentence in (*self.notices, *self.sentences)}

    @property
    def has_news(self) -> bool:
        """True if anything came of the pass."""
        return bool(self.counts or self.newly)

    def interrupt(self) -> None:
        """Note that a person ended the pass: no other exit code counts."""
        self.code = INTERRUPTED

    def worsen(self, code: int, sentence: str = "") -> None:
        """Note a trouble; the worst exit code counts."""
        self.code = max(self.code, code)
        if sentence and sentence not in self.sentences:
            self.sentences.append(sentence)
