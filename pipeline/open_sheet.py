"""Opens the sheet of a configuration: chooses the class, and finds its key in the store.

This is the only module that names the classes of the sheets. It owns no state. Raises SheetError if
the sheet cannot be reached, and MissingExtra if its libraries are not installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.config import GoogleSource, Settings
from pipeline.core.errors import ConfigError, MissingExtra, SheetError
from pipeline.core.inputs import normalise
from pipeline.core.model import Grid
from pipeline.core.prompts.templates import Styles
from pipeline.core.sheet.header import folded
from pipeline.core.text import quoted
from pipeline.sheets import Sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.files.errors import refuse_read_only as refuse_read_only
from pipeline.sheets.files.open_elsewhere import is_marked_open as is_marked_open
from pipeline.sheets.files.open_elsewhere import refuse_while_open as refuse_while_open
from pipeline.sheets.files.recovery import older_saves as older_saves
from pipeline.store import Store, utc_now

if TYPE_CHECKING:
    from pipeline.sheets.google.channel import Channels as Channels
    from pipeline.sheets.google.channel import OpenChannel as OpenChannel
    from pipeline.sheets.google.setup import Setup

#: Longest wait for Google during a set-up, in seconds, because a person is waiting.
SETUP_PATIENCE = 10.0


def open_sheet(settings: Settings, store: Store) -> Sheet:
    """The sheet of a configuration, with its key in the store."""
    source, key = settings.source, settings.sheet_id
    if isinstance(source, Path):
        place = str(source.resolve())
        if not key and (known := _known_at(store, place)):
            return _file(settings, known)
        sheet = _file(settings, key or _key_of_file(settings, store, place))
    else:
        place = source.place
        sheet = _google_sheet(source, settings, store)
    if store.sheets.get(sheet.key).place != place:
        store.sheets.update(sheet.key, place=place, title=sheet.title)
    return sheet


def _known_at(store: Store, place: str) -> str:
    """The key of the sheet that the store knows at this place; empty if it knows none."""
    return next((one.key for one in store.sheets.all() if one.place == place), "")


def _key_of_file(settings: Settings, store: Store, place: str) -> str:
    """The key of a file at a place where the store knows no sheet.

    A moved file keeps its key. It is recognized by its claim, which was moved with it, or else by
    the ids in it, but only if there is no file at the old place any more.
    """
    if moved := _moved_here(settings, store):
        return moved
    key, number = place, 1
    # If another process creates the record at the same moment, both must get the same key.
    while store.sheets.get(key).place not in ("", place):
        number += 1  # The sheet with that key was moved away; this is another sheet.
        key = f"{place}#{number}"
    return key


def _file(settings: Settings, key: str | None = None) -> Sheet:
    """A sheet of the kind that the file extension names."""
    return _opened(settings.file, settings.tab, key, settings.encoding)


def _opened(path: Path, tab: str, key: str | None = None, encoding: str = "") -> Sheet:
    if path.suffix.casefold() in (".xlsx", ".xlsm"):
        from pipeline.sheets.excel.sheet import ExcelSheet

        return ExcelSheet(path, tab=tab, key=key)
    return CsvSheet(path, key=key, encoding=encoding)


def styles_in(path: Path, tab: str = "") -> dict[str, tuple[str, str]]:
    """The styles in a file: folded name -> the name, and the text of the style.

    Names are in the first column, texts in the second, below a header. Raises ConfigError if the
    file cannot be read, or says two things about one style.
    """
    try:
        grid = _opened(path, tab).read() if path.is_file() else None
    except SheetError as why:
        raise ConfigError(f"[prompt] styles: {why}") from None
    if grid is None:
        raise ConfigError(f"[prompt] styles: there is no file {path}.")
    return _styles_of(grid, f"{path.name}, tab {tab}" if tab else path.name)


def read_styles(settings: Settings, store: Store) -> None:
    """Read the styles that are in a tab of the Google Sheet, and keep them for `kept_styles`.

    This is one request. Nothing is done if the styles are elsewhere. Raises ConfigError if there
    is no such tab or no style in it, and SheetError if Google cannot be reached.
    """
    if (tab := _styles_tab(settings)) is None:
        return
    try:
        grid = _other_tab(settings, store, tab).read()
    except SheetError as why:
        raise SheetError(f"[prompt] styles: {why}") from why
    store.styles.keep(_place_of_styles(settings), _styles_of(grid, f"the tab {tab}"))


def kept_styles(settings: Settings, store: Store) -> Styles:
    """The styles in a tab of the Google Sheet as they were last read; the first time they are read.

    Empty if the styles are elsewhere. Raises as `read_styles`.
    """
    if _styles_tab(settings) is None:
        return {}
    place = _place_of_styles(settings)
    if not store.styles.get(place):
        read_styles(settings, store)
    return store.styles.get(place)


def _styles_tab(settings: Settings) -> str | None:
    """The tab of the Google Sheet that has the styles; None if none has."""
    its = settings.prompt.own_tab if settings.prompt else ""
    return its if its and isinstance(settings.source, GoogleSource) else None


def _place_of_styles(settings: Settings) -> str:
    return f"{place_of(settings).partition('#')[0]} {_styles_tab(settings)}"


def _styles_of(grid: Grid, place: str) -> dict[str, tuple[str, str]]:
    styles: dict[str, tuple[str, str]] = {}
    for number, row in enumerate(grid[1:], start=2):
        name, text = (normalise(cell) for cell in (*row, "", "")[:2])
        if not name and not text:
            continue
        if not (name and text):
            missing = "text" if name else "name"
            raise ConfigError(f"[prompt] styles: row {number} of {place} has no {missing}.")
        if styles.setdefault(folded(name), (name, text))[1] != text:
            raise ConfigError(
                f"[prompt] styles: row {number} of {place} says something else about "
                f"{quoted(name, 40)} than a row above it. Remove one of them."
            )
    if not styles:
        raise ConfigError(
            f"[prompt] styles: {place} has no styles. Write names into its first column and texts "
            "into the second, below a header."
        )
    return styles


def grid_in(settings: Settings, store: Store, file: Path | None, tab: str) -> Grid:
    """The cells of a file, or of another tab of the sheet if there is no file.

    `tab` is the tab of a workbook; empty: its first one. Raises ConfigError and SheetError.
    """
    source = settings.source
    if file is not None:
        if not file.is_file():
            raise ConfigError(f"There is no file {file}.")
        return _opened(file, tab).read()
    if isinstance(source, GoogleSource):
        return _other_tab(settings, store, tab).read()
    if source.suffix.casefold() in (".csv", ".tsv"):
        raise ConfigError(f"{source.name} has no tabs: write @FILE or @FILE:COLUMN instead.")
    return _opened(source, tab).read()


def _other_tab(settings: Settings, store: Store, tab: str) -> Sheet:
    """Another tab of the Google Sheet of a configuration."""
    source, other = settings.source, replace(settings, sheet_id="")
    assert isinstance(source, GoogleSource), "only a Google Sheet"
    return _google_sheet(replace(source, tab=tab, gid=None), other, store)


class GoogleSetup(NamedTuple):
    """A Google Sheet to set up, and the title of the account that it must be shared with."""

    account: str
    setup: Setup


def google_setup(source: GoogleSource) -> GoogleSetup:
    """A Google Sheet to set up, and the account that it must be shared with.

    Raises SheetError if there is no usable key.
    """
    with _google_libraries():
        from pipeline.sheets.google.client import Spreadsheet, account
        from pipeline.sheets.google.setup import Setup
    who = account(source.credentials.reveal() if source.credentials else None)
    way = Spreadsheet(source.spreadsheet, who, base=source.base_url, patience=SETUP_PATIENCE)
    return GoogleSetup(who.called, Setup(way, source.tab, source.gid))


def drive_channels(source: GoogleSource) -> Channels:
    """The push channels of a Google Sheet. Raises SheetError if there is no usable key."""
    with _google_libraries():
        from pipeline.sheets.google.channel import Channels
        from pipeline.sheets.google.client import account
    who = account(source.credentials.reveal() if source.credentials else None)
    return Channels(source.spreadsheet, who, source.base_url)


@contextmanager
def _google_libraries() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as e:
        raise MissingExtra("A Google Sheet", "google") from e


def _google_sheet(source: GoogleSource, settings: Settings, store: Store) -> Sheet:
    """A tab of a Google Sheet. It is identified by its number, because its title may change."""
    with _google_libraries():
        from pipeline.sheets.google.client import PER_MINUTE, Kind, Spreadsheet, account
        from pipeline.sheets.google.sheet import GoogleSheet
    known = {record.place: record.key for record in store.sheets.all()}
    key = settings.sheet_id or known.get(source.place, "")
    found = re.fullmatch(rf"google:{re.escape(source.spreadsheet)}:(\d+)", key)
    who = account(source.credentials.reveal() if source.credentials else None)

    def budget(kind: Kind) -> float:
        counted_as = who.counted_as(kind)
        if store.rate_limit.permits(counted_as, 1, PER_MINUTE):
            return 0.0
        return max(store.rate_limit.ready_in(counted_as, PER_MINUTE), 0.1)

    return GoogleSheet(
        Spreadsheet(source.spreadsheet, who, budget=budget, base=source.base_url),
        # One line does not show which endpoints the rows name, so `text` may be ours.
        replace(settings.header, gives_text=True).read_line,
        tab=source.tab,
        gid=int(found[1]) if found else source.gid,
        key=key,
        now=utc_now,
    )


def _moved_here(settings: Settings, store: Store) -> str:
    """The key of the sheet whose file was moved here; else empty."""
    files = [r for r in store.sheets.all() if r.place and not r.place.startswith("https:")]
    gone = {r.key for r in files if not Path(r.place).exists()}
    if not gone:
        return ""
    sheet = _file(settings)
    try:
        claim, grid = sheet.read_claim(), sheet.read()
    except SheetError:
        return ""
    if claim is not None and claim.store == store.id and claim.sheet in gone:
        return claim.sheet
    columns = settings.header.read(grid)
    ids = {mark for row in grid[1:] if (mark := columns.cell(row, "row_id").strip())}
    for key in gone:
        theirs = ids & store.rows.memory(key).known.keys()
        if theirs and len(theirs) * 2 > len(ids):
            return key
    return ""


def place_of(settings: Settings) -> str:
    """The place of a configuration's sheet: a path or an address."""
    source = settings.source
    return source.place if isinstance(source, GoogleSource) else str(source.resolve())
