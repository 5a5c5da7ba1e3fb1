"""The picture in a cell: the only formula that we ever write, from one template.

It is made of a checked address and nothing else, and has one argument, so that it means the same in
every locale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pipeline.core.pictures.cell_links import page_link_of
from pipeline.core.pictures.filetypes import MEDIA_TYPES
from pipeline.core.sheet.header import PREVIEW, Columns
from pipeline.core.sheet.verified_writes import Raw, RowWrite, Snapshot, at_column

_NO_PICTURE = (
    *(f".{kind}" for kind, name in MEDIA_TYPES.items() if not name.startswith("image/")),
    ".svg",
)
_START = '=IMAGE("https://'


def formula(url: str) -> str:
    """The formula that shows a picture; empty where the address is not one to show."""
    parts = urlsplit(url) if re.fullmatch(r"https://[!-~]{1,2000}", url) else None
    if parts is None or not parts.hostname or parts.username is not None:
        return ""
    if page_link_of(url):  # Google cannot sign in there
        return ""
    if parts.path.casefold().endswith(_NO_PICTURE):
        return ""
    return '=IMAGE("' + url.replace('"', '""') + '")'


def previews(snapshot: Snapshot, sent: Sequence[RowWrite], columns: Columns) -> list[RowWrite]:
    """The previews that are not right yet, of the rows just written; each with the row's proof.

    `snapshot` is the sheet before that; `sent` says what has changed since.
    """
    at = columns.index.get(PREVIEW)
    id_at = columns.index.get("row_id")
    if at is None or id_at is None:
        return []
    found: list[RowWrite] = []
    for one in sent:
        if one.row == 0 or at in one.proof:
            continue
        row = snapshot[one.row] if one.row < len(snapshot) else ()
        wanted, stands = formula(_url(one.cells, row, columns)), at_column(row, at)
        mark = one.cells.get(id_at, at_column(row, id_at))
        old = isinstance(stands, str) and stands.startswith(_START)
        if mark != "" and wanted != stands and (wanted or old):
            found.append(RowWrite(one.row, {at: wanted}, {id_at: mark}))
    return found


def _url(cells: Mapping[int, Raw], row: Sequence[Raw], columns: Columns) -> str:
    at = columns.index.get("image_urls", -1)
    said = str(cells.get(at, at_column(row, at)))
    return said.split("\n", 1)[0].strip()
