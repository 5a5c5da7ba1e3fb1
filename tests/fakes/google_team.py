"""A Google Sheet shared with the real program, and a configuration for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.sandbox import Sandbox
from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import GoogleSheets
from tests.fakes.program import KEY_NAME, Ended, call


@dataclass
class GoogleTeam:
    """A sheet shared with us, and a configuration for it."""

    google: GoogleSheets
    book: Book
    folder: Path
    api: Sandbox

    def configure(
        self,
        name: str = "promptsheet",
        tab: str = "",
        write_every: str = "50ms",
        settle: str = "0s",
    ) -> Path:
        (self.folder / "bot.json").write_text(json.dumps(self.google.key))
        (self.folder / "bot.json").chmod(0o600)
        config = self.folder / f"{name}.toml"
        config.write_text(
            f"""\
[sheet]
source = "{self.book.url}"
tab = "{tab}"
credentials = "file:bot.json"
base_url = "{self.google.url}"
settle = "{settle}"
[provider]
base_url = "{self.api.url}"
api_key = "env:{KEY_NAME}"
[pace]
poll_every = "20ms"
write_every = "{write_every}"
[media]
save_to = ""
[store]
url = "sqlite:///{name}.db"
"""
        )
        return config

    def another_account(self, number: int) -> None:
        """Use another account at Google from now on, with a new request count."""
        email = f"bot-{number}@local.iam.gserviceaccount.com"
        self.book.editors.add(email)
        (self.folder / "bot.json").write_text(json.dumps(self.google.key_for(email)))

    def run(self, *words: str, config: Path | None = None) -> Ended:
        return call("run", config or self.folder / "promptsheet.toml", *words)

    def rows(self) -> list[dict[str, str]]:
        header, *rows = self.google.table(self.book)
        return [dict(zip(header, row, strict=False)) for row in rows]
