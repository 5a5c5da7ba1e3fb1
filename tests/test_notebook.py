"""The analysis in pandas: a typed table, charts, and a notebook that runs unchanged."""

from __future__ import annotations

import sys
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline import notebook, wiring
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.model import JobKey
from pipeline.open_sheet import open_sheet
from pipeline.reports.results import Shown
from pipeline.store import Store
from tests.reports.test_results import demo

# They come with the notebook extra; the base install is tested without them. They are imported
# where they are used: collecting the tests would otherwise take a second longer in each worker.
EXTRA = ("pandas", "pyarrow", "matplotlib", "nbformat")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_results.ipynb"
TEXT, COUNT, TEXTS = "string[pyarrow]", "int64[pyarrow]", "list<item: string>[pyarrow]"
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
    (tmp_path / "demo.toml").write_bytes((wiring.configs() / "demo.toml").read_bytes())
    Store(wiring.load(tmp_path / "demo.toml").store_url).close()
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
    jobs = notebook.Results("prompts.csv", shown).jobs()

    assert all(jobs[name].tolist() == texts for name in ("prompt", "input_prompt", "style"))


def test_an_input_with_the_name_of_a_result_has_a_column_of_its_own() -> None:
    inputs = {"text": "a", "input_text": "b", "credits": "c"}
    jobs = notebook.Results(
        "prompts.csv", [Shown("r", None, "", 1, "p", inputs, "e", "done", "", text="t")]
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


def test_all_tables_and_charts_use_the_same_moment(empty: Path) -> None:
    from pandas.testing import assert_frame_equal

    settings = wiring.load(empty)
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


def test_before_the_first_run_a_message_is_shown(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_bytes((wiring.configs() / "demo.toml").read_bytes())

    with pytest.raises(StoreError, match="Nothing has been run yet"):
        notebook.open(tmp_path / "demo.toml")


@pytest.mark.parametrize(("missing", "asks"), [("pandas", "jobs"), ("matplotlib", "timings")])
def test_without_the_extra_a_message_names_what_to_install(
    missing: str, asks: str, ran: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = notebook.open(ran.path)
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(
        ConfigError, match=rf'{missing}.* Run pip install "promptsheet\[notebook\]"'
    ):
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
