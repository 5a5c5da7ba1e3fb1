"""Works out what a reading of a sheet means: which row is which, and what is to be done about it.

In: a grid. Out: a `Look`. Nothing is written, neither into the sheet nor into the store. Raises
ColumnsError if the header cannot be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from random import Random

from pipeline.core.api.accounts import Api
from pipeline.core.errors import ColumnsError
from pipeline.core.model import Grid
from pipeline.core.money.currency import Money
from pipeline.core.planning.budgets import (
    PERIODS,
    Left,
    with_followers_within_budget,
    within_budget,
)
from pipeline.core.planning.earlier_lines import Made
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.plan import plan, plan_held
from pipeline.core.planning.samples import Sample, within_sample
from pipeline.core.rows.chains import relatives
from pipeline.core.rows.known import made_by_us, new_id
from pipeline.core.rows.matching import match, match_by_id_alone
from pipeline.core.rows.named_columns import missing
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import WRITTEN, Columns, Header
from pipeline.core.sheet.header_checks import becoming_ours, check_header, without_theirs
from pipeline.core.sheet.near_misses import NearMiss, hint, near_misses, unsent_image
from pipeline.core.statuses import Status
from pipeline.sheets import Sheet
from pipeline.store import Limits, Store
from pipeline.sync.changed_rows import ChangedRows
from pipeline.sync.clock import Clock
from pipeline.sync.kept_sample import KeptSample
from pipeline.sync.look import Look
from pipeline.sync.ownership import Ownership
from pipeline.sync.sheet_state import SheetState


class Planner:
    """Plans one sheet. `limits_of` returns what may be spent today at an API."""

    def __init__(
        self,
        sheet: Sheet,
        store: Store,
        rules: Rules,
        header: Header,
        state: SheetState,
        ownership: Ownership,
        *,
        clock: Clock,
        chance: Random,
        limits_of: Callable[[Api], Limits],
    ) -> None:
        self._sheet, self._store = sheet, store
        self._rules, self._header = rules, header
        #: Which rows of a reading have to be looked at.
        self.changed_rows = ChangedRows(state, rules, header)
        #: The sample that is sent before the other rows.
        self.sample = KeptSample(store, rules.sheet, rules.sample, rules.settle)
        self._state, self._ownership = state, ownership
        self._clock, self._chance, self._limits_of = clock, chance, limits_of
        #: What the last plan was made from.
        self._made = Made()

    def columns(self, grid: Grid) -> Columns:
        """The columns of a grid."""
        columns = self._header.read(grid)
        return without_theirs(columns, grid, self._ours(columns, grid))

    def _ours(self, columns: Columns, grid: Grid) -> frozenset[str]:
        """The columns that are ours."""
        return self._state.record.ours or made_by_us(columns, grid)

    def near_misses(self, columns: Columns) -> list[NearMiss]:
        """Titles that are not used, each with the name that may be meant."""
        return near_misses(columns, self._header.fields, self._header.ignore)

    def unsent_image(self, columns: Columns, grid: Grid) -> str:
        """A sentence about a filled column `image` that is not sent; else empty."""
        return unsent_image(columns, grid, self._header.ignore)

    def look(self, grid: Grid) -> Look:
        """The interpretation of a grid, and what prevents its rows from being sent."""
        with self._store.snapshot():
            return self._looked(grid)

    def lines_at(self, look: Look, places: Collection[int]) -> tuple[Line, ...]:
        """The lines of rows that a look left out because they are unchanged, by their places."""
        columns, grid, state = look.columns, look.grid, self._state
        # A row is planned together with those that it names; they are unchanged, too.
        rows = list(columns.rows(grid, sorted(relatives(grid, columns, places).union(places))))
        state.load(row.mark for row in rows)
        state.recall(rows)
        seen = match_by_id_alone(rows, state.rows.memory)
        rules = replace(self._rules, delimiter=self._sheet.delimiter)
        made = plan(seen, grid, columns, state.jobs.all, rules, self._clock.now())
        return tuple(line for line in made.lines if line.seen.place in places)

    def with_all_but_done(self, look: Look) -> Look:
        """The look with a line for each row, except for unchanged rows that are done."""
        done = {
            row_id: place
            for row_id, place in look.unchanged.items()
            if look.cell(place, "status") == Status.DONE
        }
        others = {*look.unchanged.values()}.difference(done.values())
        if not others:
            return look
        with self._store.snapshot():
            lines = [*look.plan.lines, *self.lines_at(look, others)]
        lines.sort(key=lambda line: line.seen.place)
        made = replace(
            look.plan, lines=tuple(lines), unchanged=Counter({Status.DONE.value: len(done)})
        )
        return replace(look, plan=made, unchanged=done)

    def _looked(self, grid: Grid) -> Look:
        columns = self.columns(grid)
        ours = self._ours(columns, grid)
        self._check(columns, grid, ours)
        changed_rows = self.changed_rows
        rows = changed_rows.rows(columns, grid)
        hold = self._ownership.hold(columns, len(rows) + changed_rows.statuses.total())
        if hold and changed_rows.is_partial:
            rows = changed_rows.all_rows(columns, grid)
        rules = replace(self._rules, delimiter=self._sheet.delimiter)
        jobs, now = self._state.jobs.all, self._clock.now()
        sample, sampled = self.sample.read() if rules.sample else None, frozenset[str]()
        if hold and hold.kind == "columns":
            seen = match_by_id_alone(rows, self._state.rows.memory)
            made = plan_held(seen, grid, columns, jobs, rules, now)
        else:
            memory = self._state.memory_for(grid, columns, rows, changed_rows.unchanged)
            seen = match(rows, memory, lambda: new_id(self._chance))
            made = plan(seen, grid, columns, jobs, rules, now, self._made)
            self._made = made.made
            made = replace(made, unchanged=changed_rows.statuses)
            if sample:
                made, sampled = self._within_sample(made, sample)
            made = self._within_budget(made, rules)
        return Look(
            grid,
            columns,
            made,
            hold,
            changed_rows.unchanged,
            notices=(*becoming_ours(columns, ours), *missing(columns, rules)),
            names={line.seen.row_id: line.name for line in made.lines if line.name},
            sample=sample,
            sampled=sampled,
        )

    def _check(self, columns: Columns, grid: Grid, ours: frozenset[str]) -> None:
        try:
            check_header(columns, grid, ours, self._header.fields - {*WRITTEN})
        except ColumnsError as why:
            close = hint(columns, self._header.fields - {*WRITTEN}, self._header.ignore)
            more = (text for text in (close, self._sheet.elsewhere) if text)
            raise ColumnsError(" ".join((str(why), *more))) from why

    def _within_sample(self, made: Plan, sample: Sample) -> tuple[Plan, frozenset[str]]:
        """The plan in which no more new rows are sent than the sample has, and the rows of it."""
        left = {api.prefix: self._left_at(api, made.each) for api in self._rules.apis if api.sends}
        lines, rows = within_sample(made.each, sample, self._account_of, left)
        return made.with_each(lines), rows

    def _account_of(self, line: Line) -> str:
        return self._rules.api_named(self._rules.endpoint_name(line.inputs)).prefix

    def _within_budget(self, made: Plan, rules: Rules) -> Plan:
        """The plan in which the rows that the budget has no credits for are not sent.

        Each API has a budget of its own.
        """
        for api in rules.apis:
            if api.sends:
                made = self._within_budget_of(api, made, rules)
        return made

    def with_followers_within_budget(self, made: Plan) -> Plan:
        """The plan in which rows that follow others are not sent if the budget has no credits left.

        A run finds that out once the rows that they follow are done.
        """
        rules = self._rules
        left = {api.prefix: self._left_at(api, made.each) for api in rules.apis if api.sends}
        return made.with_each(with_followers_within_budget(made.each, self._account_of, left))

    def _left_at(self, api: Api, lines: Iterable[Line]) -> Left:
        """What an API may spend, in all and on the shares of these lines."""
        limits = self._limits_of(api)
        shares = dict.fromkeys(share for line in lines for share in line.shares)
        counters = dict(zip((*PERIODS, *shares), limits.counters(shares), strict=True))
        budget = self._store.budget
        # A row alone, without what was spent at other prices of a credit.
        allowed = {name: limits.credits_of(one) for name, one in counters.items()}
        present = [limits.credits_of(one, budget.at_other_prices) for one in counters.values()]
        held = budget.held(counters.values())
        left = {
            name: None if most is None else max(most - used, 0)
            for name, most, used in zip(counters, present, held, strict=True)
        }
        caps = ((name, limits.cap_of(counter)) for name, counter in counters.items())
        money = {name: cap for name, cap in caps if isinstance(cap, Money)}
        return Left(allowed, left, money, limits.credit_price)

    def _within_budget_of(self, api: Api, made: Plan, rules: Rules) -> Plan:
        its = made.to_send
        if rules.others:
            its = tuple(line for line in its if rules.api_named(line.endpoint).prefix == api.prefix)
        return made.with_each(within_budget(made.each, its, self._left_at(api, its)))
