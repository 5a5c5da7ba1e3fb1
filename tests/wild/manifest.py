"""What is known of each file of the corpus: who made it and how, and what is to come of it."""

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
    """One file: `codec` and `delimiter` as its maker was told, not as the product sees them."""

    name: str
    program: str
    how: str
    codec: str = "utf-8"
    delimiter: str = ","
    #: A first line that is no row.
    lead: str = ""
    #: How many rows ask for a picture.
    asked: int = 0
    #: The sentence with which it is refused, or held, without what stands before the file's name.
    refused: str = ""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FILES / self.name


def corpus() -> list[Wild]:
    """Every file, as the manifest has it."""
    with MANIFEST.open("rb") as file:
        return [Wild(name, **fields) for name, fields in tomllib.load(file).items()]


def write(files: list[Wild]) -> None:
    """The manifest anew."""
    MANIFEST.write_text(
        "# Made by make.py; see README.md.\n" + "".join(map(_table, files)), encoding="utf-8"
    )


def _table(wild: Wild) -> str:
    usual = asdict(Wild("", "", ""))
    fields = {name: value for name, value in asdict(wild).items() if value != usual[name]}
    name = fields.pop("name")
    # A text of JSON is a text of TOML, too.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items())
    return f'\n["{name}"]\n' + "".join(lines)
