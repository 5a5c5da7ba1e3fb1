"""The report shows the figures that SQL counts, runs no outside code, and fits a phone."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline import wiring
from pipeline.cli.commands import app
from pipeline.cli.demo_history import demo_history
from pipeline.config import Settings
from pipeline.core.errors import ConfigError
from pipeline.images import reduced
from pipeline.open_pictures import Pictures
from pipeline.reports import picked
from pipeline.reports.results import results_and_waiting_rows
from tests.fakes.browser import Look, browser
from tests.reports.test_gallery import EVIL, Page
from tests.test_notebooks import FIGURES, TOTALS, store_with_sheet

EXTRA = ("pandas", "pyarrow", "matplotlib")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A history in which a campaign and some prompts look like markup."""
    folder = tmp_path_factory.mktemp("report") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTSHEET_DEMO_KEY", "demo")
        # On a weekend, a team does less.
        monday = datetime(2026, 11, 23, tzinfo=UTC)
        patch.setattr("pipeline.cli.demo_history.utc_now", lambda: monday)
        assert demo_history(Console(quiet=True), folder, "promptsheet", 4) == 0
    settings = wiring.load(folder / "history.toml")
    sheet = folder / "history.csv"
    with sheet.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    for row in rows[::3]:
        row[head.index("campaign")] = EVIL + "\x01"
    with sheet.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    with closing(sqlite3.connect(str(settings.store_file))) as store, store:
        for word in ("shield", "sneaker"):  # a refused prompt and a picked one
            store.execute("UPDATE attempts SET prompt = replace(prompt, ?, ?)", [word, EVIL])
    return settings


def report(settings: Settings, to: Path, *options: str) -> str:
    """What the command writes."""
    words = ["report", str(settings.path), "-o", str(to), *options]
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0
    assert ended.output.startswith("Report: ")
    return to.read_text("utf-8")


@pytest.fixture(scope="module")
def file(history: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report, written once: the tests only read it."""
    to = tmp_path_factory.mktemp("written") / "report.html"
    report(history, to, "--title", EVIL)
    return to


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    return Page(file.read_text("utf-8"))


def table(html: str, title: str) -> list[list[str]]:
    """The body of the table with this title, as texts without markup."""
    body = html.split(f'aria-label="{title}"', 1)[1].split("<tbody", 1)[1].split("</tbody>", 1)[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in body.split("</tr>")]
    return [line for line in lines if line]


def test_the_figures_of_a_report_are_those_that_sql_counts(history: Settings, file: Path) -> None:
    html = file.read_text("utf-8")
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))
    with closing(store_with_sheet(history)) as store:
        jobs, done, refused, failed, results, picks = store.execute(TOTALS).fetchone()
        costs = store.execute(FIGURES["cost_per_pick"]).fetchall()
        ends = {line[0]: line[1:5] for line in store.execute(FIGURES["campaign"])}
    spent = sum(cost[1] for cost in costs)

    assert min(done, refused, failed, picks) > 0
    shown = [facts[name].replace(",", "") for name in ("jobs", "done", "refused or failed")]
    assert shown == [str(jobs), str(done), str(refused + failed)]
    assert [facts["results"].replace(",", ""), facts["picked"]] == [str(results), str(picks)]
    assert facts["credits"].replace(",", "") == str(spent)
    assert float(facts["credits per picked picture"]) == round(spent / picks, 2)

    by_campaign = table(html, "By campaign")
    assert len(by_campaign) == len(costs) == len(ends) > 2
    counts = [[int(number.replace(",", "")) for number in line[1:5]] for line in by_campaign]
    assert sorted(counts) == sorted(map(list, ends.values()))
    paid = [(int(line[7].replace(",", "")), int(line[6])) for line in by_campaign]
    assert sorted(paid) == sorted((cost[1], cost[2]) for cost in costs)


def test_a_report_runs_no_script_and_names_no_other_place(page: Page, file: Path) -> None:
    tags = {tag for tag, _ in page.elements}
    policies = [one for one in page.all("meta", "content") if "default-src" in one]

    assert tags & {"script", "iframe", "object", "a", "form"} == set()
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert all(source.startswith("data:image/") for source in page.all("img", "src"))
    assert len(page.all("img", "src")) > 20
    links = [attrs["href"] for _, attrs in page.elements if "href" in attrs]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not any("style" in attrs for _, attrs in page.elements)
    assert re.findall(r"url\(([^#])", file.read_text("utf-8")) == []


def test_hostile_text_in_a_cell_a_prompt_or_the_title_stays_text(page: Page, file: Path) -> None:
    html = file.read_text("utf-8")

    assert "alert(1)" in page.text  # in a table, and in a chart
    assert "<script" not in html
    assert "onerror" not in {name for _, attrs in page.elements for name in attrs}
    assert page.text.count(EVIL) > 1
    assert any(EVIL[:40] in words for words in page.all("img", "alt"))


def test_every_chart_is_there_for_both_widths_with_its_finding_as_text(page: Page) -> None:
    findings = [attrs["aria-label"] for _, attrs in page.elements if attrs.get("role") == "img"]
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]

    assert len(findings) == len(set(findings)) >= 9
    assert len([tag for tag, _ in page.elements if tag == "svg"]) == 1 + 2 * len(findings)
    assert len(ids) == len(set(ids))
    assert all(finding in page.text for finding in findings)


@pytest.fixture(scope="module")
def window() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1100, "dark")])
def test_a_report_fits_the_window_and_everybody_can_read_it(
    width: int, scheme: Any, file: Path, window: Any
) -> None:
    context = window.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, bypass_csp=False
    )
    look = Look(context.new_page(), "")
    look.watch()
    look.page.goto(file.as_uri())

    look.assert_well()
    assert look.page.locator("svg:visible").count() >= 10
    context.close()


def test_the_period_decides_which_jobs_are_counted(history: Settings, tmp_path: Path) -> None:
    with closing(store_with_sheet(history)) as store:
        (first,) = store.execute("SELECT min(sent_at) FROM attempts").fetchone()
        day = datetime.fromtimestamp(first / 1e6, UTC).date()
        sent = "SELECT count(*) FROM attempts WHERE date(sent_at / 1e6, 'unixepoch') = ?"
        (jobs,) = store.execute(sent, [f"{day}"]).fetchone()

    on_it = report(history, tmp_path / "one.html", "--since", f"{day}", "--until", f"{day}")
    never = report(history, tmp_path / "two.html", "--until", "2001-01-01")

    assert jobs > 0
    assert f"<dt>jobs</dt><dd>{jobs:,}</dd>" in on_it
    assert "There are no jobs in this time." in never


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "yesterday"), "--since yesterday is not a date"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "is before --since"),
        (("--by", "credits"), 'by "credits". Use one of aspect_ratio, style, '),
    ],
)
def test_a_wrong_option_is_one_sentence(
    options: tuple[str, ...], sentence: str, history: Settings
) -> None:
    ended = CliRunner().invoke(app, ["report", str(history.path), *options])

    assert isinstance(ended.exception, ConfigError)
    assert sentence in str(ended.exception)


def test_without_the_extra_a_report_says_how_to_install_it(
    history: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("pipeline.reports.extras.importlib.import_module", missing)
    ended = CliRunner().invoke(app, ["report", str(history.path)])

    assert isinstance(ended.exception, ConfigError)
    assert 'Run pip install "promptsheet[notebook]".' in str(ended.exception)


def test_a_report_that_cannot_be_finished_leaves_the_old_one(
    history: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "report.html"
    to.write_text("the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.plain_files.os.fsync", full)
    ended = CliRunner().invoke(app, ["report", str(history.path), "-o", str(to)])

    assert "No space left on device" in str(ended.exception)
    assert to.read_text() == "the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_report_never_replaces_the_sheet_the_configuration_or_the_store(
    history: Settings, tmp_path: Path
) -> None:
    assert history.store_file
    linked = tmp_path / "linked.html"
    linked.symlink_to(history.file)
    claim = history.file.with_name(f"{history.file.name}.promptsheet")
    ours = [history.file, history.path, history.store_file, claim]
    before = [one.read_bytes() for one in ours if one.exists()]
    assert len(before) >= 3

    for to in (*ours, linked, history.store_file.with_name(f"{history.store_file.name}-wal")):
        ended = CliRunner().invoke(app, ["report", str(history.path), "-o", str(to)])
        assert isinstance(ended.exception, ConfigError), to
        assert f"{to} is the sheet or belongs to it" in str(ended.exception)

    assert [one.read_bytes() for one in ours if one.exists()] == before
    assert linked.is_symlink()


def test_a_report_holds_so_many_pictures_and_says_how_many_there_are(
    history: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picked, "MOST", 5)
    html = report(history, tmp_path / "few.html")

    assert html.count("<img ") == 5
    assert re.search(r"5 of \d+ pictures are shown, the newest ones first", html)


def test_a_picture_that_cannot_be_read_is_not_among_those_that_there_are(
    history: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picked, "MOST", 5)
    rows = results_and_waiting_rows(history)
    shown = [one for one in rows if one.state is not None]
    with Pictures(history) as pictures:
        all_of_them = picked.gallery(shown, pictures)
        calls = iter([True, True])

        def broken_twice(file: Path | BinaryIO, side: int) -> bytes | None:
            return None if next(calls, False) else reduced(file, side)

        monkeypatch.setattr(picked, "reduced", broken_twice)
        without = picked.gallery(shown, pictures)

    assert len(all_of_them.pictures) == len(without.pictures) == 5
    assert without.of == all_of_them.of - 2
