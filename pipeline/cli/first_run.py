"""The first run of a new sheet, as `init` leads to it: plan, price, question, run, pictures.

It sends nothing without a yes. With the sandbox, it runs the stand-in in its own process.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import typer
from rich.console import Console

from pipeline import wiring
from pipeline.cli import next_steps
from pipeline.cli.plan import show_plan
from pipeline.cli.questions import ask, confirm
from pipeline.cli.run import run_all
from pipeline.cli.stand_in import is_stand_in
from pipeline.config import Secret, Settings
from pipeline.config.template import SANDBOX, SANDBOX_PORT, Target
from pipeline.core.errors import ConfigError
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.statuses import Status
from pipeline.core.text import counted
from pipeline.reports import gallery, summary
from pipeline.reports.plan import costs, following, outlook, settling, to_send
from pipeline.sandbox.vendors import VENDORS

#: The key of the stand-in in this process, as in the command that `init` prints for it.
_KEY: Final = "test"
_AT_THE_API: Final = (Status.SENDING, Status.IN_PROGRESS)


def can_run(settings: Settings) -> bool:
    """Returns whether there is a key, or a stand-in that this process can run."""
    return settings.api_key is not None or is_stand_in(settings)


def first_run(console: Console, settings: Settings, target: Target) -> int:
    """Show the plan, ask how much of it to send, send it, and show the pictures.

    Returns the exit code of the run; 0 if nothing was sent.
    """
    is_free = is_stand_in(settings)
    with _ready(settings) as ready:
        with wiring.previewing(ready, ask_prices=not is_free, whole=False) as sync:
            about = "what the stand-in would do now. It costs nothing." if is_free else ""
            show_plan(console, sync, outlook(sync, ready, ask_balance=not is_free), about)
            console.print()
            title = sync.sheet.title
            lines = [*to_send(sync), *following(sync), *settling(sync)]
            price = "" if is_free else in_credits_and_money(costs(sync, lines))
            under_way = sum(sync.last.plan.statuses[one] for one in _AT_THE_API)
        try:
            limit = _wanted(len(lines), price, target.vendor) if lines else 0
        except typer.Abort:
            console.print("Nothing was sent. Run promptsheet init again to go on.")
            raise
        code = 0
        if limit or under_way:
            all_of_them = limit and limit == len(lines)
            code = run_all([ready], console, wait=True, limit=None if all_of_them else limit)
        if code <= 1:
            _show_pictures(console, settings)
    if code <= 1:
        next_steps.go_on(console, settings, target, title, is_free=is_free)
    return code


@contextmanager
def _ready(settings: Settings) -> Iterator[Settings]:
    """The settings to run with: those of the sheet, or those of the stand-in while it runs."""
    if not is_stand_in(settings):
        yield settings
        return
    name, tasks = settings.provider.name, settings.path.parent / ".stand-in.json"
    if name in VENDORS:
        from pipeline.sandbox.vendors.server import running as vendor_running

        with vendor_running(
            name, _KEY, port=SANDBOX_PORT, remember=tasks, task_seconds=2
        ) as sandbox:
            key = Secret(sandbox.key)
            yield replace(settings, base_url=sandbox.url, api_key=key)
        return
    from pipeline.sandbox import running

    with running(_KEY, port=SANDBOX_PORT, remember=tasks, task_seconds=2, max_seconds=4) as sandbox:
        key = Secret(sandbox.key_v2 if name == "apiframe-v2" else sandbox.key)
        base_url = settings.base_url.replace(SANDBOX, sandbox.url, 1)
        yield replace(settings, base_url=base_url, api_key=key)


def _wanted(number: int, price: str, vendor: str) -> int:
    """How many of the rows to send. An empty price stands for the sandbox."""
    if number == 1:
        if price:
            question = f"Send this row to {vendor} now? It costs {price}."
            return int(confirm(question))
        return int(confirm("Let the stand-in draw it now?", usual=True))

    def read(text: str) -> int:
        if not (text.strip().isdecimal() and int(text) <= number):
            raise ConfigError(f"Write a number from 0 to {number}.")
        return int(text)

    whom, usual = (f"to {vendor}", 0) if price else ("to the stand-in", number)
    answers = f"{number} for {price}; 0: none" if price else "0: none"
    question = f"How many of these {counted(number, 'row')} to send {whom} now ({answers})"
    return ask(question, str(usual), read)


def _show_pictures(console: Console, settings: Settings) -> None:
    """Write the gallery and open it if this machine has a screen; say where it is."""
    with wiring.previewing(settings) as sync:
        if not sync.last.plan.statuses[Status.DONE]:
            return
    if not settings.saves_files:
        column = settings.titles.get("image_urls", "image_urls")
        console.print(f"The addresses of the pictures are in the column {column}.", markup=False)
        return
    page = gallery.write_gallery(settings, settings.path.parent / "gallery.html").resolve()
    is_open = _has_screen() and webbrowser.open(page.as_uri())
    how = "opened in your browser" if is_open else "open this file in a browser"
    console.print(f"Gallery: {summary.here(page)} ({how})", markup=False)


def _has_screen() -> bool:
    """Returns whether a browser would have a window. Without one, it might take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
