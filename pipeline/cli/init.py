"""The command `init`: creates a configuration, and a sheet if there is none yet.

Overwrites nothing. Returns an exit code; raises ConfigError or SheetError before anything is
written.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from pipeline import wiring
from pipeline.cli import init_google, next_steps
from pipeline.cli.init_endpoint import target_of
from pipeline.cli.init_questions import (
    CONFIG_NAME,
    SHEET_NAME,
    ask,
    price_words,
    questions,
    trial_settings,
)
from pipeline.cli.new_rows import INPUTS, MASK, NewSheet, new_sheet, sample_mask
from pipeline.config import GoogleSource, Settings, is_google
from pipeline.config.template import (
    Target,
    Wanted,
    file_lines,
    google_lines,
    new_config,
)
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.generations import RATIO
from pipeline.core.text import one_line
from pipeline.open_sheet import open_sheet
from pipeline.sync import adopt as adoption

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
    endpoint: str = "",
) -> int:
    """Create a configuration next to the sheet, and the sheet if it is missing. Overwrite nothing.

    Without arguments, and on a terminal, it asks questions. `endpoint` is what the rows are for,
    such as `flux` or `replicate/flux-schnell`; empty: the usual endpoint. With `adopt`, columns
    that another tool filled become ours. Returns the exit code. Raises ConfigError and SheetError
    before anything is written.
    """
    if sheet is not None and google.address:
        raise ConfigError("Name a file or a Google Sheet, not both.")
    if not google.address and google != Google():
        raise ConfigError("--tab, --credentials and --base-url need --google.")
    is_settled = bool(endpoint) or wanted != Wanted()
    if endpoint:
        wanted = replace(wanted, target=target_of(endpoint, config or Path(CONFIG_NAME)))
    is_terminal = sys.stdin.isatty() and console.is_terminal
    says_nothing = not (sheet or config or adopt or google.address or is_settled)
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
        config = config or Path(CONFIG_NAME)
        if config.exists() and is_settled:
            raise ConfigError(_stays(config))
        return _init_google(console, answer, config, adopt, wanted, asks)
    chosen = _usable(answer)
    config = config or chosen.parent / CONFIG_NAME
    if config.exists():
        if (other := wiring.load(config).source) != chosen.resolve():
            raise ConfigError(_is_for(config, other))
        if is_settled:
            raise ConfigError(_stays(config))
    else:
        _accept_second_sheet(chosen, is_named=sheet is not None, is_terminal=is_terminal)
        if asks:
            wanted = questions(console, config)
    trial = trial_settings(wanted, config)
    new = _new_sheet(wanted, trial)
    if not config.exists() and new.needs_mask:
        wanted = replace(wanted, inputs=INPUTS)
    if _write_sheet(console, chosen, new):
        _explain(console, config, new)
    source = os.path.relpath(chosen.resolve(), config.resolve().parent)
    is_new = _write_config(console, config, file_lines(source), wanted, trial)
    return _finish(console, config, is_new, adopt, wanted.target)


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
    new = _new_sheet(wanted, trial)
    if not is_there and new.needs_mask:
        wanted = replace(wanted, inputs=INPUTS)
    lines = google_lines(sheet.address, sheet.credentials, sheet.base_url)
    is_new = _write_config(console, config, lines, wanted, trial)
    if init_google.lay_out(console, sheet, new.rows, new.choices):
        _explain(console, config, new)
    return _finish(console, config, is_new, adopt, wanted.target)


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


def _write_sheet(console: Console, sheet: Path, new: NewSheet) -> bool:
    """Create the sheet if it is missing. Returns whether it was created."""
    if sheet.exists():
        console.print(f"{sheet} already exists and was not changed.", markup=False)
        return False
    from pipeline.sheets.choices import Choices
    from pipeline.sheets.new_sheet import new_file

    ticks = dict.fromkeys(("approved", "skip"), Choices(("yes",), closed=False))
    _create(sheet, new_file(sheet, new.rows, new.choices | ticks))
    samples = "a sample row" if len(new.rows) == 2 else f"{len(new.rows) - 1} sample rows"
    console.print(f"{sheet} was created, with {samples}. Write your prompts into it.", markup=False)
    return True


def _new_sheet(wanted: Wanted, settings: Settings) -> NewSheet:
    """The content of a new sheet. Raises ConfigError if the endpoint takes no `aspect_ratio`."""
    ratio = wanted.aspect_ratio or ""
    new = new_sheet(
        settings.provider, settings.endpoint, approval=bool(wanted.approval), aspect_ratio=ratio
    )
    if ratio and RATIO not in new.rows[0]:
        raise ConfigError(f"{settings.endpoint} has no column {RATIO}. Leave --aspect-ratio out.")
    return new


def _explain(console: Console, config: Path, new: NewSheet) -> None:
    """Say what to change in the sample rows, and create the mask that one of them names."""
    for hint in new.hints:
        console.print(hint, markup=False)
    mask = config.parent / INPUTS / MASK
    if new.needs_mask and not mask.exists():
        _create(mask, sample_mask())


def _write_config(
    console: Console, config: Path, lines: str, wanted: Wanted, trial: Settings
) -> bool:
    """Create the configuration if it is missing. Returns whether it was created."""
    if config.exists():
        console.print(f"{config} already exists and was not changed.", markup=False)
        return False
    _create(config, new_config(lines, wanted, price_words(trial)).encode())
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


def _finish(console: Console, config: Path, is_new: bool, adopt: bool, target: Target) -> int:
    """Print which rows are ready, what is wrong with the others, and the next command."""
    settings = wiring.load(config)
    for warning in settings.warnings:
        console.print(warning, markup=False, soft_wrap=True)
    if adopt:
        _take_over(console, settings)
    if not is_new:
        api = settings.provider
        target = Target(api.name, variable=api.key.variable, vendor=api.title)
    next_steps.show(console, config, settings, is_new, target)
    return 0
