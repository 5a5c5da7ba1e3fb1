"""An API account's balance as it was last seen: one value for each API key.

An API that does not say what a task cost still says what is left in the account. Two balances, and
what the store counted in between, show whether the listed prices are right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from pipeline.core.credits import Credits, exact
from pipeline.core.model import State
from pipeline.store.column_types import escaped, from_number, to_number
from pipeline.store.schema import attempts, counters
from pipeline.store.transactions import StorePart, keep_value, value_of


@dataclass(frozen=True, slots=True)
class Balance:
    """An account at one moment: the credits left there, and those that the store had counted."""

    left: Credits
    counted: Credits
    at: datetime


class Accounts(StorePart):
    """Balances of accounts, by API key."""

    def balance(self, api_key: str) -> Balance | None:
        """The balance that was kept last; None if there is none."""
        with self._database.reading() as connection:
            kept = value_of(connection, _name(api_key))
        if not kept:
            return None
        left, counted, at = json.loads(kept)
        return Balance(left, counted, from_number(at))

    def keep(self, api_key: str, balance: Balance) -> None:
        """Keep this balance instead of the earlier one."""
        text = json.dumps((balance.left, balance.counted, to_number(balance.at)))
        with self._database.writing() as connection:
            keep_value(connection, _name(api_key), text)

    def counted(self, api_key: str) -> Credits | None:
        """The credits counted under this key on all days; None while a task is under way.

        Until a task has ended, an API may or may not have charged for it.
        """
        key, under_way = escaped(api_key), (State.SUBMITTING.value, State.RUNNING.value)
        running = select(attempts.c.job).where(
            attempts.c.api_key == key, attempts.c.state.in_(under_way)
        )
        total = select(func.coalesce(func.sum(counters.c.credits), 0)).where(
            counters.c.api_key == key, counters.c.kind == "day"
        )
        with self._database.reading() as connection:
            if connection.execute(running.limit(1)).first():
                return None
            return exact(connection.execute(total).scalar_one())


def _name(api_key: str) -> str:
    return f"balance {api_key}"
