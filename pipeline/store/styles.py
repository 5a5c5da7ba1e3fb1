"""The styles of prompts that are in a tab of a Google Sheet, as they were last read.

So only a pass and a plan read that tab, and not each look at the page.
"""

from __future__ import annotations

import json

from pipeline.core.prompts.templates import Styles
from pipeline.store.transactions import StorePart, digest, keep_value, value_of


class KeptStyles(StorePart):
    """One value for each tab with styles; `place` is the address of the sheet and the tab."""

    def get(self, place: str) -> Styles:
        """The styles of a tab; empty if it was never read."""
        with self._database.reading() as connection:
            kept = json.loads(value_of(connection, _name(place)) or "{}")
        return {key: (name, text) for key, (name, text) in kept.items()}

    def keep(self, place: str, styles: Styles) -> None:
        """Keep these instead of the earlier ones."""
        if self.get(place) != styles:
            with self._database.writing() as connection:
                keep_value(connection, _name(place), json.dumps(dict(styles)))


def _name(place: str) -> str:
    return f"styles {digest(place)[:32]}"
