"""The commands `init` and `demo`: from nothing to a sheet that fills itself."""

from __future__ import annotations

import csv
import io
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.text import Text

from pipeline import adopting, connecting, gallery, loop, reporting, running, show, wiring
from pipeline.config import GoogleSource, Secret, Settings, is_google
from pipeline.core.columns import ALWAYS
from pipeline.core.errors import ConfigError, SheetError
from pipeline.runner import Asked
from pipeline.wiring import Busy

#: What a new sheet begins with: what people write, then what the program writes.
HEADER = ("name", "prompt", "aspect_ratio", "take", "skip")
SAMPLE = {"name": "first", "prompt": "a lighthouse on a cliff at dawn, soft light, wide shot"}
CONFIG_NAME = "promptsheet.toml"
SHEET_NAME = "prompts.csv"
PER_RUN, PER_DAY = 200, 1000

CONFIG = """\
# Promptsheet: fill the sheet, run this, get the pictures back in the same rows.
# Every key there is, with its meaning, stands in configs/example.toml.

[sheet]
{sheet}
[provider]
name = "apiframe"
endpoint = "imagine"
api_key = "env:APIFRAME_API_KEY"    # the name of an environment variable, never the key itself
{defaults}
[budget]                            # credits; a picture costs 4
per_run = {per_run}
per_day = {per_day}
{rules}
[media]
save_to = {save_to}
"""
GOOGLE = """\
source = {source}
credentials = {credentials}    # where the key is kept, never the key itself
"""
DEFAULTS = """
[defaults]                          # where a row leaves its cell empty
aspect_ratio = {aspect_ratio}
"""
RULES = """
[rules]
approval = true                     # a row is sent once its cell `approved` says yes
"""
SAVED = '"media/"                  # every picture is saved here as it comes'
NOT_SAVED = '""                        # pictures are not saved, only their addresses are written'


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new configuration shall say; None is what nobody has said, so the usual."""

    aspect_ratio: str | None = None
    per_day: int | None = None
    approval: bool | None = None
    save: bool | None = None


@dataclass(frozen=True, slots=True)
class Google:
    """What was said of a Google Sheet; empty is what nobody has said."""

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
    """Write a configuration beside the sheet, and the sheet if there is none; overwrite nothing.

    Who says nothing at all is asked, on a terminal. With `adopt` the columns that another tool
    filled become ours, though they hold text.
    """
    if sheet is not None and google.address:
        raise ConfigError("Name a file or a Google Sheet, not both.")
    if not google.address and google != Google():
        raise ConfigError("--tab, --credentials and --base-url are for --google.")
    silent = not (sheet or config or adopt or google.address) and wanted == Wanted()
    asks = silent and sys.stdin.isatty() and console.is_terminal
    if asks:
        console.print("Press Enter where what stands in [brackets] is right.\n", markup=False)
        question = "Which CSV or Excel file? A new one is made. Or the address of a Google Sheet"
        answer = _ask(question, SHEET_NAME, _sheet_named)
        sheet, google = (answer, google) if isinstance(answer, Path) else (None, answer)
    if google.address:
        return _init_google(console, google, config or Path(CONFIG_NAME), adopt, wanted, asks)
    sheet = _usable(sheet or Path(SHEET_NAME))
    config = config or sheet.parent / CONFIG_NAME
    if config.exists():
        if (other := wiring.load(config).source) != sheet.resolve():
            raise ConfigError(f"{config} is for {other}. Name another one with --config.")
        if wanted != Wanted():
            raise ConfigError(_stays(config))
    elif asks:
        wanted = _asked()
        console.print()
    _check(wanted)
    _write_sheet(console, sheet, wanted)
    source = os.path.relpath(sheet.resolve(), config.resolve().parent)
    is_new = _write_config(console, config, _says_file(source), wanted)
    return _finish(console, config, is_new, adopt)


def _init_google(
    console: Console, google: Google, config: Path, adopt: bool, wanted: Wanted, asks: bool
) -> int:
    """The same for a Google Sheet: access is tried first, and nothing is written before it is."""
    named = connecting.named(google.address, google.tab, "", google.base_url, config)
    if is_there := config.exists():
        source = wiring.load(config).source
        same = isinstance(source, GoogleSource) and source.spreadsheet == named.spreadsheet
        if not isinstance(source, GoogleSource) or not same:
            raise ConfigError(f"{config} is for another sheet. Name another one with --config.")
        if wanted != Wanted():
            raise ConfigError(_stays(config))
        credentials = ""
    else:
        credentials = google.credentials or connecting.key_beside(config)
        if not credentials.startswith(("file:", "env:")):
            here = Path(credentials).expanduser().resolve()
            credentials = f"file:{os.path.relpath(here, config.resolve().parent)}"
        source = connecting.named(google.address, google.tab, credentials, google.base_url, config)
    sheet = connecting.connect(console, source, credentials)
    if asks and not is_there:
        wanted = _asked()
        console.print()
    _check(wanted)
    is_new = _write_config(console, config, _says_google(sheet), wanted)
    connecting.lay_out(console, sheet, _new_rows(wanted), wiring.load(config))
    return _finish(console, config, is_new, adopt)


def _finish(console: Console, config: Path, is_new: bool, adopt: bool) -> int:
    """Say where things stand, and which command comes next."""
    settings = wiring.load(config)
    if adopt:
        _take_over(console, settings)
    with wiring.previewing(settings) as book:
        # A row that was just seen for the first time settles for a moment.
        ready = len(show.to_send(book)) + len(show.settling(book))
        unapproved = book.plan.statuses["needs approval"]
        said = book.hold.sentence if book.hold else _ready(ready, unapproved)
        console.print(said, markup=False)
        for notice in book.notices:
            console.print(show.plain(notice), markup=False)
    console.print("See what a run would do:\n")
    path = shlex.quote(str(config))
    program = _program()
    _command(console, f"{program} run {path} --plan")
    if settings.api_key is not None:
        console.print("\nThen run it:\n", markup=False)
    elif is_new:
        console.print("\nThen set your key, and run it:\n", markup=False)
        _command(console, "export APIFRAME_API_KEY=…")
    else:
        console.print("\nThen set your key as its api_key says, and run it:\n", markup=False)
    _command(console, f"{program} run {path} --wait")
    return 0


def demo(console: Console, folder: Path, serve: bool = False) -> int:
    """Run the sample sheet against the sandbox: rows in the terminal, pictures on a page.

    With `serve` the page is there at once, and stays until somebody asks us to end.
    """
    from pipeline.sandbox import running as sandbox_running

    config = _copy_sample(folder)
    os.environ.setdefault("PROMPTSHEET_DEMO_KEY", "demo")
    words = f"The sheet is {folder / 'prompts.csv'}; a stand-in for Apiframe makes the pictures.\n"
    console.print(Text(words, style="dim"))
    with sandbox_running("demo", task_seconds=4, max_seconds=8) as sandbox:
        settings = wiring.load(config).model_copy(
            update={"base_url": sandbox.url, "api_key": Secret("demo")}
        )
        if serve:
            from pipeline import watching

            console.print("Make a row again there, or change the sheet; Ctrl-C ends it.\n")
            return watching.watch([_shown(settings)], console)
        outcome = loop.run(running.passes([settings], Asked(wait=True), False, console))[0]
        taken = sandbox.state()["tasks_taken"]
        if isinstance(outcome, Busy):
            return running.say(outcome, console, settings)
    with wiring.previewing(settings) as book:
        console.print(show.rows_table(reporting.rows(book), console.width))
    page = gallery.write_gallery(settings, folder / "gallery.html")
    console.print(Text(f"\n{show.closing(outcome)}", style="bold"))
    console.print(f"The stand-in API took {taken} tasks in this run.", markup=False)
    for sentence in outcome.sentences:
        console.print(Text(show.plain(sentence), style="yellow"))
    console.print(f"\nSheet     {folder / 'prompts.csv'}", markup=False)
    console.print(f"Pictures  {page}", markup=False)
    console.print("Change a prompt, sort the rows, and run it again: nothing is paid twice.")
    # Rows that need a person are part of the sample; only a pass that went wrong is an error.
    return outcome.code if outcome.code > 1 else 0


def _shown(settings: Settings) -> Settings:
    """The sample with a page, looked after every few seconds; a port that is taken is no matter."""
    page = replace(settings.page, wanted=True, listen="127.0.0.1:0")
    schedule = replace(settings.schedule, cron="", every=timedelta(seconds=2))
    return settings.model_copy(update={"page": page, "schedule": schedule})


def _asked() -> Wanted:
    """What a person at the terminal answers; each answer is checked as it comes."""
    return Wanted(
        aspect_ratio=_ask("Aspect ratio where a row has none, as 16:9 (Enter: none)", "", _ratio),
        per_day=_ask("Credits a day, at most (a picture costs 4)", str(PER_DAY), _credits),
        approval=typer.confirm("Must somebody approve each row before it is sent?", default=False),
        save=typer.confirm("Save the pictures in the folder media beside it?", default=True),
    )


def _ask(question: str, usual: str, read: Callable[[str], _T]) -> _T:
    """An answer; one that cannot be used is told why, and asked for again."""

    def value(text: str) -> _T:
        try:
            return read(text)
        except ConfigError as e:
            raise typer.BadParameter(str(e)) from e

    answer: _T = typer.prompt(question, default=usual, value_proc=value, show_default=bool(usual))
    return answer


def _stays(config: Path) -> str:
    return (
        f"{config} is there already, and stays as it is. Change it with an editor, or name "
        "another one with --config."
    )


def _sheet_named(text: str) -> Path | Google:
    if is_google(text):
        connecting.named(text, "", "", "", Path(CONFIG_NAME))
        return Google(text.strip())
    # A file that is dragged into a terminal comes in quotation marks.
    return _usable(Path(text.strip().strip("'\"")).expanduser())


def _ratio(text: str) -> str:
    _check(Wanted(aspect_ratio=text.strip()))
    return text.strip()


def _credits(text: str) -> int:
    if not text.strip().isdecimal():
        raise ConfigError("Write a whole number of credits, such as 1000.")
    _check(Wanted(per_day=int(text)))
    return int(text)


def _usable(sheet: Path) -> Path:
    """The path, if a sheet can lie there."""
    if sheet.suffix.casefold() not in (".csv", ".tsv", ".xlsx", ".xlsm"):
        raise ConfigError(
            f"{sheet.name} is not a .csv, .tsv, .xlsx or .xlsm file. Save it as one of these first."
        )
    if sheet.is_dir():
        raise ConfigError(f"{sheet} is a folder. Name a file in it.")
    return sheet


def _check(wanted: Wanted) -> None:
    """Raises ConfigError, before anything is made, if the configuration could not be used."""
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        trial = Path(folder) / CONFIG_NAME
        trial.write_text(_config(_says_file(SHEET_NAME), wanted), "utf-8")
        try:
            settings = wiring.load(trial)
        except ConfigError as e:
            starts = f"{CONFIG_NAME}: ", "defaults: "
            raise ConfigError(*(_without(starts, problem) for problem in e.problems)) from e
    price = settings.provider.endpoints[settings.endpoint].credits or 0
    if (settings.budget.per_day or 0) < price:
        raise ConfigError(f"A picture costs {price} credits. Allow at least so many a day.")


def _without(starts: tuple[str, ...], text: str) -> str:
    for start in starts:
        text = text.removeprefix(start)
    return text


def _says_file(source: str) -> str:
    return f"source = {_toml(source)}\n"


def _says_google(sheet: connecting.Connected) -> str:
    says = GOOGLE.format(source=_toml(sheet.address), credentials=_toml(sheet.credentials))
    return says + (f"base_url = {_toml(sheet.base_url)}\n" if sheet.base_url else "")


def _config(sheet: str, wanted: Wanted) -> str:
    per_day = PER_DAY if wanted.per_day is None else wanted.per_day
    return CONFIG.format(
        sheet=sheet,
        defaults=DEFAULTS.format(aspect_ratio=_toml(wanted.aspect_ratio))
        if wanted.aspect_ratio
        else "",
        per_run=min(PER_RUN, per_day),
        per_day=per_day,
        rules=RULES if wanted.approval else "",
        save_to=NOT_SAVED if wanted.save is False else SAVED,
    )


def _ready(ready: int, unapproved: int) -> str:
    if unapproved:
        return f"{show.rows(unapproved)} to approve: write yes into the column approved."
    if not ready:
        return "No row is ready to be sent. Write a prompt into the column prompt."
    return f"{show.rows(ready)} {'is' if ready == 1 else 'are'} ready to be sent."


def _program() -> str:
    """What starts this program again: its name, or how it was started where that is not found."""
    started = Path(sys.argv[0])
    if started.name != "promptsheet" or shutil.which("promptsheet"):
        return "promptsheet"
    return shlex.quote(str(started))


def _command(console: Console, words: str) -> None:
    """A command to be copied: never broken into lines."""
    console.print(Text(f"    {words}", style="bold"), soft_wrap=True)


def _write_sheet(console: Console, sheet: Path, wanted: Wanted) -> None:
    if sheet.exists():
        console.print(f"{sheet} is there and stays as it is.", markup=False)
        return
    _create(sheet, _new_sheet(sheet, _new_rows(wanted)))
    console.print(f"{sheet} is made, with a sample row. Write your prompts into it.", markup=False)


def _new_rows(wanted: Wanted) -> list[list[str]]:
    """A header and a sample row."""
    header = [*HEADER, *ALWAYS]
    if wanted.approval:
        header.insert(header.index("skip"), "approved")
    sample = SAMPLE | {"aspect_ratio": wanted.aspect_ratio or "16:9"}
    return [header, [sample.get(title, "") for title in header]]


def _new_sheet(sheet: Path, rows: Sequence[Sequence[str]]) -> bytes:
    match sheet.suffix.casefold():
        case ".xlsx":
            from pipeline.sheets.excel import new_workbook

            return new_workbook(rows)
        case ".xlsm":
            raise ConfigError(
                f"{sheet} is not there, and macros are Excel's to make: name a .xlsx."
            )
        case kind:
            text = io.StringIO(newline="")
            csv.writer(text, delimiter="\t" if kind == ".tsv" else ",").writerows(rows)
            return text.getvalue().encode()


def _write_config(console: Console, config: Path, sheet: str, wanted: Wanted) -> bool:
    """Whether it had to be written."""
    if config.exists():
        console.print(f"{config} is there and stays as it is.", markup=False)
        return False
    _create(config, _config(sheet, wanted).encode())
    console.print(f"{config} is made.", markup=False)
    return True


def _create(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            out.write(content)
    except OSError as e:
        raise SheetError(
            f"{file} cannot be made: {e.strerror}. Name a folder that you may write into."
        ) from e


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _take_over(console: Console, settings: Settings) -> None:
    with wiring.open_store(settings) as store:
        sheet = wiring.open_sheet(settings, store)
        titles = adopting.take_over_columns(sheet, store, wiring.header(settings))
    columns = ", ".join(titles) or "no column"
    console.print(
        f"Taken over: {columns}. The next run writes over what stands there, save in rows with a "
        "task or pictures: they stay as they are and are not paid for; doctor --adopt makes jobs "
        "of them.",
        markup=False,
    )


def _copy_sample(folder: Path) -> Path:
    """The sample in a folder; what is there already stays."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in (wiring.configs() / "demo.toml", wiring.configs() / "demo" / "prompts.csv"):
            if not (folder / file.name).exists():
                shutil.copyfile(file, folder / file.name)
    except OSError as e:
        raise ConfigError(f"{folder} cannot be used: {e.strerror}.") from e
    return folder / "demo.toml"
