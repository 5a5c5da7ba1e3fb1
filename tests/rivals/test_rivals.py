"""The comparison works for Promptsheet and the script, and its judge finds what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.google_sheets import google_sheets
from tests.fakes.sandbox_process import sandbox_process
from tests.rivals import measure
from tests.rivals.__main__ import chosen, rivals
from tests.rivals.measure import Cost, Verdict, judge
from tests.rivals.promptsheet import Promptsheet
from tests.rivals.runner import ROOT
from tests.rivals.script import Script
from tests.rivals.sheets import CsvFile, GoogleTab, prompts
from tests.rivals.table import Figures, lines, placed

ROWS = 5


def test_both_programs_fill_every_row_once_at_a_measured_cost(tmp_path: Path) -> None:
    with sandbox_process(task_seconds=0) as api:
        costs = []
        for kind in (Promptsheet, Script):
            api.reset()
            sheet = CsvFile.new(tmp_path, ROWS)
            costs.append(measure.run(kind(tmp_path, api, sheet), api, sheet))

    ours, script = costs
    assert script.requests == 2 * ROWS
    assert ROWS < ours.requests <= script.requests
    assert min(ours.peak, script.peak) > 10
    assert [cost.sheet_requests for cost in costs] == [0, 0]


def test_the_script_pays_twice_after_a_kill_and_its_first_pictures_are_not_found(
    tmp_path: Path,
) -> None:
    with sandbox_process(task_seconds=0.1) as api:
        sheet = CsvFile.new(tmp_path, ROWS)
        verdict = measure.kill(Script(tmp_path, api, sheet), api, sheet, ROWS)

    assert verdict == Verdict(paid_twice=ROWS, without=0, unseen=ROWS, wrong=0)


def test_the_sheet_of_google_is_filled_while_a_person_sorts_it(tmp_path: Path) -> None:
    with sandbox_process(task_seconds=0) as api, google_sheets() as google:
        sheet = GoogleTab.new(google, ROWS)
        verdict = measure.sort(Promptsheet(tmp_path, api, sheet), api, sheet)
        asked = sheet.requests()

    assert verdict == Verdict(paid_twice=0, without=0, unseen=0, wrong=0)
    assert asked > 0


def test_the_judge_finds_results_that_are_missing_doubled_or_beside_another_prompt() -> None:
    first, second, third = prompts(3)
    state = {
        "tasks": {first: 2, second: 1},
        "ids": {"1": first, "2": first, "3": second},
    }
    results = [(second, ""), (first, "http://x/pictures/3-1.png"), (third, "")]

    assert judge(results, state, 3) == Verdict(paid_twice=1, without=2, unseen=2, wrong=1)


def test_webhooks_fill_the_sheet_with_one_request_a_row(tmp_path: Path) -> None:
    with sandbox_process(task_seconds=0.1) as api:
        sheet = CsvFile.new(tmp_path, ROWS)
        cost = measure.run(Promptsheet(tmp_path, api, sheet, is_called=True), api, sheet)

    assert cost.requests == ROWS


def test_the_tables_show_shares_medians_and_each_kill_between_the_marks_of_the_page() -> None:
    costs = [Cost(seconds, 12, 0, 80.4) for seconds in (3.0, 1.0, 2.0)]
    kills = [Verdict(number, 0, 0, 0) for number in (1, 0, 2)]
    table = lines([Figures("ours", costs, kills), Figures("theirs")], 10)
    page = (ROOT / "docs/explanation/rivals.md").read_text("utf-8")

    assert [line for line in table if line.startswith("| ours |")] == [
        "| ours | 20% | 0% | – | – |",
        "| ours | 2.0 | 1.20 | – | 80 |",
        "| ours | 1, 0, 2 | 0, 0, 0 | 0, 0, 0 |",
    ]
    assert not [line for line in table if "theirs" in line]
    assert "\n\n" + "\n".join(table) + "\n\n" in placed(page, table)
    assert placed(placed(page, ["old"]), table) == placed(page, table)


def test_one_program_or_one_measurement_is_chosen_by_its_name() -> None:
    everything = rivals(ROOT)

    def names(*only: str) -> list[tuple[str, list[str]]]:
        return [(one.title, [*one.measured]) for one in chosen(everything, only) if one.measured]

    assert names("n8n, Google") == [("n8n, Google", ["run", "kill", "sort"])]
    assert names("script", "kill") == [("script, CSV", ["kill"])]
    assert len(names("kill")) == len(everything) - 1
    assert len(names()) == len(everything)
    with pytest.raises(ValueError, match="'zapier' is none of"):
        names("zapier")
