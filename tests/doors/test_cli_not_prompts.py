"""Cells that look filled and ask for nothing: from the command line, counted by the API.

Each sheet is run several times, as cron does. Rows that must not be paid for stand beside rows
that must be done, so that a program that does nothing fails as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.sandbox import Sandbox
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

Grid = Sequence[Sequence[str]]


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        yield sandbox


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Team:
    api.reset()
    return Team(tmp_path, api.url)


@pytest.fixture(params=["csv", "xlsx"])
def run_as_cron_does(
    request: pytest.FixtureRequest, team: Team
) -> Callable[[Grid], dict[str, dict[str, str]]]:
    """Save a sheet, run it again and again until every sent row is done; its rows by name."""
    name = f"prompts.{request.param}"
    team.configure('[media]\nsave_to = ""\n', sheet=name)
    path = team.folder / name

    def run(grid: Grid) -> dict[str, dict[str, str]]:
        if request.param == "csv":
            lines = [",".join(f'"{cell}"' for cell in row) for row in grid]
            team.write(lines[0], *lines[1:])
        else:
            book = Workbook()
            for row in grid:
                book.worksheets[0].append([cell or None for cell in row])
            book.save(path)

        def rows() -> dict[str, dict[str, str]]:
            if request.param == "csv":
                found = team.rows()
            else:
                header, *values = load_workbook(path).worksheets[0].values
                found = [
                    {str(title): str(cell or "") for title, cell in zip(header, row, strict=True)}
                    for row in values
                ]
            return {row["name"]: row for row in found}

        for words in ((), ("--wait",)):
            ended = team.run(*words)
            assert ended.code == 0, ended.said
        before = path.read_bytes()
        assert team.run().code == 0
        assert path.read_bytes() == before, "a run with nothing new changes nothing"
        return rows()

    return run


def test_only_words_that_mean_yes_are_paid_for(
    run_as_cron_does: Callable[[Grid], dict[str, dict[str, str]]], api: Sandbox
) -> None:
    good = ("TRUE", "WAHR", "x", "✓", "1", "1.0", "freigegeben", "sí", "はい")
    bad = (
        *("ONWAAR", "FALSK", "FAŁSZ", "NEPRAVDA", "HAMIS", "ЛОЖЬ", "rejected", "pending", "-", "✗"),
        *("#N/A", "#REF!", "Err:502", "Loading…", "0", "0.0", "no", "\u200b", "Kim", ""),
    )
    words = [*good, *bad]

    rows = run_as_cron_does(
        [
            ("name", "prompt", "approved"),
            *((f"row {at}", f"an owl, {at}", word) for at, word in enumerate(words)),
        ]
    )

    said = [rows[f"row {at}"]["status"] for at in range(len(words))]
    assert said[: len(good)] == ["done"] * len(good)
    assert set(said[len(good) :]) == {"needs approval", "waiting"}
    assert api.state()["tasks"] == {f"an owl, {at}": 1 for at in range(len(good))}


def test_a_cell_that_shows_nothing_is_no_prompt_and_no_value(
    run_as_cron_does: Callable[[Grid], dict[str, dict[str, str]]], api: Sandbox
) -> None:
    nothing = ("\u200b", "\ufeff", "\u00ad", "\u3164", "\u2800", "\u200e\u200f", "\u2060 \u00a0")

    rows = run_as_cron_does(
        [
            ("name", "\ufeff\u200bprompt", "aspect\u200b ratio", "skip"),
            *((f"empty {at}", cell, "", "") for at, cell in enumerate(nothing)),
            *((f"full {at}", f"an owl, {at}", cell, cell) for at, cell in enumerate(nothing)),
            ("wide", "a fox 👩\u200d🚒", "16:9\u200e", ""),
        ]
    )

    assert [row["status"] for name, row in rows.items() if name.startswith("empty")] == [""] * 7
    assert [row["status"] for name, row in rows.items() if name.startswith("full")] == ["done"] * 7
    assert rows["wide"]["status"] == "done"
    assert api.state()["tasks"] == {
        **{f"an owl, {at}": 1 for at in range(7)},
        "a fox 👩\u200d🚒": 1,
    }
