"""The reference says what the program does. `make reference` writes what is made from the code."""

from __future__ import annotations

import re
from pathlib import Path

from docs.tools import configuration, messages
from docs.tools.commands import commands
from docs.tools.pages import BLOCKS, ROOT, made
from pipeline.core.api.provider import Endpoint
from pipeline.core.sheet.header import CONTROLS, OURS
from tests.fakes.cases import each

REFERENCE = ROOT / "docs" / "reference"


@each("page", BLOCKS)
def test_the_parts_made_from_the_code_are_up_to_date(page: Path) -> None:
    there, wanted = (ROOT / page).read_text("utf-8"), made(page)
    missing = [line for line in wanted.splitlines() if line not in there.splitlines()]
    is_fresh = there == wanted  # the whole pages would be too long for a message
    assert is_fresh, f"run make reference: {page} lacks {missing[:3]}"


def test_every_column_that_is_no_input_is_explained() -> None:
    text = (REFERENCE / "columns.md").read_text("utf-8")
    explained = {
        word
        for cell in re.findall(r"(?m)^\| (`.*?) \| (?:you|Promptsheet)", text)
        for first, last in re.findall(r"`(\w+)`(?: … `(\w+)`)?", cell)
        for word in _from_to(first, last)
    }

    assert {*CONTROLS, *OURS} - explained == set()


def _from_to(first: str, last: str) -> list[str]:
    """`image_1` and `image_4`: also what is between."""
    if not last:
        return [first]
    stem, start = first.rsplit("_", 1)
    return [f"{stem}_{number}" for number in range(int(start), int(last.rsplit("_", 1)[1]) + 1)]


def test_every_key_of_a_configuration_is_explained_in_the_section_of_its_table() -> None:
    text = (REFERENCE / "configuration.md").read_text("utf-8").split("\n## All keys")[0]
    sections = {
        title: part
        for part in re.split(r"(?m)^## ", text)
        for title in re.findall(r"\[+(\w+)\]+", part.partition("\n")[0])
    }
    keys = re.findall(r"(?m)^\| `\[+([\w.]+)\]+ (\w+)`", configuration.keys())

    assert len(keys) > 80
    assert [
        (table, key)
        for table, key in keys
        if not re.search(rf"`(\[\w+\] )?{key}\b", sections[_section(table)])
    ] == []


def _section(table: str) -> str:
    return "provider" if table.startswith("provider") else table


def test_every_module_of_notes_is_on_the_page_about_notes() -> None:
    modules = {path.stem for path in (ROOT / "pipeline/core").glob("messages*.py")}

    assert {name for name in vars(messages) if name.startswith("messages")} == modules
    page = (REFERENCE / "notes.md").read_text("utf-8")
    assert all(page.count(f"\n{part}") for part in ("- {column} is empty", "| The row is not"))


def test_every_endpoint_has_a_sample_row_and_every_command_its_options() -> None:
    rows = (REFERENCE / "sample-rows.md").read_text("utf-8")
    options = (REFERENCE / "commands.md").read_text("utf-8")
    from docs.tools.endpoints import providers

    endpoints: list[tuple[str, Endpoint]] = [
        pair for api in providers() for pair in api.endpoints.items()
    ]
    assert len(endpoints) >= 90
    assert [name for name, one in endpoints if f"| `{name}` | {one.about[:10]}" not in rows] == []
    assert [name for name, _ in commands() if f"### `{name}`" not in options] == []
