"""Results: every job, in the order of the sheet; reading them changes nothing."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.config import Settings, configs, load
from pipeline.core.errors import StoreError
from pipeline.core.model import JobKey, State
from pipeline.core.rows.attention import said_by
from pipeline.reports.results import results, results_and_waiting_rows
from pipeline.sandbox import running
from pipeline.server import event_loop
from pipeline.sync.outcome import Asked

KEY = "PROMPTSHEET_DEMO_KEY"
Sheet = list[list[str]]


@contextmanager
def demo(folder: Path) -> Iterator[Callable[[], Settings]]:
    """The demo's own sheet and configuration in a folder; yields a function that runs it to its
    end.
    """
    shutil.copy(configs() / "demo" / "prompts.csv", folder)
    with running("demo", task_seconds=0, plain_pictures=True) as sandbox:
        text = (configs() / "demo.toml").read_text("utf-8")
        text = text.replace("http://127.0.0.1:8900", sandbox.url).replace('"1s"', '"20ms"')
        (folder / "demo.toml").write_text(text, "utf-8")

        def run() -> Settings:
            os.environ[KEY] = "demo"
            try:
                settings = load(folder / "demo.toml", need_key=True)
            finally:
                del os.environ[KEY]
            event_loop.run(wiring.run(settings, Asked(wait=True)))
            return load(folder / "demo.toml")

        yield run


def edit(file: Path, change: Callable[[Sheet], None]) -> None:
    """Change the cells of a CSV file, as a person does."""
    with file.open(newline="", encoding="utf-8") as opened:
        sheet = list(csv.reader(opened))
    change(sheet)
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows(sheet)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo, run once."""
    with demo(tmp_path_factory.mktemp("ran")) as run:
        return run()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo after a run, typical edits by people, and another run."""

    def change(sheet: Sheet) -> None:
        for row in sheet:
            row.insert(0, "take" if row is sheet[0] else "2" if "fox" in row else "")
            if "pattern-a" in row:
                row[2] = "Seamless pattern of mint leaves and small suns"
        sheet[:] = [row for row in sheet if "table" not in row]

    folder = tmp_path_factory.mktemp("lived")
    with demo(folder) as run:
        run()
        edit(folder / "prompts.csv", change)
        return run()


@pytest.fixture
def own(ran: Settings, tmp_path: Path) -> Settings:
    """A copy of the finished demo that one test can change."""
    folder = tmp_path / "own"
    shutil.copytree(ran.path.parent, folder)
    # With its own name, because a copy of a file is another sheet.
    source = 'source = "prompts.csv"'
    config = (folder / "demo.toml").read_text("utf-8")
    config = config.replace(source, f"{source}\nid = '{ran.source}'")
    (folder / "demo.toml").write_text(config, "utf-8")
    return load(folder / "demo.toml")


def test_every_row_of_the_demo_is_listed_with_its_status_in_sheet_order(
    ran: Settings,
) -> None:
    shown = results_and_waiting_rows(ran)

    assert [(one.line, one.name, one.status, len(one.files)) for one in shown] == [
        (2, "hero-morning", "done", 4),
        (3, "table", "done", 4),
        (4, "story-steam", "done", 4),
        (5, "teehaus", "done", 4),
        (6, "fox", "done", 4),
        (7, "pattern-a", "done", 4),
        (8, "pattern-b", "done", 4),
        (9, "hedgehogs", "done", 4),
        (10, "knight", "failed", 0),
        (11, "boats", "failed", 0),
        (12, "retail-poster", "invalid", 0),
        (13, "hut", "skipped", 0),
    ]


def test_only_jobs_are_results_and_each_row_without_a_job_has_a_reason(ran: Settings) -> None:
    jobs, others = results(ran), [one for one in results_and_waiting_rows(ran) if one.state is None]

    assert [one.name for one in jobs][-2:] == ["knight", "boats"]
    assert [(one.name, one.credits) for one in others] == [("retail-poster", 0), ("hut", 0)]
    assert others[0].note == "Not sent, nothing paid: Prompt is empty: write one."
    assert others[1].note.startswith("Skipped because the Skip cell is filled in.")


def test_a_job_shows_its_request_its_results_and_its_cost(ran: Settings) -> None:
    fox = next(one for one in results(ran) if one.name == "fox")

    assert fox.prompt.startswith("Poster in flat colours:\na fox asleep")
    assert fox.inputs == {"prompt": fox.prompt, "aspect_ratio": "2:3"}
    assert (fox.endpoint, fox.take, fox.state) == ("imagine", 1, State.SUCCEEDED)
    assert (fox.credits, fox.attempts) == (4, 1)
    assert tuple(fox.files) == fox.urls
    assert all(path.is_absolute() and path.is_file() for path in fox.files.values())
    assert fox.submitted_at is not None
    assert fox.submitted_at.tzinfo is not None
    assert fox.seconds is not None
    assert 0 <= fox.seconds < 60


def test_a_refused_prompt_costs_nothing_and_a_failed_task_costs_its_price(ran: Settings) -> None:
    costs = {one.name: one.credits for one in results(ran) if one.status == "failed"}

    assert costs == {"knight": 0, "boats": 4}


def test_an_earlier_take_is_listed_and_not_marked_as_edited(
    lived: Settings,
) -> None:
    foxes = [one for one in results(lived) if one.name == "fox"]

    assert [(one.take, one.status, len(one.files)) for one in foxes] == [
        (1, "done", 4),
        (2, "done", 4),
    ]
    assert foxes[0].task_id != foxes[1].task_id


def test_a_row_edited_afterwards_is_marked_and_keeps_the_sent_prompt(
    lived: Settings,
) -> None:
    (edited,) = [one for one in results(lived) if one.status == "edited"]

    assert edited.prompt.endswith("small moons, block print, two colours")
    assert "put 2 in the take column" in edited.note


def test_a_job_without_its_row_is_listed_last(lived: Settings) -> None:
    gone = results(lived)[-1]

    assert (gone.prompt[:15], gone.line, gone.in_sheet) == ("Breakfast table", None, False)
    assert (gone.status, len(gone.files)) == ("done", 4)


def test_reading_results_changes_nothing_in_the_folder(own: Settings) -> None:
    def files() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in own.path.parent.rglob("*") if p.is_file()}

    results_and_waiting_rows(own)  # SQLite may create its two extra files when it reads a store
    before = files()

    results_and_waiting_rows(own)

    assert files() == before


def test_before_the_first_run_a_message_is_shown_and_no_file_created(tmp_path: Path) -> None:
    shutil.copy(configs() / "demo.toml", tmp_path)

    with pytest.raises(StoreError, match=r"^Nothing has been run yet: there is no store .*demo\."):
        results(load(tmp_path / "demo.toml"))

    assert [path.name for path in tmp_path.iterdir()] == ["demo.toml"]


def test_without_the_sheet_only_the_names_are_missing(own: Settings) -> None:
    own.file.unlink()

    shown = results_and_waiting_rows(own)

    assert [one.status for one in shown][8:] == ["failed", "failed", "waiting", "waiting"]
    assert {one.name for one in shown} == {""}
    assert sum(len(one.files) for one in shown) == 32


def test_other_text_in_a_status_cell_is_not_read_as_a_status(own: Settings) -> None:
    def scribble(sheet: Sheet) -> None:
        at = sheet[0].index("status")
        for row in sheet[1:]:
            row[at] = "=HYPERLINK(1)"

    before = [one.status for one in results_and_waiting_rows(own)]
    edit(own.file, scribble)

    assert [one.status for one in results_and_waiting_rows(own)] == [
        *before[:-2],
        "waiting",
        "waiting",
    ]


def test_a_name_next_to_another_rows_id_is_ignored(own: Settings) -> None:
    def sort_ids_alone(sheet: Sheet) -> None:
        at = sheet[0].index("row_id")
        for row, mark in zip(sheet[1:], sorted(row[at] for row in sheet[1:]), strict=True):
            row[at] = mark

    before = {one.row_id: one.name for one in results_and_waiting_rows(own)}
    edit(own.file, sort_ids_alone)

    after = {one.row_id: one.name for one in results_and_waiting_rows(own)}

    # The two rows with equal prompts may exchange names: they cannot be distinguished.
    wrong_names = {
        name
        for row_id, name in after.items()
        if name not in ("", before[row_id]) and not name.startswith("pattern-")
    }
    assert wrong_names == set()


def test_a_missing_saved_file_is_not_shown(own: Settings) -> None:
    assert own.media is not None
    next(iter(own.media.glob("fox-*-2.png"))).unlink()

    fox = next(one for one in results(own) if one.name == "fox")

    assert len(fox.files) == 3
    assert list(fox.files) == [fox.urls[0], *fox.urls[2:]]


def test_a_file_that_is_not_a_store_gives_a_clear_sentence(own: Settings) -> None:
    store = Path(own.store_url.removeprefix("sqlite:///"))
    for path in store.parent.glob("promptsheet.db*"):
        path.unlink()
    store.write_text("not a store, whatever its name says" * 100)

    with pytest.raises(StoreError, match="is not a store of Promptsheet"):
        results(own)


def test_a_row_needs_a_person_until_it_is_dismissed(own: Settings) -> None:
    def needing() -> dict[str, str]:
        rows = results_and_waiting_rows(own)
        return {one.name: one.needs[0] for one in rows if one.needs}

    assert needing() == {"knight": "failed", "boats": "failed", "retail-poster": "invalid"}

    rows = {one.name: one for one in results_and_waiting_rows(own)}
    knight, poster = rows["knight"], rows["retail-poster"]
    with wiring.open_store(own) as store:
        (key,) = [sheet.key for sheet in store.sheets.all()]
        since = store.rows.memory(key).known[poster.row_id].since
        store.jobs.dismiss(JobKey(key, knight.row_id, knight.take), away=True)
        store.rows.dismiss(key, poster.row_id, said_by(since, poster.status, poster.note))

    assert needing() == {"boats": "failed"}


def test_a_take_that_waits_needs_a_person_though_the_earlier_one_is_done(own: Settings) -> None:
    def ask(sheet: Sheet) -> None:
        for row in sheet:
            row.insert(0, "take" if row is sheet[0] else "2" if "fox" in row else "")
            if "fox" in row:
                row[sheet[0].index("status")] = "over budget"
                row[sheet[0].index("note")] = "The budget of the day is used up."

    edit(own.file, ask)
    fox = next(one for one in results_and_waiting_rows(own) if one.name == "fox")

    assert (fox.take, fox.status) == (1, "done")
    assert fox.needs == ("over budget", "The budget of the day is used up.")
