"""The quick check: it recognises a sheet without changes, and it notices every change."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.config import sources
from pipeline.config.sources import sources_of
from pipeline.core.model import JobKey
from pipeline.core.states import Failed
from pipeline.sandbox import Sandbox
from pipeline.store import Fact, Store
from pipeline.sync import quick_check
from tests.fakes.program import KEY, KEY_NAME, ROOT, call
from tests.fakes.service import passed_at
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


@pytest.fixture
def team(tmp_path: Path, api: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Three rows, all done."""
    monkeypatch.setenv(KEY_NAME, KEY)
    api.reset()
    team = Team(tmp_path, api.url)
    team.write_prompts(["a fox", "an owl", "a cat"])
    assert call("run", team.configured(), "--wait").code == 0
    assert team.statuses() == {"done": 3}
    return team


def is_unchanged(team: Team) -> bool:
    its = sources_of(team.folder / "pipeline.toml")
    return quick_check.check(its).found is quick_check.Found.UNCHANGED


def loaded(team: Team) -> str:
    """The modules that a silent run loads, one line per module."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", "run", team.configured()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_a_pass_over_an_unchanged_sheet_loads_no_library(team: Team) -> None:
    assert is_unchanged(team)

    modules = loaded(team)

    assert "tomllib" in modules
    libraries = ("sqlalchemy", "aiohttp", "httpx", "rich", "typer", "pydantic", "asyncio")
    assert not {name for name in libraries if name in modules}


def test_a_pass_that_ends_at_the_quick_check_records_its_time(
    team: Team,
) -> None:
    times = [passed_at(team)]
    for _ in range(2):
        ended = call("run", team.configured())
        assert (ended.code, ended.said) == (0, "")
        times.append(passed_at(team))

    assert times == sorted(set(times))
    assert is_unchanged(team)


def test_a_store_that_another_process_is_writing_is_left_unchanged(team: Team) -> None:
    before = passed_at(team)
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as other:
        other.execute("begin immediate")
        ended = call("run", team.configured())
        other.rollback()

    assert (ended.code, ended.said) == (0, "")
    assert passed_at(team) == before


def test_a_full_pass_loads_no_modules_of_other_commands_or_sheets(team: Team) -> None:
    team.add_prompts(["a dog"])

    modules = loaded(team)

    assert "sqlalchemy" in modules
    others = ("pandas", "gspread", "openpyxl", "opentelemetry", "cronsim")
    servers = ("uvicorn", "starlette", "prometheus_client", "itsdangerous")
    assert not {name for name in (*others, *servers) if name in modules}
    assert len(team.attempts()) == 4


def hold_of(team: Team) -> str:
    with Store(f"sqlite:///{team.folder}/promptsheet.db") as store:
        (record,) = store.sheets.all()
    return record.hold


def test_a_hold_ends_when_the_sheet_is_again_as_it_was_before(
    team: Team,
) -> None:
    whole = team.sheet.read_bytes()
    team.sheet.write_bytes(whole.splitlines(keepends=True)[0])
    assert call("run", team.configured()).code == 1
    held = hold_of(team)
    team.sheet.write_bytes(whole)

    assert "rows" in held
    assert not is_unchanged(team)
    assert call("run", team.configured()).code == 0
    assert hold_of(team) == ""
    assert call("run", team.configured()).code == 0
    assert is_unchanged(team)


def test_after_resume_no_message_says_that_the_sheet_is_paused(
    team: Team,
) -> None:
    call("pause", team.configured())
    paused = call("run", team.configured())
    call("resume", team.configured())

    assert "is paused" in paused.said
    assert hold_of(team) == ""


def lines_mixed_up(team: Team) -> None:
    """As a sort of lines, which tears cells with several addresses apart."""
    header, *rows = team.sheet.read_bytes().splitlines(keepends=True)
    team.sheet.write_bytes(b"".join([header, *reversed(rows)]))


def sorted_and_one_cell_changed(team: Team) -> None:
    with team.editing() as rows:
        rows.reverse()
        rows[0]["Prompt"] = "a dog"


def sorted_and_a_row_removed(team: Team) -> None:
    with team.editing() as rows:
        rows[:] = [rows[2], rows[0]]


def sorted_and_a_row_copied(team: Team) -> None:
    with team.editing() as rows:
        rows[:] = [rows[2], rows[1], rows[0], rows[2]]


def sorted_and_one_row_instead_of_another(team: Team) -> None:
    with team.editing() as rows:
        rows[:] = [rows[2], rows[1], rows[2]]


def columns_moved(team: Team) -> None:
    grid = [[*reversed(row)] for row in csv.reader(io.StringIO(team.sheet.read_text("utf-8")))]
    with team.sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(grid)


def sorted_in_a_sheet_with_a_changed_job(team: Team) -> None:
    sort(team)
    retried(team)


def sort(team: Team) -> None:
    with team.editing() as rows:
        rows.sort(key=lambda row: row["Prompt"], reverse=True)


def other_budget(team: Team) -> None:
    team.configured(tables={"budget": {"per_day": 5}})


def claim_gone(team: Team) -> None:
    team.sheet.with_name("prompts.csv.promptsheet").unlink()


def sheet_replaced_by_a_link(team: Team) -> None:
    other = team.sheet.with_name("other.csv")
    other.write_bytes(team.sheet.read_bytes())
    team.sheet.unlink()
    team.sheet.symlink_to(other)


def own_provider_file(team: Team) -> None:
    folder = team.folder / "providers"
    folder.mkdir()
    shipped = ROOT / "configs" / "providers" / "apiframe-v1.toml"
    (folder / shipped.name).write_bytes(shipped.read_bytes())


def own_messages(team: Team) -> None:
    folder = team.folder / "messages"
    folder.mkdir()
    (folder / "en.po").write_text('msgid "yes"\nmsgstr "aye"\n')


def mistake_in_the_configuration(team: Team) -> None:
    config = team.folder / "pipeline.toml"
    config.write_text(f"{config.read_text()}\n[no_such_table]\n")


def configuration_gone(team: Team) -> None:
    (team.folder / "pipeline.toml").unlink()


def paused(team: Team) -> None:
    call("pause", team.folder / "pipeline.toml")


def retried(team: Team) -> None:
    """Another process runs `retry`."""
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets.all()[0].key
        key: JobKey = next(iter(store.jobs.all(sheet)))
        assert store.jobs.ask(key, 2)


def result_in_rescue_file(team: Team) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets.all()[0].key
        key = next(iter(store.jobs.all(sheet)))
        store.attempts.rescue([Fact(key, 1, Failed("late"))])


def leased_elsewhere(team: Team) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        assert store.leases.take(store.sheets.all()[0].key, "elsewhere:1", 60)


def store_gone(team: Team) -> None:
    (team.folder / "promptsheet.db").unlink()


@pytest.mark.parametrize(
    "change",
    [
        lines_mixed_up,
        sorted_and_one_cell_changed,
        sorted_and_a_row_removed,
        sorted_and_a_row_copied,
        sorted_and_one_row_instead_of_another,
        columns_moved,
        sorted_in_a_sheet_with_a_changed_job,
        other_budget,
        claim_gone,
        sheet_replaced_by_a_link,
        own_provider_file,
        own_messages,
        mistake_in_the_configuration,
        configuration_gone,
        paused,
        retried,
        result_in_rescue_file,
        leased_elsewhere,
        store_gone,
    ],
)
def test_every_change_leads_to_a_full_pass(team: Team, change: Callable[[Team], None]) -> None:
    assert is_unchanged(team)

    change(team)

    assert not is_unchanged(team)


def test_a_waiting_row_leads_to_a_full_pass(team: Team) -> None:
    team.add_prompts(["a dog", "a cow"])
    call("run", team.configured(tables={"budget": {"per_day": 16}}), "--wait")
    assert team.statuses() == {"done": 4, "over budget": 1}

    assert not is_unchanged(team)


def waiting_chain(folder: Path, api: Sandbox) -> Team:
    """A row that failed, and one that waits for it."""
    folder.mkdir()
    team = Team(folder, api.url)
    team.write("prompt,endpoint,name,parent,index", "a [fail] fox,,fox,,", ",upscale-1x,,fox,1")
    ended = call("run", team.configured(), "--wait")
    assert [row["status"] for row in team.rows()] == ["failed", "waiting"], ended.said
    return team


def test_a_sheet_whose_rows_wait_for_a_failed_one_is_unchanged_until_that_changes(
    tmp_path: Path, team: Team, api: Sandbox
) -> None:
    team = waiting_chain(tmp_path / "chain", api)
    assert is_unchanged(team)

    with team.editing() as rows:
        rows[0]["prompt"] = "a fox"

    assert not is_unchanged(team)
    call("run", team.configured(), "--wait")
    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert is_unchanged(team)


def test_another_api_key_is_a_change(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_NAME, "another-key")
    assert not is_unchanged(team)

    monkeypatch.setenv(KEY_NAME, KEY)
    assert is_unchanged(team)


def test_another_secret_in_a_file_is_a_change(tmp_path: Path, team: Team) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    config = team.configured(tables={"provider": {"api_key": f"file:{key.name}"}})
    assert call("run", config).code == 0
    assert is_unchanged(team)

    key.write_text(f"{KEY}2")
    assert not is_unchanged(team)


def test_an_update_of_a_file_that_comes_with_the_program_is_a_change(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.setattr(sources, "configs", lambda: shipped)
    config = team.folder / "pipeline.toml"
    before, same = sources_of(config), sources_of(config)
    file = shipped / "providers" / "luma.toml"
    file.write_bytes(file.read_bytes() + b"\n")

    assert before == same
    assert sources_of(config).digest not in ("", before.digest)


def test_of_several_sheets_only_those_that_have_changed_are_run(
    tmp_path: Path, team: Team, api: Sandbox
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = Team(folder, api.url)
    other.write_prompts(["a dog"])
    before = passed_at(team)

    ended = call("run", team.folder / "pipeline.toml", other.configured())

    assert ended.code == 0
    assert passed_at(team) > before
    assert len(other.attempts()) == 1
    assert len(team.attempts()) == 3


def rows_of(team: Team) -> list[str]:
    """The prompts by the numbers of their rows, as the store has them."""
    prompts = {row["row_id"]: row["Prompt"] for row in team.rows()}
    with Store(f"sqlite:///{team.folder}/promptsheet.db") as store:
        numbers = store.rows.numbers(store.sheets.all()[0].key)
    assert sorted(numbers.values()) == list(range(2, len(numbers) + 2))
    return [prompts[one] for one in sorted(numbers, key=numbers.__getitem__)]


def test_a_sorted_sheet_needs_no_pass_and_no_library(team: Team) -> None:
    assert rows_of(team) == ["a fox", "an owl", "a cat"]
    before = passed_at(team)
    sort(team)

    modules = loaded(team)

    assert "sqlalchemy" not in modules
    assert "pydantic" not in modules
    assert passed_at(team) > before
    assert rows_of(team) == ["an owl", "a fox", "a cat"]
    assert [row["Prompt"] for row in team.rows()] == ["an owl", "a fox", "a cat"]


def test_once_its_order_is_recorded_a_sorted_sheet_is_known_by_its_bytes(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    sort(team)
    assert is_unchanged(team)
    assert call("run", team.configured()).code == 0

    monkeypatch.setattr(quick_check, "order_of", lambda *_: None)
    assert is_unchanged(team)
    sort(team)
    with team.editing() as rows:
        rows.reverse()
    assert not is_unchanged(team)


def test_the_rows_of_an_edited_sheet_are_not_read(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(quick_check, "order_of", lambda *given: asked.append(given))
    with team.editing() as rows:
        rows.reverse()
        rows[0]["Prompt"] = "a cow"

    assert not is_unchanged(team)
    assert not asked


def test_a_sorted_sheet_whose_rows_wait_for_another_one_gets_a_full_pass(
    tmp_path: Path, team: Team, api: Sandbox
) -> None:
    team = waiting_chain(tmp_path / "chain", api)
    assert is_unchanged(team)

    with team.editing() as rows:
        rows.reverse()

    assert not is_unchanged(team)


def test_a_sheet_that_is_sorted_and_then_changed_is_paid_for_the_change_alone(team: Team) -> None:
    sort(team)
    assert call("run", team.configured()).code == 0
    with team.editing() as rows:
        rows.append(dict.fromkeys(rows[0], "") | {"Prompt": "a dog"})
        rows.reverse()

    assert call("run", team.configured(), "--wait").code == 0

    assert team.statuses() == {"done": 4}
    assert len(team.attempts()) == 4
    assert rows_of(team) == ["a dog", "a cat", "a fox", "an owl"]


def test_the_order_of_a_sheet_that_is_worked_on_is_left_to_that_process(team: Team) -> None:
    its = sources_of(team.folder / "pipeline.toml")
    sort(team)
    result = quick_check.check(its)
    leased_elsewhere(team)

    quick_check.record(its, result)

    assert result.sorted
    assert rows_of(team) == ["a fox", "an owl", "a cat"]
