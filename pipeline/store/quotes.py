"""The quote of each sheet's present batch: what was said when its first row was sent."""

from __future__ import annotations

from pipeline.store.transactions import StorePart, keep_value, number_of, value_of


class Quotes(StorePart):
    """One text for each sheet that has a batch under way."""

    def get(self, sheet: str) -> str:
        """The quote of the present batch; empty if there is none."""
        with self._database.reading() as connection:
            return value_of(connection, f"quote of {number_of(connection, sheet)}")

    def keep(self, sheet: str, quote: str) -> None:
        """Keep it instead of the earlier one; an empty text forgets it."""
        with self._database.writing() as connection:
            keep_value(connection, f"quote of {number_of(connection, sheet)}", quote)
