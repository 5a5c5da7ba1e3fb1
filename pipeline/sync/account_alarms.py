"""Tells outlets when an account has few credits left, or cannot be read, and when that is over."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits
from pipeline.core.money.costs import Account, Cost
from pipeline.core.outlets.outbox import MessageKind
from pipeline.store import Store
from pipeline.sync.balance import AccountAnswer, ask_balance
from pipeline.sync.ports import Wire

#: The least time between two questions for one sheet.
EVERY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """An account, and how many credits are too few there."""

    #: A digest of the account.
    id: str
    account: Account
    provider: Provider
    way: Wire
    warn_below: Credits


async def check_accounts(store: Store, sheet: str, watched: Sequence[WatchedAccount]) -> None:
    """Ask these accounts what is left, if the last time is long enough ago. Raises StoreError."""
    if not await asyncio.to_thread(_is_due, store, sheet):
        return
    for one in watched:
        told = await ask_balance(one.provider, one.way)
        state, sentence = judged(one, told)
        name = f"account {one.id}"
        await asyncio.to_thread(store.alarms.set, sheet, name, state, MessageKind.BUDGET, sentence)


def judged(one: WatchedAccount, told: AccountAnswer) -> tuple[str, str]:
    """What is wrong with an account, in a word ("": nothing), and the sentence for people."""
    if told.left is None:
        return "unreadable", f"{told.trouble} There will be no message when few credits are left."
    left = Cost(told.left, one.account).in_words(",")
    if told.left < one.warn_below:
        return "low", (
            f"The account has only {left} left, less than the {one.warn_below:,} of [budget] "
            "warn_below. Top it up before the sending stops."
        )
    return "", f"The account has {left} left: enough again."


def _is_due(store: Store, sheet: str) -> bool:
    if not store.outbox.states(sheet):
        return False
    name = f"balance of {hashlib.sha256(sheet.encode()).hexdigest()[:24]}"
    return store.heartbeats.take(name, EVERY)
