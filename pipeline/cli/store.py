"""The commands `store copy` and `migrate`."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import wiring
from pipeline.cli.screen import screen
from pipeline.config import Settings
from pipeline.config.store import SQLITE, store_url
from pipeline.core.errors import ConfigError
from pipeline.core.text import counted
from pipeline.store import Store, version_of


def copy_store(of: str, to: str) -> int:
    """Copy a store to an empty place; see `Store.copy_to`. Returns the exit code.

    Raises ConfigError for what is no address of a store, and StoreError.
    """
    source, target = _url(of, "FROM"), _url(to, "TO")
    if source == target:
        raise ConfigError("FROM and TO are the same store.")
    if source.startswith(SQLITE) and not Path(source.removeprefix(SQLITE)).is_file():
        raise ConfigError(f"There is no store {source.removeprefix(SQLITE)}.")
    console = screen()
    with Store(source, now=wiring.now) as first, Store(target, now=wiring.now) as second:
        copied = first.copy_to(second)
        for name, its in copied.tables.items():
            if its.lines:
                console.print(f"{its.lines:>9,}  {name}", markup=False, highlight=False)
        lines = counted(sum(its.lines for its in copied.tables.values()), "line")
        if copied.was_there:
            sentence = f"{second.place} held the same {lines} already. Nothing was written."
        else:
            sentence = f"Copied {lines} to {second.place}, and compared them: both are the same."
        console.print(sentence, markup=False, soft_wrap=True)
        console.print(
            "Set [store] url to the new place in every configuration, and keep the old store only "
            "as a backup: with both in use, the sheet would stop.",
            markup=False,
            soft_wrap=True,
        )
    return 0


def migrate(settings: Settings) -> int:
    """Bring a store up to date, and say which version it has. Returns the exit code."""
    before = version_of(settings.store_url) if settings.has_store else None
    with wiring.open_store(settings) as store:
        place, now = store.place, version_of(settings.store_url)
    if before == now:
        said = f"The store {place} has version {now}: there is nothing to do."
    elif before is None:
        said = f"The store {place} was made, with version {now}."
    else:
        said = f"The store {place} was brought from version {before} to {now}."
    screen().print(said, markup=False, soft_wrap=True)
    return 0


def _url(written: str, what: str) -> str:
    """The address that an argument names. Raises ConfigError for one that cannot be used."""
    problems: list[str] = []
    here = Path.cwd() / "promptsheet.toml"
    url = store_url(written, here, os.environ, problems)
    if problems:
        raise ConfigError(*(problem.replace("store.url", what, 1) for problem in problems))
    return url
