"""A sheet that is as the last pass left it costs a glance; whatever changed is seen at a glance."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import config
from pipeline.core.model import JobKey
from pipeline.core.states import Failed
from pipeline.sandbox import Sandbox
from pipeline.store import Fact, Store
from pipeline.sync import quick_check
from tests.fakes.program import KEY, KEY_NAME, ROOT, Studio, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import passed_at


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as sandbox:
        yield sandbox


@pytest.fixture
def studio(tmp_path: Path, api: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Three rows, all done."""
    monkeypatch.setenv(KEY_NAME, KEY)
    api.reset()
    studio = Studio(tmp_path, api.url)
    studio.write(["a fox", "an owl", "a cat"])
    assert call("run", studio.config(), "--wait").code == 0
    assert studio.statuses() == {"done": 3}
    return studio


def rests(studio: Studio) -> bool:
    return quick_check.is_at_rest(config.load(studio.folder / "pipeline.toml", need_key=True))


def loaded(studio: Studio) -> str:
    """What a silent run loads, a line a module."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", "run", studio.config()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_a_pass_over_a_sheet_at_rest_loads_no_store_and_no_wire(studio: Studio) -> None:
    assert rests(studio)

    modules = loaded(studio)

    assert "tomllib" in modules
    assert not {
        name for name in ("sqlalchemy", "aiohttp", "httpx", "rich.console") if name in modules
    }


def test_a_pass_that_was_a_glance_leaves_its_time_behind_and_is_at_rest_still(
    studio: Studio,
) -> None:
    times = [passed_at(studio)]
    for _ in range(2):
        ended = call("run", studio.config())
        assert (ended.code, ended.said) == (0, "")
        times.append(passed_at(studio))

    assert times == sorted(set(times))
    assert rests(studio)


def test_a_store_that_is_written_meanwhile_is_left_alone(studio: Studio) -> None:
    before = passed_at(studio)
    with closing(sqlite3.connect(studio.folder / "promptsheet.db")) as other:
        other.execute("begin immediate")
        ended = call("run", studio.config())
        other.rollback()

    assert (ended.code, ended.said) == (0, "")
    assert passed_at(studio) == before


def test_a_pass_that_has_to_look_loads_nothing_of_other_doors(studio: Studio) -> None:
    studio.add(["a dog"])

    modules = loaded(studio)

    assert "sqlalchemy" in modules
    others = ("pandas", "gspread", "uvicorn", "starlette", "openpyxl")
    assert not {name for name in others if name in modules}
    assert len(studio.attempts()) == 4


def hold_of(studio: Studio) -> str:
    with Store(f"sqlite:///{studio.folder}/promptsheet.db") as store:
        (record,) = store.sheets()
    return record.hold


def test_a_hold_whose_cause_is_gone_is_lifted_though_all_is_as_it_was_before(
    studio: Studio,
) -> None:
    whole = studio.sheet.read_bytes()
    studio.sheet.write_bytes(whole.splitlines(keepends=True)[0])
    assert call("run", studio.config()).code == 1
    held = hold_of(studio)
    studio.sheet.write_bytes(whole)

    assert "rows" in held
    assert not rests(studio)
    assert call("run", studio.config()).code == 0
    assert hold_of(studio) == ""
    assert call("run", studio.config()).code == 0
    assert rests(studio)


def test_nothing_says_that_a_sheet_is_paused_once_somebody_has_lifted_the_pause(
    studio: Studio,
) -> None:
    call("pause", studio.config())
    paused = call("run", studio.config())
    call("resume", studio.config())

    assert "is paused" in paused.said
    assert hold_of(studio) == ""


def sorted_by_people(studio: Studio) -> None:
    header, *rows = studio.sheet.read_bytes().splitlines(keepends=True)
    studio.sheet.write_bytes(b"".join([header, *reversed(rows)]))


def other_budget(studio: Studio) -> None:
    studio.config(tables={"budget": {"per_day": 5}})


def claim_gone(studio: Studio) -> None:
    studio.sheet.with_name("prompts.csv.promptsheet").unlink()


def paused(studio: Studio) -> None:
    call("pause", studio.folder / "pipeline.toml")


def asked_once_more(studio: Studio) -> None:
    """By another process: `retry`."""
    with Store(f"sqlite:///{studio.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets()[0].key
        key: JobKey = next(iter(store.jobs(sheet)))
        assert store.ask(key, 2)


def heard_on_a_full_disk(studio: Studio) -> None:
    with Store(f"sqlite:///{studio.folder / 'promptsheet.db'}") as store:
        sheet = store.sheets()[0].key
        key = next(iter(store.jobs(sheet)))
        store.rescue([Fact(key, 1, Failed("late"))])


def at_work(studio: Studio) -> None:
    with Store(f"sqlite:///{studio.folder / 'promptsheet.db'}") as store:
        assert store.take_lease(store.sheets()[0].key, "elsewhere:1", 60)


def store_gone(studio: Studio) -> None:
    (studio.folder / "promptsheet.db").unlink()


@pytest.mark.parametrize(
    "change",
    [
        sorted_by_people,
        other_budget,
        claim_gone,
        paused,
        asked_once_more,
        heard_on_a_full_disk,
        at_work,
        store_gone,
    ],
)
def test_whatever_changed_is_a_matter_for_a_real_pass(
    studio: Studio, change: Callable[[Studio], None]
) -> None:
    assert rests(studio)

    change(studio)

    assert not rests(studio)


def test_a_row_that_waits_for_something_is_not_at_rest(studio: Studio) -> None:
    studio.add(["a dog", "a cow"])
    call("run", studio.config(tables={"budget": {"per_day": 16}}), "--wait")
    assert studio.statuses() == {"done": 4, "over budget": 1}

    assert not rests(studio)
