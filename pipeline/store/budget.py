"""Credits, counted by run and by day. Work in flight counts; reported charges correct it.

Only this module changes the table `counters`. Raises StoreError where a price does not fit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    update,
)

from pipeline.core.credits import DIGITS, Credits
from pipeline.core.errors import StoreError
from pipeline.store.column_types import Amount, escaped, unescaped
from pipeline.store.prepared import Prepared
from pipeline.store.schema import counters
from pipeline.store.transactions import StorePart, upsert


class CounterName(NamedTuple):
    """Which counter, by API key.

    `kind` is `run` (a start of the program), `day`, `month`, or `share` (a value of a column). With
    an `@` at its end, it counts what was sent at one price of a credit, with which its name begins:
    of such a counter, or (`@`) of the account.
    """

    api_key: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits held or spent under one API key, in one run and on one day."""

    run: Credits
    day: Credits


def rounded(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    """An amount without the errors of binary fractions (see `core.credits`)."""
    return func.round(amount, literal_column(str(DIGITS)))


_NAMES = ("its_key", "its_kind", "its_name")
_IT = (
    counters.c.api_key == bindparam("its_key"),
    counters.c.kind == bindparam("its_kind"),
    counters.c.name == bindparam("its_name"),
)
_HELD = Prepared(select(counters.c.credits).where(*_IT), *_NAMES)
_PRICES = Prepared(
    select(counters.c.name).where(
        counters.c.api_key == bindparam("its_key"), counters.c.kind == literal_column("'@'")
    ),
    "its_key",
)
_RAISED = (
    update(counters)
    .where(*_IT)
    .values(credits=rounded(counters.c.credits + bindparam("price", type_=Amount)))
)
_CAP = bindparam("cap", type_=Amount)
_HOLD = Prepared(
    _RAISED.where(
        or_(
            _CAP.is_(None),
            rounded(counters.c.credits + bindparam("more", type_=Amount)) <= _CAP,
        )
    ),
    *_NAMES,
    "price",
    "more",
    "cap",
)


class Budget(StorePart):
    """The credits spent."""

    def spent(self, api_key: str, run: str, day: str) -> Spent:
        """The present values of the two counters."""
        return Spent(*self.held(counters_of(api_key, run, day)[:2]))

    def held(self, names: Iterable[CounterName]) -> list[Credits]:
        """The present values of some counters."""
        with self._database.reading() as connection:
            return [amount or 0 for amount in _held(connection, tuple(names))]

    def at_other_prices(self, name: CounterName, price: str) -> dict[str, Credits]:
        """The credits of a counter that were sent at other prices of one: price -> credits."""
        with self._database.reading() as connection:
            return at_other_prices(connection, name, price)


def counters_of(
    api_key: str, run: str, day: str, shares: Iterable[str] = ()
) -> tuple[CounterName, ...]:
    """The counters that hold what is sent under this key in this run on this day.

    `day` is a date as ISO 8601; `shares` are named as in `core.money.shares.share_of`.
    """
    return (
        CounterName(api_key, "run", run),
        CounterName(api_key, "day", day),
        CounterName(api_key, "month", day[:7]),
        *(CounterName(api_key, "share", name) for name in shares),
    )


def at_price(names: Iterable[CounterName], price: str) -> tuple[CounterName, ...]:
    """The counters, and those that count the same at one price of a credit; "": it is not known."""
    its = tuple(names)
    if not (its and price):
        return its
    of_account = CounterName(its[0].api_key, "@", price)
    return (*its, of_account, *(_at_price(name, price) for name in its))


def _at_price(name: CounterName, price: str) -> CounterName:
    return name._replace(kind=f"{name.kind}@", name=f"{price} {name.name}")


def at_other_prices(connection: Connection, name: CounterName, price: str) -> dict[str, Credits]:
    """See `Budget.at_other_prices`."""
    prices = [unescaped(one) for (one,) in _PRICES.rows(connection, escaped(name.api_key))]
    others = [one for one in prices if one != price]
    amounts = _held(connection, [_at_price(name, one) for one in others])
    return {one: amount for one, amount in zip(others, amounts, strict=True) if amount}


def held(connection: Connection, names: Collection[CounterName]) -> dict[CounterName, Credits]:
    """The values of these counters, which exist then, in a transaction that writes."""
    found = dict(zip(names, _held(connection, tuple(names)), strict=True))
    missing = [{**name._asdict(), "credits": 0} for name in names if found[name] is None]
    if missing:
        connection.execute(upsert(connection, counters).on_conflict_do_nothing(), missing)
        return held(connection, names)
    return {name: found[name] or 0 for name in names}


def hold(
    connection: Connection,
    prices: Mapping[CounterName, Credits],
    caps: Mapping[CounterName, Credits | None],
) -> None:
    """Raise counters by prices that fit. Raises StoreError if one of them would pass its cap."""
    # Always in the same order, so that no two transactions wait for each other.
    lines = [(*_plain(name), price, price, caps[name]) for name, price in sorted(prices.items())]
    if _HOLD.each(connection, lines) != len(lines):
        raise StoreError("Another program changed the budgets. Nothing was sent.")


def correct(connection: Connection, changes: Mapping[CounterName, Credits]) -> None:
    """Change counters by corrections; afterwards they may be above their caps."""
    for name in sorted(name for name, change in changes.items() if change):
        line = upsert(connection, counters).values(**name._asdict(), credits=changes[name])
        connection.execute(
            line.on_conflict_do_update(
                index_elements=CounterName._fields,
                set_={"credits": rounded(counters.c.credits + line.excluded.credits)},
            )
        )


def _held(connection: Connection, names: Sequence[CounterName]) -> list[Credits | None]:
    found = _HELD.rows_of_each(connection, [_plain(name) for name in names])
    return [rows[0][0] if rows else None for rows in found]


def _plain(name: CounterName) -> tuple[str | None, ...]:
    return escaped(name.api_key), name.kind, escaped(name.name)
