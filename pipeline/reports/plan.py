"""What a run would do: which rows it would send, what they cost, and how long they take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.credits import Credits
from pipeline.core.language import Said, say, say_counted
from pipeline.core.messages import row_notes
from pipeline.core.money.costs import Cost, accounts, listed, own
from pipeline.core.money.currency import in_credits_and_money, in_json
from pipeline.core.planning.followers import to_follow
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.named_rows import find_rows
from pipeline.core.statuses import Status
from pipeline.core.text import joined, time_limit
from pipeline.reports import rows_to_add
from pipeline.reports.balances import Balance, balances
from pipeline.sync.quoting import NOTHING, Forecast, Speed, forecast, why_no_place
from pipeline.sync.row_reports import needing
from pipeline.sync.sheet_sync import SheetSync


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """Numbers of rows and credits of what a run would send, and why it would send nothing."""

    #: Rows that are sent at once. All credits are those of the sheet's own account, in its unit.
    rows: int = 0
    credits: Credits = 0
    #: Rows that are sent once the row that they follow is done.
    rows_after_another_row: int = 0
    credits_after_another_row: Credits = 0
    #: Rows that are sent once they have not changed for `settle`.
    rows_once_settled: int = 0
    credits_once_settled: Credits = 0
    settle: str = ""
    #: Why nothing is sent, as a sentence; empty if nothing is in the way.
    hold: str = ""
    is_paused: bool = False
    #: What the rows cost at each account, without those that have to settle, and those.
    costs: tuple[Cost, ...] = ()
    costs_once_settled: tuple[Cost, ...] = ()
    outlook: Outlook | None = None
    #: Sentences about rows that are not sent because a person or the budget is in the way.
    others: tuple[Said, ...] = ()
    #: Rows that are added because a person asked for them on the page.
    rows_to_add: int = 0
    credits_to_add: Credits = 0

    @property
    def sentence(self) -> Said:
        """The plan in a few sentences. For a paused sheet, what is sent once it resumes."""
        return joined(*self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is sent and what it costs, what the accounts have, and when it is finished."""
        if self.hold and not self.is_paused:
            return (self.hold,)
        rows = self.rows + self.rows_after_another_row
        parts: list[str] = []
        if rows:
            parts.append(
                say_counted(
                    rows,
                    "{number} row to send, for {price}.",
                    "{number} rows to send, for {price}.",
                    price=in_credits_and_money(self.costs),
                )
            )
        if self.rows_once_settled:
            parts.append(
                say_counted(
                    self.rows_once_settled,
                    "{number} row to send, for {price}, once unchanged for {time}.",
                    "{number} rows to send, for {price}, once unchanged for {time}.",
                    price=in_credits_and_money(self.costs_once_settled),
                    time=self.settle,
                )
            )
        if seen := self.outlook:
            parts += [one.sentence for one in seen.balances]
            parts.append(seen.full)
            parts.append(seen.forecast.sentence(seen.zone))
        ready: tuple[str, ...] = tuple(filter(None, parts)) or (say("No row is ready to be sent."),)
        if self.is_paused:
            first = say("The sheet is paused. Once it resumes: {plan}", plan=ready[0])
            ready = (first, *ready[1:])
        return (*ready, *self.others)

    def as_json(self) -> dict[str, object]:
        """The numbers, for programs. A run sends nothing from a paused sheet."""
        if self.is_paused:
            return PlanFigures(settle=self.settle).as_json()
        return {
            "rows": self.rows,
            "credits": self.credits,
            "rows_after_another_row": self.rows_after_another_row,
            "credits_after_another_row": self.credits_after_another_row,
            "rows_once_settled": self.rows_once_settled,
            "credits_once_settled": self.credits_once_settled,
            "costs": [one.as_json() for one in self.costs],
            "costs_once_settled": [one.as_json() for one in self.costs_once_settled],
            "rows_to_add": self.rows_to_add,
            "credits_to_add": self.credits_to_add,
            "money": in_json((*self.costs, *self.costs_once_settled)),
            **(self.outlook or Outlook()).as_json(),
        }


def figures(sync: SheetSync, settings: Settings, *, ask_balance: bool = False) -> PlanFigures:
    """The numbers of a plan that was just made. With `ask_balance`, its accounts are asked."""
    hold = sync.last.hold
    is_paused = hold is not None and hold.kind == "paused"
    if is_paused:
        sync.last = replace(sync.last, hold=None)  # what is sent once it resumes
    now, after, later = to_send(sync), following(sync), settling(sync)
    added = rows_to_add.rows_to_add(sync)
    return PlanFigures(
        len(now),
        own(costs(sync, now)),
        len(after),
        own(costs(sync, after)),
        len(later),
        own(costs(sync, later)),
        time_limit(sync.rules.settle),
        hold.sentence if hold else "",
        is_paused,
        costs(sync, (*now, *after)),
        costs(sync, later),
        outlook(sync, settings, ask_balance=ask_balance),
        tuple(_others(sync)),
        len(added),
        own(rows_to_add.costs_of_added(added, sync.rules)),
    )


def _others(sync: SheetSync) -> Iterator[Said]:
    """Sentences about rows that are added, or wait for a person or for more budget."""
    yield from rows_to_add.sentences(sync)
    statuses = sync.last.plan.statuses
    if number := statuses[Status.NEEDS_APPROVAL]:
        yield say_counted(
            number, "{number} row waits for approval.", "{number} rows wait for approval."
        )
    if number := sum(bool(line.remake) for line in to_send(sync)):
        yield say_counted(
            number,
            "{number} row is made again because every picture was blank or damaged.",
            "{number} rows are made again because every picture was blank or damaged.",
        )
    if number := statuses[Status.OVER_BUDGET]:
        yield say_counted(number, "{number} row is over budget.", "{number} rows are over budget.")
    if sentence := sync.planner.sample.sentence(sync.last.plan):
        yield sentence
    if number := len(needing(sync)):
        yield say_counted(
            number,
            "{number} row needs attention: see its note.",
            "{number} rows need attention: see their notes.",
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a plan means for the accounts and for the clock."""

    #: What each account has left, where it was asked and tells.
    balances: tuple[Balance, ...] = ()
    forecast: Forecast = NOTHING
    #: The time zone of the team.
    zone: tzinfo = UTC
    #: Why none of the rows can be sent now, as a sentence; empty if there is a place for one.
    full: str = ""

    def as_json(self) -> dict[str, object]:
        """The numbers, for programs. Times are ISO 8601, spans are seconds."""
        quote, at = self.forecast.quote, self.forecast.at
        bounds = (quote.earliest, quote.seconds, quote.latest) if quote else ()
        times = [(at + timedelta(seconds=one)).isoformat(timespec="seconds") for one in bounds]
        earliest, finished, latest = times or (None, None, None)
        return {
            "balances": [one.as_json() for one in self.balances],
            "seconds": max(math.ceil(quote.seconds), 1) if quote else None,
            "earliest_seconds": math.floor(quote.earliest) if quote else None,
            "latest_seconds": max(math.ceil(quote.latest), 1) if quote else None,
            "finished_at": finished,
            "earliest_at": earliest,
            "latest_at": latest,
            "earlier_tasks": quote.tasks if quote else 0,
        }


def outlook(sync: SheetSync, settings: Settings, *, ask_balance: bool) -> Outlook:
    """The balances and the quoted time of a plan that was just made."""
    lines, later = (*to_send(sync), *following(sync)), settling(sync)
    found: tuple[Balance, ...] = ()
    if ask_balance and (lines or later):
        found = balances(settings, sync.rules, costs(sync, (*lines, *later)))
    at_once = {one.account: one.at_once for one in found}
    speeds = [
        Speed(pace, at_once.get(account))
        for pace, account in zip(wiring.paces(settings), accounts(sync.rules.apis), strict=True)
    ]
    now = wiring.now()
    expected = forecast(sync, speeds, now, lines=lines, settling=later)
    full = why_no_place(sync, speeds, now, to_send(sync))
    return Outlook(found, expected, ZoneInfo(settings.timezone), full)


def to_send(sync: SheetSync) -> Sequence[Line]:
    """What a run would send now, each generation by itself; nothing if the sheet is held."""
    return () if sync.last.hold else sync.last.plan.to_send


def following(sync: SheetSync) -> Sequence[Line]:
    """Rows that a run sends once other rows are done, which are sent now or are at the API."""
    return () if sync.last.hold else to_follow(sync.last.plan.each)


def settling(sync: SheetSync) -> Sequence[Line]:
    """The rows that wait only because they changed a short time ago."""
    note = row_notes.settling(sync.rules.settle)
    lines = () if sync.last.hold else sync.last.plan.each
    return [line for line in lines if line.status == Status.WAITING and line.note.startswith(note)]


def costs(sync: SheetSync, lines: Sequence[Line]) -> tuple[Cost, ...]:
    """What these rows cost at each account, as listed."""
    return listed(sync.rules, (line.inputs for line in lines))


def narrowed(sync: SheetSync, row: str, limit: int | None) -> Plan:
    """The plan of a run that sends only this row, and at most `limit` rows.

    Rows that follow others are within the budget too. Without such a row nothing is sent. Raises
    ConfigError if several rows match.
    """
    plan = sync.last.plan
    chosen, following = plan.to_send, to_follow(plan.each)
    if row:
        named = {line.seen.row_id for line in find_rows(plan.lines, row)}
        chosen = tuple(line for line in chosen if line.seen.row_id in named)
        following = [line for line in following if line.seen.row_id in named]
    chosen = chosen[:limit]
    plan = sync.planner.with_followers_within_budget(_of_these(plan, [*chosen, *following]))
    if limit is None:
        return plan
    return _of_these(plan, [*chosen, *to_follow(plan.each)[: limit - len(chosen)]])


def _of_these(plan: Plan, sent: Sequence[Line]) -> Plan:
    """The plan in which no other rows are sent than these."""
    leaving = {line.identity for line in sent}
    return plan.with_each(
        line
        if line.identity in leaving or not (line.endpoint or line.parent)
        else replace(line, endpoint="", parent=None)
        for line in plan.each
    )
