"""The rows that people asked for on the page and that the next run adds, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline.core.inputs import canonical
from pipeline.core.language import Said, say, say_counted, together
from pipeline.core.money.costs import Cost, listed
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.rows.generations import label
from pipeline.core.rows.named_takes import named_take
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns
from pipeline.store import WantedRow
from pipeline.sync.sheet_sync import SheetSync

#: So many rows are named.
_MOST: Final = 5


def rows_to_add(sync: SheetSync) -> Sequence[WantedRow]:
    """The rows that the next run adds; none if the sheet is held. Raises StoreError."""
    if sync.last.hold:
        return ()
    there = sync.last.places()
    return [one for one in sync.store.wanted_rows.open(sync.key) if one.row_id not in there]


def costs_of_added(rows: Sequence[WantedRow], rules: Rules) -> tuple[Cost, ...]:
    """What these rows cost at each account once they are sent, as listed."""
    return listed(rules, (canonical(one.cells) for one in rows))


def needs_approval(columns: Columns, rules: Rules) -> bool:
    """True if a new row of the sheet waits for approval."""
    return rules.approval or "approved" in columns.index


def about(one: WantedRow) -> Said:
    """What a row makes, such as `upscale-1x of picture 2 of take 1`."""
    endpoint, number = one.cells["endpoint"], one.cells["index"]
    named = named_take(one.cells["parent"])
    if named is None or named.take is None:
        return say("{endpoint} of picture {number}", endpoint=endpoint, number=number)
    take = str(named.take)
    if named.part is None:
        return say(
            "{endpoint} of picture {number} of take {take}",
            endpoint=endpoint,
            number=number,
            take=take,
        )
    return say(
        "{endpoint} of picture {number} of take {take} ({part})",
        endpoint=endpoint,
        number=number,
        take=take,
        part=label(named.part),
    )


def sentences(sync: SheetSync) -> Iterator[Said]:
    """What the next run adds and what that costs: one sentence, or none."""
    if not (rows := rows_to_add(sync)):
        return
    places = sync.last.places()
    named = together([_of_row(one, places) for one in rows[:_MOST]], ", ")
    if len(rows) > _MOST:
        named = say("{some} and {more} more", some=named, more=len(rows) - _MOST)
    price = in_credits_and_money(costs_of_added(rows, sync.rules))
    if needs_approval(sync.last.columns, sync.rules):
        yield say_counted(
            len(rows),
            "{number} row that was asked for on the page is added, for {price} once it is "
            "approved: {rows}.",
            "{number} rows that were asked for on the page are added, for {price} once they are "
            "approved: {rows}.",
            price=price,
            rows=named,
        )
        return
    yield say_counted(
        len(rows),
        "{number} row that was asked for on the page is added, for {price} in the same run: "
        "{rows}.",
        "{number} rows that were asked for on the page are added, for {price} in the same run: "
        "{rows}.",
        price=price,
        rows=named,
    )


def _of_row(one: WantedRow, places: Mapping[str, int]) -> Said:
    made = about(one)
    if one.parent not in places:
        return made
    return say("{made} of row {row}", made=made, row=places[one.parent] + 1)
