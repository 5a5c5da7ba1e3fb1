"""The command `demo`: a sample sheet that is filled while you watch, with simulated results.

Returns an exit code. Raises ConfigError if the folder cannot be used.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.cli import output
from pipeline.cli import run as running
from pipeline.config import Secret, Settings, configs, load
from pipeline.core.errors import ConfigError
from pipeline.core.text import counted, one_line
from pipeline.reports import gallery, summary
from pipeline.server import event_loop
from pipeline.sync import row_reports
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Asked


def demo(
    console: Console, folder: Path, program: str, serve: bool = False, history: int = 0
) -> int:
    """Run the sample sheet against the sandbox; print its rows and where the pictures are.

    With `serve` the page is shown instead, until the program is stopped; with `history`, a past of
    so many days is made instead. `program` is the command that starts this program. Returns the
    exit code: 0, or that of a failed pass. Raises ConfigError for a folder that cannot be used, and
    for both options at once.
    """
    if history:
        if serve:
            raise ConfigError("Give --serve or --history, not both.")
        from pipeline.cli.demo_history import demo_history

        return demo_history(console, folder, program, history)
    from pipeline.sandbox import running as sandbox_running

    config = _copy_sample(folder)
    os.environ.setdefault("PROMPTSHEET_DEMO_KEY", "demo")
    sheet = folder / "prompts.csv"
    words = (
        f"This fills {sheet}. Nothing is paid and nothing leaves this machine: a stand-in for "
        "Apiframe draws the pictures.\n"
    )
    console.print(Text(words, style="dim"))
    with sandbox_running(
        "demo", remember=folder / ".stand-in.json", task_seconds=4, max_seconds=8
    ) as sandbox:
        settings = replace(load(config), base_url=sandbox.url, api_key=Secret("demo"))
        if serve:
            from pipeline.server import watch

            console.print("Generate a row again on the page, or edit the sheet. Ctrl-C stops it.\n")
            return watch.watch([_with_page(settings)], console)
        one_pass = running.run_passes([settings], Asked(wait=True), False, console)
        (outcome,) = event_loop.run(one_pass)
        accepted = sandbox.state()["tasks_taken"]
        if isinstance(outcome, Busy):
            return running.report_outcome(outcome, console, settings)
    with wiring.previewing(settings) as sync:
        console.print(output.rows_table(row_reports.rows(sync), console.width))
    page = gallery.write_gallery(settings, folder / "gallery.html").resolve()
    console.print(Text(f"\n{summary.closing(outcome)}", style="bold"))
    console.print(
        f"The stand-in accepted {counted(accepted, 'task')} in this run. Nothing was paid.",
        markup=False,
    )
    for sentence in outcome.sentences:
        console.print(Text(one_line(sentence), style="yellow"))
    console.print(f"\nSheet     {sheet}", markup=False, soft_wrap=True)
    link = Text(str(page), style=f"link {page.as_uri()}")
    console.print(Text("Pictures  ").append_text(link), soft_wrap=True)
    console.print("          Open this page in a browser. The pictures are only examples:")
    console.print("          Apiframe makes the real ones.")
    console.print(
        "\nTo see that nothing is paid twice, change a prompt or sort the rows, and run the"
    )
    console.print("demo again. To start with a sheet of your own:\n")
    console.print(Text(f"    {program} init", style="bold"), soft_wrap=True)
    # The sample contains rows that need attention, so only a failed pass is an error.
    return outcome.code if outcome.code > 1 else 0


def _with_page(settings: Settings) -> Settings:
    """Show the page of the sample on a free port, with a pass every two seconds."""
    page = replace(settings.page, wanted=True, listen="127.0.0.1:0")
    schedule = replace(settings.schedule, cron="", every=timedelta(seconds=2))
    return replace(settings, page=page, schedule=schedule)


def _copy_sample(folder: Path) -> Path:
    """Copy the sample into a folder and return its configuration. Existing files are kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in (configs() / "demo.toml", configs() / "demo" / "prompts.csv"):
            if not (folder / file.name).exists():
                shutil.copyfile(file, folder / file.name)
    except OSError as e:
        raise ConfigError(f"{folder} cannot be used: {e.strerror}.") from e
    return folder / "demo.toml"
