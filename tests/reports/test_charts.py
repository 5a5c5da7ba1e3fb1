"""The charts of a campaign: each title is the finding that the figures give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import notebook
from pipeline.core.model import State
from pipeline.core.money.costs import Account, Cost
from pipeline.notebook.tables import of_shown
from pipeline.reports import charts
from tests.fakes.cases import each
from tests.language.test_messages import GERMAN
from tests.reports.test_figures import FAILED, MIDNIGHT, REFUSED, job, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

EXTRA = ("pandas", "pyarrow", "matplotlib")
pytestmark = pytest.mark.skipif(not all(map(find_spec, EXTRA)), reason="needs the notebook extra")

CHARTS: dict[str, Callable[[DataFrame], Figure]] = {
    "outcomes": charts.outcomes,
    "results_by_hour": charts.results_by_hour,
    "waits": charts.waits,
    "waits_by_endpoint": charts.waits_by_endpoint,
    "outcomes_by": lambda jobs: charts.outcomes_by(jobs, "style"),
    "cost_per_pick": lambda jobs: charts.cost_per_pick(jobs, "style"),
}


def said(figure: Figure) -> str:
    return figure.axes[0].get_title("left").replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")


def test_each_title_states_the_finding() -> None:
    good = [job(n, seconds=10 + n, picks=n % 2) for n in range(1, 10)]
    toys = [job(20 + n, style="toy", endpoint="video", seconds=90, picks=1) for n in range(4)]
    jobs = table(*good, *toys, REFUSED)

    assert {name: said(chart(jobs)) for name, chart in CHARTS.items()} == {
        "outcomes": "13 of 14 jobs are done",
        "results_by_hour": "The hour with the most results is 23:00 to 24:00",
        "waits": "Half of the results came within 17 s",
        "waits_by_endpoint": "imagine is the fastest (15 s), video the slowest (1 min 30 s)",
        "outcomes_by": "20 % of the jobs with style toy were refused or failed, "
        "0 % of those with style photo",
        "cost_per_pick": "A picked result with style toy cost 4 credits, "
        "one with style photo 7.20 credits",
    }


def test_a_chart_of_no_jobs_says_so_and_can_be_drawn() -> None:
    for chart in CHARTS.values():
        figure = chart(table(job(1, State.RUNNING)).iloc[:0].assign(style=""))

        figure.canvas.draw()
        assert said(figure).startswith(("No", "Nothing"))
    nothing = charts.spending(notebook.Results("prompts.csv", of_shown([])).payments())
    assert said(nothing) == "Nothing is spent yet"


def test_a_few_jobs_are_no_finding_about_their_style() -> None:
    figure = charts.outcomes_by(table(job(1), job(2), FAILED), "style")
    one_bar = charts.outcomes_by(table(job(1, style="toy"), FAILED), "style")

    assert said(figure) == "1 of 3 jobs were refused or failed, by style"
    assert said(one_bar) == "1 of 2 jobs were refused or failed"


def test_texts_of_a_sheet_are_shown_as_they_are_and_long_ones_shortened() -> None:
    styles = ["$wool$", "a_b^c", "NA", "", "a very long style that nobody would want on an axis"]
    figure = charts.outcomes_by(table(*(job(1, style=style) for style in styles)), "style")

    figure.canvas.draw()
    words = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert words == {r"\$wool\$", "a_b^c", "NA", "(empty)", "a very long style that…"}


def test_of_very_many_texts_the_most_frequent_are_shown_and_the_rest_counted() -> None:
    jobs = table(*(job(n, style=f"style {n}") for n in range(30)))

    axes = charts.outcomes_by(jobs, "style").axes[0]
    assert (len(axes.get_yticks()), axes.get_ylabel()) == (12, "12 of 30")


def test_a_few_very_slow_jobs_do_not_hide_the_others() -> None:
    axes: Any = charts.waits(table(*(job(n, seconds=n) for n in (1, 2, 3, 9000)))).axes[0]

    assert axes.get_xscale() == "log"
    assert sum(bar.get_height() for bar in axes.patches) == 4


def test_each_account_has_a_panel_of_its_own_whatever_a_job_was_paid_with() -> None:
    luma = Account("Luma", "US cent")
    apiframe = Account("Apiframe", "credit")
    both = replace(job(2, after=timedelta(hours=1)), costs=(Cost(0.1, apiframe), Cost(30, luma)))
    first = replace(job(1), costs=(Cost(0.2, apiframe),))

    figure = charts.spending(notebook.Results("prompts.csv", of_shown([both, first])).payments())
    assert said(figure) == "0.3 credits at Apiframe and 30 US cents at Luma so far"
    axes: Any = figure.axes
    lines = [list(line.get_ydata()) for each in axes for line in each.get_lines()]
    # Each begins with nothing, and goes on to the end of the chart.
    assert lines == [[0, 0.2, 0.3, 0.3], [0, 30, 30]]
    assert [each.get_ylabel() for each in axes] == ["credits", "US cents"]
    assert [each.texts[0].get_text() for each in axes] == ["Apiframe", "Luma"]


def test_costs_are_shown_at_the_hours_and_days_of_the_time_zone() -> None:
    shown = [job(1), job(2, after=timedelta(hours=3))]
    payments = notebook.Results("prompts.csv", of_shown(shown)).payments()
    axes = charts.spending(payments, "Asia/Tokyo").axes[0]

    # 23:00 UTC on 1 March is 8:00 on the next day.
    words = [label.get_text() for label in axes.get_xticklabels()]
    assert words[0].endswith("\n2 Mar")
    assert {word[:2] for word in words} <= {"08", "09", "10", "11"}
    assert axes.get_xlabel() == "time of submission (Asia/Tokyo)"


def test_costs_do_not_go_back_in_time_when_the_clocks_do() -> None:
    night = datetime(2026, 10, 25, 0, 5, tzinfo=UTC) - MIDNIGHT  # 2:05 in Berlin, one hour before
    shown = [job(n, after=night + timedelta(minutes=20 * n)) for n in range(6)]
    payments = notebook.Results("prompts.csv", of_shown(shown)).payments()
    axes: Any = charts.spending(payments, "Europe/Berlin").axes[0]

    times = [*axes.get_lines()[0].get_xdata()]
    assert times == sorted(times)
    places = [*axes.get_xticks()]
    assert places == sorted(places)
    words = [label.get_text()[:5] for label in axes.get_xticklabels()]
    assert len(words) - len({*words}) > 0  # some times of that night are there twice


@each(
    ("seconds", "label"),
    [(20, "seconds until the result"), (900, "minutes until the result")],
)
def test_long_waits_are_shown_in_a_longer_unit(seconds: int, label: str) -> None:
    jobs = table(*(job(n, seconds=seconds + n) for n in range(5)))

    for chart in (charts.waits, charts.waits_by_endpoint):
        axes = chart(jobs).axes[0]
        assert axes.get_xlabel() == label
        assert axes.get_xlim()[1] < 100


def test_the_words_of_a_chart_are_in_the_language_of_the_sheet() -> None:
    axes = charts.waits(table(*(job(n, seconds=10 + n / 2) for n in range(3))), GERMAN).axes[0]

    assert axes.get_title("left") == "Die Hälfte der Ergebnisse kam innerhalb von 10,5 s"
    assert axes.get_ylabel() == "Aufträge"
    picked = [job(1, picks=1, credits=1), job(2, picks=2, credits=1, style="toy")]
    costs: Any = charts.cost_per_pick(table(*picked), "style", GERMAN).axes[0]
    costs.figure.canvas.draw()
    words = [label.get_text() for label in costs.get_xticklabels()]
    assert (words[0], [word for word in words if "." in word]) == ("0", [])


def test_what_reads_the_same_is_not_compared() -> None:
    photos = [job(n, picks=1) for n in range(98)]
    toys = [
        job(n, style="toy", endpoint="video", seconds=10.02, picks=1, credits=4 + (n == 0))
        for n in range(300)
    ]
    lost = [job(1, State.FAILED, style=style) for style in ("photo", "photo", *["toy"] * 6)]
    done = table(*photos, *toys)

    assert said(charts.cost_per_pick(done, "style")) == "A picked result cost 4 credits"
    assert said(charts.waits_by_endpoint(done)) == "Half of the results came within 10 s"
    by_style = charts.outcomes_by(table(*photos, *toys, *lost), "style")
    assert said(by_style) == "8 of 406 jobs were refused or failed, by style"
