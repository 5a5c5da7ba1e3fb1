"""The commands `promptsheet outlets …`, with their options.

Slow imports are in the functions that need them, as in `commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from pipeline.cli import options as flags
from pipeline.cli.exit_codes import worst_code

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.config import Settings

outlets_app = typer.Typer(
    help="List, test, retry, fill or forget the outlets for results.",
    no_args_is_help=True,
)


@outlets_app.command("list", cls=flags.Command)
def list_outlets(config: flags.Config = None) -> None:
    """Show each outlet with its messages, and why some were set aside."""
    from pipeline.cli.outlets import list_outlets as show

    _end(config, show)


@outlets_app.command("test", cls=flags.Command)
def try_outlet(name: flags.Outlet, config: flags.Config = None) -> None:
    """Check an outlet, and send it one sample."""
    from pipeline.cli.outlets import try_outlet as try_it

    _end(config, lambda one, console: try_it(one, console, name))


@outlets_app.command("retry", cls=flags.Command)
def retry_outlets(config: flags.Config = None, only: flags.OnlyOutlet = "") -> None:
    """Deliver now what waits or was set aside."""
    from pipeline.cli.outlets import retry as again

    _end(config, lambda one, console: again(one, console, only))


@outlets_app.command("fill", cls=flags.Command)
def fill_outlet(
    name: flags.Outlet,
    config: flags.Config = None,
    since: flags.EndedSince = "",
    yes: flags.WithoutAsking = False,
) -> None:
    """Send a new outlet the rows that ended before."""
    from pipeline.cli.fill_outlet import fill

    _end(config, lambda one, console: fill(one, console, name, since, yes))


@outlets_app.command("forget", cls=flags.Command)
def forget_outlet(
    name: flags.Outlet, config: flags.Config = None, yes: flags.WithoutAsking = False
) -> None:
    """Delete an outlet that is in no configuration, with its messages."""
    from pipeline.cli.outlets import forget

    _end(config, lambda one, console: forget(one, console, name, yes))


def _end(config: Path | None, do: Callable[[Settings, Console], int]) -> NoReturn:
    """Do this with the configuration, and end with its exit code."""
    from pipeline.cli.screen import screen
    from pipeline.config import load

    settings = [load(path) for path in flags.config_paths(config)]
    raise typer.Exit(worst_code(settings, lambda one: do(one, screen())))
