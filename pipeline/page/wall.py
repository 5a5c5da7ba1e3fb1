"""The campaign as people look at it: a card for each take of each row, the newest first.

The wall is kept, and only what has changed is worked out anew: which jobs moved is one question to
the store, and the sheet's file is read when it was written. The sheet need not be reachable; what
only its cells say (a name, why a row is held back) is then as it was when it last was.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.campaign import Campaign
from pipeline.config import GoogleSource
from pipeline.core.errors import PromptsheetError
from pipeline.core.model import Grid, Job, KnownRow, State
from pipeline.core.plan import NEEDS_A_PERSON, family, take_of
from pipeline.core.states import shown, state_of
from pipeline.gallery import STATUSES
from pipeline.results import Said, Shown, View, of_row, said_in, unanswered
from pipeline.sheets import Sheet

#: Seconds from one look to the next at the earliest; a look may take a twentieth of the time.
EVERY: Final = 0.5
SHARE: Final = 20
#: A Google Sheet is read no more often than this, and time alone changes a word (seconds).
GOOGLE_EVERY: Final = 60.0
STALE: Final = 60.0
#: From how long back the rate is worked out.
WINDOW: Final = timedelta(minutes=5)
#: Statuses of a row whose pictures may be made once more, and those that are still on their way.
REMAKABLE: Final = ("done", "edited", "failed", "check needed", "copy", "stranger")
ON_THEIR_WAY: Final = ("queued", "sending", "in progress")
#: What is picked on the page beside the statuses.
NEEDING, DISMISSED = "needs a person", "dismissed"
PAGE: Final = 60

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Card:
    """One take of a row, and what may be done about it here."""

    shown: Shown
    job: Job | None
    #: When it came into being.
    at: datetime
    #: Everything that a search looks at.
    words: str
    #: How many takes of its row there are.
    takes: int = 1
    #: How often the page asked for the row so far: whoever asks once more must know it.
    again: int = 0
    #: What one more making of it costs, as listed.
    price: int = 0
    may_make_again: bool = False
    may_retry: bool = False
    #: The next take was asked for, and no pass has taken it up.
    is_asked: bool = False
    needs: bool = False
    dismissed: bool = False

    @property
    def id(self) -> str:
        """A name for it on the page."""
        return f"{self.shown.row_id}-{self.shown.take}"

    @property
    def family(self) -> str:
        """Its status without a percentage."""
        return family(self.shown.status)

    @property
    def saved(self) -> int:
        """How many of its results are saved files."""
        return sum(url in self.job.files for url in self.shown.urls) if self.job else 0

    @property
    def may_be_paid_twice(self) -> bool:
        """Whether nobody knows if it was paid already."""
        return self.job is not None and state_of(self.job) is State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Totals:
    """The campaign in numbers."""

    counts: Mapping[str, int]
    rows: int = 0
    pictures: int = 0
    finished: int = 0
    on_their_way: int = 0
    needing: int = 0
    dismissed: int = 0
    #: Results a minute, lately; 0 where there are too few to tell.
    rate: float = 0.0
    #: Seconds until all is there at that rate; None where nobody can tell.
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the sheet as a whole stands."""

    #: Credits of today, and how many there may be; None where there is no cap, or no key.
    spent: int | None = None
    budget: int | None = None
    paused: bool = False
    hold: str = ""
    #: Since when a run is at work on the sheet; None if none is.
    running_since: datetime | None = None


class Wall:
    """All cards of one campaign. May be asked from any thread."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        settings = campaign.settings
        self._rules = wiring.rules(settings, campaign.key)
        self._lock = Lock()
        self._sheet: Sheet | None = None
        self._grid: Grid = ()
        self._seen: object = None
        self._read_at = 0.0
        self._has_read = False
        self._cursor = 0
        self._jobs: dict[str, dict[int, Job]] = defaultdict(dict)
        self._cards: dict[str, tuple[object, tuple[Card, ...]]] = {}
        self._view: View | None = None
        self._next = 0.0
        self._fresh_until = 0.0
        self.cards: tuple[Card, ...] = ()
        self.totals = Totals({})
        self.standing = Standing()
        #: Raised whenever anything is not as it was.
        self.revision = 0

    def look(self, at_once: bool = False) -> None:
        """Take over whatever has changed; not more often than is cheap, unless `at_once`.

        Whoever comes while another is looking, and may see what there was, does not wait.
        """
        if not self._lock.acquire(blocking=at_once or self._view is None):
            return
        try:
            began = time.monotonic()
            if began < self._next and not at_once:
                return
            self._take_over()
            ended = time.monotonic()
            self._next = ended + max(EVERY, SHARE * (ended - began))
        finally:
            self._lock.release()

    def card(self, row_id: str, take: int) -> Card | None:
        """The card of that take, if there is one."""
        _, cards = self._cards.get(row_id, (None, ()))
        return next((card for card in cards if card.shown.take == take), None)

    def picked(self, status: str = "", search: str = "") -> Sequence[Card]:
        """The cards of that status which hold all the words of the search, the newest first."""
        words = search.casefold().split()
        return [
            card
            for card in self.cards
            if _is_picked(card, status) and all(word in card.words for word in words)
        ]

    # -- taking over -----------------------------------------------------------------------------

    def _take_over(self) -> None:
        store, key = self.campaign.store, self.campaign.key
        cursor, moved = store.changed(key, self._cursor)
        for job in store.jobs(key, only=moved).values() if moved else ():
            self._jobs[job.key.row_id][job.key.take] = job
        self._cursor = cursor
        memory = store.memory(key)
        grid = self._read_sheet()
        view = self._view
        if view is None or grid is not None or memory.known != view.memory.known:
            said = said_in(self._grid, self.campaign.settings, memory)
        else:
            said = dict(view.said)
        # Whether a file is there is asked when it is shown, not of every file of the campaign.
        self._view = View(memory, said, self._rules, None, wiring.now())
        changed = self._work_out(self._view)
        totals = self._count() if changed else self.totals
        standing = self._stands()
        if changed or (totals, standing) != (self.totals, self.standing):
            self.totals, self.standing = totals, standing
            self.revision += 1

    def _read_sheet(self) -> Grid | None:
        """The sheet, if it is another than before; None if it is not, or cannot be read."""
        source, now = self.campaign.settings.source, time.monotonic()
        try:
            if isinstance(source, GoogleSource):
                if self._has_read and now - self._read_at < GOOGLE_EVERY:
                    return None
                seen: object = now
            else:
                stat = source.stat()
                seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen == self._seen:
                return None
            self._read_at = now
            if self._sheet is None:
                self._sheet = wiring.open_sheet(self.campaign.settings, self.campaign.store)
            self._grid = self._sheet.read()
        except (PromptsheetError, OSError):
            # What it said last stays true until it says something else.
            return None
        self._seen, self._has_read = seen, True
        return self._grid

    def _work_out(self, view: View) -> bool:
        """Whether any card is another than before."""
        now = time.monotonic()
        if stale := now > self._fresh_until:
            self._fresh_until = now + STALE
        ids = dict.fromkeys((*view.memory.known, *self._jobs))
        changed = len(ids) != len(self._cards)
        cards: dict[str, tuple[object, tuple[Card, ...]]] = {}
        for row_id in ids:
            known = view.memory.known.get(row_id) if row_id in view.memory.order else None
            takes = tuple(self._jobs[row_id].values()) if row_id in self._jobs else ()
            stands = view.said.get(row_id), view.line(row_id), known, takes
            was = self._cards.get(row_id)
            if was is None or was[0] != stands or (stale and any(map(_ages, was[1]))):
                made = tuple(self._made(row_id, takes, known, view))
                changed = changed or was is None or was[1] != made
                cards[row_id] = stands, made
            else:
                cards[row_id] = was
        self._cards = cards
        if changed:
            every = (card for _, made in cards.values() for card in made)
            self.cards = tuple(
                sorted(every, key=lambda c: (-c.at.timestamp(), c.shown.line or 10**9))
            )
        return changed

    def _made(
        self, row_id: str, takes: Sequence[Job], known: KnownRow | None, view: View
    ) -> Iterator[Card]:
        by_take = {job.key.take: job for job in takes}
        if takes:
            rows: Sequence[Shown] = list(of_row(takes, known, view))
        else:
            rows = [unanswered(known, view)] if known else []
        for one in rows:
            is_last = one.take == max(by_take, default=one.take)
            card = replace(_card(one, by_take.get(one.take), known), takes=len(rows))
            yield self._with_ways(card, known, view.said.get(row_id)) if is_last else card

    def _with_ways(self, card: Card, known: KnownRow | None, said: Said | None) -> Card:
        """What may be done about the take that its row asks for now, if it does."""
        one, job = card.shown, card.job
        if known is None or not one.in_sheet:
            return card
        asked = take_of(said.take, known.again) if said else None
        is_current = asked == one.take or (job is None and asked is not None)
        dismissed = _is_dismissed(job)
        endpoint = self._rules.provider.endpoints.get(one.endpoint)
        state = state_of(job) if job else None
        return replace(
            card,
            again=known.again,
            price=(endpoint.credits or 0) if endpoint else 0,
            may_make_again=is_current and card.family in REMAKABLE,
            may_retry=is_current and state in (State.FAILED, State.UNKNOWN),
            is_asked=bool(job and asked == one.take + 1 and known.again),
            needs=card.family in NEEDS_A_PERSON and not dismissed,
            dismissed=dismissed,
        )

    # -- counting --------------------------------------------------------------------------------

    def _count(self) -> Totals:
        counts = Counter(card.family for card in self.cards if not card.dismissed)
        way = sum(counts[status] for status in ON_THEIR_WAY)
        rate = self._rate()
        return Totals(
            counts={status: counts[status] for status in STATUSES if counts[status]},
            rows=len({card.shown.row_id for card in self.cards}),
            pictures=sum(card.saved for card in self.cards),
            finished=sum(counts[status] for status in ("done", "edited", "failed")),
            on_their_way=way,
            needing=sum(card.needs for card in self.cards),
            dismissed=sum(card.dismissed for card in self.cards),
            rate=rate,
            left=way / rate * 60 if way and rate else None,
        )

    def _rate(self) -> float:
        """Results a minute, over the last minutes in which there was something to do."""
        now = wiring.now()
        late = [
            card.shown
            for card in self.cards
            if card.shown.finished_at and now - card.shown.finished_at < WINDOW
        ]
        if len(late) < 3:
            return 0.0
        began = min(one.submitted_at or now for one in late)
        return 60 * len(late) / max((now - max(began, now - WINDOW)).total_seconds(), 1.0)

    def _stands(self) -> Standing:
        settings, store, key = self.campaign.settings, self.campaign.store, self.campaign.key
        record = store.sheet(key)
        lease = store.lease_of(key)
        # A lease runs out by itself; who holds a good one is at work.
        alive = lease and lease.until > wiring.now() and not wiring.is_dead(lease.holder)
        limits = wiring.limits(settings)
        has_key = settings.api_key is not None
        return Standing(
            spent=store.spent(limits.api_key, limits.run, limits.day).day if has_key else None,
            budget=limits.per_day,
            paused=record.paused,
            hold="" if record.paused else record.hold,
            running_since=lease.since if lease and alive else None,
        )

    @property
    def timezone(self) -> ZoneInfo:
        """Where the people of the sheet are."""
        return ZoneInfo(self.campaign.settings.timezone)


def _card(one: Shown, job: Job | None, known: KnownRow | None) -> Card:
    made = job.made_at if job else known.since if known else None
    looked_at = (one.prompt, one.name, one.row_id, one.task_id, one.note, one.endpoint)
    row = f"row {one.line}" if one.line else ""
    words = " ".join((*looked_at, *one.inputs.values(), row)).casefold()
    return Card(one, job, made or _LONG_AGO, words)


def _ages(card: Card) -> bool:
    """Whether time alone may change what is said of it: it is overdue, or a file is not saved."""
    return card.saved < len(card.shown.urls) or card.family not in ("done", "failed", "invalid")


def _is_dismissed(job: Job | None) -> bool:
    """Whether its trouble was put out of sight, and nothing has happened to it since."""
    if job is None or job.dismissed is None:
        return False
    attempt = shown(job)
    return attempt is None or (attempt.ended_at or attempt.sent_at) <= job.dismissed


def _is_picked(card: Card, status: str) -> bool:
    if status == DISMISSED:
        return card.dismissed
    if card.dismissed:
        return False
    return not status or (card.needs if status == NEEDING else card.family == status)
