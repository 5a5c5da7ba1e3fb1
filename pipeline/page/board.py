"""All cards of a campaign: one card for each take of each row, the newest first.

Memory holds a `CardSummary` of each card: what is needed to find and count it. Full cards are made
when they are shown. Only changed rows are computed again: the store lists changed jobs and rows,
and the sheet is read again when its file has changed. If the sheet cannot be read, names and notes
come from the last reading.

A campaign with very many rows is computed in parts, the newest first, and shown as far as it is
known. `Board` owns this state; a lock makes it safe for threads. Raises StoreError.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.core import messages
from pipeline.core.known_rows import Memory
from pipeline.core.model import Job
from pipeline.core.statuses import FINISHED, ON_THE_WAY
from pipeline.page.cards import Card, CardSummary, cards_of, summary_of
from pipeline.page.sheet_reader import Reading
from pipeline.reports.gallery import STATUSES
from pipeline.reports.results import View
from pipeline.store import places_in
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.lease import is_dead

#: Seconds from one refresh to the next: at least EVERY, and SHARE times the duration of the last.
EVERY: Final = 0.5
SHARE: Final = 20
#: Longest duration of one refresh, and seconds between updates of the page while more rows follow.
#: The page is also updated when the number of known rows has doubled.
SLICE: Final = 0.25
SHOWN_EVERY: Final = 2.0
#: Rows that are computed together.
CHUNK: Final = 500
#: Seconds between two checks for rows that change by time alone.
STALE: Final = 60.0
#: The rate is computed from results that are no older than this.
WINDOW: Final = timedelta(minutes=5)
#: Cards on one page.
PAGE: Final = 60
#: With more jobs than this, the newest are shown before the rest is read.
MANY: Final = 2_000


@dataclass(frozen=True, slots=True)
class Totals:
    """The campaign in numbers. Each row counts once, by its latest take.

    So `rows` is always the sum of `counts` and `dismissed`.
    """

    #: Status -> rows that have it and are not dismissed.
    counts: Mapping[str, int]
    #: All known rows, in the sheet or not.
    rows: int = 0
    #: Saved files of all takes, earlier ones as well.
    pictures: int = 0
    #: Rows whose latest take has ended, and rows whose latest take is in progress.
    finished: int = 0
    on_their_way: int = 0
    #: Rows that need attention and are not dismissed.
    needing: int = 0
    dismissed: int = 0
    #: Takes that are not the latest of their row.
    earlier: int = 0
    #: Recent results per minute; 0 if there are too few.
    rate: float = 0.0
    #: Estimated seconds until everything is done; None if unknown.
    left: float | None = None
    #: A sentence if the API charged other prices than listed; else empty.
    charged: str = ""


@dataclass(frozen=True, slots=True)
class SheetStatus:
    """The state of the sheet as a whole."""

    #: Credits spent today, and the limit. The budget counts by API key and store, so other sheets
    #: with the same key are included. None without a limit or a key.
    spent: int | None = None
    budget: int | None = None
    paused: bool = False
    hold: str = ""
    #: Why the last reading of the sheet failed; empty if it did not.
    trouble: str = ""
    #: When the run that is working on the sheet began; None if there is none.
    running_since: datetime | None = None


class Board:
    """All cards of one campaign. Any thread may use it."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._rules = wiring.rules(campaign.settings, campaign.key)
        self._reading = Reading(campaign)
        self._lock = Lock()
        # Up to where changes of jobs, of known rows and of their order have been loaded.
        self._cursor = 0
        self._noted = -1
        self._marks: dict[str, int] = {}
        self._written_order = ""
        self._order: Mapping[str, int] = {}
        #: Dismissed rows without a job -> what they said when they were dismissed.
        self._away: dict[str, str] = {}
        self._summaries: dict[str, tuple[CardSummary, ...]] = {}
        #: Ids of the rows that must be computed again, in this order.
        self._stale: dict[str, None] = {}
        self._next = 0.0
        self._noticed_at = 0.0
        self._fresh_until = 0.0
        self._shown_at = 0.0
        self._is_shown = True
        #: All takes that are known so far, the newest first.
        self.summaries: Sequence[CardSummary] = ()
        #: Whether these are all takes, and not only the newest.
        self.is_complete = False
        self.totals = Totals({})
        self.sheet_status = SheetStatus()
        #: Increased with each change that can be seen.
        self.revision = 0

    def refresh(self, *, at_once: bool = False, patience: float = 0) -> None:
        """Load what has changed, for at most about SLICE seconds.

        Does nothing if the last refresh was a moment ago, unless `at_once`. If another thread is
        refreshing, waits at most `patience` seconds, but without limit before the first result.
        """
        if not self._lock.acquire(timeout=-1 if at_once or not self.revision else patience):
            return
        try:
            began = time.monotonic()
            if began < self._next and not at_once:
                return
            if not (self.revision or at_once) and (newest := self._newest()):
                self._show_only(newest)
                return
            if at_once or began > self._noticed_at + EVERY:
                self._find_changes()
                self._noticed_at = time.monotonic()
            self._update(until=began + SLICE)
            ended = time.monotonic()
            self._next = ended if self._stale else ended + max(EVERY, SHARE * (ended - began))
        finally:
            self._lock.release()

    def refresh_until_complete(self, within: float) -> None:
        """Load all changes, or as many as possible within this number of seconds."""
        until = time.monotonic() + within
        self.refresh()
        while not self.is_complete and (left := until - time.monotonic()) > 0:
            self.refresh(patience=left)

    def picked(self, status: str = "", search: str = "") -> Sequence[CardSummary]:
        """The takes that have this status and match all words of the search, the newest first."""
        words, order = search.casefold().split(), self._order
        return [
            one
            for one in self.summaries
            if one.is_picked(status)
            and all(word in one.words or word in _row_of(one, order) for word in words)
        ]

    def cards(self, summaries: Sequence[CardSummary]) -> list[Card]:
        """The current cards of these takes."""
        made = self._build({one.row_id for one in summaries})
        found = {(c.shown.row_id, c.shown.take): c for cards in made.values() for c in cards}
        places = [(one.row_id, one.take) for one in summaries]
        return [found[place] for place in places if place in found]

    def row(self, row_id: str) -> Sequence[Card]:
        """The cards of all takes of a row; empty if the row is unknown."""
        return self._build([row_id])[row_id]

    def card(self, row_id: str, take: int) -> Card | None:
        """The card of this take; None if there is none."""
        return next((card for card in self.row(row_id) if card.shown.take == take), None)

    # -- loading changes -------------------------------------------------------------------------

    def _newest(self) -> list[str]:
        """The rows to show first; empty if the campaign is small enough to compute at once."""
        found = self.campaign.store.jobs.newest(self.campaign.key, MANY + 1)
        return [job.row_id for job in found[:PAGE]] if len(found) > MANY else []

    def _show_only(self, newest: Sequence[str]) -> None:
        """Show these rows. The next refresh reads the sheet and starts on all rows."""
        self._take_order()
        self._keep(self._build(newest))
        self._show()

    def _find_changes(self) -> None:
        """Find the rows that must be computed again."""
        store, key = self.campaign.store, self.campaign.key
        if self._cursor:
            cursor, moved = store.jobs.changed(key, self._cursor)
            ids = [job.row_id for job in moved]
        else:
            cursor, ids = store.jobs.cursor(key), [job.row_id for job in store.jobs.newest(key)]
        ids += self._newly_noted()
        ids += self._take_order()
        away = store.rows.dismissed(key)
        ids += [one for one, _ in away.items() ^ self._away.items()]
        self._away = away
        ids += self._reading.refresh()
        ids += self._out_of_date()
        self._stale = dict.fromkeys(one for one in ids if one not in self._stale) | self._stale
        self._cursor = cursor

    def _newly_noted(self) -> Iterable[str]:
        store, key = self.campaign.store, self.campaign.key
        if (noted := store.unchanged.noted(key)) == self._noted:
            return ()
        marks = store.rows.marks(key)
        changed = [one for one, mark in marks.items() if self._marks.get(one) != mark]
        self._noted, self._marks = noted, marks
        return changed

    def _take_order(self) -> Iterable[str]:
        """Load the order of the rows. Returns the ids that were added or removed."""
        written = self.campaign.store.rows.written_order(self.campaign.key)
        if written == self._written_order:
            return ()
        before, self._order = self._order, places_in(written)
        self._written_order, self._is_shown = written, False
        return before.keys() ^ self._order.keys()

    def _out_of_date(self) -> Iterable[str]:
        """The rows whose status or note may have changed because time has passed."""
        if time.monotonic() < self._fresh_until:
            return ()
        self._fresh_until, now = time.monotonic() + STALE, wiring.now()
        return [one.row_id for one in self.summaries if one.stale_until and one.stale_until > now]

    def _update(self, until: float) -> None:
        """Compute the rows that are out of date, or a part of them, and show them."""
        while self._stale:
            chunk = list(islice(self._stale, CHUNK))
            self._keep(self._build(chunk))
            for one in chunk:
                del self._stale[one]
            if time.monotonic() > until:
                break
        is_complete, sheet_status = self.is_complete or not self._stale, self._read_sheet_status()
        is_far = len(self._summaries) > 2 * len(self.summaries)
        if not self._stale or is_far or time.monotonic() > self._shown_at + SHOWN_EVERY:
            stood = self.is_complete, self.sheet_status
            self.is_complete, self.sheet_status = is_complete, sheet_status
            if not self._is_shown or stood != (is_complete, sheet_status):
                self._show()

    def _build(self, ids: Iterable[str]) -> dict[str, tuple[Card, ...]]:
        """The cards of these rows, from the present state of the store."""
        store, key, order, wanted = self.campaign.store, self.campaign.key, self._order, set(ids)
        takes: dict[str, list[Job]] = defaultdict(list)
        for job in store.jobs.of_rows(key, wanted).values():
            takes[job.key.row_id].append(job)
        known = store.rows.known(key, wanted & order.keys())
        memory = Memory(known, order, {}, {})
        # Files are checked when they are shown: a check of every file would be slow.
        view = View(memory, self._reading.said(wanted, memory), self._rules, None, wiring.now())
        return {
            one: cards_of(one, takes.get(one, ()), known.get(one), view, self._away.get(one))
            for one in wanted
        }

    def _keep(self, made: Mapping[str, Sequence[Card]]) -> None:
        for row_id, cards in made.items():
            summaries = tuple(map(summary_of, cards))
            if summaries == self._summaries.get(row_id, ()):
                continue
            self._is_shown = False
            if summaries:
                self._summaries[row_id] = summaries
            else:
                del self._summaries[row_id]

    def _show(self) -> None:
        order, last = self._order, len(self._order) + 1
        every = (one for summaries in self._summaries.values() for one in summaries)
        self.summaries = sorted(every, key=lambda one: (-one.at, order.get(one.row_id, last)))
        self.totals = self._count() if self.is_complete else Totals({}, rows=len(order))
        self._is_shown, self._shown_at = True, time.monotonic()
        self.revision += 1

    # -- counting --------------------------------------------------------------------------------

    def _count(self) -> Totals:
        latest = [one for one in self.summaries if not one.is_earlier]
        every = Counter(one.status for one in latest)
        counts = Counter(one.status for one in latest if not one.dismissed)
        way = sum(every[status] for status in ON_THE_WAY)
        rate = self._rate()
        charged = [one for summary in self.summaries for one in summary.charged]
        return Totals(
            counts={status: counts[status] for status in STATUSES if counts[status]},
            rows=len(latest),
            pictures=sum(one.saved for one in self.summaries),
            finished=sum(every[status] for status in FINISHED),
            on_their_way=way,
            needing=sum(one.needs for one in latest),
            dismissed=sum(one.dismissed for one in latest),
            earlier=len(self.summaries) - len(latest),
            rate=rate,
            left=way / rate * 60 if way and rate else None,
            charged=messages.charged_otherwise(self._rules.provider.title, charged)
            if charged
            else "",
        )

    def _rate(self) -> float:
        """Results per minute, in the last minutes in which there was something to do."""
        now = wiring.now()
        since = now - WINDOW
        late = [one for one in self.summaries if one.finished_at and one.finished_at > since]
        if len(late) < 3:
            return 0.0
        began = min(one.submitted_at or now for one in late)
        return 60 * len(late) / max((now - max(began, since)).total_seconds(), 1.0)

    def _read_sheet_status(self) -> SheetStatus:
        settings, store, key = self.campaign.settings, self.campaign.store, self.campaign.key
        record = store.sheets.get(key)
        lease = store.leases.of(key)
        # A lease expires by itself, so the holder of a valid lease is working.
        alive = lease and lease.until > wiring.now() and not is_dead(lease.holder)
        limits = wiring.limits(settings)
        has_key = settings.api_key is not None
        spent = store.budget.spent(limits.api_key, limits.run, limits.day)
        return SheetStatus(
            spent=spent.day if has_key else None,
            budget=limits.per_day,
            paused=record.paused,
            hold="" if record.paused else record.hold,
            trouble=self._reading.trouble,
            running_since=lease.since if lease and alive else None,
        )

    @property
    def timezone(self) -> ZoneInfo:
        """The time zone of the team."""
        return ZoneInfo(self.campaign.settings.timezone)


def _row_of(one: CardSummary, order: Mapping[str, int]) -> str:
    """The name of the row on the page, such as "row 12"; empty if it is not in the sheet."""
    place = order.get(one.row_id)
    return "" if place is None else f"row {place + 1}"
