"""Promptsheet: `run --wait`, with its defaults except where all programs have the same settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.sandbox import Sandbox
from tests.fakes.service import SECRET, free_port
from tests.rivals.runner import ROOT, Command
from tests.rivals.sheets import CsvFile, GoogleTab, Results

CONFIG = """\
[sheet]
{sheet}
[provider]
base_url = "{url}"
api_key = "file:key"
[pace]
in_flight = 10000
per_minute = 0
[budget]
per_run = 1000000
per_day = 1000000
[media]
save_to = ""
"""
WEBHOOKS = """\
[webhook]
public_url = "http://{address}"
listen = "{address}"
secret = "file:secret"
"""
GOOGLE = """\
source = "{book}"
credentials = "file:bot.json"
base_url = "{url}"
settle = "0s"
"""


class Promptsheet(Command):
    """The program with a sheet of either kind; `is_called`: the API sends it webhooks."""

    #: 1: some rows need a person.
    good_codes = (0, 1)

    def __init__(
        self, folder: Path, api: Sandbox, sheet: CsvFile | GoogleTab, *, is_called: bool = False
    ) -> None:
        super().__init__()
        self._sheet = sheet
        self._config = folder / "promptsheet.toml"
        _secret(folder / "key", api.key)
        if isinstance(sheet, GoogleTab):
            _secret(folder / "bot.json", json.dumps(sheet.google.key))
            where = GOOGLE.format(book=sheet.book.url, url=sheet.google.url)
        else:
            where = f'source = "{sheet.path.name}"'
        text = CONFIG.format(sheet=where, url=api.url)
        if is_called:
            _secret(folder / "secret", SECRET)
            text += WEBHOOKS.format(address=f"127.0.0.1:{free_port()}")
        self._config.write_text(text)

    def command(self) -> Sequence[str]:
        """Start it in a new interpreter."""
        return [sys.executable, str(ROOT / "run.py"), "run", str(self._config), "--wait"]

    def results(self) -> Results:
        """The sheet itself."""
        return self._sheet.results()


def _secret(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
