"""The ids of tables of Airtable and Notion, also out of the addresses that people copy."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_HEX: Final = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])",
    re.IGNORECASE,
)


def airtable_place(base: str, table: str) -> tuple[str, str]:
    """The ids of base and table; the table may be a name. Raises ValueError, with a sentence.

    Either may be the address of the table in the browser.
    """
    its_base = re.search(r"\bapp\w{14}\b", base, re.ASCII)
    its_table = re.search(r"\btbl\w{14}\b", table or base, re.ASCII)
    if its_base is None:
        raise ValueError(
            "write the id of the base, which begins with app: it is in the address of the base in "
            "the browser"
        )
    name = its_table[0] if its_table else table.strip()
    if not name or "://" in name:
        raise ValueError(
            "write the id of the table, which begins with tbl: it is in the address of the table "
            "in the browser"
        )
    return its_base[0], name


def notion_id(place: str) -> str:
    """The id of a database or a data source. Raises ValueError, with a sentence.

    Of an address only the path counts: what follows `?v=` is a view.
    """
    found = _HEX.findall(urlsplit(place.strip()).path)
    if not found:
        raise ValueError(
            "write the address of the database (open it as a full page, ••• and Copy link), or its "
            "id of 32 digits and letters"
        )
    return str(found[-1])
