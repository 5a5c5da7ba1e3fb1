"""All planted faults."""

from __future__ import annotations

from typing import Final

from tests.mutants import chats, provider, receiver, rows, sheets, store, tables, triggers
from tests.mutants.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *rows.FAULTS,
    *store.FAULTS,
    *receiver.FAULTS,
    *sheets.FAULTS,
    *provider.FAULTS,
    *chats.FAULTS,
    *triggers.FAULTS,
    *tables.FAULTS,
)
