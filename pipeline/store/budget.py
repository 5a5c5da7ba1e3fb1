"""Credits, counted by run and by day: what is in flight is held, what was reported corrects it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from pipeline.core.errors import StoreError
from pipeline.store.base import Base, upsert
from pipeline.store.tables import counters


class CounterName(NamedTuple):
    """Which counter: one for each start of the program, one for each day, by API key."""

    api_key: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits held or spent under one API key, in one run and on one day."""

    run: int
    day: int


_HELD = (
    select(counters.c.credits)
    .where(*(counters.c[name] == bindparam(name) for name in CounterName._fields))
    .with_for_update()
)
_MOVED = (
    update(counters)
    .where(
        counters.c.api_key == bindparam("its_key"),
        counters.c.kind == bindparam("its_kind"),
        counters.c.name == bindparam("its_name"),
    )
    .values(credits=counters.c.credits + bindparam("price", type_=BigInteger))
)
_MOVED_WITHIN = _MOVED.where(
    counters.c.credits + bindparam("price", type_=BigInteger) <= bindparam("cap", type_=BigInteger)
)


class Budget(Base):
    """Asking what was spent."""

    def spent(self, api_key: str, run: str, day: str) -> Spent:
        """What the two counters hold now."""
        with self._reading() as connection:
            return Spent(
                *(
                    connection.execute(_HELD, name._asdict()).scalar() or 0
                    for name in counters_of(api_key, run, day)
                )
            )


def counters_of(api_key: str, run: str, day: str) -> tuple[CounterName, CounterName]:
    """The counters that hold what is sent under this key in this run on this day."""
    return CounterName(api_key, "run", run), CounterName(api_key, "day", day)


def held(connection: Connection, names: Sequence[CounterName]) -> list[int]:
    """What these counters hold; they cannot be moved by others until the transaction ends."""
    # Always in the same order, so that no two wait for each other.
    found = {name: connection.execute(_HELD, name._asdict()).scalar() for name in sorted(names)}
    missing = [{**name._asdict(), "credits": 0} for name in names if found[name] is None]
    if missing:
        connection.execute(upsert(connection, counters).on_conflict_do_nothing(), missing)
        return held(connection, names)
    return [found[name] or 0 for name in names]


def hold(connection: Connection, name: CounterName, price: int, cap: int | None) -> None:
    """Move a counter up by what was found to fit. It never passes its cap, whoever miscounted."""
    moving = _MOVED if cap is None else _MOVED_WITHIN
    its = {"its_key": name.api_key, "its_kind": name.kind, "its_name": name.name}
    if connection.execute(moving, {**its, "price": price, "cap": cap}).rowcount != 1:
        raise StoreError(f"The {name.kind} budget was moved by another program; nothing was begun.")


def correct(connection: Connection, changes: Mapping[CounterName, int]) -> None:
    """Move counters by what turned out otherwise; they may then stand above their caps."""
    # Always in the same order, so that no two wait for each other.
    for name in sorted(name for name, change in changes.items() if change):
        line = upsert(connection, counters).values(**name._asdict(), credits=changes[name])
        connection.execute(
            line.on_conflict_do_update(
                index_elements=CounterName._fields,
                set_={"credits": counters.c.credits + line.excluded.credits},
            )
        )
