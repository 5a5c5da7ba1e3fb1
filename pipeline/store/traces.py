"""The key of the traces that stand in the place of forgotten texts (`core.traces`)."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import Connection

from pipeline.core.traces import Tracer
from pipeline.store.transactions import keep_value, value_of

_NAME: Final = "key of traces"


def tracer_of(connection: Connection) -> Tracer | None:
    """What makes the traces of this store; None if nothing was ever forgotten."""
    key = value_of(connection, _NAME)
    return Tracer(key) if key else None


def made_tracer(connection: Connection) -> Tracer:
    """The same; its key is made if there is none."""
    if (known := tracer_of(connection)) is None:
        known = Tracer(secrets.token_hex(32))
        keep_value(connection, _NAME, known.key)
    return known
