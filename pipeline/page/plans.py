"""The page of a plan: what a run would send, what it costs, and when it is finished.

It is made when a person opens it: the sheet is read, and the account is asked for its balance. A
plan is used again for some seconds. `PlanViews` owns the recent plans. Raises StoreError.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pipeline import wiring
from pipeline.core.errors import PromptsheetError, StoreError
from pipeline.core.language import say
from pipeline.core.money.costs import listed
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.text import one_line
from pipeline.page.actions import board_of
from pipeline.page.board import Board
from pipeline.page.rendering import html, rendered
from pipeline.reports.plan import figures, following, narrowed, settling, to_send
from pipeline.sync.last_pass import is_stopped
from pipeline.sync.row_reports import asked_for

#: Seconds for which a plan is shown again: each one reads the sheet and asks the API.
KEPT: Final = 5.0
#: Most rows on the page of a plan.
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the page shows."""

    sentences: tuple[str, ...]
    #: Number in the sheet, finished prompt, and price of the first rows.
    rows: tuple[tuple[int, str, str], ...] = ()
    #: How many rows follow.
    more: int = 0


class PlanViews:
    """The pages of the plans of these campaigns."""

    def __init__(self, boards: Sequence[Board]) -> None:
        self._boards = boards
        self._locks = [Lock() for _ in boards]
        self._kept: dict[int, tuple[float, _Plan]] = {}

    async def plan(self, request: Request) -> Response:
        """What a run would send now, what it costs, and when it is finished."""
        board = board_of(self._boards, request)
        number = self._boards.index(board)

        def made() -> str:
            plan = self._plan(number, board)
            return rendered(
                board.rules.catalogue,
                "plan.html.j2",
                sheet=number + 1,
                title=board.campaign.title,
                sentences=plan.sentences,
                rows=plan.rows,
                more=plan.more,
            )

        return await html(made, board.rules.catalogue)

    def _plan(self, number: int, board: Board) -> _Plan:
        """The plan of now, or one of the last seconds. Visitors at the same time share one."""
        with self._locks[number]:
            until, plan = self._kept.get(number, (0.0, _Plan(())))
            if time.monotonic() > until:
                plan = _made(board)
                self._kept[number] = time.monotonic() + KEPT, plan
            return plan


def _made(board: Board) -> _Plan:
    settings = board.campaign.settings
    try:
        has_key = settings.api_key is not None
        with wiring.previewing(settings, ask_prices=has_key, whole=False) as sync:
            sync.restrict(narrowed(sync, "", None))
            found = figures(sync, settings, ask_balance=True)
            lines = [*to_send(sync), *following(sync), *settling(sync)]
            rows = tuple(
                (
                    line.seen.place + 1,
                    one_line(asked_for(line.inputs, line.turn, sync.rules)),
                    in_credits_and_money(listed(sync.rules, [line.inputs])),
                )
                for line in lines[:SHOWN]
            )
            first = say("A rule stopped the sending. Nothing more is sent until you press Resume.")
            stop = (first,) if is_stopped(sync.store, sync.key, settings) else ()
            return _Plan((*stop, *found.sentences), rows, max(len(lines) - SHOWN, 0))
    except StoreError:
        raise
    except PromptsheetError as e:
        return _Plan((str(e),))
