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
