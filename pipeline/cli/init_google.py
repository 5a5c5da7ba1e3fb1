"""`init` for a Google Sheet: checks each requirement, and prints a tick or what to do.

The order is: the key, the token, the sharing, the tab, the permission to edit. The first failure
ends the command before anything is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from pipeline.cli.new_rows import NewSheet
from pipeline.config import GoogleSource, google_source
from pipeline.core.errors import ConfigError, MissingExtra, SheetError
from pipeline.core.sheet.header import ALWAYS
from pipeline.core.text import one_line

if TYPE_CHECKING:
    from pipeline.sheets.google.setup import Setup

BOXES = ("approved", "skip")
_KEY = "service_account"


@dataclass(frozen=True, slots=True)
class Connected:
    """A Google Sheet that can be used, and what the configuration must say about it."""

    address: str
    credentials: str
    base_url: str
    tab: str
    setup: Setup


def key_beside(config: Path) -> str:
    """The reference to the service account key in the folder of the configuration.

    Raises ConfigError if there is none, or more than one.
    """
    folder = config.parent
    files = sorted(folder.glob("*.json"))
    found = [file.name for file in files if _is_key(file)]
    if len(found) == 1:
        return f"file:{found[0]}"
    if found:
        raise ConfigError(
            f"There is more than one key in {folder.resolve()}: {', '.join(found)}. Name one with "
            f"--credentials, such as --credentials file:{found[0]}."
        )
    if named := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return f"file:{named}"
    how = (
        "Create one in the Google Cloud console (IAM, Service accounts, Keys, JSON), save it there "
        "as bot.json, and run this again; or name it with --credentials."
    )
    if wrong := [file.name for file in files if file.name == "bot.json" or _is_client(file)]:
        raise ConfigError(f"{wrong[0]} is not the key of a service account. {how}")
    raise ConfigError(f"There is no key of a service account in {folder.resolve()}. {how}")


def _is_key(file: Path) -> bool:
    return _says(file).get("type") == _KEY


def _is_client(file: Path) -> bool:
    """Returns whether it is the other kind of key from the console, an OAuth client."""
    return bool({"installed", "web"} & _says(file).keys())


def _says(file: Path) -> dict[str, Any]:
    try:
        says = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return says if isinstance(says, dict) else {}


def connect(console: Console, source: GoogleSource, credentials: str) -> Connected:
    """Check each requirement and print a tick for it. Raises SheetError at the first failure."""
    from pipeline.open_sheet import google_setup

    account, setup = google_setup(source)
    tick(console, f"The key belongs to {account}.")
    setup.sign_in()
    tick(console, "Google accepts the key.")
    book = setup.book()
    tick(console, f"{book} is shared with that account.")
    tab = setup.tab()
    tick(console, f"The tab is {tab}.")
    setup.may_edit()
    tick(console, "The account may edit it.")
    console.print()
    address = f"https://docs.google.com/spreadsheets/d/{source.spreadsheet}/edit#gid={setup.gid}"
    return Connected(address, credentials, source.base_url, f"{book} / {tab}", setup)


def until_connected(console: Console, connected: Callable[[], Connected]) -> Connected:
    """Try to connect until it works. After a failure, the person corrects it and presses Enter."""
    while True:
        try:
            return connected()
        except MissingExtra:
            raise
        except (ConfigError, SheetError) as e:
            console.print(Text(one_line(str(e)), style="yellow"))
            typer.prompt("\nPress Enter to try again (Ctrl-C: stop)", "", show_default=False)


def named(source: str, tab: str, credentials: str, base_url: str, config: Path) -> GoogleSource:
    """The requested sheet, not yet checked. Raises ConfigError."""
    return google_source(source, tab, credentials, base_url, config)


def lay_out(console: Console, sheet: Connected, new: NewSheet, in_words: str) -> bool:
    """Give an empty tab its columns and sample rows, which `in_words` names. True if it was empty.

    A tab with content is not changed.
    """
    was_empty = sheet.setup.lay_out(new.rows, ALWAYS, BOXES, new.choices)
    if was_empty:
        said = f"was empty. It has its columns now, {in_words}"
    else:
        said = "is not empty and was not changed."
    console.print(f"{sheet.tab} {said}", markup=False)
    return was_empty


def tick(console: Console, sentence: str) -> None:
    """Print a sentence about a step that worked."""
    sign = "✓" if console.encoding.casefold().startswith("utf") else "ok"
    console.print(Text.assemble((sign, "green"), f" {sentence}"), soft_wrap=True)
