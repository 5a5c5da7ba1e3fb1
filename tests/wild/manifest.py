"""The facts about each file of the corpus: its program, its making, and the expected result."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
FILES = HERE / "files"
MANIFEST = HERE / "manifest.toml"


@dataclass(frozen=True)
class Wild:
    """One file: `codec` and `delimiter` as given to its program, not as the product reads them."""

    name: str
    program: str
    how: str
    codec: str = "utf-8"
    delimiter: str = ","
    #: True if the first line is not a row.
    lead: str = ""
    #: The number of rows that request a picture.
    asked: int = 0
    #: The sentence of the refusal or the hold, without the part before the file's name.
    refused: str = ""

    @property
    def path(self) -> Path:
        """The path of the file."""
        return FILES / self.name


def corpus() -> list[Wild]:
    """Every file of the manifest."""
    with MANIFEST.open("rb") as file:
        return [Wild(name, **fields) for name, fields in tomllib.load(file).items()]


def write(files: list[Wild]) -> None:
    """Write the manifest again."""
    MANIFEST.write_text(
        "# Made by make.py; see README.md.\n" + "".join(map(_table, files)), encoding="utf-8"
    )


def _table(wild: Wild) -> str:
    usual = asdict(Wild("", "", ""))
    fields = {name: value for name, value in asdict(wild).items() if value != usual[name]}
    name = fields.pop("name")
    # A JSON string is also a TOML string.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items())
    return f'\n["{name}"]\n' + "".join(lines)
