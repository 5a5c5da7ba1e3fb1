"""A card: what the page shows about one take of a row, and which buttons it has.

Status and note come from `reports.results`, which computes them with the plan that a pass writes
into the sheet. So the page never contradicts the sheet. Pure functions; this module owns no state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.core.api.fields import fields_of
from pipeline.core.credits import Credits
from pipeline.core.inputs import PROMPT
from pipeline.core.language import Said, say
from pipeline.core.model import Job, KnownRow, State
from pipeline.core.planning.choosing import picked_before
from pipeline.core.rows.approval import covered_on_page, is_covered_on_page
from pipeline.core.rows.attention import is_dismissed, said_by
from pipeline.core.rows.feedback import is_old
from pipeline.core.rows.generations import copy_of
from pipeline.core.rows.rules import Rules
from pipeline.core.rows.takes import take_of
from pipeline.core.states import Charge, higher_charges, state_of
from pipeline.core.statuses import FINISHED, NEEDS_ATTENTION, NOT_SENT, Status
from pipeline.reports.results import RowCells, Shown, View, of_row, without_job

#: Statuses of rows that may get another take.
REMAKABLE: Final = FINISHED | {Status.CHECK_NEEDED, Status.COPY, Status.UNRECOGNIZED}
#: Statuses in the sheet of a row whose next take waits for a person, or for the budget. The card of
#: its last take then has the same status, so that a search for it finds the row.
_NEXT_TAKE: Final = frozenset({Status.NEEDS_APPROVAL, Status.OVER_BUDGET})
#: Filters of the page besides the statuses.
NEEDING, DISMISSED, EARLIER = "needs attention", "dismissed", "earlier takes"
#: How long after its result a card with missing files is computed again.
SAVED_WITHIN: Final = timedelta(minutes=10)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Approval:
    """The content of an approval: the inputs of the row, the requested take, and the price."""

    take: int
    inputs: str
    #: The text that store and plan use for it (`core.rows.approval.covered_on_page`).
    covers: str
    #: Listed credits.
    price: Credits
    #: True if the row was approved on the page as it is now.
    is_given: bool

    @property
    def shown(self) -> str:
        """A digest of what the page shows of it. The button of an outdated page has another."""
        text = f"{self.price} {self.covers}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Card:
    """One take of a row, and what can be done about it."""

    shown: Shown
    job: Job | None
    #: When the take was created.
    at: datetime
    #: Number of takes of its row.
    takes: int = 1
    #: The present prompt, if it differs from the one that was sent.
    now: str = ""
    #: The take that its row asks for now; None if that is not known, and for earlier takes.
    asked: int | None = None
    #: How many takes were requested on the page so far; a form that requests one must contain it.
    extra_takes: int = 0
    #: The listed price of one more take, and what it is in.
    price: Credits = 0
    unit: str = "credit"
    may_make_again: bool = False
    #: True if a next take may be made with feedback: its endpoint has a prompt.
    takes_feedback: bool = False
    #: The feedback in the sheet that the next take is made with, and what its cell `pick` says.
    feedback_in_sheet: str = ""
    pick_in_sheet: str = ""
    may_retry: bool = False
    #: The approval that its row needs, or has from this page; None if it needs none.
    approval: Approval | None = None
    #: True if it was approved on this page and not sent yet.
    is_approved: bool = False
    #: True if its row has a later take.
    is_earlier: bool = False
    #: True if the next take was requested and no pass has started it.
    is_asked: bool = False
    needs: bool = False
    dismissed: bool = False
    #: Title -> text, of the team's own columns.
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_approve(self) -> bool:
        """True if its row can be approved here."""
        return self.approval is not None and not self.is_approved

    @property
    def id(self) -> str:
        """Its id in the HTML."""
        return card_id(self.shown.generation, self.shown.take)

    @property
    def family(self) -> Status:
        """Its status without a percentage."""
        return Status.of(self.shown.status)

    @property
    def says(self) -> str:
        """The text that a dismissal covers if there is no job. It ends when this text changes."""
        return said_by(self.at, self.shown.status, self.shown.note)

    @property
    def ticked(self) -> tuple[int, ...]:
        """The numbers of its pictures that were picked on the page."""
        return self.job.picked if self.job else ()

    @property
    def picked(self) -> tuple[int, ...]:
        """The numbers of its pictures that are picked: by the cell, else by the ticks."""
        urls = enumerate(self.shown.urls, start=1)
        return tuple(number for number, url in urls if url in self.shown.picked)

    @property
    def saved(self) -> int:
        """How many of its results are saved files."""
        return sum(url in self.job.files for url in self.shown.urls) if self.job else 0

    @property
    def may_be_paid_twice(self) -> bool:
        """True if another attempt could pay a second time: the first one may have been paid."""
        return self.job is not None and state_of(self.job) is State.UNKNOWN


@dataclass(frozen=True, slots=True)
class CardSummary:
    """The data to find and count a card. It is kept in memory for every card."""

    id: str
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
    #: The text that a search looks at; the row number comes from the order of the rows.
    words: str
    #: (listed price, reported charge) of its attempts where they differ.
    charged: tuple[Charge, ...]
    #: Until when it can change by time alone; None if it cannot.
    stale_until: datetime | None
    #: A hash of what the card shows: it changes with every visible change.
    version: int

    def is_picked(self, status: str) -> bool:
        """Returns whether it matches this status or filter. An empty one matches all current rows.

        A row is found once, by its latest take. Earlier takes have a filter of their own, and so do
        dismissed rows.
        """
        kind = EARLIER if self.is_earlier else DISMISSED if self.dismissed else ""
        if kind or status in (EARLIER, DISMISSED):
            return kind == status
        return not status or (self.needs if status == NEEDING else self.status == status)


def cards_of(
    row_id: str, takes: Sequence[Job], known: KnownRow | None, view: View, away: str | None
) -> tuple[Card, ...]:
    """The takes of a row, the first one first; empty if the row was removed before it had any.

    `known` is what the row contains; None if it is no longer in the sheet. `away` is what the row
    said when a person dismissed it, if it has no job.
    """
    return tuple(_cards(row_id, takes, known, view, away))


def _cards(
    row_id: str, takes: Sequence[Job], known: KnownRow | None, view: View, away: str | None
) -> Iterator[Card]:
    by_key = {(job.key.take, job.key.part): job for job in takes}
    last = max((job.key.take for job in takes), default=None)
    if takes:
        rows: Sequence[Shown] = list(of_row(takes, known, view))
    else:
        rows = [without_job(known, view)] if known else []
    many = len({one.take for one in rows})
    for one in rows:
        job = by_key.get((one.take, one.part))
        made = job.made_at if job else known.since if known else None
        said = view.cells.get(row_id)
        is_last = last in (None, one.take)
        own = said.own if said else {}
        card = Card(one, job, made or _LONG_AGO, many, is_earlier=not is_last, own=own)
        # Only the last take can be the one that the row asks for.
        yield _with_actions(card, takes, known, view, away) if is_last else card


def _with_actions(
    card: Card, takes: Sequence[Job], known: KnownRow | None, view: View, away: str | None
) -> Card:
    """The card with the buttons for the take that its row asks for now."""
    one, job = card.shown, card.job
    if known is None or not one.in_sheet:
        return card
    said = view.cells.get(one.row_id)
    asked = take_of(said.take, known.extra_takes) if said else None
    is_current = asked == one.take or (job is None and asked is not None)
    dismissed = is_dismissed(job) or (job is None and away is not None and away == card.says)
    price = _price_now(known, view)
    approval = _approval(card, takes, known, said, asked, price)
    now = _prompt_now(card, known, view.rules)
    if said and asked and asked > one.take and said.status in _NEXT_TAKE:
        card = replace(card, shown=replace(one, status=said.status, note=said.note))
    return replace(
        card,
        now=now,
        asked=asked,
        takes_feedback=_takes_feedback(known, view.rules),
        feedback_in_sheet="" if is_old(known) else known.feedback,
        pick_in_sheet=known.pick,
        extra_takes=known.extra_takes,
        price=price,
        unit=view.rules.api_named(view.rules.endpoint_name(known.inputs)).provider.unit,
        approval=approval,
        is_approved=approval is not None and approval.is_given,
        may_make_again=is_current and card.family in REMAKABLE,
        # A lost submission that is sent again by itself needs no second attempt.
        may_retry=is_current
        and one.state in (State.FAILED, State.UNKNOWN)
        and one.status not in (Status.SENDING, *NOT_SENT),
        is_asked=bool(job and asked == one.take + 1 and known.extra_takes),
        needs=card.family in NEEDS_ATTENTION and not dismissed,
        dismissed=dismissed,
    )


def _takes_feedback(known: KnownRow, rules: Rules) -> bool:
    endpoint = rules.endpoint_of(rules.endpoint_name(known.inputs))
    return endpoint is not None and PROMPT in fields_of(endpoint, rules.values(known.inputs))


def ticked_take(cards: Sequence[Card]) -> int:
    """The take of a row whose ticks count: the one whose pictures the row shows; 0 if none is.

    Where the cell `pick` is filled, no ticks count. `cards` are all takes of the row.
    """
    if any(card.pick_in_sheet for card in cards):
        return 0
    asked = next((card.asked for card in cards if card.asked), None)
    takes = {card.shown.take for card in cards if card.shown.urls and card.shown.in_sheet}
    return max((take for take in takes if asked is None or take <= asked), default=0)


def _price_now(known: KnownRow, view: View) -> Credits:
    """The listed price of what the row asks for now; 0 if none is listed."""
    return view.rules.price_of_row(known.inputs)


def _approval(
    card: Card,
    takes: Sequence[Job],
    known: KnownRow,
    said: RowCells | None,
    asked: int | None,
    price: Credits,
) -> Approval | None:
    """The approval that the row needs, or has from this page; None once it is sent."""
    if said is None or asked is None:
        return None
    is_sent = card.job and asked == card.shown.take and card.shown.state is not State.PENDING
    was_changed = card.family == Status.NEEDS_APPROVAL  # after it had failed
    about = known, asked, picked_before(known, asked, takes), said.approved
    covers, is_given = covered_on_page(*about), is_covered_on_page(*about)
    waits = said.status == Status.NEEDS_APPROVAL or is_given
    return (
        Approval(asked, known.inputs, covers, price, is_given)
        if waits and (was_changed or not is_sent)
        else None
    )


def _prompt_now(card: Card, known: KnownRow, rules: Rules) -> str:
    if card.family != Status.EDITED:
        return ""
    turn = card.shown.take + copy_of(card.shown.part) - 1
    now = rules.given(known.inputs, turn).get("prompt", "")
    return "" if now == card.shown.prompt else now


def place_in_sheet(line: int) -> Said:
    """What a row is called by its place in the sheet, from 1."""
    return say("Row {number}", number=line)


def card_id(generation: str, take: int) -> str:
    """The id of a card: what was generated, and the take."""
    return f"{generation}-{take}"


def summary_of(card: Card) -> CardSummary:
    """The part of the card that is kept in memory."""
    one, saved = card.shown, card.saved
    looked_at = (
        one.name,
        one.row_id,
        one.task_id,
        one.note,
        one.text,
        one.endpoint,
        *one.inputs.values(),
    )
    words = " ".join((*looked_at, card.now, *card.own.values()))
    buttons = card.may_make_again, card.may_retry, card.is_asked, card.needs, card.dismissed
    approving = card.approval, card.is_approved, card.is_earlier, *card.own.items()
    asked = card.job.asked if card.job else 0
    charged = tuple(higher_charges(card.job)) if card.job else ()
    return CardSummary(
        card.id,
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
        _stale_until(card, saved),
        hash(
            (
                one.status,
                words,
                saved,
                one.urls,
                card.takes,
                card.extra_takes,
                asked,
                buttons,
                approving,
                card.asked,
                card.ticked,
                one.picked,
                one.feedback,
                card.feedback_in_sheet,
                card.pick_in_sheet,
            )
        ),
    )


def _stale_until(card: Card, saved: int) -> datetime | None:
    """Until when the card can change by time alone: overdue tasks, and files still missing."""
    one = card.shown
    if one.state is State.RUNNING:
        return datetime.max.replace(tzinfo=UTC)
    if one.finished_at and saved < len(one.urls):
        return one.finished_at + SAVED_WITHIN
    return None
