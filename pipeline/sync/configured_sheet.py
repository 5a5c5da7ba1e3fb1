"""One configured sheet, with its store open: what a service looks after."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.store import Store


@dataclass(frozen=True, slots=True)
class Campaign:
    """A sheet's configuration, the store that serves it, and the sheet's name in there.

    Several campaigns may share a store; the code that makes them opens and closes it.
    """

    settings: Settings
    store: Store
    key: str

    @property
    def title(self) -> str:
        """The sheet's title. A Google Sheet that was never read has the title of its tab at most.

        Raises StoreError.
        """
        record = self.store.sheets.get(self.key)
        return record.title if record.passed_at else self.settings.source.name
