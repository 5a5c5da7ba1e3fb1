"""All cards of a campaign: one card for each take of each row, the newest first.

Memory holds a `CardSummary` of each card: what is needed to find and count it. Full cards are made
when they are shown. Only changed rows are computed again: `changes` finds them. If the sheet cannot
be read, names and notes come from the last reading.

A campaign with very many rows is computed in parts, the newest first, and shown as far as it is
known. `Board` owns this state; a lock makes it safe for threads. Raises StoreError.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.core.model import Job
from pipeline.core.rows.known import Memory
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns
from pipeline.core.statuses import Status
from pipeline.open_pictures import Pictures
from pipeline.page.cards import Card, CardSummary, card_id, cards_of, summary_of
from pipeline.page.changes import ChangeFinder
from pipeline.page.sheet_reader import Reading
from pipeline.page.sheet_status import SheetStatus, sheet_status_of
from pipeline.page.snapshot import Snapshot, Totals, totals_of
from pipeline.reports.results import View
from pipeline.sync.configured_sheet import Campaign

#: Seconds from one refresh to the next: at least EVERY, and SHARE times the duration of the last,
#: but at most LONGEST: a refresh may last long only because the machine was busy.
EVERY: Final = 0.5
SHARE: Final = 20
LONGEST: Final = 10.0
#: Longest duration of one refresh, and seconds between updates of the page while more rows follow.
#: The page is also updated when the number of known rows has doubled.
SLICE: Final = 0.25
SHOWN_EVERY: Final = 2.0
#: Rows that are computed together.
CHUNK: Final = 500
#: Cards on one page.
PAGE: Final = 60
#: With more jobs than this, the newest are shown before the rest is read.
MANY: Final = 2_000


class Board:
    """All cards of one campaign. Any thread may use it."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.pictures = Pictures(campaign.settings)
        #: What the page shows now. Replaced as a whole with each change that can be seen.
        self.shown = Snapshot()
        self._rules = wiring.rules(campaign.settings, campaign.key)
        self._reading = Reading(campaign)
        self._changes = ChangeFinder(campaign, self._reading)
        self._lock = Lock()
        self._summaries: dict[str, tuple[CardSummary, ...]] = {}
        #: Ids of the rows that must be computed again, in this order.
        self._stale: dict[str, None] = {}
        #: True if a summary has changed since `shown` was made.
        self._is_changed = False
        # On the monotonic clock: the next refresh, the last search for changes, the last `_show`.
        self._next = 0.0
        self._searched_at = 0.0
        self._shown_at = 0.0

    @property
    def timezone(self) -> ZoneInfo:
        """The time zone of the team."""
        return ZoneInfo(self.campaign.settings.timezone)

    @property
    def rules(self) -> Rules:
        """The rules of the sheet."""
        return self._rules

    @property
    def columns(self) -> Columns:
        """The columns of the sheet when it was last read."""
        return self._reading.columns

    def refresh(self, *, at_once: bool = False, patience: float = 0) -> None:
        """Load what has changed, for at most about SLICE seconds.

        Does nothing if the last refresh was a moment ago, unless `at_once`. If another thread is
        refreshing, waits at most `patience` seconds, but without limit before the first result.
        """
        is_first = not self.shown.revision
        if not self._lock.acquire(timeout=-1 if at_once or is_first else patience):
            return
        try:
            began = time.monotonic()
            if began < self._next and not at_once:
                return
            if not (self.shown.revision or at_once) and (newest := self._newest()):
                self._show_only(newest)
                return
            if at_once or began > self._searched_at + EVERY:
                found = self._changes.find(self.shown.summaries)
                fresh = dict.fromkeys(one for one in found if one not in self._stale)
                self._stale = fresh | self._stale
                self._searched_at = time.monotonic()
            self._update(until=began + SLICE)
            ended = time.monotonic()
            rest = min(max(EVERY, SHARE * (ended - began)), LONGEST)
            self._next = ended if self._stale else ended + rest
        finally:
            self._lock.release()

    def refresh_until_complete(self, within: float) -> None:
        """Load all changes, or as many as possible within this number of seconds."""
        until = time.monotonic() + within
        self.refresh()
        while not self.shown.is_complete and (left := until - time.monotonic()) > 0:
            self.refresh(patience=left)

    def cards(self, summaries: Sequence[CardSummary]) -> list[Card]:
        """The current cards of these takes."""
        made = self._build({one.row_id for one in summaries})
        found = {c.id: c for cards in made.values() for c in cards}
        return [found[one.id] for one in summaries if one.id in found]

    def row(self, row_id: str) -> Sequence[Card]:
        """The cards of all takes of a row; empty if the row is unknown."""
        return self._build([row_id])[row_id]

    def card(self, generation: str, take: int) -> Card | None:
        """The card of this take of a row, or of one of its generations; None if there is none."""
        row_id, _, _ = generation.partition("-")
        wanted = card_id(generation, take)
        return next((card for card in self.row(row_id) if card.id == wanted), None)

    # -- computing -------------------------------------------------------------------------------

    def _newest(self) -> list[str]:
        """The rows to show first; empty if the campaign is small enough to compute at once."""
        found = self.campaign.store.jobs.newest(self.campaign.key, MANY + 1)
        return [job.row_id for job in found[:PAGE]] if len(found) > MANY else []

    def _show_only(self, newest: Sequence[str]) -> None:
        """Show these rows. The next refresh reads the sheet and starts on all rows."""
        self._changes.read_order()
        self._keep(self._build(newest))
        self._show(is_complete=False, sheet_status=SheetStatus())

    def _update(self, until: float) -> None:
        """Compute the rows that are out of date, or a part of them, and show them."""
        while self._stale:
            chunk = list(islice(self._stale, CHUNK))
            self._keep(self._build(chunk))
            for one in chunk:
                del self._stale[one]
            if time.monotonic() > until:
                break
        shown = self.shown
        is_complete = shown.is_complete or not self._stale
        sheet_status = sheet_status_of(
            self.campaign,
            self._reading.trouble,
            self.pictures.trouble,
            checks=shown.totals.counts.get(Status.CHECK_NEEDED, 0) + shown.totals.dismissed,
        )
        is_far = len(self._summaries) > 2 * len(shown.summaries)
        if self._stale and not is_far and time.monotonic() <= self._shown_at + SHOWN_EVERY:
            return
        is_other = self._is_changed or self._changes.order is not shown.order
        if is_other or (shown.is_complete, shown.sheet_status) != (is_complete, sheet_status):
            self._show(is_complete, sheet_status)

    def _build(self, ids: Iterable[str]) -> dict[str, tuple[Card, ...]]:
        """The cards of these rows, from the present state of the store."""
        store, key, wanted = self.campaign.store, self.campaign.key, set(ids)
        order, dismissed = self._changes.order, self._changes.dismissed
        takes: dict[str, list[Job]] = defaultdict(list)
        recalled = self._reading.recalled(wanted)
        for job in recalled.jobs(store.jobs.of_rows(key, wanted)).values():
            takes[job.key.row_id].append(job)
        known = recalled.rows(store.rows.some(key, wanted & order.keys()).known)
        memory = Memory(known, order, {}, {})
        # Files are checked when they are shown: a check of every file would be slow.
        view = View(memory, self._reading.said(wanted, memory), self._rules, None, wiring.now())
        return {
            one: cards_of(one, takes.get(one, ()), known.get(one), view, dismissed.get(one))
            for one in wanted
        }

    def _keep(self, made: Mapping[str, Sequence[Card]]) -> None:
        for row_id, cards in made.items():
            summaries = tuple(map(summary_of, cards))
            if summaries == self._summaries.get(row_id, ()):
                continue
            self._is_changed = True
            if summaries:
                self._summaries[row_id] = summaries
            else:
                del self._summaries[row_id]

    def _show(self, is_complete: bool, sheet_status: SheetStatus) -> None:
        order = self._changes.order
        last = len(order) + 1
        every = (one for summaries in self._summaries.values() for one in summaries)
        summaries = sorted(every, key=lambda one: (-one.at, order.get(one.row_id, last)))
        if is_complete:
            totals = totals_of(summaries, self._rules.apis, wiring.now())
        else:
            totals = Totals({}, rows=len(order))
        revision = self.shown.revision + 1
        self.shown = Snapshot(summaries, is_complete, totals, sheet_status, order, revision)
        self._is_changed, self._shown_at = False, time.monotonic()
