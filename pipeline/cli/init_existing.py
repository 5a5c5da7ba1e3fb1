"""`init` looks at a sheet that exists before it asks anything else: can it be used?

Nothing is written. Raises SheetError if the sheet must be corrected first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline import wiring
from pipeline.cli.init_questions import trial_settings
from pipeline.cli.questions import ask, confirm
from pipeline.config import GoogleSource, Settings
from pipeline.config.template import Wanted
from pipeline.core.errors import ColumnsError, ConfigError, UnclearText
from pipeline.core.inputs import PROMPT
from pipeline.core.model import Grid
from pipeline.core.sheet.header import Columns, folded
from pipeline.core.sheet.header_checks import TITLE_LINES, cell_of_a_row, row_as_header
from pipeline.core.sheet.near_misses import near_misses
from pipeline.core.text import one_line, quoted, shortened
from pipeline.open_sheet import open_sheet

#: Most titles that the question names, and most letters of each.
_MOST_TITLES: Final = 12
_LONGEST: Final = 30


def usable(wanted: Wanted, config: Path, source: Path | GoogleSource, tab: str = "") -> Wanted:
    """What is wanted. If no column is called prompt, it names the one that the person chooses.

    A file whose encoding is not certain is left for later: the configuration can name the right
    one. Raises SheetError.
    """
    settings = _later(wanted, config, source, tab)
    try:
        with wiring.scratch_store(settings) as store:
            grid = open_sheet(settings, store).read()
    except UnclearText:
        return wanted
    columns = settings.header.read(grid)
    if _lacks_prompts(settings, columns, grid) and (titles := _free_titles(columns)):
        if cell := cell_of_a_row(columns.header):
            looks = f"The first line looks like a row: {quoted(cell, 60)}."
            if not confirm(f"{looks} Does it have the titles?"):
                raise ColumnsError(row_as_header(cell))
        near = near_misses(columns, {PROMPT}, settings.ignore)
        usual = next((title for title, name in near if name == PROMPT), "")
        wanted = replace(wanted, prompt_column=_column(titles, one_line(usual)))
        settings = _later(wanted, config, source, tab)
    with wiring.previewing(settings, whole=False) as sync:
        if sync.last.hold and sync.last.columns.doubled:
            raise ColumnsError(sync.last.hold.sentence)
    return wanted


def _later(wanted: Wanted, config: Path, source: Path | GoogleSource, tab: str) -> Settings:
    """The settings of the new configuration, at its place and with its sheet."""
    there = config.resolve()
    return replace(trial_settings(wanted, config), source=source, tab=tab, path=there)


def _lacks_prompts(settings: Settings, columns: Columns, grid: Grid) -> bool:
    """True if no row could have a prompt, though each needs one, and the header is in its place."""
    prompt = settings.provider.endpoints[settings.endpoint].fields.get(PROMPT)
    is_needed = prompt is not None and prompt.required
    if not is_needed or {PROMPT, "endpoint", "parent"} & columns.index.keys():
        return False
    return not any(settings.header.read_line(row).inputs for row in grid[1:TITLE_LINES])


def _free_titles(columns: Columns) -> list[str]:
    """The titles of columns that have no meaning yet, once each."""
    used = columns.index.values()
    titles = [one_line(title.strip()) for at, title in enumerate(columns.header) if at not in used]
    return list({folded(title): title for title in reversed(titles) if folded(title)}.values())[
        ::-1
    ]


def _column(titles: list[str], usual: str) -> str:
    """The title of the column with the prompts, as the person at the terminal names it."""
    shown = [shortened(title, _LONGEST) for title in titles[:_MOST_TITLES]]
    names = ", ".join(shown) + ", …" * (len(titles) > _MOST_TITLES)

    def read(text: str) -> str:
        found = next((one for one in titles if folded(one) == folded(text)), "")
        if not found:
            raise ConfigError(f"Write one of these titles: {names}. To stop, press Ctrl-C.")
        return found

    return ask(
        f"No column is called prompt in the first line. Which one has your prompts: {names}",
        usual,
        read,
    )
