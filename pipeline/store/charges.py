"""What finished tasks cost, by what the API reported.

It reads only.
"""

from __future__ import annotations

from sqlalchemy import select

from pipeline.core.charges import Charged
from pipeline.core.model import State
from pipeline.store.schema import attempts
from pipeline.store.transactions import StorePart


class Charges(StorePart):
    """The charges of every sheet in this store."""

    def other_than_listed(self, api_key: str) -> list[Charged]:
        """The tasks of an account that succeeded and cost other credits than were held for them.

        Tasks without a listed price, such as those of an adopted sheet, are left out.
        """
        asked = select(
            attempts.c.endpoint,
            attempts.c.inputs,
            attempts.c.price,
            attempts.c.reported,
            attempts.c.sent_at,
        ).where(
            attempts.c.api_key == api_key,
            attempts.c.state == State.SUCCEEDED.value,
            attempts.c.price > 0,
            attempts.c.reported != attempts.c.price,
        )
        with self._database.reading() as connection:
            return [Charged(*row) for row in connection.execute(asked)]
