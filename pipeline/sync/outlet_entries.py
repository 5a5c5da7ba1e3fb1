"""What the store and a pass need to know of the outlets of a configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Set
from difflib import get_close_matches
from typing import Final

from pipeline.config import OutletSettings, Settings
from pipeline.core.outlets.announcements import labels
from pipeline.core.outlets.outbox import FIELDS, PICKED
from pipeline.core.sheet.header import CONTROLS, OURS, Columns, folded
from pipeline.store import ALL_COLUMNS, OutletEntry
from pipeline.sync.look import Look

#: Kinds of outlets that are filled by the names of their columns, if no `fields` are named.
_TABLES: Final = ("airtable", "notion", "sql")
#: Seconds that a message waits for its files: passes save them, and the next one may be late.
_FILE_WAIT: Final = 60
#: The same where the configuration wants lasting links.
_FILE_WAIT_OF_OWN_LINKS: Final = 3600


def entries(settings: Settings) -> list[OutletEntry]:
    """The outlets of a configuration, as the store keeps them.

    An outlet with a missing secret has no digest: another process may know the secret.
    """
    return [
        OutletEntry(
            one.name, one.kinds, _digest(one), file_wait(settings, one), tuple(columns_of(one))
        )
        for one in settings.outlets
    ]


def file_wait(settings: Settings, outlet: OutletSettings) -> int:
    """The most seconds that messages to an outlet wait until their files are saved.

    Chats show pictures from the API's links, so they need no file, unless it is attached.
    """
    is_chat = outlet.kind not in (*_TABLES, "push")
    if not settings.saves_files or (is_chat and not outlet.attaches):
        return 0
    return _FILE_WAIT_OF_OWN_LINKS if settings.own_links else _FILE_WAIT


def columns_of(outlet: OutletSettings) -> list[str]:
    """The columns of the sheet that messages to an outlet carry: those that its `fields` name.

    A table without `fields` is filled by the names of its columns, which can be those of any column
    of people's.
    """
    if outlet.kind in _TABLES and not outlet.fields:
        return [ALL_COLUMNS]
    ours = {folded(name) for name in (*FIELDS, PICKED)}
    return sorted({folded(field) for field in outlet.fields.values()} - ours)


def labels_of(columns: Set[str] | None) -> Callable[[Look, str, int], str]:
    """Gives a row's labels, from a look, the row's name and its place: what outlets tell of it.

    That is its name and the cells of these columns; `ALL_COLUMNS` stands for all. None: there are
    no labels, because the sheet has no outlet.
    """
    if columns is None:
        return lambda look, name, place: ""

    def of(look: Look, name: str, place: int) -> str:
        return labels(row_labels(look, name, place, columns))

    return of


def row_labels(look: Look, name: str, place: int, columns: Set[str]) -> dict[str, str]:
    """The name of a row and the cells of these columns, without empty ones."""
    filled = {"name": name, **_cells(look, place, columns)}
    return {title: text for title, text in filled.items() if text}


def unknown_fields(settings: Settings, columns: Columns, inputs: Iterable[str]) -> Iterator[str]:
    """A sentence for each value of an outlet's `fields` that names nothing: it would stay empty.

    `columns` are those of the sheet, and `inputs` the names of what its endpoints take.
    """
    names = [*FIELDS, PICKED, *inputs, *columns.index, *filter(None, columns.header)]
    known = {folded(name): name for name in reversed(names)}
    for one in settings.outlets:
        for field in dict.fromkeys(one.fields.values()):
            if folded(field) not in known:
                near = get_close_matches(folded(field), known, 1)
                meant = f' Did you mean "{known[near[0]].strip()}"?' if near else ""
                yield (
                    f'The outlet "{one.name}" has "{field}" in its fields, but neither Promptsheet '
                    f"nor the sheet has a field or a column of this name.{meant}"
                )


def _cells(look: Look, place: int, wanted: Set[str]) -> dict[str, str]:
    row, index = look.grid[place], look.columns.index
    takes_all = ALL_COLUMNS in wanted
    # What is told of a row has its inputs and our own values already.
    known = {index.get(name) for name in (*OURS, *CONTROLS, *look.columns.inputs)}
    return {
        title: row[at].strip()
        for at, title in enumerate(look.columns.header)
        if title and at < len(row) and (folded(title) in wanted or (takes_all and at not in known))
    }


def _digest(one: OutletSettings) -> str:
    if one.missing:
        return ""
    revealed = {key: secret.reveal() for key, secret in one.secrets.items()}
    return hashlib.sha256(f"{one.table!r} {sorted(revealed.items())}".encode()).hexdigest()
