"""Faults in the report of a sheet."""

from __future__ import annotations

from tests.mutants.fault import Fault

_REPORT, _CHARTS = "pipeline/reports/report.py", "tests/reports/test_charts.py"
_TESTS, _RESULTS = "tests/reports/test_report.py", "tests/reports/test_results.py"

FAULTS = (
    Fault(
        "a report counts refused jobs only",
        "use",
        _REPORT,
        'in_figures(totals["refused"] + totals["failed"])',
        'in_figures(totals["refused"])',
        _TESTS,
    ),
    Fault(
        "a report shows money for a part of the costs",
        "use",
        _REPORT,
        "if all(cost.account.credit_price for cost in costs):",
        "if any(cost.account.credit_price for cost in costs):",
        _TESTS,
    ),
    Fault(
        "costs in two units are added",
        "use",
        "pipeline/reports/figures.py",
        'table["spent"] = spent if len(accounts) == 1 else float("nan")',
        'table["spent"] = spent',
        _TESTS,
    ),
    Fault(
        "a report counts the jobs of all days in a period",
        "use",
        "pipeline/cli/report.py",
        "if one.state is not None and period.has(one)]",
        "if one.state is not None]",
        _TESTS,
    ),
    Fault(
        "a dismissed row is still among what there is to do",
        "use",
        "pipeline/reports/results.py",
        "in _NEEDS and not is_away",
        "in _NEEDS",
        _RESULTS,
    ),
    Fault(
        "a next take that waits for a person is not among what there is to do",
        "use",
        "pipeline/reports/results.py",
        "if next_take and next_take.status in _NEXT_TAKE:",
        "if next_take and not next_take.status:",
        _RESULTS,
    ),
    Fault(
        "the costs over time are in UTC",
        "use",
        "pipeline/reports/charts.py",
        'table["at"].dt.tz_convert(zone)',
        'table["at"].dt.tz_convert("UTC")',
        _CHARTS,
    ),
    Fault(
        "the words of charts are English on every sheet",
        "use",
        "pipeline/reports/drawing.py",
        "self.text: Callable[[str], str] = catalogue.text",
        "self.text: Callable[[str], str] = str",
        _CHARTS,
    ),
    Fault(
        "a chart shows a single bar",
        "use",
        _REPORT,
        "shows_more = len(figure.axes[0].get_yticks()) > 1",
        "shows_more = True",
        _TESTS,
    ),
    Fault(
        "a picked picture without a file is not mentioned",
        "use",
        "pipeline/reports/picked.py",
        "missing = sum(picks) - len(every) if are_picked else 0",
        "missing = 0",
        _TESTS,
    ),
    Fault(
        "a table is cut by the end of a printed page",
        "use",
        "pipeline/templates/report.css",
        "figure, tr, .block { break-inside: avoid; }",
        "figure, tr { break-inside: avoid; }",
        _TESTS,
    ),
    Fault(
        "a text of a sheet is markup in a report",
        "P7",
        "pipeline/templates/report.html.j2",
        ' class="name"{% endif %}><bdi>{{ cell }}</bdi>',
        ' class="name"{% endif %}><bdi>{{ cell | safe }}</bdi>',
        _TESTS,
    ),
    Fault(
        "an API of the team is offered a stand-in that does not exist",
        "use",
        "pipeline/cli/stand_in.py",
        'return name.startswith("apiframe") or name in VENDORS',
        "return True",
        "tests/cli/test_first_run.py",
    ),
    Fault(
        "any word is a yes",
        "P1",
        "pipeline/cli/questions.py",
        'case "y" | "yes":',
        'case text if text not in ("n", "no"):',
        "tests/cli/test_questions.py",
    ),
    Fault(
        "the page shows a stop under a configuration that has changed since",
        "use",
        "pipeline/page/sheet_status.py",
        "stopped = is_stopped(store, key, settings)",
        "stopped = bool(turn.stopped)",
        "tests/page/test_auth.py",
    ),
)
