"""What the store and a pass need to know of the outlets of a configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection

from pipeline.config import OutletSettings, Settings
from pipeline.core.announcements import labels
from pipeline.core.header import folded
from pipeline.core.outbox import FIELDS
from pipeline.store import OutletEntry
from pipeline.sync.look import Look


def entries(settings: Settings) -> list[OutletEntry]:
    """The outlets of a configuration, as the store keeps them."""
    return [OutletEntry(one.name, one.kinds, _digest(one)) for one in settings.outlets]


def labels_of(settings: Settings) -> Callable[[Look, str, int], str]:
    """Gives a row's labels, from a look, the row's name and its place: what outlets tell of it.

    That is its name, and the cells of the columns that an outlet's `fields` name.
    """
    if not settings.outlets:
        return lambda look, name, place: ""
    wanted = {folded(field) for one in settings.outlets for field in one.fields.values()} - {
        folded(name) for name in FIELDS
    }

    def of(look: Look, name: str, place: int) -> str:
        return labels(name, _cells(look, place, wanted))

    return of


def _cells(look: Look, place: int, wanted: Collection[str]) -> dict[str, str]:
    row = look.grid[place]
    return {
        title: row[at].strip()
        for at, title in enumerate(look.columns.header)
        if at < len(row) and folded(title) in wanted
    }


def _digest(one: OutletSettings) -> str:
    revealed = {key: secret.reveal() for key, secret in one.secrets.items()}
    return hashlib.sha256(f"{one.table!r} {sorted(revealed.items())}".encode()).hexdigest()
