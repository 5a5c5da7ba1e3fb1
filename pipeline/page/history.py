"""The history of a card: what people did to its row, and what happened to its job.

Reads the store; owns no state. Raises StoreError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.core.language import say
from pipeline.core.planning.causes import on_the_page, person_again
from pipeline.core.text import joined
from pipeline.page.cards import Card
from pipeline.store import HistoryLine, RowEvent, RowEventKind
from pipeline.sync.configured_sheet import Campaign

#: Kind of event of a job -> its text.
JOB_KINDS: Final = {
    "asked": say("Requested again"),
    "sent": say("Submitted"),
    "accepted": say("Accepted by the API"),
    "progressed": say("In progress"),
    "succeeded": say("Delivered"),
    "failed": say("Failed"),
    "lost": say("No answer came"),
    "postponed": say("Not accepted; it will be sent again"),
    "adopted": say("Taken over from the sheet"),
    "picked": say("Picked"),
    "forgotten": say("Words and result forgotten"),
}
#: What a person did on the page -> its text.
ON_THE_PAGE: Final = {
    RowEventKind.APPROVED: say("Approved"),
    RowEventKind.UNAPPROVED: say("Approval taken back"),
    RowEventKind.REQUESTED: say("Asked for"),
    RowEventKind.FOLLOWED: say("Follow-up row asked for"),
    RowEventKind.WITHDRAWN: say("Follow-up row withdrawn"),
}
#: What was seen in the sheet -> its text.
IN_THE_SHEET: Final = {
    RowEventKind.TICKED: say("Approved in the sheet, first seen at this time"),
    RowEventKind.UNTICKED: say("Approval taken back in the sheet"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the history."""

    at: datetime
    what: str
    text: str = ""
    #: The number of the attempt; 0 for what a person did to the row.
    number: int = 0
    #: When the run started that sent it; None if that is not known, or nothing was sent.
    began: datetime | None = None


def history_of(campaign: Campaign, card: Card) -> Sequence[Line]:
    """The history of one take of a row, the oldest line first."""
    store, key = campaign.store, campaign.key
    lines = list(_done_to_row(store.row_events.of(key, card.shown.row_id), card))
    if card.job:
        runs = store.jobs.run_of(card.job.key)
        lines += [_of_job(line, runs) for line in store.jobs.history(card.job.key)]
    return sorted(lines, key=lambda line: line.at)


def requests_of(campaign: Campaign, row_id: str) -> dict[int, str]:
    """Take -> where and by whom it was requested, for takes that were requested on the page."""
    events = campaign.store.row_events.of(campaign.key, row_id)
    return {
        one.take: person_again(on_the_page(one.person))
        for one in events
        if one.kind is RowEventKind.REQUESTED
    }


def _done_to_row(events: Sequence[RowEvent], card: Card) -> Iterator[Line]:
    """What was done to this take, and to the next one, which has no card of its own yet."""
    take = card.shown.take
    for one in events:
        if one.take not in (0, take) and (card.is_earlier or one.take < take):
            continue
        what = IN_THE_SHEET.get(one.kind) or joined(
            ON_THE_PAGE[one.kind], person_again(on_the_page(one.person))
        )
        next_take = say("take {number}", number=one.take) if one.take > take else ""
        yield Line(one.at, what, next_take)


def _of_job(line: HistoryLine, runs: dict[int, str]) -> Line:
    run = runs.get(line.number, "") if line.kind == "sent" else ""
    # A start of the program is named by its time (see `wiring.START`).
    found = re.match(r"\d{8}T\d{6}(?=-)", run)
    began = datetime.fromisoformat(f"{found[0]}+00:00") if found else None
    return Line(line.at, JOB_KINDS.get(line.kind, line.kind), line.text, line.number, began)
