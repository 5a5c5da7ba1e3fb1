"""What the page shows about one take of a row, and which buttons it has.

Status and note are those of `results`, which takes them from the plan that the sheet is written
from. So the page never contradicts the sheet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.core.approval import covered_on_page
from pipeline.core.attention import is_dismissed, said_by
from pipeline.core.inputs import parsed
from pipeline.core.model import Job, KnownRow, State
from pipeline.core.states import other_charges, state_of
from pipeline.core.statuses import FINISHED, NEEDS_ATTENTION, Status
from pipeline.core.takes import take_of
from pipeline.reports.results import Said, Shown, View, of_row, unanswered

#: Statuses of a row whose pictures may be made once more.
REMAKABLE: Final = FINISHED | {Status.CHECK_NEEDED, Status.COPY, Status.UNRECOGNIZED}
#: What is picked on the page beside the statuses.
NEEDING, DISMISSED, EARLIER = "needs attention", "dismissed", "earlier takes"
#: A card whose files are missing is worked out again for so long after its result.
SAVED_WITHIN: Final = timedelta(minutes=10)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approval covers: the inputs of the row, the take that it asks for, and the price."""

    take: int
    inputs: str
    #: As the store and the plan know it (`core.approval.covered_on_page`).
    covers: str
    #: Listed credits.
    price: int

    @property
    def shown(self) -> str:
        """A digest of all that the page shows of it. A button of an older page has another."""
        text = f"{self.price} {self.covers}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Card:
    """One take of a row, and what can be done about it."""

    shown: Shown
    job: Job | None
    #: When it came into being.
    at: datetime
    #: How many takes of its row there are.
    takes: int = 1
    #: Its present prompt, if it is another one than was sent.
    now: str = ""
    #: How often the page asked for the row so far; a form that asks again must name it.
    again: int = 0
    #: What one more making of it costs, as listed.
    price: int = 0
    may_make_again: bool = False
    may_retry: bool = False
    #: What its row waits for, or got on this page; None if it needs no approval.
    approval: Approval | None = None
    #: Whether it was approved on this page, and is not sent yet.
    is_approved: bool = False
    #: Whether its row has a later take.
    is_earlier: bool = False
    #: The next take was asked for, and no pass has taken it up.
    is_asked: bool = False
    needs: bool = False
    dismissed: bool = False
    #: Title -> text of the team's own columns.
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_approve(self) -> bool:
        """Whether its row can be approved here."""
        return self.approval is not None and not self.is_approved

    @property
    def id(self) -> str:
        """Its name on the page."""
        return f"{self.shown.row_id}-{self.shown.take}"

    @property
    def family(self) -> Status:
        """Its status without a percentage."""
        return Status.of(self.shown.status)

    @property
    def says(self) -> str:
        """What a dismissal covers if there is no job: it ends when the row says something else."""
        return said_by(self.at, self.shown.status, self.shown.note)

    @property
    def saved(self) -> int:
        """How many of its results are saved files."""
        return sum(url in self.job.files for url in self.shown.urls) if self.job else 0

    @property
    def may_be_paid_twice(self) -> bool:
        """Whether it is unknown if it was paid already."""
        return self.job is not None and state_of(self.job) is State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Gist:
    """What finds and counts a card. Of very many rows, only this is kept."""

    row_id: str
    take: int
    at: float
    status: str
    needs: bool
    dismissed: bool
    is_earlier: bool
    saved: int
    submitted_at: datetime | None
    finished_at: datetime | None
    #: Everything that a search looks at, but for the number of its row.
    words: str
    #: Listed price and reported charge of its attempts where they differ.
    charged: tuple[tuple[int, int], ...]
    #: Until when time alone may change what is said of it; None if it cannot.
    ages_until: datetime | None
    #: Another one whenever anything is to be seen of it that was not.
    look: int

    def is_picked(self, status: str) -> bool:
        """Whether it matches this status or selection; an empty one matches all that is asked for.

        A row is found once, by its latest take. Earlier takes are a selection of their own, and so
        are dismissed rows.
        """
        kind = EARLIER if self.is_earlier else DISMISSED if self.dismissed else ""
        if kind or status in (EARLIER, DISMISSED):
            return kind == status
        return not status or (self.needs if status == NEEDING else self.status == status)


def cards_of(
    row_id: str, takes: Sequence[Job], known: KnownRow | None, view: View, away: str | None
) -> tuple[Card, ...]:
    """The takes of a row, the first one first; none if the row was removed before it had any.

    `known` is what the row contains, None if it is gone. `away` is what it said when a person
    dismissed it although it has no job.
    """
    return tuple(_cards(row_id, takes, known, view, away))


def _cards(
    row_id: str, takes: Sequence[Job], known: KnownRow | None, view: View, away: str | None
) -> Iterator[Card]:
    by_take = {job.key.take: job for job in takes}
    last = max(by_take, default=None)
    if takes:
        rows: Sequence[Shown] = list(of_row(takes, known, view))
    else:
        rows = [unanswered(known, view)] if known else []
    for one in rows:
        job = by_take.get(one.take)
        made = job.made_at if job else known.since if known else None
        said = view.said.get(row_id)
        is_last = last in (None, one.take)
        own = said.own if said else {}
        card = Card(one, job, made or _LONG_AGO, len(rows), is_earlier=not is_last, own=own)
        # Only the last take is what the row asks for.
        yield _with_ways(card, known, view, away) if is_last else card


def _with_ways(card: Card, known: KnownRow | None, view: View, away: str | None) -> Card:
    """Add what can be done about the take that its row asks for now."""
    one, job = card.shown, card.job
    if known is None or not one.in_sheet:
        return card
    said = view.said.get(one.row_id)
    asked = take_of(said.take, known.again) if said else None
    is_current = asked == one.take or (job is None and asked is not None)
    dismissed = is_dismissed(job) or (job is None and away is not None and away == card.says)
    price = _price_now(known, view)
    approval = _approval(card, known, said, asked, price)
    return replace(
        card,
        now=_prompt_now(card, known),
        again=known.again,
        price=price,
        approval=approval,
        is_approved=approval is not None and known.approved_on_page == approval.covers,
        may_make_again=is_current and card.family in REMAKABLE,
        may_retry=is_current and one.state in (State.FAILED, State.UNKNOWN),
        is_asked=bool(job and asked == one.take + 1 and known.again),
        needs=card.family in NEEDS_ATTENTION and not dismissed,
        dismissed=dismissed,
    )


def _price_now(known: KnownRow, view: View) -> int:
    """Listed credits of what the row asks for now; 0 if there is no price."""
    name = parsed(known.inputs).get("endpoint") or view.rules.endpoint
    endpoint = view.rules.provider.endpoints.get(name)
    return (endpoint.credits or 0) if endpoint else 0


def _approval(
    card: Card, known: KnownRow, said: Said | None, asked: int | None, price: int
) -> Approval | None:
    """The approval that the row waits for, or got on this page; None once it is sent."""
    if said is None or asked is None:
        return None
    is_sent = card.job and asked == card.shown.take and card.shown.state is not State.PENDING
    covers = covered_on_page(known, asked, said.approved)
    waits = said.status == Status.NEEDS_APPROVAL or known.approved_on_page == covers
    return Approval(asked, known.inputs, covers, price) if waits and not is_sent else None


def _prompt_now(card: Card, known: KnownRow) -> str:
    now = parsed(known.inputs).get("prompt", "") if card.family == Status.EDITED else ""
    return "" if now == card.shown.prompt else now


def gist_of(card: Card) -> Gist:
    """The part of the card that is kept."""
    one, saved = card.shown, card.saved
    looked_at = (one.name, one.row_id, one.task_id, one.note, one.endpoint, *one.inputs.values())
    words = " ".join((*looked_at, card.now, *card.own.values()))
    ways = card.may_make_again, card.may_retry, card.is_asked, card.needs, card.dismissed
    approving = card.approval, card.is_approved, card.is_earlier, *card.own.items()
    asked = card.job.asked if card.job else 0
    charged = tuple(other_charges(card.job)) if card.job else ()
    return Gist(
        one.row_id,
        one.take,
        card.at.timestamp(),
        card.family,
        card.needs,
        card.dismissed,
        card.is_earlier,
        saved,
        one.submitted_at,
        one.finished_at,
        words.casefold(),
        charged,
        _ages_until(card, saved),
        hash((one.status, words, saved, one.urls, card.takes, card.again, asked, ways, approving)),
    )


def _ages_until(card: Card, saved: int) -> datetime | None:
    """Until when it may become overdue, or one of its files late."""
    one = card.shown
    if one.state is State.RUNNING:
        return datetime.max.replace(tzinfo=UTC)
    if one.finished_at and saved < len(one.urls):
        return one.finished_at + SAVED_WITHIN
    return None
