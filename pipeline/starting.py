"""The commands `init` and `demo`: from nothing to a sheet that fills itself."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import shlex
import shutil
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline import adopting, gallery, running, show, wiring
from pipeline.config import Secret, Settings
from pipeline.core.errors import ConfigError, SheetError
from pipeline.runner import Asked
from pipeline.wiring import Busy

#: What a new sheet begins with: what people write, then what the program writes.
HEADER = ("name", "prompt", "aspect_ratio", "take", "skip")
OURS = ("row_id", "status", "task_id", "image_urls", "note")
SAMPLE = ("first", "a lighthouse on a cliff at dawn, soft light, wide shot", "16:9", "", "")

CONFIG = """\
# Promptsheet: fill the sheet, run this, get the pictures back in the same rows.
# Every key there is, with its meaning, stands in configs/example.toml.

[sheet]
source = {source}

[provider]
name = "apiframe"
endpoint = "imagine"
api_key = "env:APIFRAME_API_KEY"    # the name of an environment variable, never the key itself

[budget]                            # credits; a picture costs 4
per_run = 200
per_day = 1000

[media]
save_to = "media/"                  # every picture is saved here as it comes
"""


def init(console: Console, sheet: Path, config: Path | None, adopt: bool) -> int:
    """Write a configuration beside the sheet, and the sheet if there is none; overwrite nothing.

    With `adopt` the columns that another tool filled become ours, though they hold text.
    """
    if sheet.suffix.casefold() not in (".csv", ".tsv", ".xlsx", ".xlsm"):
        raise ConfigError(
            f"{sheet.name} is not a .csv, .tsv, .xlsx or .xlsm file. Save it as one of these first."
        )
    config = config or sheet.parent / "promptsheet.toml"
    if config.exists() and (other := wiring.load(config).source) != sheet.resolve():
        raise ConfigError(f"{config} is for {other}. Name another one with --config.")
    _write_sheet(console, sheet)
    is_new = _write_config(console, config, sheet)
    settings = wiring.load(config)
    if adopt:
        _take_over(console, settings)
    with wiring.previewing(settings) as book:
        rows = len(book.plan.to_send)
        many = "1 row is" if rows == 1 else f"{rows} rows are"
        console.print(f"{many} ready to be sent. See what a run would do:\n", markup=False)
    path = shlex.quote(str(config))
    console.print(f"    promptsheet run {path} --plan", markup=False)
    if settings.api_key is not None:
        console.print("\nThen run it:\n", markup=False)
    elif is_new:
        console.print("\nThen set your key, and run it:\n", markup=False)
        console.print("    export APIFRAME_API_KEY=…", markup=False)
    else:
        console.print("\nThen set your key as its api_key says, and run it:\n", markup=False)
    console.print(f"    promptsheet run {path} --wait", markup=False)
    return 0


def demo(console: Console, folder: Path) -> int:
    """Run the sample sheet against the sandbox: rows in the terminal, pictures on a page."""
    from pipeline.sandbox import running as sandbox_running

    config = _copy_sample(folder)
    os.environ.setdefault("PROMPTSHEET_DEMO_KEY", "demo")
    words = f"The sheet is {folder / 'prompts.csv'}; a stand-in for Apiframe makes the pictures.\n"
    console.print(Text(words, style="dim"))
    with sandbox_running("demo", task_seconds=4, max_seconds=8) as sandbox:
        settings = wiring.load(config).model_copy(
            update={"base_url": sandbox.url, "api_key": Secret("demo")}
        )
        outcome = asyncio.run(running.passes([settings], Asked(wait=True), False, console))[0]
        taken = sandbox.state()["tasks_taken"]
        if isinstance(outcome, Busy):
            return running.say(outcome, console)
    with wiring.previewing(settings) as book:
        console.print(show.rows_table(book.plan.lines, console.width))
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


def _write_sheet(console: Console, sheet: Path) -> None:
    if sheet.exists():
        console.print(f"{sheet} is there and stays as it is.", markup=False)
        return
    rows = (HEADER + OURS, SAMPLE + ("",) * len(OURS))
    match sheet.suffix.casefold():
        case ".xlsx":
            from pipeline.sheets.excel import new_workbook

            _create(sheet, new_workbook(rows))
        case ".xlsm":
            raise ConfigError(
                f"{sheet} is not there, and macros are Excel's to make: name a .xlsx."
            )
        case kind:
            text = io.StringIO()
            csv.writer(text, delimiter="\t" if kind == ".tsv" else ",").writerows(rows)
            _create(sheet, text.getvalue().encode())
    console.print(f"{sheet} is made, with a sample row. Write your prompts into it.", markup=False)


def _write_config(console: Console, config: Path, sheet: Path) -> bool:
    """Whether it had to be written."""
    if config.exists():
        console.print(f"{config} is there and stays as it is.", markup=False)
        return False
    source = os.path.relpath(sheet.resolve(), config.resolve().parent)
    _create(config, CONFIG.format(source=_toml(source)).encode())
    console.print(f"{config} is made.", markup=False)
    return True


def _create(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            out.write(content)
    except OSError as e:
        raise SheetError(f"{file} cannot be made: {e.strerror}.") from e


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
