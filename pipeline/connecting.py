"""`init` for a Google Sheet: each thing that access needs gets a tick, or the sentence that helps.

The order is that in which people come upon the things: the key, the token, the sharing, the tab,
the right to edit. The first that fails ends it, before anything is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.config import GoogleSource, Settings, google_source
from pipeline.core.columns import ALWAYS
from pipeline.core.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.sheets.google_setup import Setup

#: What a picture is usually asked for in; other ratios are taken too.
RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4")
BOXES = ("approved", "skip")
_KEY = "service_account"


@dataclass(frozen=True, slots=True)
class Connected:
    """A Google Sheet that was tried: what the configuration says of it, and the way there."""

    address: str
    credentials: str
    base_url: str
    tab: str
    setup: Setup


def key_beside(config: Path) -> str:
    """The reference to the key of a service account that lies beside the configuration.

    Raises ConfigError if there is none, or more than one.
    """
    folder = config.parent
    found = [file.name for file in sorted(folder.glob("*.json")) if _is_key(file)]
    if len(found) == 1:
        return f"file:{found[0]}"
    if found:
        raise ConfigError(
            f"More than one key lies in {folder.resolve()}: {', '.join(found)}. Name one with "
            f"--credentials, such as --credentials file:{found[0]}."
        )
    if named := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return f"file:{named}"
    raise ConfigError(
        f"There is no key of a service account in {folder.resolve()}. Make one in the Google Cloud "
        "console (IAM, Service accounts, Keys, JSON), put the file there as bot.json, and run this "
        "again; or name it with --credentials."
    )


def _is_key(file: Path) -> bool:
    try:
        says = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(says, dict) and says.get("type") == _KEY


def connect(console: Console, source: GoogleSource, credentials: str) -> Connected:
    """Try each thing in turn, with a tick for each. Raises SheetError at the first that fails."""
    account, setup = wiring.google_setup(source)
    _tick(console, f"The key is that of {account}.")
    setup.sign_in()
    _tick(console, "Google knows it.")
    book = setup.book()
    _tick(console, f"{book} is shared with it.")
    tab = setup.tab()
    _tick(console, f"The tab is {tab}.")
    setup.may_edit()
    _tick(console, "It may edit.")
    console.print()
    address = f"https://docs.google.com/spreadsheets/d/{source.spreadsheet}/edit#gid={setup.gid}"
    return Connected(address, credentials, source.base_url, f"{book} / {tab}", setup)


def named(source: str, tab: str, credentials: str, base_url: str, config: Path) -> GoogleSource:
    """What was asked for, before it is tried. Raises ConfigError."""
    return google_source(source, tab, credentials, base_url, config)


def lay_out(
    console: Console, sheet: Connected, rows: Sequence[Sequence[str]], settings: Settings
) -> None:
    """Give an empty tab its columns and a sample row; one that holds anything stays as it is."""
    from pipeline.sheets.google_setup import Choices

    fields = settings.provider.endpoints[settings.endpoint].fields
    choices = {
        title: Choices(fields[title].one_of, closed=True)
        for title in rows[0]
        if title in fields and fields[title].one_of
    }
    if "aspect_ratio" not in choices:
        choices["aspect_ratio"] = Choices(RATIOS, closed=False)
    if sheet.setup.lay_out(rows, ALWAYS, BOXES, choices):
        said = "was empty and has its columns now, with a sample row. Write your prompts into it."
    else:
        said = "is not empty and stays as it is."
    console.print(f"{sheet.tab} {said}", markup=False)


def _tick(console: Console, sentence: str) -> None:
    sign = "✓" if console.encoding.casefold().startswith("utf") else "ok"
    console.print(Text.assemble((sign, "green"), f" {sentence}"), soft_wrap=True)
