"""Which sheet a configuration names: a file, or a tab of a Google Sheet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.addresses import address_problems
from pipeline.config.problems import sentences
from pipeline.config.schema import SheetTable
from pipeline.config.secrets import kept, resolved
from pipeline.config.settings import GoogleSource
from pipeline.core.errors import ConfigError

_SPREADSHEET = re.compile(
    r"^\s*https?://docs\.google\.com/(?:a/[^/]+/)?spreadsheets/(?:u/\d+/)?d/([a-zA-Z0-9_-]+)"
)


def sheet_source(
    table: SheetTable, path: Path, environ: Mapping[str, str], problems: list[str]
) -> Path | GoogleSource:
    """The file or the Google Sheet that a configuration names. Adds what is wrong to `problems`."""
    if is_google(table.source):
        return _google(table, path, environ, problems)
    file = resolved(path, table.source)
    kind = file.suffix.casefold()
    if kind not in (".csv", ".tsv", ".xlsx", ".xlsm"):
        problems.append(
            f'sheet.source: "{table.source}" is not a .csv, .tsv, .xlsx or .xlsm file. '
            "Save the sheet as one of these and name that file, or write the address of a Google "
            "Sheet."
        )
    elif table.tab and kind in (".csv", ".tsv"):
        problems.append(f"sheet.tab: a {kind} file has no tabs. Remove it.")
    if table.encoding and kind not in (".csv", ".tsv"):
        problems.append("sheet.encoding: is only for a .csv or .tsv file. Remove it.")
    beside = [name for name in ("credentials", "base_url") if getattr(table, name)]
    problems += [f"sheet.{name}: is only for a Google Sheet. Remove it." for name in beside]
    return file


def is_google(source: str) -> bool:
    """True if a sheet is named by an address, not by a file."""
    return re.match(r"\s*https?:/", source, re.IGNORECASE) is not None


def google_source(
    source: str, tab: str, credentials: str, base_url: str, path: Path
) -> GoogleSource:
    """The Google Sheet that a configuration at `path` with these values names.

    Raises ConfigError.
    """
    problems: list[str] = []
    try:
        table = SheetTable(source=source, tab=tab, credentials=credentials, base_url=base_url)
    except ValidationError as e:
        raise ConfigError(*sentences(e, None)) from None
    found = _google(table, path, os.environ, problems)
    if problems:
        raise ConfigError(*problems)
    return found


def _google(
    table: SheetTable, path: Path, environ: Mapping[str, str], problems: list[str]
) -> GoogleSource:
    found = _SPREADSHEET.search(table.source)
    if table.encoding:
        problems.append("sheet.encoding: is only for a .csv or .tsv file. Remove it.")
    if found is None:
        problems.append(
            f'sheet.source: "{table.source}" is not the address of a Google Sheet. Copy it from '
            "the browser: https://docs.google.com/spreadsheets/d/…"
        )
    problems += address_problems(
        "sheet.base_url", table.base_url, "http://127.0.0.1:8901", with_path=False
    )
    gid = re.search(r"[#&?]gid=(\d+)", table.source)
    credentials = None
    if table.credentials:
        credentials = kept(table.credentials, path, environ)
        if credentials is None:
            problems.append(
                f'sheet.credentials: "{table.credentials}" is not set, missing or empty. Put the '
                "JSON key of a service account there."
            )
    return GoogleSource(
        spreadsheet=found[1] if found else "",
        tab=table.tab.strip(),
        gid=int(gid[1]) if gid and not table.tab.strip() else None,
        credentials=credentials,
        base_url=table.base_url.rstrip("/"),
    )
