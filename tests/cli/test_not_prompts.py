"""Cells that look filled and request nothing, through the command line, with the API's counts.

Each sheet is run several times, as cron does. Each has rows that must not be paid for and rows that
must be done, so that a program that does nothing also fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.sandbox import Sandbox
from tests.fakes.program import until
from tests.fakes.team import Team

Grid = Sequence[Sequence[str]]


@pytest.fixture(params=["csv", "xlsx"])
def run_as_cron_does(
    request: pytest.FixtureRequest, team: Team
) -> Callable[[Grid], dict[str, dict[str, str]]]:
    """Save a sheet, run it until every sent row is done; returns its rows by name."""
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

        def is_over() -> bool:
            ended = team.run()
            assert ended.code == 0, ended.said
            said = [row["status"] for row in rows().values()]
            return not any(word.startswith(("queued", "sending", "in progress")) for word in said)

        until(is_over, "every row that was sent is done")
        before = path.read_bytes()
        assert team.run().code == 0
        assert path.read_bytes() == before, "a run with nothing new changes nothing"
        return rows()

    return run


def test_only_rows_approved_with_a_word_for_yes_are_paid(
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


def test_a_cell_with_only_invisible_characters_is_no_prompt_and_no_value(
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


def test_a_plan_names_prompts_that_look_like_a_mistake_and_columns_not_sent(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    foxes = [f"fox {number}," for number in range(5)]
    team.write("prompt,Ratio,owner", *foxes, "a {{fox}},16:9,Kim", "a wide fox —ar 16:9,,")

    plan = team.run("--plan", key=None)

    assert plan.code == 0
    assert (
        'Row 7: Check this: prompt has "{{fox}}", a placeholder that was not filled in. '
        'Row 8: Check this: prompt has "—ar" where "--ar" is probably meant. '
        "Ratio: did you mean aspect_ratio? This column is not sent. Rename it, or set [columns] "
        'aspect_ratio = "Ratio"; if it is your own, ignore = ["Ratio"].'
    ) in plan.said
    assert "owner" not in plan.said

    team.configure('[media]\nsave_to = ""\n[rules]\nstrict_prompts = true\n')
    strict = team.finish()
    assert strict.code == 1
    assert api.state()["tasks"] == {f"fox {number}": 1 for number in range(5)}
    assert team.said_of("a {{fox}}", "a wide fox —ar 16:9") == ["invalid", "invalid"]

    team.configure('[media]\nsave_to = ""\n[columns]\nignore = ["ratio"]\n')
    assert "Ratio:" not in team.run("--plan", key=None).said
    assert team.finish().code == 0
    assert team.said_of("a {{fox}}", "a wide fox —ar 16:9") == ["done", "done"]
    assert team.row("a {{fox}}")["note"].startswith('Check this: prompt has "{{fox}}"')


def test_the_error_for_a_sheet_without_a_prompt_names_the_column_that_may_be_meant(
    team: Team,
) -> None:
    team.configure()
    team.write("Owner,Prompts", "Kim,a fox")

    ended = team.run()

    assert ended.code == 2
    assert "No column is named like something to send" in ended.said
    assert ended.said.endswith("Prompts: did you mean prompt?")


def test_the_teams_empty_column_is_reported_once_before_it_is_written(
    team: Team, api: Sandbox
) -> None:
    said = "Column B, Status, is empty, so Promptsheet writes its status there."
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,Status", "a fox,", "an owl,")
    before = team.sheet.read_bytes()

    assert said in team.run("--plan", key=None).said
    assert said in team.start("init", team.sheet, key=None).said
    assert team.sheet.read_bytes() == before
    first, second = team.run(), team.finish()

    assert (first.code, second.code) == (0, 0)
    assert said in first.said
    assert said not in second.said
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


@pytest.mark.parametrize("mistake", ["3", "two", "9" * 5000])
def test_an_invalid_take_changes_neither_results_nor_history(
    team: Team, api: Sandbox, mistake: str
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,take", "a fox,", "an owl,")
    team.finish()
    before = team.row("a fox")

    with team.editing() as rows:
        rows[0]["take"] = mistake
    held = team.finish()

    now = team.row("a fox")
    assert (held.code, now["status"]) == (1, "invalid")
    assert [now[name] for name in ("row_id", "task_id", "image_urls")] == [
        before[name] for name in ("row_id", "task_id", "image_urls")
    ]
    history = team.start("status", team.config, "--row", "2").said
    assert "take 1" in history
    assert "attempt 1 succeeded" in history
    with team.editing() as rows:
        rows[0]["take"] = "2"
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox": 2, "an owl": 1}


def test_a_done_row_whose_formula_breaks_waits_with_its_pictures_and_is_paid_once(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,aspect_ratio", "a fox,1:1", "an owl,16:9")
    team.finish()
    before = team.rows()

    with team.editing() as rows:
        rows[0]["prompt"], rows[1]["prompt"] = "#REF!", ""
        rows[1]["aspect_ratio"] = "16:09:00.000000000"  # as polars saves it
        rows.append({"prompt": "prompt", "aspect_ratio": "aspect_ratio"})
    team.run()

    fox, owl, header = team.rows()
    for now, was in ((fox, before[0]), (owl, before[1])):
        assert now["status"] == "waiting"
        assert f'prompt was "{was["prompt"]}" when these pictures were made.' in now["note"]
        assert [now["task_id"], now["image_urls"]] == [was["task_id"], was["image_urls"]]
    assert header["status"] == ""
    with team.editing() as rows:
        rows[0]["prompt"], rows[1]["prompt"] = "a fox", "an owl"
    assert team.run().code == 0
    assert [row["status"] for row in team.rows()] == ["done", "done", ""]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
