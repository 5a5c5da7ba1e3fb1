"""The command `init`: creates a configuration, and a sheet if there is none yet."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from pipeline import wiring
from pipeline.cli import init_google, next_steps
from pipeline.cli.init_questions import (
    CONFIG_NAME,
    SHEET_NAME,
    ask,
    price_of,
    questions,
    trial_settings,
)
from pipeline.config import GoogleSource, Settings, is_google
from pipeline.config.template import (
    Wanted,
    file_lines,
    google_lines,
    new_config,
)
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.header import ALWAYS
from pipeline.core.text import one_line
from pipeline.open_sheet import open_sheet
from pipeline.sync import adopt as adoption

#: The columns of a new sheet that people fill in. Ours are added after them.
HEADER: Final = ("name", "prompt", "aspect_ratio", "take", "skip")
SAMPLE: Final = {
    "name": "first",
    "prompt": "a lighthouse on a cliff at dawn, soft light, wide shot",
}
KINDS: Final = (".csv", ".tsv", ".xlsx", ".xlsm")


@dataclass(frozen=True, slots=True)
class Google:
    """The requested Google Sheet. Values that were not given are empty."""

    address: str = ""
    tab: str = ""
    credentials: str = ""
    base_url: str = ""


def init(
    console: Console,
    sheet: Path | None,
    config: Path | None,
    adopt: bool,
    wanted: Wanted,
    google: Google,
) -> int:
    """Create a configuration next to the sheet, and the sheet if it is missing. Overwrite nothing.

    Without arguments, and on a terminal, it asks questions. With `adopt`, columns that another tool
    filled become ours. Returns the exit code. Raises ConfigError and SheetError before anything is
    written.
    """
    if sheet is not None and google.address:
        raise ConfigError("Name a file or a Google Sheet, not both.")
    if not google.address and google != Google():
        raise ConfigError("--tab, --credentials and --base-url need --google.")
    is_terminal = sys.stdin.isatty() and console.is_terminal
    says_nothing = not (sheet or config or adopt or google.address) and wanted == Wanted()
    asks = says_nothing and is_terminal
    answer: Path | Google | None = google if google.address else sheet
    if asks:
        console.print("Press Enter to accept the answer in [brackets].\n", markup=False)
        answer = ask(
            "Which CSV or Excel file? A missing one is created. Or the address of a Google Sheet",
            _usual_sheet(config or Path(CONFIG_NAME)) or SHEET_NAME,
            _named_sheet,
        )
    elif answer is None:
        answer = _named_sheet(_usual_sheet(config or Path(CONFIG_NAME)) or SHEET_NAME)
    if isinstance(answer, Google):
        return _init_google(console, answer, config or Path(CONFIG_NAME), adopt, wanted, asks)
    chosen = _usable(answer)
    config = config or chosen.parent / CONFIG_NAME
    if config.exists():
        if (other := wiring.load(config).source) != chosen.resolve():
            raise ConfigError(_is_for(config, other))
        if wanted != Wanted():
            raise ConfigError(_stays(config))
    else:
        _accept_second_sheet(chosen, is_named=sheet is not None, is_terminal=is_terminal)
        if asks:
            wanted = questions(console, config)
    trial = trial_settings(wanted, config)
    _write_sheet(console, chosen, wanted, trial)
    source = os.path.relpath(chosen.resolve(), config.resolve().parent)
    is_new = _write_config(console, config, file_lines(source), wanted, trial)
    return _finish(console, config, is_new, adopt)


def _init_google(
    console: Console, google: Google, config: Path, adopt: bool, wanted: Wanted, asks: bool
) -> int:
    """The same for a Google Sheet: check the access first, and write nothing before it works."""
    named = init_google.named(google.address, google.tab, "", google.base_url, config)
    if is_there := config.exists():
        source = wiring.load(config).source
        same = isinstance(source, GoogleSource) and source.spreadsheet == named.spreadsheet
        if not isinstance(source, GoogleSource) or not same:
            raise ConfigError(_is_for(config, "another sheet"))
        if wanted != Wanted():
            raise ConfigError(_stays(config))
        credentials = ""
    else:
        credentials = google.credentials or init_google.key_beside(config)
        if not credentials.startswith(("file:", "env:")):
            here = Path(credentials).expanduser().resolve()
            credentials = f"file:{os.path.relpath(here, config.resolve().parent)}"
        source = init_google.named(google.address, google.tab, credentials, google.base_url, config)
    sheet = init_google.connect(console, source, credentials)
    if asks and not is_there:
        wanted = questions(console, config)
    trial = trial_settings(wanted, config)
    lines = google_lines(sheet.address, sheet.credentials, sheet.base_url)
    is_new = _write_config(console, config, lines, wanted, trial)
    init_google.lay_out(console, sheet, _new_rows(wanted), wiring.load(config))
    return _finish(console, config, is_new, adopt)


# Which sheet -------------------------------------------------------------------------------------


def _usual_sheet(config: Path) -> str:
    """The sheet to use if none was named; empty if there is no candidate.

    It is the sheet of the existing configuration, else `prompts.csv`, else the only sheet in the
    folder.
    """
    if config.exists():
        source = wiring.load(config).source
        return source.place if isinstance(source, GoogleSource) else os.path.relpath(source)
    found = _sheets_in(config.parent)
    if len(found) == 1 and found[0].name != SHEET_NAME and sys.stdin.isatty():
        return str(found[0])
    return ""


def _sheets_in(folder: Path) -> list[Path]:
    """The sheets in a folder, by name, without temporary files of other programs."""
    with suppress(OSError):
        files = [file for file in folder.iterdir() if file.suffix.casefold() in KINDS]
        return sorted(f for f in files if f.is_file() and not f.name.startswith((".", "~$")))
    return []


def _accept_second_sheet(sheet: Path, *, is_named: bool, is_terminal: bool) -> None:
    """Ask before creating a second sheet in the folder. Raises ConfigError if it is not wanted.

    A sheet that was named on the command line is created without a question, unless the other sheet
    has the same name with another extension.
    """
    if sheet.exists():
        return
    others = _sheets_in(sheet.parent)
    alike = [other for other in others if other.stem == sheet.stem]
    if not others or (is_named and not (alike and is_terminal)):
        return
    other = (alike or others)[0]
    if is_terminal:
        question = f"{one_line(str(other))} already exists. Create a second sheet, {sheet.name}?"
        if typer.confirm(question, default=False):
            return
    use, make = (f"init {shlex.quote(str(one))}" for one in (other, sheet))
    raise ConfigError(
        f"{other} already exists, so nothing was created. Run {use} to use it, or {make} to create "
        "a second sheet."
    )


def _named_sheet(text: str) -> Path | Google:
    if is_google(text):
        init_google.named(text, "", "", "", Path(CONFIG_NAME))
        return Google(text.strip())
    # Dragging a file into a terminal puts quotation marks around its path.
    return _usable(Path(text.strip().strip("'\"")).expanduser())


def _usable(sheet: Path | None) -> Path:
    """The path of a sheet. Raises ConfigError if no sheet can have this path."""
    sheet = sheet or Path(SHEET_NAME)
    if sheet.suffix.casefold() not in KINDS:
        raise ConfigError(
            f"{sheet.name} is not a .csv, .tsv, .xlsx or .xlsm file. Save it as one of these first."
        )
    if sheet.is_dir():
        raise ConfigError(f"{sheet} is a folder. Name a file in it.")
    return sheet


# What is written ---------------------------------------------------------------------------------


def _stays(config: Path) -> str:
    return (
        f"{config} already exists and was not changed. Edit it, or name another one with --config."
    )


def _is_for(config: Path, other: object) -> str:
    return f"{config} is for {other}. Name another configuration with --config."


def _write_sheet(console: Console, sheet: Path, wanted: Wanted, settings: Settings) -> None:
    if sheet.exists():
        console.print(f"{sheet} already exists and was not changed.", markup=False)
        return
    from pipeline.sheets.choices import Choices
    from pipeline.sheets.new_sheet import new_file

    rows = _new_rows(wanted)
    ticks = dict.fromkeys(("approved", "skip"), Choices(("yes",), closed=False))
    _create(sheet, new_file(sheet, rows, init_google.choices(settings, rows[0]) | ticks))
    console.print(
        f"{sheet} was created, with a sample row. Write your prompts into it.", markup=False
    )


def _new_rows(wanted: Wanted) -> list[list[str]]:
    """A header and a sample row."""
    header = [*HEADER, *ALWAYS]
    if wanted.approval:
        header.insert(header.index("skip"), "approved")
    sample = SAMPLE | {"aspect_ratio": wanted.aspect_ratio or "16:9"}
    return [header, [sample.get(title, "") for title in header]]


def _write_config(
    console: Console, config: Path, lines: str, wanted: Wanted, trial: Settings
) -> bool:
    """Create the configuration if it is missing. Returns whether it was created."""
    if config.exists():
        console.print(f"{config} already exists and was not changed.", markup=False)
        return False
    _create(config, new_config(lines, wanted, price_of(trial)).encode())
    console.print(f"{config} was created.", markup=False)
    return True


def _create(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            out.write(content)
    except OSError as e:
        raise SheetError(
            f"{file} cannot be created: {e.strerror}. Name a folder that you may write into."
        ) from e


def _take_over(console: Console, settings: Settings) -> None:
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        titles = adoption.take_over_columns(sheet, store, settings.header)
    columns = ", ".join(titles) or "no column"
    console.print(
        f"Taken over: {one_line(columns)}. The next run overwrites these columns, except in "
        "rows that have a task or pictures. Those rows are left unchanged and cost nothing; "
        "doctor --adopt takes them over.",
        markup=False,
    )


# What comes next ---------------------------------------------------------------------------------


def _finish(console: Console, config: Path, is_new: bool, adopt: bool) -> int:
    """Print which rows are ready, what is wrong with the others, and the next command."""
    settings = wiring.load(config)
    for warning in settings.warnings:
        console.print(warning, markup=False, soft_wrap=True)
    if adopt:
        _take_over(console, settings)
    next_steps.show(console, config, settings, is_new)
    return 0
