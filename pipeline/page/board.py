"""The campaign as people see it: a card for each take of each row, the newest first.

Only what finds and counts a card is kept in memory (`Gist`). Only changed rows are worked out
again: the store tells which jobs and rows changed, and the sheet's file is read after it was
written. Cards are made when they are shown. If the sheet is out of reach, names and reasons, which
only its cells have, are those of the last reading.

A campaign with very many rows is worked out in parts, the newest first, and shown as far as it is.
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
from pipeline.page.cards import Card, Gist, cards_of, gist_of
from pipeline.page.sheet_reader import Reading
from pipeline.reports.gallery import STATUSES
from pipeline.reports.results import View
from pipeline.store import places_in
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.lease import is_dead

#: Seconds from one look to the next at the earliest; a look may take a twentieth of the time.
EVERY: Final = 0.5
SHARE: Final = 20
#: How long one look goes on while there is more to be worked out, and how often that is shown: or
#: else whenever there is twice as much.
SLICE: Final = 0.25
SHOWN_EVERY: Final = 2.0
#: Rows that are worked out together.
CHUNK: Final = 500
#: Time alone changes a word no more often than this (seconds).
STALE: Final = 60.0
#: From how long back the rate is worked out.
WINDOW: Final = timedelta(minutes=5)
#: Statuses of rows that are still on their way.
PAGE: Final = 60
#: Of a campaign of more jobs than this, the newest are shown before anything else is read.
MANY: Final = 2_000


@dataclass(frozen=True, slots=True)
class Totals:
    """The campaign in numbers. Each row counts once, by its latest take.

    So `rows` is always the sum of `counts` and `dismissed`.
    """

    #: Status -> rows that have it and are not dismissed.
    counts: Mapping[str, int]
    #: Rows of which anything is known, in the sheet or not.
    rows: int = 0
    #: Saved files of all takes, earlier ones as well.
    pictures: int = 0
    #: Rows whose latest take is done or failed, and rows whose latest take is under way.
    finished: int = 0
    on_their_way: int = 0
    #: Rows that need attention: by their status, and not dismissed.
    needing: int = 0
    dismissed: int = 0
    #: Takes that a later one has replaced.
    earlier: int = 0
    #: Results per minute, recently; 0 if there are too few to tell.
    rate: float = 0.0
    #: Seconds until everything is done at that rate; None if unknown.
    left: float | None = None
    #: That the API charged other prices than are listed, as a sentence; empty if it did not.
    charged: str = ""


@dataclass(frozen=True, slots=True)
class SheetStatus:
    """The state of the sheet as a whole."""

    #: Credits of today, as the budget counts them: by API key and store, so that other sheets of
    #: this key count as well. And how many there may be. None where there is no cap, or no key.
    spent: int | None = None
    budget: int | None = None
    paused: bool = False
    hold: str = ""
    #: Why the sheet could not be read just now; empty if it could.
    trouble: str = ""
    #: Since when a run is at work on the sheet; None if none is.
    running_since: datetime | None = None


class Wall:
    """All cards of one campaign. May be asked from any thread."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._rules = wiring.rules(campaign.settings, campaign.key)
        self._reading = Reading(campaign)
        self._lock = Lock()
        # How far the changes of jobs, of known rows and of their order have been taken over.
        self._cursor = 0
        self._noted = -1
        self._marks: dict[str, int] = {}
        self._written_order = ""
        self._order: Mapping[str, int] = {}
        #: Rows that no job answers for, put out of sight: what they said of themselves then.
        self._away: dict[str, str] = {}
        self._gists: dict[str, tuple[Gist, ...]] = {}
        #: Ids of the rows that are to be worked out, in their order.
        self._stale: dict[str, None] = {}
        self._next = 0.0
        self._noticed_at = 0.0
        self._fresh_until = 0.0
        self._shown_at = 0.0
        self._is_shown = True
        #: Every take of which anything is known so far, the newest first.
        self.gists: Sequence[Gist] = ()
        #: Whether these are all that there are, and not only the newest.
        self.is_whole = False
        self.totals = Totals({})
        self.standing = SheetStatus()
        #: Raised whenever anything is not as it was.
        self.revision = 0

    def look(self, *, at_once: bool = False, patience: float = 0) -> None:
        """Take over what has changed, or a good part of it.

        It does so only as often as is cheap, unless `at_once`. While another thread is looking,
        this waits `patience` seconds at most, unless there is nothing to show yet.
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
                self._notice()
                self._noticed_at = time.monotonic()
            self._work_out(until=began + SLICE)
            ended = time.monotonic()
            self._next = ended if self._stale else ended + max(EVERY, SHARE * (ended - began))
        finally:
            self._lock.release()

    def look_until_whole(self, within: float) -> None:
        """Take over everything, or as much as can be done in this number of seconds."""
        until = time.monotonic() + within
        self.look()
        while not self.is_whole and (left := until - time.monotonic()) > 0:
            self.look(patience=left)

    def picked(self, status: str = "", search: str = "") -> Sequence[Gist]:
        """The takes with that status that match all words of the search, the newest first."""
        words, order = search.casefold().split(), self._order
        return [
            one
            for one in self.gists
            if one.is_picked(status)
            and all(word in one.words or word in _row_of(one, order) for word in words)
        ]

    def cards(self, gists: Sequence[Gist]) -> list[Card]:
        """The cards of these takes, as they are now."""
        made = self._made({one.row_id for one in gists})
        found = {(c.shown.row_id, c.shown.take): c for cards in made.values() for c in cards}
        places = [(one.row_id, one.take) for one in gists]
        return [found[place] for place in places if place in found]

    def row(self, row_id: str) -> Sequence[Card]:
        """The cards of all takes of a row; none if the row is unknown."""
        return self._made([row_id])[row_id]

    def card(self, row_id: str, take: int) -> Card | None:
        """The card of that take; None if there is none."""
        return next((card for card in self.row(row_id) if card.shown.take == take), None)

    # -- taking over -----------------------------------------------------------------------------

    def _newest(self) -> list[str]:
        """The rows to begin with, if working out all of them would keep people waiting."""
        found = self.campaign.store.jobs.newest(self.campaign.key, MANY + 1)
        return [job.row_id for job in found[:PAGE]] if len(found) > MANY else []

    def _show_only(self, newest: Sequence[str]) -> None:
        """Show these rows. The next look reads the sheet and begins with all rows."""
        self._take_order()
        self._keep(self._made(newest))
        self._show()

    def _notice(self) -> None:
        """Find out which rows must be worked out again."""
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
        ids += self._reading.look()
        ids += self._aged()
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
        """Take over the order of the rows: the ids that were added or removed."""
        written = self.campaign.store.rows.written_order(self.campaign.key)
        if written == self._written_order:
            return ()
        before, self._order = self._order, places_in(written)
        self._written_order, self._is_shown = written, False
        return before.keys() ^ self._order.keys()

    def _aged(self) -> Iterable[str]:
        """The rows whose words may have changed only because time passed."""
        if time.monotonic() < self._fresh_until:
            return ()
        self._fresh_until, now = time.monotonic() + STALE, wiring.now()
        return [one.row_id for one in self.gists if one.ages_until and one.ages_until > now]

    def _work_out(self, until: float) -> None:
        """Work out the rows that are out of date, or a part of them, and show them."""
        while self._stale:
            chunk = list(islice(self._stale, CHUNK))
            self._keep(self._made(chunk))
            for one in chunk:
                del self._stale[one]
            if time.monotonic() > until:
                break
        is_whole, standing = self.is_whole or not self._stale, self._stands()
        is_far = len(self._gists) > 2 * len(self.gists)
        if not self._stale or is_far or time.monotonic() > self._shown_at + SHOWN_EVERY:
            stood = self.is_whole, self.standing
            self.is_whole, self.standing = is_whole, standing
            if not self._is_shown or stood != (is_whole, standing):
                self._show()

    def _made(self, ids: Iterable[str]) -> dict[str, tuple[Card, ...]]:
        """The cards of these rows, from what the store knows now."""
        store, key, order, wanted = self.campaign.store, self.campaign.key, self._order, set(ids)
        takes: dict[str, list[Job]] = defaultdict(list)
        for job in store.jobs.of_rows(key, wanted).values():
            takes[job.key.row_id].append(job)
        known = store.rows.known(key, wanted & order.keys())
        memory = Memory(known, order, {}, {})
        # Whether a file is there is asked when it is shown, not of every file of the campaign.
        view = View(memory, self._reading.said(wanted, memory), self._rules, None, wiring.now())
        return {
            one: cards_of(one, takes.get(one, ()), known.get(one), view, self._away.get(one))
            for one in wanted
        }

    def _keep(self, made: Mapping[str, Sequence[Card]]) -> None:
        for row_id, cards in made.items():
            gists = tuple(map(gist_of, cards))
            if gists == self._gists.get(row_id, ()):
                continue
            self._is_shown = False
            if gists:
                self._gists[row_id] = gists
            else:
                del self._gists[row_id]

    def _show(self) -> None:
        order, last = self._order, len(self._order) + 1
        every = (one for gists in self._gists.values() for one in gists)
        self.gists = sorted(every, key=lambda one: (-one.at, order.get(one.row_id, last)))
        self.totals = self._count() if self.is_whole else Totals({}, rows=len(order))
        self._is_shown, self._shown_at = True, time.monotonic()
        self.revision += 1

    # -- counting --------------------------------------------------------------------------------

    def _count(self) -> Totals:
        latest = [one for one in self.gists if not one.is_earlier]
        every = Counter(one.status for one in latest)
        counts = Counter(one.status for one in latest if not one.dismissed)
        way = sum(every[status] for status in ON_THE_WAY)
        rate = self._rate()
        charged = [one for gist in self.gists for one in gist.charged]
        return Totals(
            counts={status: counts[status] for status in STATUSES if counts[status]},
            rows=len(latest),
            pictures=sum(one.saved for one in self.gists),
            finished=sum(every[status] for status in FINISHED),
            on_their_way=way,
            needing=sum(one.needs for one in latest),
            dismissed=sum(one.dismissed for one in latest),
            earlier=len(self.gists) - len(latest),
            rate=rate,
            left=way / rate * 60 if way and rate else None,
            charged=messages.charged_otherwise(self._rules.provider.title, charged)
            if charged
            else "",
        )

    def _rate(self) -> float:
        """Results per minute, over the last minutes in which there was something to do."""
        now = wiring.now()
        since = now - WINDOW
        late = [one for one in self.gists if one.finished_at and one.finished_at > since]
        if len(late) < 3:
            return 0.0
        began = min(one.submitted_at or now for one in late)
        return 60 * len(late) / max((now - max(began, since)).total_seconds(), 1.0)

    def _stands(self) -> SheetStatus:
        settings, store, key = self.campaign.settings, self.campaign.store, self.campaign.key
        record = store.sheets.get(key)
        lease = store.leases.of(key)
        # A lease runs out by itself; who holds a good one is at work.
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
        """The time zone of the people of the sheet."""
        return ZoneInfo(self.campaign.settings.timezone)


def _row_of(one: Gist, order: Mapping[str, int]) -> str:
    """The row's name on the page."""
    place = order.get(one.row_id)
    return "" if place is None else f"row {place + 1}"
