"""The analysis in pandas: a typed table, charts, and a notebook that runs unchanged."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipeline import notebook
from pipeline.config import Settings, configs, load
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.model import JobKey
from pipeline.notebook import tables
from pipeline.open_sheet import open_sheet
from pipeline.reports.results import Shown
from pipeline.sandbox import running
from pipeline.store import Store
from tests.reports.test_figures import job
from tests.reports.test_results import demo

# They come with the notebook extra; the base install is tested without them. They are imported
# where they are used: collecting the tests would otherwise take a second longer in each worker.
EXTRA = ("pandas", "pyarrow", "matplotlib", "nbformat")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_results.ipynb"
TEXT, COUNT, TEXTS = "string[pyarrow]", "int64[pyarrow]", "list<item: string>[pyarrow]"
OTHERS = {"double[pyarrow]", "bool[pyarrow]"}
MOMENT = "timestamp[us, tz=UTC][pyarrow]"
TYPES = {
    "row_id": TEXT,
    "line": COUNT,
    "name": TEXT,
    "take": COUNT,
    "part": TEXT,
    "prompt": TEXT,
    "endpoint": TEXT,
    "status": "category",
    "note": TEXT,
    "state": TEXT,
    "task_id": TEXT,
    "urls": TEXTS,
    "grid_url": TEXT,
    "picked": TEXTS,
    "feedback": TEXT,
    "text": TEXT,
    "files": TEXTS,
    "credits": "double[pyarrow]",
    "unit": TEXT,
    "account": TEXT,
    "attempts": COUNT,
    "submitted_at": MOMENT,
    "finished_at": MOMENT,
    "duration": "duration[us][pyarrow]",
    "in_sheet": "bool[pyarrow]",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo, run once."""
    folder = tmp_path_factory.mktemp("notebook") / "demo"
    folder.mkdir()
    with demo(folder) as run:
        return run()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A configuration with an empty store."""
    (tmp_path / "demo.toml").write_bytes((configs() / "demo.toml").read_bytes())
    Store(load(tmp_path / "demo.toml").store_url).close()
    return tmp_path / "demo.toml"


def test_the_table_has_one_row_per_job_and_a_type_for_each_column(ran: Settings) -> None:
    jobs = notebook.open(ran.path).jobs()

    inputs = [str(name) for name in jobs.columns if name not in TYPES]
    assert "input_prompt" in inputs
    assert {str(name): str(kind) for name, kind in jobs.dtypes.items()} == {
        **TYPES,
        **dict.fromkeys(inputs, TEXT),
    }
    assert set(jobs.loc[jobs["credits"] > 0, "unit"]) == {"credit"}
    assert jobs["status"].value_counts()[["done", "failed"]].to_dict() == {"done": 8, "failed": 2}
    assert (jobs["credits"].sum(), jobs["files"].map(len).sum()) == (36, 32)


def test_the_table_has_the_requests_and_the_results(ran: Settings) -> None:
    fox = notebook.open(str(ran.path)).jobs().set_index("name").loc["fox"]

    assert fox["aspect_ratio"] == "2:3"
    assert fox["submitted_at"].tzinfo is UTC or str(fox["submitted_at"].tzinfo) == "UTC"
    assert fox["duration"] == fox["finished_at"] - fox["submitted_at"]
    assert all(Path(file).is_file() for file in fox["files"])


def test_a_prompt_that_reads_like_no_value_or_a_number_stays_this_text() -> None:
    texts = ["NA", "None", "nan", "", "007", "1e5", "0.10", "true", "2026-01-02"]
    shown = [
        Shown("r", None, "", 1, text, {"prompt": text, "style": text}, "e", "done", "")
        for text in texts
    ]
    jobs = notebook.Results("prompts.csv", tables.of_shown(shown)).jobs()

    assert all(jobs[name].tolist() == texts for name in ("prompt", "input_prompt", "style"))


def test_an_input_with_the_name_of_a_result_has_a_column_of_its_own() -> None:
    inputs = {"text": "a", "input_text": "b", "credits": "c"}
    jobs = notebook.Results(
        "prompts.csv",
        tables.of_shown([Shown("r", None, "", 1, "p", inputs, "e", "done", "", text="t")]),
    ).jobs()

    names = ["text", "input_text", "input_input_text", "input_credits"]
    assert list(jobs[names].iloc[0]) == ["t", "b", "a", "c"]


def test_a_table_without_jobs_has_the_same_types(empty: Path) -> None:
    jobs = notebook.open(empty).jobs()

    assert len(jobs) == 0
    assert {name: str(kind) for name, kind in jobs.dtypes.items()} == TYPES


@pytest.mark.parametrize("chart", ["timings", "outcomes", "spending", "gallery"])
def test_each_chart_can_be_drawn_with_jobs_and_without(
    chart: str, ran: Settings, empty: Path
) -> None:
    from matplotlib.figure import Figure

    for config in (ran.path, empty):
        figure = getattr(notebook.open(config), chart)()

        figure.canvas.draw()
        assert isinstance(figure, Figure)


def test_charts_have_titles_and_labels(ran: Settings) -> None:
    results = notebook.open(ran.path)

    titles = [chart().axes[0].get_title("left") for chart in (results.outcomes, results.spending)]
    assert titles == ["8 of 10 jobs are done", "36 credits so far"]
    assert "Half of the results came within" in results.timings().axes[0].get_title("left")


def test_the_grid_shows_one_picture_of_each_row_before_a_second_one(ran: Settings) -> None:
    figure = notebook.open(ran.path).gallery(n=9)

    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles[:8] == [
        *("hero-morning", "table", "story-steam", "teehaus"),
        *("fox", "pattern-a", "pattern-b", "hedgehogs"),
    ]
    assert titles[8:] == ["hero-morning"]


def test_a_long_word_and_a_formula_are_shown_as_the_label_of_a_picture(tmp_path: Path) -> None:
    word, urls = "Schifffahrt" * 9, ("https://x.example/1.png",)
    one = replace(job(1), prompt=word, urls=urls, files={urls[0]: tmp_path / "1.png"})
    figure = notebook.Results("x", tables.of_shown([one, replace(one, prompt="$5")])).gallery()

    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{word[:39]}…", r"\$5"]


def test_a_gallery_of_some_columns_says_what_it_needs(ran: Settings) -> None:
    results = notebook.open(ran.path)

    for some in (results.jobs()["prompt"], results.jobs()[["prompt", "files"]], results.files()):
        with pytest.raises(ConfigError, match=r"needs rows of jobs\(\)"):
            results.gallery(some)  # type: ignore[arg-type]


def test_all_tables_and_charts_use_the_same_moment(empty: Path) -> None:
    from pandas.testing import assert_frame_equal

    settings = load(empty)
    with Store(settings.store_url) as store:
        key = open_sheet(settings, store).key
        store.jobs.add([JobKey(key, f"r_00000000{number}", 1) for number in range(2)])
        results = notebook.open(empty)
        before = results.jobs()
        store.jobs.add([JobKey(key, "r_000000009", 1)])

    # The sheet has changed after these results were read.
    assert repr(notebook.open(empty)) == "<3 jobs of prompts.csv>"
    assert repr(results) == "<2 jobs of prompts.csv>"
    assert_frame_equal(results.jobs(), before)
    assert results.outcomes().axes[0].get_title("left") == "0 of 2 jobs are done"


def test_before_the_first_run_there_are_no_results_but_a_plan(tmp_path: Path) -> None:
    for name in ("demo.toml", "demo/prompts.csv"):
        (tmp_path / Path(name).name).write_bytes((configs() / name).read_bytes())
    results = notebook.open(tmp_path / "demo.toml")

    assert repr(results) == "<prompts.csv, not run yet>"
    with pytest.raises(StoreError, match="Nothing has been run yet"):
        results.jobs()
    assert len(results.plan()) == 10
    assert not (tmp_path / "promptsheet.db").exists()


@pytest.mark.parametrize(("missing", "asks"), [("pandas", "jobs"), ("matplotlib", "timings")])
def test_without_the_extra_a_message_names_what_to_install(
    missing: str, asks: str, ran: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = notebook.open(ran.path)
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigError, match=rf'{missing}.* Install "promptsheet\[notebook\]"'):
        getattr(results, asks)()


@pytest.mark.parametrize("place", ["promptsheet.toml", "demo/demo.toml", "spring/mine.toml"])
def test_a_configuration_is_found_in_this_folder_and_its_parent(
    place: str, ran: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, below = tmp_path / place, tmp_path / "notebooks"
    config.parent.mkdir(exist_ok=True)
    below.mkdir()
    text = ran.path.read_text().replace('"prompts.csv"', f'"{ran.source}"')
    config.write_text(text.replace("sqlite:///promptsheet.db", ran.store_url))
    named = place if place == "spring/mine.toml" else ""

    for folder in (tmp_path, below):
        monkeypatch.chdir(folder)
        assert repr(notebook.open(named)) == "<10 jobs of prompts.csv>"
    monkeypatch.setenv("PROMPTSHEET_CONFIG", place)
    assert len(notebook.open().jobs()) == 10


def test_events_and_files_have_a_row_for_each_one(ran: Settings) -> None:
    results = notebook.open(ran.path)
    jobs, events, files = results.jobs(), results.events(), results.files()

    assert events["event"].value_counts()[["sent", "accepted", "succeeded"]].tolist() == [10, 9, 8]
    assert events["at"].is_monotonic_increasing
    fox = jobs.loc[jobs["name"] == "fox", "row_id"].iloc[0]
    mine = events[events["row_id"] == fox]
    assert mine["event"].tolist()[0] == "sent"
    assert "task " in mine["text"].iloc[-1]
    assert files["file"].tolist() == [file for saved in jobs["files"] for file in saved]
    assert set(files["number"]) == {1, 2, 3, 4}
    assert not files["picked"].any()


def test_each_table_has_its_types_without_jobs(empty: Path) -> None:
    results = notebook.open(empty)
    for name in ("payments", "files", "events"):
        table = getattr(results, name)()
        assert len(table) == 0
        assert {str(kind) for kind in table.dtypes} <= {TEXT, COUNT, MOMENT, *OTHERS}


def test_what_is_written_into_a_table_is_in_no_other(ran: Settings) -> None:
    results = notebook.open(ran.path)
    mine = results.jobs()
    mine["take"] = 7

    assert set(results.jobs()["take"]) == {1}


def test_columns_of_the_team_are_there_as_the_sheet_shows_them(ran: Settings) -> None:
    fox = notebook.open(ran.path).jobs().set_index("name").loc["fox"]

    assert list(fox[["campaign", "channel", "owner_notes"]]) == [
        *("Autumn", "Print", "A2, so pick a calm one"),
    ]


def test_a_table_can_be_saved_and_read_again_as_its_page_says(
    ran: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/notebook.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(import pandas\n.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    jobs = notebook.open(ran.path).jobs()
    names: dict[str, Any] = {"jobs": jobs}
    exec(block, names)

    assert names["again"].drop(columns="status").equals(jobs.drop(columns="status"))
    assert names["again"]["status"].tolist() == jobs["status"].tolist()
    book = names["pandas"].read_excel("jobs.xlsx", dtype="string", keep_default_na=False)
    assert book["prompt"].tolist() == jobs["prompt"].tolist()
    assert book["urls"].str.count("http").sum() == jobs["urls"].map(len).sum() > 0


def test_a_wrong_column_is_named_with_the_one_that_was_meant(ran: Settings) -> None:
    with pytest.raises(ConfigError, match=r'no column "campain"\. Did you mean "campaign"\?'):
        notebook.open(ran.path).compare(by="campain")


def test_all_numbers_of_a_column_are_in_one_table(ran: Settings) -> None:
    table = notebook.open(ran.path).compare(by="campaign")

    assert table[["jobs", "done", "refused", "failed", "picked"]].to_dict("index") == {
        "Autumn": {"jobs": 5, "done": 5, "refused": 0, "failed": 0, "picked": 0},
        "Launch": {"jobs": 3, "done": 3, "refused": 0, "failed": 0, "picked": 0},
        "Winter": {"jobs": 2, "done": 0, "refused": 1, "failed": 1, "picked": 0},
    }
    assert table["spent"].tolist() == [20, 12, 4]
    assert table["p50"].isna().tolist() == [False, False, True]


def test_only_a_confirmed_run_pays_and_each_row_is_paid_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSHEET_DEMO_KEY", "demo")
    (tmp_path / "prompts.csv").write_text("prompt,name\na fox,fox\nan owl,owl\n", "utf-8")
    with running("demo", task_seconds=0, plain_pictures=True) as sandbox:
        text = (configs() / "demo.toml").read_text("utf-8")
        text = text.replace("http://127.0.0.1:8900", sandbox.url).replace('"1s"', '"20ms"')
        (tmp_path / "demo.toml").write_text(text, "utf-8")
        results = notebook.open(tmp_path / "demo.toml")

        plan = results.plan()
        assert plan[["name", "prompt", "endpoint", "credits", "when"]].to_numpy().tolist() == [
            ["fox", "a fox", "imagine", 4, "now"],
            ["owl", "an owl", "imagine", 4, "now"],
        ]
        assert results.run() is results
        shown = capsys.readouterr().out
        assert "2 rows to send, for 8 credits" in shown
        assert "Nothing was sent. To send and pay this, call run(confirm=True)." in shown
        for word in (1, "yes"):
            results.run(confirm=word)  # type: ignore[arg-type]
        assert sandbox.state()["tasks_taken"] == 0

        # A notebook has an event loop of its own.
        async def cell() -> notebook.Results:
            return results.run(confirm=True)

        after = asyncio.run(cell()).run(confirm=True)
        assert sandbox.state()["tasks_taken"] == 2
    lines = [line for line in capsys.readouterr().out.splitlines() if " new, " in line]
    assert [line.split(",")[0] for line in lines] == ["2 new", "0 new"]
    assert after.jobs()["status"].tolist() == ["done", "done"]
    assert "by a notebook" in after.events()["text"].iloc[0]
    assert len(after.plan()) == 0
    after.run()
    assert capsys.readouterr().out == "No row is ready to be sent.\n"


def test_without_the_key_a_run_says_which_is_missing(
    ran: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTSHEET_DEMO_KEY", raising=False)

    with pytest.raises(ConfigError, match="PROMPTSHEET_DEMO_KEY"):
        notebook.open(ran.path).run(confirm=True)
