"""A table in Airtable: one record for each row of the sheet.

Records are merged by the key columns (`performUpsert`), so a second delivery writes the same again.

Limits, as of 2026-08: 5 requests a second for a base, and then 30 seconds of rest; 1,000 requests a
month in a free workspace, 100,000 with Team.
Source: support.airtable.com, "Managing API call limits in Airtable".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.core.outlets.outbox import Message, Result
from pipeline.outlets import Pace
from pipeline.outlets.mapping import FieldMap, has_one_take

if TYPE_CHECKING:
    from pipeline.outlets.airtable_client import AirtableClient

#: Records in a request, and seconds between two requests.
MOST: Final = 10
EVERY: Final = 0.25


class AirtableOutlet:
    """A table in Airtable; `base` and `table` are ids, or the table's name.

    `key` are the columns that identify a record, three at most. `fields` is their column -> our
    field. Their library takes most of a second to load, so it is loaded with the first message.
    """

    def __init__(
        self,
        token: str,
        base: str,
        table: str,
        key: Sequence[str] = ("row_id",),
        fields: Mapping[str, str] | None = None,
        base_url: str = "",
    ) -> None:
        one_take = has_one_take(key, fields or {})
        self.pace = Pace(MOST, EVERY, is_repeatable=True, has_one_take=one_take)
        self._table = table
        self._client: AirtableClient | None = None

        def made() -> AirtableClient:
            from pipeline.outlets.airtable_client import AirtableClient

            return AirtableClient(token, base, table, FieldMap(key, fields or {}), base_url)

        # In a function, because no repr may show the token.
        self._made = made

    def __repr__(self) -> str:
        return f"AirtableOutlet({self._table!r})"

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """Write the records of these messages."""
        return await asyncio.to_thread(lambda: self._opened().deliver(messages))

    async def check(self) -> Sequence[str]:
        """What is wrong with the table: a sentence each that says what to do."""
        return await asyncio.to_thread(lambda: self._opened().check())

    async def close(self) -> None:
        """End the connections."""
        if self._client:
            self._client.close()

    def _opened(self) -> AirtableClient:
        self._client = self._client or self._made()
        return self._client
