"""A frozen value with everything that the page shows of a campaign at one moment.

A request reads the snapshot once, so that all numbers of one page belong together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.api.accounts import Api
from pipeline.core.language import ENGLISH, Catalogue
from pipeline.core.money.charges import sentences
from pipeline.core.statuses import FINISHED, ON_THE_WAY
from pipeline.core.text import joined
from pipeline.page.cards import CardSummary, place_in_sheet
from pipeline.page.sheet_status import SheetStatus
from pipeline.reports.gallery import STATUSES

#: The rate is computed from results that are no older than this.
WINDOW: Final = timedelta(minutes=5)


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
class Snapshot:
    """The takes of a campaign, their totals, and the state of the sheet."""

    #: All takes that are known so far, the newest first.
    summaries: Sequence[CardSummary] = ()
    #: True if these are all takes, and not only the newest.
    is_complete: bool = False
    totals: Totals = field(default_factory=lambda: Totals({}))
    sheet_status: SheetStatus = field(default_factory=SheetStatus)
    #: Id -> place of its row in the sheet, from 0.
    order: Mapping[str, int] = field(default_factory=dict)
    #: Increased with each change that can be seen.
    revision: int = 0

    def picked(
        self, status: str = "", search: str = "", catalogue: Catalogue = ENGLISH
    ) -> Sequence[CardSummary]:
        """The takes that have this status and match all words of the search, the newest first.

        Rows are also found by their place, as this language names it: "row 12".
        """
        words = search.casefold().split()
        return [
            one
            for one in self.summaries
            if one.is_picked(status)
            and all(word in one.words or word in self._row_of(one, catalogue) for word in words)
        ]

    def _row_of(self, one: CardSummary, catalogue: Catalogue) -> str:
        """The name of the row on the page, such as "row 12"; empty if it is not in the sheet."""
        place = self.order.get(one.row_id)
        return (
            ""
            if place is None
            else f"row {place + 1} {catalogue.text(place_in_sheet(place + 1))}".casefold()
        )


def totals_of(summaries: Sequence[CardSummary], apis: Iterable[Api], now: datetime) -> Totals:
    """The totals of a whole campaign."""
    latest = [one for one in summaries if not one.is_earlier]
    every = Counter(one.status for one in latest)
    counts = Counter(one.status for one in latest if not one.dismissed)
    way = sum(every[status] for status in ON_THE_WAY)
    rate = _rate(summaries, now)
    charged = [one for summary in summaries for one in summary.charged]
    return Totals(
        counts={status: counts[status] for status in STATUSES if counts[status]},
        rows=len({one.row_id for one in latest}),
        pictures=sum(one.saved for one in summaries),
        finished=sum(every[status] for status in FINISHED),
        on_their_way=way,
        needing=sum(one.needs for one in latest),
        dismissed=sum(one.dismissed for one in latest),
        earlier=len(summaries) - len(latest),
        rate=rate,
        left=way / rate * 60 if way and rate else None,
        charged=joined(*sentences(charged, apis)),
    )


def _rate(summaries: Sequence[CardSummary], now: datetime) -> float:
    """Results per minute, in the last minutes in which there was something to do."""
    since = now - WINDOW
    late = [one for one in summaries if one.finished_at and one.finished_at > since]
    if len(late) < 3:
        return 0.0
    began = min(one.submitted_at or now for one in late)
    return 60 * len(late) / max((now - max(began, since)).total_seconds(), 1.0)
