"""All planted faults."""

from __future__ import annotations

from typing import Final

from tests.mutants import (
    campaigns,
    chats,
    choosing,
    forgetting,
    generations,
    languages,
    new_rows,
    outbox,
    pictures,
    plans,
    provider,
    receipts,
    receiver,
    reference_images,
    reports,
    rows,
    sheets,
    store,
    tables,
    triggers,
)
from tests.mutants.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *rows.FAULTS,
    *store.FAULTS,
    *receiver.FAULTS,
    *sheets.FAULTS,
    *provider.FAULTS,
    *pictures.FAULTS,
    *receipts.FAULTS,
    *chats.FAULTS,
    *outbox.FAULTS,
    *triggers.FAULTS,
    *tables.FAULTS,
    *plans.FAULTS,
    *new_rows.FAULTS,
    *reference_images.FAULTS,
    *campaigns.FAULTS,
    *generations.FAULTS,
    *languages.FAULTS,
    *choosing.FAULTS,
    *forgetting.FAULTS,
    *reports.FAULTS,
)
