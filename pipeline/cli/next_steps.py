"""The last lines of `init`: how many rows are ready, what is wrong, and the next commands.

It prints only, and changes nothing.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.cli.stand_in import is_stand_in
from pipeline.cli.start import USUAL
from pipeline.config import GoogleSource, Settings
from pipeline.config.template import SANDBOX_PORT, Target
from pipeline.core.sheet.ticks import EXAMPLES
from pipeline.core.statuses import NOT_SENT, Status
from pipeline.core.text import counted, is_or_are, one_line
from pipeline.reports import summary
from pipeline.reports.plan import settling, to_send
from pipeline.sync.sheet_sync import SheetSync

#: Most rows with a problem that are named one by one.
_MOST_NAMED: Final = 3


def show(console: Console, config: Path, settings: Settings, is_new: bool, target: Target) -> None:
    """Print the state of the rows, which API the key is for, and the next commands.

    `is_new`: the configuration is new, and is for `target`.
    """
    with wiring.previewing(settings, ask_prices=settings.api_key is not None) as sync:
        for sentence in (*_state(sync, settings), *sync.last.notices):
            console.print(one_line(sentence), markup=False)
    console.print(_which_api(settings), markup=False)
    path, name = shlex.quote(str(config)), program()
    is_free = is_stand_in(settings)
    variable = target.variable
    console.print("\nSee what a run would do:\n")
    _command(console, f"{name} run {path} --plan")
    if is_free:
        console.print("\nStart the stand-in in another terminal, and keep it running:\n")
        which = "" if target.vendor == "Apiframe" else f" --provider {target.name}"
        _command(console, f"{name} sandbox{which} --port {SANDBOX_PORT} --key test")
        console.print("\nThen run it:\n")
        # The stand-in takes the key of version 1, and with afk_ before it that of version 2.
        start = "afk_" if settings.provider.name == "apiframe-v2" else ""
        _command(console, _export(variable, f"{start}test"))
    elif settings.api_key is not None:
        console.print("\nThen run it:\n")
    elif is_new:
        console.print("\nThen set your key, and run it:\n")
        _command(console, _export(variable, "…"))
    else:
        console.print("\nThen set your key in the place that api_key names, and run it:\n")
    _command(console, f"{name} run {path} --wait")
    if is_free:
        _to_the_api(console, path, target)


def go_on(
    console: Console, settings: Settings, target: Target, title: str, *, is_free: bool
) -> None:
    """Print what comes after the first run of the sheet `title`.

    `is_free`: the stand-in in `init` made the pictures.
    """
    path, name = shlex.quote(summary.here(settings.path)), program()
    console.print(f"\nWrite your prompts into {title}, one row for each. Then:\n", markup=False)
    if is_free:
        config = "" if path == str(USUAL) else f" --config {path}"
        _command(console, f"{name} init{config}")
        _to_the_api(console, path, target)
    else:
        _command(console, f"{name} run {path} --wait")


def _to_the_api(console: Console, path: str, target: Target) -> None:
    console.print(
        f"\nTo use {target.vendor} later, start init again and give it your key, or delete the "
        f"line base_url in {path} and set your key. To send a row to it that the stand-in has "
        "already done, raise its take.",
        markup=False,
    )


def _which_api(settings: Settings) -> str:
    """Which API the key is for; without a key, which one is meant."""
    api = settings.provider.full_title
    if settings.api_key is not None:
        return f"Your key is for {api}."
    if settings.provider.assumed:
        return (
            f"No key yet: {api} is assumed until it is set. The form of the key decides which "
            "version it is for."
        )
    return f"No key yet: it must be one for {api}."


def _state(sync: SheetSync, settings: Settings) -> list[str]:
    """Sentences about the rows: how many are ready, which to approve, what is wrong."""
    if sync.last.hold:
        return [sync.last.hold.sentence]
    if not sync.last.plan.statuses:
        usual = settings.provider.endpoints[settings.endpoint]
        return [summary.no_rows(sync.sheet.title, usual, settings.prompt_columns)]
    said = []
    # A new row is sent only after it has been unchanged for a while.
    if ready := len(to_send(sync)) + len(settling(sync)):
        said.append(f"{counted(ready, 'row')} {is_or_are(ready)} ready to be sent.")
    inputs = [line.inputs for line in sync.last.plan.each]
    if unpriced := sum(map(sync.rules.awaits_prices, inputs)):
        said.append(
            f"{counted(unpriced, 'row')} whose price is not known yet: the next run reads it from "
            f"the price list of {settings.provider.title}."
        )
    if unapproved := sync.last.plan.statuses[Status.NEEDS_APPROVAL]:
        column = settings.titles.get("approved", "approved")
        word = (settings.rules.approved_words or EXAMPLES)[0]
        how = f"write {word} into the column {column}"
        if isinstance(settings.source, GoogleSource):
            how = f"tick the column {column}"
        said.append(f"{counted(unapproved, 'row')} to approve: {how}.")
    wrong = [line for line in sync.last.plan.lines if line.status == Status.INVALID]
    if not (said or wrong):
        said.append("No row is ready to be sent.")
        stuck = (NOT_SENT | {Status.EDITED}) - {Status.NEEDS_APPROVAL, Status.QUEUED}
        wrong = [line for line in sync.last.plan.lines if line.status in stuck]
    for note, lines in groupby(wrong[:_MOST_NAMED], lambda line: line.note):
        numbers = [str(line.seen.place + 1) for line in lines]
        said.append(f"Row{'s' * (len(numbers) > 1)} {', '.join(numbers)}: {note}")
    if more := len(wrong) - _MOST_NAMED:
        said += [f"{counted(more, 'row')} more: see --plan."] * (more > 0)
    return said


def program() -> str:
    """The command that starts this program: its name, or its path if it is not on PATH.

    uvx and `pipx run` put it on PATH only while it runs, so it is started through them again.
    """
    prefix = Path(sys.prefix)
    if "archive-v0" in prefix.parts:  # a folder in the cache of uv
        return f"uvx {_installed_from('--from')}promptsheet"
    if prefix.parent.name == "pipx":  # its cache; what it installs is in pipx/venvs
        return f"pipx run {_installed_from('--spec')}promptsheet"
    started = Path(sys.argv[0])
    if started.name != "promptsheet" or shutil.which("promptsheet"):
        return "promptsheet"
    return shlex.quote(str(started))


def _installed_from(flag: str) -> str:
    """The flag with the folder, file or repository of the program; empty: a package index."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        direct = json.loads(distribution("promptsheet").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        direct = {}
    url = urlsplit(str(direct.get("url", "")))
    if url.scheme == "file":
        place = url2pathname(url.path)
    else:
        place = f"{direct['vcs_info']['vcs']}+{url.geturl()}" if "vcs_info" in direct else ""
    return f"{flag} {shlex.quote(place)} " if place else ""


def _export(name: str, value: str) -> str:
    """The command that sets an environment variable in the usual shell of the system."""
    return f'$env:{name} = "{value}"' if os.name == "nt" else f"export {name}={value}"


def _command(console: Console, words: str) -> None:
    """Print a command for copying, on one line."""
    console.print(Text(f"    {words}", style="bold"), soft_wrap=True)
