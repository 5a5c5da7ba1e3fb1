"""The places outside that are told of results, and the protocol that they share.

    slack, teams, discord    chats, with pictures
    apprise                  e-mail, Telegram, and many more services
    airtable, notion, sql    one line or page for each row of the sheet
    push                     signed JSON to an address

An outlet delivers messages; it keeps no state and never tries again by itself. The outbox in the
store knows what is still to be delivered, and `sync.deliveries` decides when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.core.outlets.outbox import Message, Result

#: Most messages in one digest.
MOST_IN_DIGEST: Final = 5000


@dataclass(frozen=True, slots=True)
class Pace:
    """How an outlet wants its messages."""

    #: Messages for one call of `deliver`, at most. No two of them are about the same row.
    most: int
    #: Seconds between the beginnings of two calls, at least: the published limit of the service.
    every: float = 0.0
    #: True if a second delivery of the same message changes nothing at the other end.
    is_repeatable: bool = False
    #: True if a row has one place there, so that an earlier take must not come after a later one.
    has_one_take: bool = False


class Outlet(Protocol):
    """One outlet, of any kind. It is used by one thread and one event loop only.

    Clients that block are called through `asyncio.to_thread`.
    """

    @property
    def pace(self) -> Pace:
        """How it wants its messages."""

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """Deliver these messages with one try: one result for each, in their order.

        Raises nothing that can be foreseen: a failed delivery is a result. What is raised all the
        same counts as `Trouble.UNSURE` for all of them.
        """

    async def check(self) -> Sequence[str]:
        """What is wrong with the place: a sentence each that says what to do. Delivers nothing.

        An empty answer means that the access works, and that all columns exist; or that the place
        cannot be asked now. That is no problem of the place: a delivery reports it and is tried
        again.
        """

    async def close(self) -> None:
        """End the connections."""
