"""The command `init`: creates a configuration, and a sheet if there is none yet.

Overwrites nothing. Returns an exit code; raises ConfigError or SheetError before anything is
written. What is slow to import is imported where it is used: the first question comes at once.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from pipeline.cli import init_google
from pipeline.cli.init_questions import (
    CONFIG_NAME,
    SHEET_NAME,
    first_prompt,
    price_words,
    questions,
    trial_settings,
)
from pipeline.cli.new_rows import INPUTS, MASK, NewSheet, new_sheet, sample_mask
from pipeline.cli.questions import ask, confirm
from pipeline.cli.stand_in import has_stand_in
from pipeline.config import GoogleSource, Settings, is_google, load
from pipeline.config.template import (
    SANDBOX,
    Target,
    Wanted,
    file_lines,
    google_lines,
    new_config,
)
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.sheet.header import RATIO
from pipeline.core.text import one_line
from pipeline.plain_files import create_whole

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

    On a terminal, it asks questions and leads to the first run, unless a flag has answered one of
    them. `endpoint` is what the rows are for, such as `flux` or `replicate/flux-schnell`; empty:
    the usual endpoint. With `adopt`, columns that another tool filled become ours. Returns the exit
    code. Raises ConfigError and SheetError before anything is written.
    """
    if sheet is not None and google.address:
        raise ConfigError("Name a file or a Google Sheet, not both.")
    if not google.address and (google.credentials or google.base_url):
        raise ConfigError("--credentials and --base-url need --google.")
    is_settled = bool(endpoint) or wanted != Wanted()
    is_terminal = sys.stdin.isatty() and console.is_terminal
    leads = is_terminal and not adopt and replace(wanted, sandbox=None) == Wanted()
    if endpoint:
        from pipeline.cli.init_endpoint import target_of

        wanted = replace(wanted, target=target_of(endpoint, config or Path(CONFIG_NAME)))
        if wanted.sandbox and not has_stand_in(wanted.target.name):
            raise ConfigError(
                f"{wanted.target.vendor} has no stand-in on this machine. Leave --sandbox out."
            )
    answer: Path | Google | None = google if google.address else sheet
    if leads:
        console.print("Press Enter to accept the answer in [brackets].\n", markup=False)
    if answer is None and leads:
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
        named = replace(answer, tab=google.tab)
        return _init_google(console, named, config, adopt, wanted, leads)
    chosen = _usable(answer)
    if google.tab:
        _has_tabs(chosen)
    config = config or chosen.parent / CONFIG_NAME
    if config.exists():
        if (other := load(config).source) != chosen.resolve():
            raise ConfigError(_is_for(config, other))
        if is_settled or google.tab:
            raise ConfigError(_stays(config))
    else:
        _accept_second_sheet(chosen, is_named=sheet is not None, is_terminal=is_terminal)
    if (leads or google.tab) and chosen.exists() and not config.exists():
        wanted = _usable_as_it_is(wanted, config, chosen, google.tab)
    new = _new(console, wanted, config, leads=leads, has_sheet=chosen.exists())
    source = os.path.relpath(chosen.resolve(), config.resolve().parent)
    _write(console, config, file_lines(source, google.tab), new, chosen)
    return _finish(console, config, adopt, new, leads)


def _init_google(
    console: Console, google: Google, config: Path, adopt: bool, wanted: Wanted, leads: bool
) -> int:
    """The same for a Google Sheet: check the access first, and write nothing before it works."""
    named = init_google.named(google.address, google.tab, "", google.base_url, config)
    source: object = None
    if config.exists():
        source = load(config).source
        same = isinstance(source, GoogleSource) and source.spreadsheet == named.spreadsheet
        if not isinstance(source, GoogleSource) or not same:
            raise ConfigError(_is_for(config, "another sheet"))

    def connected() -> init_google.Connected:
        if isinstance(source, GoogleSource):
            return init_google.connect(console, source, "")
        credentials = google.credentials or init_google.key_beside(config)
        if not credentials.startswith(("file:", "env:")):
            here = Path(credentials).expanduser().resolve()
            credentials = f"file:{os.path.relpath(here, config.resolve().parent)}"
        wants = init_google.named(google.address, google.tab, credentials, google.base_url, config)
        return init_google.connect(console, wants, credentials)

    sheet = init_google.until_connected(console, connected) if leads else connected()
    has_sheet = leads and not sheet.setup.is_empty()
    if has_sheet and not config.exists():
        address, reference = sheet.address, sheet.credentials
        there = init_google.named(address, "", reference, sheet.base_url, config)
        wanted = _usable_as_it_is(wanted, config, there)
    new = _new(console, wanted, config, leads=leads, has_sheet=has_sheet)
    _write(console, config, google_lines(sheet.address, sheet.credentials, sheet.base_url), new)
    if init_google.lay_out(console, sheet, new.sheet, new.rows_in_words):
        _explain(console, new.sheet)
    return _finish(console, config, adopt, new, leads)


def _usable_as_it_is(
    wanted: Wanted, config: Path, source: Path | GoogleSource, tab: str = ""
) -> Wanted:
    """Look at a sheet that exists before anything else is asked. Raises SheetError."""
    from pipeline.cli.init_existing import usable

    return usable(wanted, config, source, tab)


# Which sheet -------------------------------------------------------------------------------------


def _usual_sheet(config: Path) -> str:
    """The sheet to use if none was named; empty if there is no candidate.

    It is the sheet of the existing configuration, else `prompts.csv`, else the only sheet in the
    folder.
    """
    if config.exists():
        source = load(config).source
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
        if confirm(question):
            return
    use, make = (f"promptsheet init {shlex.quote(str(one))}" for one in (other, sheet))
    raise ConfigError(
        f"{other} already exists, so nothing was created. Run {use} to use it, or {make} to "
        "create a second sheet."
    )


def _named_sheet(text: str) -> Path | Google:
    if is_google(text):
        init_google.named(text, "", "", "", Path(CONFIG_NAME))
        return Google(text.strip())
    # Dragging a file into a terminal puts quotation marks around its path, or backslashes into it.
    path = Path(text.strip().strip("'\"")).expanduser()
    if os.name == "posix" and not path.exists():
        path = Path(re.sub(r"\\(.)", r"\1", str(path)))
    return _usable(path)


def _usable(sheet: Path | None) -> Path:
    """The path of a sheet. Raises ConfigError if no sheet can have this path."""
    sheet = sheet or Path(SHEET_NAME)
    if sheet.is_dir():
        raise ConfigError(f"{sheet} is a folder. Name a file in it.")
    if sheet.suffix.casefold() not in KINDS:
        how = "Save it as one of these first."
        if not sheet.exists():
            how = f"A new one could be called {sheet.stem}.csv."
        raise ConfigError(f"{sheet.name} is not a .csv, .tsv, .xlsx or .xlsm file. {how}")
    return sheet


def _has_tabs(sheet: Path) -> None:
    """Raises ConfigError unless it is a workbook that exists."""
    if sheet.suffix.casefold() not in (".xlsx", ".xlsm"):
        raise ConfigError("Only a workbook and a Google Sheet have tabs. Leave --tab out.")
    if not sheet.exists():
        raise ConfigError(f"{sheet.name} does not exist, so it has no tab to name.")


# What is written ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _New:
    """What `init` creates, as far as it is missing."""

    #: The values of the configuration, and its settings.
    wanted: Wanted
    settings: Settings
    sheet: NewSheet
    #: False if the configuration existed before.
    is_first: bool
    #: The API key, if it is not in the environment.
    key: str = ""
    #: True if the person wrote the prompt of the new sheet.
    has_prompt: bool = False

    @property
    def rows_in_words(self) -> str:
        """The rows of the new sheet and what to do with them, as the end of a sentence."""
        number = len(self.sheet.rows) - 1
        if self.has_prompt and number == 1:
            return "with your prompt. Add more below it."
        samples = "a sample row" if number == 1 else f"{number} sample rows"
        return f"with {samples}. Write your prompts into it."


def _new(console: Console, wanted: Wanted, config: Path, *, leads: bool, has_sheet: bool) -> _New:
    """What to create, as the person at the terminal or the flags want it.

    A configuration that exists says what a missing sheet is for.
    """
    if config.exists():
        settings = load(config)
        ratio = str(settings.defaults.get(RATIO, ""))
        sheet = _new_sheet(settings, ratio, approval=settings.rules.approval)
        return _New(wanted, settings, sheet, is_first=False)
    prompt = key = ""
    if leads:
        prompt = "" if has_sheet else first_prompt(wanted, config)
        if not wanted.sandbox:
            from pipeline.cli.init_key import with_key

            wanted, key = with_key(console, wanted, config)
        wanted = questions(console, wanted, config, key)
    settings = trial_settings(wanted, config, key)
    ratio = wanted.aspect_ratio or ""
    sheet = _new_sheet(settings, ratio, approval=bool(wanted.approval), prompt=prompt)
    if sheet.needs_mask:
        wanted = replace(wanted, inputs=INPUTS)
    return _New(wanted, settings, sheet, is_first=True, key=key, has_prompt=bool(prompt))


def _new_sheet(settings: Settings, ratio: str, *, approval: bool, prompt: str = "") -> NewSheet:
    """The content of a new sheet. Raises ConfigError if the endpoint takes no `aspect_ratio`."""
    new = new_sheet(
        settings.provider,
        settings.endpoint,
        approval=approval,
        aspect_ratio=ratio,
        prompt=prompt,
    )
    if ratio and RATIO not in new.rows[0]:
        raise ConfigError(f"{settings.endpoint} has no column {RATIO}. Leave --aspect-ratio out.")
    return new


def _write(
    console: Console, config: Path, source: str, new: _New, sheet: Path | None = None
) -> None:
    """Create what is missing: the key, the configuration, the mask, then the sheet.

    A later `init` goes on where this one was interrupted. If a file cannot be created, those that
    were created before are removed.
    """
    files: dict[Path, tuple[bytes, int]] = {}
    if new.is_first:
        key_file = config.parent / new.wanted.key_file
        if new.key and not key_file.exists():
            files[key_file] = new.key.encode(), 0o600
        # The key decides the version of the API, and with it the price.
        price = "" if new.settings.provider.assumed else price_words(new.settings)
        unit = new.settings.provider.unit
        text = new_config(source, new.wanted, price, unit)
        files[config] = text.encode(), 0o666
    mask = config.parent / INPUTS / MASK
    if new.sheet.needs_mask and not mask.exists():
        files[mask] = sample_mask(), 0o666
    if sheet is not None and not sheet.exists():
        from pipeline.sheets.choices import Choices
        from pipeline.sheets.new_sheet import new_file

        ticks = dict.fromkeys(("approved", "skip"), Choices(("yes",), closed=False))
        content = new_file(sheet, new.sheet.rows, new.sheet.choices | ticks)
        files[sheet] = content, 0o666
    made: list[Path] = []
    try:
        for file, (content, mode) in files.items():
            _create(file, content, mode)
            made.append(file)
    except SheetError:
        for file in made:
            file.unlink()
        raise
    _tell(console, made, config, new, sheet)


def _create(file: Path, content: bytes, mode: int) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        create_whole(file, content, mode)
    except OSError as e:
        raise SheetError(
            f"{file} cannot be created: {e.strerror}. Name a folder that you may write into."
        ) from e


def _tell(
    console: Console, made: Sequence[Path], config: Path, new: _New, sheet: Path | None
) -> None:
    """Say what was created, what was there, and what to change in the sample rows."""
    if sheet in made:
        console.print(f"{sheet} was created, {new.rows_in_words}", markup=False)
        _explain(console, new.sheet)
    elif sheet is not None:
        console.print(f"{sheet} already exists and was not changed.", markup=False)
    how = "was created" if config in made else "already exists and was not changed"
    console.print(f"{config} {how}.", markup=False)
    if new.key and config in made:
        from pipeline.cli.init_key import saved_in

        console.print(saved_in(new.wanted.key_file), markup=False)


def _explain(console: Console, new: NewSheet) -> None:
    """Say what to change in the sample rows."""
    for hint in new.hints:
        console.print(hint, markup=False)


def _stays(config: Path) -> str:
    return (
        f"{config} already exists and was not changed. Edit it, or name another one with --config."
    )


def _is_for(config: Path, other: object) -> str:
    return f"{config} is for {other}. Name another configuration with --config."


def _take_over(console: Console, settings: Settings) -> None:
    from pipeline import wiring
    from pipeline.open_sheet import open_sheet
    from pipeline.sync import adopt as adoption

    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        titles = adoption.take_over_columns(sheet, store, settings.header)
    columns = ", ".join(titles) or "no column"
    console.print(
        f"Taken over: {one_line(columns)}. The next run overwrites these columns, except in "
        "rows that have a task or pictures. Those rows are left unchanged and cost nothing; "
        "promptsheet doctor --adopt takes them over.",
        markup=False,
    )


# What comes next ---------------------------------------------------------------------------------


def _finish(console: Console, config: Path, adopt: bool, new: _New, leads: bool) -> int:
    """Lead to the first run; or print which rows are ready, and the next commands."""
    from pipeline.cli import first_run, next_steps

    settings = load(config)
    for warning in settings.warnings:
        console.print(warning, markup=False, soft_wrap=True)
    if adopt:
        _take_over(console, settings)
    target = new.wanted.target
    if not new.is_first:
        api = settings.provider
        path = settings.base_url.removeprefix(SANDBOX)
        target = Target(api.name, variable=api.key.variable, vendor=api.title, path=path)
        if leads:
            from pipeline.cli.init_key import with_key_now

            keyed = with_key_now(console, settings, target)
            if keyed is None:
                return 3
            settings = keyed
    if leads and first_run.can_run(settings):
        console.print()
        return first_run.first_run(console, settings, target)
    next_steps.show(console, config, settings, new.is_first, target)
    return 0
