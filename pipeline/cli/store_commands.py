"""The commands `promptsheet store …`, `migrate` and `forget`, with their options.

Slow imports are in the functions that need them, as in `commands`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli import options as flags
from pipeline.cli.exit_codes import worst_code
from pipeline.cli.logs import set_verbosity

store_app = typer.Typer(help="Copy a store to another place.", no_args_is_help=True)

_PLACE = "sqlite:///FILE, or env:NAME of a postgresql:// address"
From = Annotated[str, typer.Argument(metavar="FROM", help=f"The store: {_PLACE}.")]
To = Annotated[str, typer.Argument(metavar="TO", help=f"An empty place: {_PLACE}.")]


@store_app.command("copy", cls=flags.Command)
def copy(from_: From, to: To) -> None:
    """Copy a store to an empty place, and compare both."""
    from pipeline.cli.store import copy_store

    raise typer.Exit(copy_store(from_, to))


def migrate(config: flags.Configs = None) -> None:
    """Bring each store up to the version of this program."""
    from pipeline.cli.store import migrate as bring
    from pipeline.config import load

    # Several sheets may share a store.
    stores = {one.store_url: one for one in map(load, flags.config_paths(config))}
    raise typer.Exit(worst_code([*stores.values()], bring))


def forget(
    before: flags.Before,
    config: flags.Config = None,
    files: flags.AndFiles = False,
    yes: flags.Yes = False,
    log_format: flags.LogFormat = flags.LogFormats.TEXT,
) -> None:
    """Remove old prompts and results from the store. Nothing is paid again."""
    set_verbosity(verbose=False, log_format=log_format)
    from pipeline.cli.forget import forget as remove
    from pipeline.cli.screen import screen
    from pipeline.config import load

    (path,) = flags.config_paths(config)
    raise typer.Exit(remove(load(path), screen(), before, with_files=files, yes=yes))
