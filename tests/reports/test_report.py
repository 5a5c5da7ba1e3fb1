"""The report shows the figures that SQL counts, runs no outside code, and fits a phone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.cli.report import Wanted, write_report
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, SheetError
from pipeline.core.language import NOTHING, Said, say
from pipeline.core.money.costs import Account, Cost
from pipeline.images import reduced
from pipeline.notebook.tables import jobs_table, of_shown, payments_table
from pipeline.open_pictures import Pictures
from pipeline.reports import picked
from pipeline.reports.report import Contents
from pipeline.reports.report import page as page_html
from pipeline.reports.results import Shown, results_and_waiting_rows
from tests.fakes.browser import Look, browser
from tests.fakes.histories import EVIL, shared_history
from tests.language.test_messages import GERMAN
from tests.language.test_page import in_wide_letters
from tests.reports.test_figures import FAILED, job
from tests.reports.test_gallery import Page
from tests.test_notebooks import FIGURES, TOTALS, store_with_sheet

EXTRA = ("pandas", "pyarrow", "matplotlib")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")


SENT = say("sent on {day}", day="1 Mar 2026")
#: CSS pixels of a millimetre.
MM = 96 / 25.4
#: What belongs together on paper: charts, pictures and tables.
PARTS = """[...document.querySelectorAll("figure, .block, .facts")].map(one => ({
    cut: getComputedStyle(one).breakInside,
    width: one.getBoundingClientRect().width,
    height: one.getBoundingClientRect().height,
}))"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A history in which a campaign and some prompts look like markup."""
    return shared_history(tmp_path_factory)


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
    lines = [re.findall(r"<bdi>(.*?)</bdi>", line) for line in body.split("</tr>")]
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
    assert float(facts["credits per picked result"]) == round(spent / picks, 2)

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


def test_every_chart_has_its_finding_as_text(page: Page) -> None:
    findings = [attrs["aria-label"] for _, attrs in page.elements if attrs.get("role") == "img"]
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]

    assert len(findings) == len(set(findings)) >= 9
    assert len([tag for tag, _ in page.elements if tag == "svg"]) == 1 + len(findings)
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
    context = window.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)
    look = Look(context.new_page(), "")
    look.watch()
    look.page.goto(file.as_uri())

    look.assert_well()
    assert look.page.locator("svg:visible").count() >= 10
    look.assert_for_everybody()
    context.close()


@pytest.mark.parametrize(("paper", "width", "height"), [("A4", 182, 267), ("Letter", 187.9, 249.4)])
def test_nothing_is_cut_by_the_end_of_a_printed_page(
    paper: str, width: float, height: float, file: Path, window: Any
) -> None:
    page = window.new_page()
    page.goto(file.as_uri())
    pdf = page.pdf(format=paper)
    # What a page has between its margins, in millimetres.
    page.set_viewport_size({"width": round(width * MM), "height": round(height * MM)})
    page.emulate_media(media="print")
    parts = page.evaluate(PARTS)
    ends = "all => all.map(one => getComputedStyle(one).breakAfter)"
    headings = page.locator("h2, h3, #pictures > .more").evaluate_all(ends)
    page.close()

    assert (len(headings) > 9, set(headings)) == (True, {"avoid"})
    assert len(parts) > 100
    assert [part for part in parts if part["cut"] not in ("avoid", "avoid-page")] == []
    assert max(part["height"] for part in parts) < height * MM
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    used = sum(part["height"] * part["width"] for part in parts) / (width * height * MM * MM)
    assert 4 <= used < pages <= 2 * used


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


def test_a_column_is_named_as_the_report_and_the_sheet_show_it(
    history: Settings, tmp_path: Path
) -> None:
    html = report(history, tmp_path / "report.html", "--by", "Aspect Ratio", "--by", "CAMPAIGN")

    assert re.findall(r'aria-label="By (.*?)"', html) == ["aspect ratio", "campaign"]


def test_a_status_beside_a_long_note_is_not_broken_within_its_word(
    history: Settings, tmp_path: Path, window: Any
) -> None:
    long = replace(FAILED, needs=("invalid", "Not sent, nothing paid. " * 8), prompt="word " * 9)
    (tmp_path / "report.html").write_text(page_of(history, [long]), "utf-8")
    page = window.new_page(viewport={"width": 1100, "height": 740})
    page.goto((tmp_path / "report.html").as_uri())

    lines = "words => words.map(one => one.getClientRects().length)"
    assert page.locator("td bdi").get_by_text("invalid").evaluate_all(lines) == [1]
    assert page.locator("td bdi").get_by_text("Not sent").evaluate_all(lines)[0] > 1
    page.close()


def test_without_the_extra_a_report_says_how_to_install_it(
    history: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("pipeline.reports.extras.importlib.import_module", missing)
    ended = CliRunner().invoke(app, ["report", str(history.path)])

    assert isinstance(ended.exception, ConfigError)
    assert 'Install "promptsheet[notebook]" with' in str(ended.exception)


def test_a_report_that_cannot_be_finished_leaves_the_old_one(
    history: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "report.html"
    to.write_text("the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.plain_files.os.fsync", full)
    words = ["report", str(history.path), "-o", str(to), "--until", "2001-01-01"]
    ended = CliRunner().invoke(app, words)

    assert "No space left on device" in str(ended.exception)
    assert to.read_text() == "the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_report_says_that_the_sheet_cannot_be_read(
    history: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(_: object) -> None:
        raise SheetError("prompts.csv cannot be read: Permission denied.")

    monkeypatch.setattr("pipeline.sheets.csv.sheet.CsvSheet.read", unread)
    to = tmp_path / "report.html"
    ended = CliRunner().invoke(app, ["report", str(history.path), "-o", str(to)])

    assert ended.exit_code == 0
    assert "prompts.csv cannot be read: Permission denied. What only the sheet says" in ended.output
    assert "Report: " in ended.output
    assert to.exists()


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


def test_a_report_holds_so_many_pictures_and_says_how_many_there_are(page: Page) -> None:
    found = re.search(r"90 of (\d+) pictures are shown, the newest ones first", page.text)

    assert len(page.all("img", "src")) == picked.MOST == 90
    assert found
    assert int(found[1]) > 90


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
    assert (all_of_them.missing, without.missing) == (0, 2)


def test_a_report_says_how_many_picked_pictures_have_no_file(history: Settings) -> None:
    one = job(1, picks=2)
    with Pictures(history) as pictures:
        found = picked.gallery([one, job(2, picks=1)], pictures)

    assert (found.pictures, found.of, found.missing) == ((), 0, 3)
    html = page_of(history, [one], found)
    assert "3 picked pictures are not shown: their files are missing or damaged." in html


def page_of(
    settings: Settings,
    shown: Sequence[Shown],
    found: picked.Gallery | None = None,
    period: Said = SENT,
) -> str:
    """The report of these jobs, which are all rows of the sheet."""
    made = of_shown(shown)
    contents = Contents(
        title="Report",
        period=period,
        shown=shown,
        jobs=jobs_table(made),
        payments=payments_table(made),
        now=shown,
        gallery=found or picked.Gallery((), 0, are_picked=False),
        columns=("style",),
    )
    return page_html(settings, contents, datetime(2026, 3, 2, tzinfo=UTC))


def test_a_picked_video_is_not_called_a_missing_picture(history: Settings, tmp_path: Path) -> None:
    urls = ("https://x.example/1.mp3", "https://x.example/signed")
    (tmp_path / "2.mp4").write_bytes(b"a video")
    one = replace(job(1), urls=urls, picked=urls, files={urls[1]: tmp_path / "2.mp4"})
    with Pictures(history) as pictures:
        found = picked.gallery([one], pictures)

    assert (found.of, found.missing, found.others) == (0, 0, 2)
    html = page_of(history, [one], found)
    assert "2 picked results are videos or sounds. This page shows pictures only." in html


def test_a_few_jobs_are_told_in_sentences_instead_of_charts(history: Settings) -> None:
    html = page_of(history, [job(1), job(2)])

    assert "<figure" not in html
    for sentence in (
        "2 of 2 jobs are done.",
        "8 credits so far.",
        "Half of the results came within 10 s.",
        "No job was refused, and none failed.",
    ):
        assert f"<p>{sentence}</p>" in html


def test_a_finding_of_several_columns_is_said_once_and_names_its_account(
    history: Settings,
) -> None:
    own, luma = Account("Apiframe", "credit", is_own=True), Account("Luma", "US cent")
    first = replace(job(1, picks=1), costs=(Cost(4, own),))
    other = replace(job(2, style="toy"), costs=(Cost(30, luma),))
    html = page_of(history, [first, other])

    assert html.count("A picked result cost 4 credits at Apiframe.") == 1
    assert "Made with Apiframe (API version 1) and Luma" in html
    # Costs in two units are not added.
    assert "<bdi>spent</bdi>" not in html
    assert table(html, "By style") == [
        ["photo", "1", "1", "0", "0", "10 s", "1"],
        ["toy", "1", "1", "0", "0", "10 s", "0"],
    ]


def test_without_jobs_a_report_speaks_of_a_time_only_if_one_is_named(history: Settings) -> None:
    assert "There are no jobs in this time." in page_of(history, [])
    html = page_of(history, [], period=NOTHING)
    assert ("There are no results yet." in html, "in this time" in html) == (True, False)


def test_what_to_do_counts_rows_and_leaves_out_what_was_dismissed(history: Settings) -> None:
    broken = replace(FAILED, needs=("failed", "Change the prompt."))
    parts = [replace(broken, row_id="r8", part=part) for part in ("1", "2")]
    html = page_of(history, [broken, *parts, FAILED])

    assert table(html, "What to do") == [
        ["2", "failed", "Change the prompt.", "Row 5 · prompt toy"]
    ]
    assert "No row waits for a person." in page_of(history, [FAILED])


def test_notes_that_differ_only_in_numbers_are_one_line_of_what_to_do(history: Settings) -> None:
    notes = {
        "r1": "Task 7 failed after 2 tries. It may have cost 4 credits.",
        "r2": "Task 8 failed after 2 tries. It may have cost 1,250.5 credits.",
        "r3": "Task 9 failed. It may have cost 4 credits.",
    }
    rows = [replace(FAILED, row_id=row, needs=("failed", note)) for row, note in notes.items()]

    assert [line[:3] for line in table(page_of(history, rows), "What to do")] == [
        ["2", "failed", "Task … failed after 2 tries. It may have cost … credits."],
        ["1", "failed", "Task 9 failed. It may have cost 4 credits."],
    ]


def test_notes_that_differ_only_in_the_name_of_a_task_are_one_line_of_what_to_do(
    history: Settings,
) -> None:
    late = "Apiframe has had task {} for over 60 min."
    tasks = {"r1": "task-abc", "r2": "0c-f4-2b", "r3": "task-xyz"}
    rows = [
        replace(FAILED, row_id=row, task_id=task, needs=("check needed", late.format(task)))
        for row, task in tasks.items()
    ]

    assert [line[:3] for line in table(page_of(history, rows), "What to do")] == [
        ["3", "check needed", late.format("…")],
    ]
    assert table(page_of(history, rows[:1]), "What to do")[0][2] == late.format("task-abc")


def test_bars_that_are_all_equal_are_a_sentence_and_no_chart(history: Settings) -> None:
    others = [replace(FAILED, row_id=f"r{n}", inputs={"style": f"{n}"}) for n in range(3)]
    html = page_of(history, [FAILED, *others])

    assert "<p>4 of 4 jobs were refused or failed.</p>" in html
    assert "<figure" not in html
    assert "by style</figcaption>" in page_of(history, [FAILED, *others, job(9)])


def test_a_price_of_a_credit_gives_the_costs_in_money(history: Settings) -> None:
    priced = Account("Apiframe", "credit", credit_price="0.01 USD")
    one = replace(job(1), costs=(Cost(250, priced),))

    assert "<dt>spent</dt><dd>2.50 USD</dd>" in page_of(history, [one])
    assert "USD" not in page_of(history, [one, job(2)])


def test_a_report_of_a_german_sheet_is_in_german(history: Settings, tmp_path: Path) -> None:
    wide = {forms: tuple(map(in_wide_letters, texts)) for forms, texts in GERMAN.messages.items()}
    german = replace(history, catalogue=replace(GERMAN, messages=wide))
    target = write_report(
        german, Wanted(tmp_path / "german.html"), datetime(2026, 3, 2, tzinfo=UTC)
    )
    parsed = Page(target.read_text("utf-8"))
    labels = [attrs["aria-label"] for _, attrs in parsed.elements if "aria-label" in attrs]

    with history.file.open(newline="", encoding="utf-8") as opened:
        lines = list(csv.DictReader(opened))
    of_people = ("campaign", "subject", "style", "owner", "endpoint", "status")
    texts = [line[name] for line in lines for name in of_people]
    texts += [*lines[0], history.file.name, german.provider.full_title, "Promptsheet UTC imagine"]
    texts += ["banned word in the prompt: blood", "No available capacity", *german.titles]
    words = set(re.findall(r"[A-Za-z]{2,}", " ".join([parsed.text, *labels])))
    known = set(re.findall(r"[A-Za-z]{2,}", " ".join(texts)))
    assert len(labels) > 15
    # A name in a chart may end in the middle of a word.
    assert [word for word in words if not any(one.startswith(word) for one in known)] == []
