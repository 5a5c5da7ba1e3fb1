"""Text in the terminal and in our cells: one line, within the width, never a formula."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from pipeline import terminal
from pipeline.cli import output
from pipeline.core.api.provider import Key, Poll, Provider, TaskFields
from pipeline.core.cells.content import cells_of
from pipeline.core.inputs import canonical
from pipeline.core.language import together
from pipeline.core.model import Attempt, Job, JobKey, KnownRow, Result, RowKind, State
from pipeline.core.money.costs import OWN, Cost
from pipeline.core.planning.job_status import job_status
from pipeline.core.planning.lines import Line
from pipeline.core.rows.known import Seen
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Marked
from pipeline.core.text import one_line
from pipeline.reports import summary
from pipeline.sync.outcome import Outcome, PassCounts
from pipeline.sync.row_reports import Row
from tests.fakes.cases import each
from tests.fakes.team import LIVE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: Formulas, and characters that hide a formula from a simple check.
CORPUS = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1"),
    *("＝1", "＋1", "－1", "＠1", "|calc", "%0A=1", "\x00=1", "\u200b=1", "\ufeff=1", "\x1b[31m=1"),
    *("'=1", '"=1', ";=1", "", "-", "=", "a\r=1", "a\tb"),
)
PROVIDER = Provider("Apiframe", "", Key(), TaskFields(("id",), (), (), ()), Poll("", ""), {})
RULES = Rules("sheet", PROVIDER, "imagine")


@each("text", CORPUS)
@each("state", [s for s in State if s is not State.PENDING])
def test_none_of_our_cells_becomes_a_formula_whatever_the_api_or_a_person_wrote(
    text: str, state: State
) -> None:
    prompt = canonical({"prompt": text})
    attempt = Attempt(
        *(1, state, prompt, ("prompt",), "imagine", 4, NOW, NOW),
        task_id=text,
        result=Result(("https://example.com/1.png",)),
        reason=text,
    )
    for shown in (attempt, replace(attempt, task_id="")):
        job = Job(JobKey("sheet", "r_abcdefghi", 1), attempts=(shown,))
        status, note = job_status(
            job, canonical({"prompt": "new words"}), RULES, NOW, "put 2 in the take column"
        )
        line = _line(prompt, status, note, job)

        live = {name: said for name, said in cells_of(line).items() if said.startswith(LIVE)}
        assert live == {}


@each("width", [30, 50, 80, 140, 300])
def test_a_table_of_rows_fits_its_terminal_and_shows_each_number_and_status(width: int) -> None:
    note = "Apiframe refused the prompt: \x1b[31mbanned\x1b[0m\nword. Change it. " * 3
    long = "ein Leuchtturm 灯台 🏮 " * 20
    shown = [_row(long, "check needed", note, number) for number in (9, 12345)]

    text = _printed(output.rows_table(shown, width, [4, 4]), width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert all(number in text for number in ("    9  ", "12345  "))
    assert text.count("check needed") == 2
    assert ("Change it." in text) == (width >= output.NARROW)
    assert "\x1b" not in text


def test_outside_text_is_one_line_without_control_characters() -> None:
    assert one_line("a\r\nb\x1b[2J\tc \u202e d") == "a b [2J c d"


def test_a_sentence_names_its_sheet_once() -> None:
    assert terminal.about("a.csv", "It is full.") == "a.csv: It is full."
    assert terminal.about("a.csv", "a.csv is full.") == "a.csv is full."
    assert terminal.about("a.csv", "/somewhere/a.csv is full.") == "/somewhere/a.csv is full."


def test_the_closing_line_has_the_results_and_the_remaining_rows() -> None:
    costs = (Cost(44, OWN),)
    outcome = Outcome(title="a.csv", counts=PassCounts(new=12, done=11, refused=1, costs=costs))
    assert summary.closing(outcome) == "12 new, 11 done, 1 refused, 44 credits"

    outcome.counts.failed, outcome.counts.lost = 2, 3
    outcome.statuses.update({"queued": 4, "over budget": 5, "in progress": 6, "sending": 1})
    assert summary.closing(outcome) == (
        "12 new, 11 done, 1 refused, 2 failed, 3 without an answer, 7 in progress, "
        "4 still to send, 5 over budget, 44 credits"
    )


def _row(prompt: str, status: str, note: str, number: int = 2) -> Row:
    return Row(number, "r_abcdefghi", "", prompt, status, note, 1, "", (), "", 0, True, False, {})


def _line(inputs: str, status: str, note: str, job: Job | None) -> Line:
    known = KnownRow("r_abcdefghi", inputs, 1)
    marked = Marked(1, "r_abcdefghi", inputs, "", "", has_results=False, has_marks=False)
    seen = Seen(marked, "r_abcdefghi", RowKind.ROW, known)
    return Line(seen, known, status, together([note]), take=1, job=job)


def _printed(table: object, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(table)
    return out.getvalue()
