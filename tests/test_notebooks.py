"""The notebooks run unchanged, and print the figures that SQL counts."""

from __future__ import annotations

import ast
import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.demo import demo
from pipeline.cli.demo_history import demo_history
from pipeline.config import Settings, configs, load
from pipeline.core.errors import ConfigError
from tests.fakes.histories import MONDAY, shared_history

EXTRA = ("pandas", "pyarrow", "matplotlib", "nbformat", "nbclient")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A history of some days, as the command makes it."""
    return shared_history(tmp_path_factory)


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, Path], Any]:
    """Runs a copy of a notebook in a folder, as Jupyter does."""
    import nbclient
    import nbformat

    monkeypatch.delenv("PROMPTSHEET_CONFIG", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def execute(name: str, folder: Path) -> Any:
        folder.mkdir(exist_ok=True)
        read = nbformat.read(NOTEBOOKS / name, as_version=4)  # type: ignore[no-untyped-call]
        where = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(read, timeout=60, kernel_name="python3", resources=where).execute()
        return read

    return execute


def cells_of(name: str) -> list[Any]:
    cells: list[Any] = json.loads((NOTEBOOKS / name).read_text("utf-8"))["cells"]
    return cells


@pytest.mark.parametrize("name", sorted(file.name for file in NOTEBOOKS.glob("*.ipynb")))
def test_notebooks_are_committed_without_outputs(name: str) -> None:
    code = [cell for cell in cells_of(name) if cell["cell_type"] == "code"]

    assert {(cell["execution_count"], len(cell["outputs"])) for cell in code} == {(None, 0)}


def test_the_figures_of_the_notebook_are_those_that_sql_counts(
    history: Settings, jupyter: Callable[[str, Path], Any]
) -> None:
    read = jupyter("02_results.ipynb", history.path.parent.parent / "notebooks")

    shown = {cell["id"]: cell["outputs"][0]["data"] for cell in read.cells if cell.get("outputs")}
    assert {name for name, data in shown.items() if "image/png" in data} == {
        *("outcomes", "by_hour", "waits", "waits_chart", "style", "ratio"),
        *("pick_chart", "spending", "gallery"),
    }
    tables = {name: Table(data["text/html"]) for name, data in shown.items() if "text/html" in data}
    totals = [line.split() for line in shown["totals"]["text/plain"].splitlines()[:-1]]
    with closing(store_with_sheet(history)) as store:
        counted = store.execute(TOTALS).fetchone()
        assert {name: int(number) for name, number in totals} == dict(
            zip(("jobs", "done", "refused", "failed", "results", "picked"), counted, strict=True)
        )
        assert min(counted) > 0
        for name, statement in FIGURES.items():
            counted = store.execute(statement).fetchall()
            wanted = [tuple(map(plain, line)) for line in counted]
            assert len(wanted) > 2
            assert tables[name].right(len(wanted[0])) == wanted, name


def test_a_sheet_without_these_columns_is_shown_by_endpoint(
    history: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(history.path.parent, folder)
    monkeypatch.setenv("PROMPTSHEET_CONFIG", str(folder / history.path.name))
    (sheet,) = folder.glob("*.csv")
    with sheet.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    kept = [
        n for n, title in enumerate(rows[0]) if title not in ("style", "aspect_ratio", "campaign")
    ]
    with sheet.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([row[n] for n in kept] for row in rows)
    names: dict[str, Any] = {}
    for cell in cells_of("02_results.ipynb"):
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)

    assert len(kept) == len(rows[0]) - 3
    assert names["style"] == names["ratio"] == names["campaign"] == "endpoint"
    assert {*names["results"].compare(by=names["style"]).index} == {*names["jobs"]["endpoint"]}


def test_the_tour_pays_each_row_once_and_shows_its_pictures(
    jupyter: Callable[[str, Path], Any], tmp_path: Path
) -> None:
    read = jupyter("01_tour.ipynb", tmp_path)

    shown = {cell["id"]: cell["outputs"] for cell in read.cells if "outputs" in cell}
    assert [line[3] for line in Table(shown["plan"][0]["data"]["text/html"]).lines] == [
        "imagine"
    ] * 4
    assert "4 rows to send, for 16 credits" in shown["asked"][0]["text"]
    assert shown["run"][0]["text"] == "4 new, 3 done, 1 refused, 12 credits\n"
    statuses = [line[3] for line in Table(shown["jobs"][0]["data"]["text/html"]).lines]
    assert statuses == ["done", "done", "done", "failed"]
    assert "image/png" in shown["gallery"][0]["data"]
    counted = ast.literal_eval(shown["again"][-1]["data"]["text/plain"])
    assert (len(counted), set(counted.values())) == (3, {1})
    assert len(Table(shown["events"][0]["data"]["text/html"]).lines) > 2
    assert len(list((tmp_path / "tour" / "media").glob("*.png"))) == 12


def test_a_rendered_notebook_loads_nothing_and_the_site_leads_to_it() -> None:
    pytest.importorskip("nbconvert")
    pytest.importorskip("sphinx")
    from docs.tools import notebooks, site

    page = '<p>a</p><script type="module">\nimport x from "https://cdn.example"</script><p>b</p>'

    assert notebooks.still(page) == "<p>a</p><p>b</p>"
    text = site.with_notebooks("# In a notebook\n", [Path("01_tour.html")])
    assert '<a href="../notebooks/01_tour.html">01_tour</a>' in text
    assert site.with_notebooks("# In a notebook\n", []) == "# In a notebook\n"


class Table(HTMLParser):
    """The body of a table in HTML, as lines of texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lines: list[list[str]] = []
        self._is_body = self._is_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_body |= tag == "tbody"
        self._is_cell = self._is_body and tag in ("td", "th")
        if self._is_body and tag == "tr":
            self.lines.append([])
        elif self._is_cell:
            self.lines[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.lines[-1][-1] += data

    def right(self, columns: int) -> list[tuple[object, ...]]:
        """The last columns of each line. A cell of an index may stand before several lines."""
        return [tuple(map(plain, line[-columns:])) for line in self.lines]


def plain(value: object) -> object:
    """A number that is printed with six digits after the point, or a text."""
    try:
        return round(float(str(value)), 6)
    except ValueError:
        return value


def store_with_sheet(settings: Settings) -> sqlite3.Connection:
    """The store, with the cells of the sheet as a further table `cells`."""
    store = sqlite3.connect(str(settings.store_file))
    with Path(str(settings.source)).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    store.execute("CREATE TEMPORARY TABLE cells (row_id, campaign, style, pick)")
    store.executemany("INSERT INTO cells VALUES (:row_id, :campaign, :style, :pick)", lines)
    return store


_ENDED = "sum(state = 'succeeded'), sum(state = 'failed' AND task_id = ''), "
_ENDED += "sum(state = 'failed' AND task_id <> '')"
_TRIED = "FROM jobs JOIN attempts ON attempts.job = jobs.id JOIN cells USING (row_id)"
TOTALS = f"""
    SELECT count(*), {_ENDED}, sum(json_array_length(nullif(result, ''), '$.urls')),
    sum(pick <> '') {_TRIED}
"""
#: With the value at a part of the way between two ranks, as statisticians interpolate.
_AT = """
    max(CASE WHEN rank = CAST({part} * (number - 1) AS int) THEN seconds END)
    + ({part} * (number - 1) - CAST({part} * (number - 1) AS int))
    * (max(CASE WHEN rank = min(CAST({part} * (number - 1) AS int) + 1, number - 1)
       THEN seconds END)
       - max(CASE WHEN rank = CAST({part} * (number - 1) AS int) THEN seconds END))
"""
FIGURES = {
    "waits_by_endpoint": f"""
        SELECT endpoint, number, round({_AT.format(part="0.5")}, 6) AS p50,
        round({_AT.format(part="0.9")}, 6), max(seconds) FROM (
            SELECT endpoint, (ended_at - sent_at) / 1e6 AS seconds,
            row_number() OVER (PARTITION BY endpoint ORDER BY ended_at - sent_at) - 1 AS rank,
            count(*) OVER (PARTITION BY endpoint) AS number
            FROM attempts WHERE state = 'succeeded'
        ) GROUP BY endpoint, number ORDER BY p50
    """,
    "campaign": f"""
        SELECT campaign, count(*), {_ENDED}, 1.0 * sum(state = 'succeeded') / count(*),
        1.0 * sum(state = 'failed' AND task_id = '') / count(*)
        {_TRIED} GROUP BY campaign ORDER BY count(*) DESC, campaign
    """,
    "cost_per_pick": f"""
        SELECT campaign, sum(charged), sum(pick <> ''), 1.0 * sum(charged) / sum(pick <> '')
        {_TRIED} GROUP BY campaign ORDER BY campaign
    """,
}


@pytest.mark.parametrize(
    ("is_copied", "sentence"),
    [(True, "Nothing has been run yet"), (False, "Run `promptsheet demo` there")],
)
def test_before_the_first_run_the_notebook_shows_one_sentence(
    is_copied: bool, sentence: str, tmp_path: Path, jupyter: Callable[[str, Path], Any]
) -> None:
    if is_copied:
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "demo.toml").write_bytes((configs() / "demo.toml").read_bytes())

    with pytest.raises(Exception, match=sentence) as failed:
        jupyter("02_results.ipynb", tmp_path / "notebooks")

    shown = str(failed.value)
    assert "Traceback" not in shown
    assert "pipeline/notebook" not in shown


def test_a_history_is_made_once_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSHEET_DEMO_KEY", "demo")
    monkeypatch.setattr("pipeline.cli.demo_history.utc_now", lambda: MONDAY + timedelta(hours=7))
    for name in ("one", "two"):
        demo_history(Console(quiet=True), tmp_path / name, "promptsheet", 3)

    first, second = ((tmp_path / name / "history.csv").read_bytes() for name in ("one", "two"))
    assert first == second
    assert first.count(b",done,") > 50
    with closing(store_with_sheet(load(tmp_path / "one" / "history.toml"))) as store:
        (last,) = store.execute("SELECT max(sent_at) FROM attempts").fetchone()
    # It ends with yesterday.
    assert MONDAY - timedelta(days=1) < datetime.fromtimestamp(last / 1e6, UTC) < MONDAY
    with pytest.raises(ConfigError, match="has a history already"):
        demo_history(Console(quiet=True), tmp_path / "one", "promptsheet", 3)
    with pytest.raises(ConfigError, match="not both"):
        demo(Console(quiet=True), tmp_path / "three", "promptsheet", serve=True, history=3)
    assert not (tmp_path / "three").exists()


def test_every_row_of_a_history_has_its_result_in_its_own_row_and_nothing_is_sent(
    history: Settings,
) -> None:
    with Path(str(history.source)).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))

    assert {line["status"] for line in lines} == {"done", "failed"}
    for line in lines:
        is_done = line["status"] == "done"
        assert bool(line["image_urls"]) == is_done
        assert bool(line["note"]) != is_done
        assert all(f"/task-{line['row_id'][2:]}/" in url for url in line["image_urls"].split())
    with closing(store_with_sheet(history)) as store:
        assert store.execute("SELECT count(*), max(number) FROM attempts").fetchone() == (
            len(lines),
            1,
        )
