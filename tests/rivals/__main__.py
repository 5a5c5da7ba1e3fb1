"""`make rivals`: measure all programs, and write the table into docs/explanation/rivals.md.

    python -m tests.rivals FOLDER_WITH_N8N
    python -m tests.rivals FOLDER_WITH_N8N --only "n8n, Google" --only kill

It should take about 20 minutes on an idle machine. With `--only`, the named programs (by their
title in the table, or a part of it) and measurements (run, kill, sort) are printed, and the page
stays as it is. Each measurement has a new folder, a new sheet and a new API.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.sandbox import Sandbox
from tests.compat.n8n_server import version_of
from tests.fakes.google import account
from tests.fakes.google_sheets import google_sheets
from tests.fakes.sandbox_process import sandbox_process
from tests.rivals import measure, n8n_webhooks, n8n_workflow
from tests.rivals.n8n import N8nRunner
from tests.rivals.promptsheet import Promptsheet
from tests.rivals.runner import ROOT, Runner
from tests.rivals.script import Script
from tests.rivals.sheets import CsvFile, GoogleTab
from tests.rivals.table import Figures, lines, placed

PAGE: Final = ROOT / "docs/explanation/rivals.md"
ROWS: Final = 200
#: Shares of the rows that are taken when a program is killed.
KILLS: Final = (0.3, 0.7)
SORTS: Final = 2
MEASUREMENTS: Final = ("run", "kill", "sort")
#: Tasks of 6 to 14 s; the API answers each request after 200 ms.
API: Final[dict[str, Any]] = {"task_seconds": 10, "answer_seconds": 0.2, "plain_pictures": "true"}


@dataclass(frozen=True)
class Rival:
    """One line of the tables: how to make the program, and what is measured of it."""

    title: str
    make: Callable[[Path, Sandbox, Any], Runner]
    in_google: bool = True
    measured: Collection[str] = MEASUREMENTS


def rivals(installed: Path) -> list[Rival]:
    """All of them, with the n8n in this folder."""
    n8n = partial(N8nRunner, installed)
    by_number = partial(n8n_workflow.workflow, match="row_number")
    return [
        Rival("Promptsheet, CSV", Promptsheet, in_google=False),
        Rival("script, CSV", Script, in_google=False, measured=("run", "kill")),
        Rival("Promptsheet, Google", Promptsheet),
        Rival("Promptsheet, Google, webhooks", partial(Promptsheet, is_called=True)),
        Rival("n8n, Google", partial(n8n, n8n_workflow.workflow)),
        Rival("n8n, Google, webhooks", partial(n8n, n8n_webhooks.workflow)),
        Rival("n8n, Google, by row number", partial(n8n, by_number), measured=("sort",)),
    ]


def chosen(all_rivals: Sequence[Rival], only: Sequence[str]) -> list[Rival]:
    """The rivals and measurements that these words name; a kind that no word names is whole.

    A title as it is in the table means this one, a part of titles all of them. Raises ValueError if
    a word names nothing.
    """
    measured = [word for word in only if word in MEASUREMENTS]
    titles = {one.title for one in all_rivals}
    names = set[str]()
    for word in only:
        if word not in measured:
            found = {word} & titles or {title for title in titles if word in title}
            if not found:
                raise ValueError(f"{word!r} is none of {sorted(titles)} or {MEASUREMENTS}")
            names |= found
    return [
        replace(one, measured=[kind for kind in one.measured if kind in (measured or MEASUREMENTS)])
        for one in all_rivals
        if one.title in (names or titles)
    ]


def main() -> None:
    """Measure, print the tables, and write them into the page if they are whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("installed", type=Path)
    parser.add_argument("--only", action="append", default=[])
    asked = parser.parse_args()
    account.key_bits = 2048  # n8n takes no shorter key
    installed = asked.installed.resolve()
    busy = os.getloadavg()[0]
    found = [
        f"Measured on {datetime.now(UTC):%-d %B %Y} with Promptsheet {version('promptsheet')}, "
        f"n8n {version_of(installed)} and Python {platform.python_version()} on "
        f"{os.cpu_count()} cores, whose load was {busy:.1f} at the start:",
        "",
        *lines([_measured(one) for one in chosen(rivals(installed), asked.only)], ROWS),
    ]
    print("\n".join(found))
    if not asked.only:
        PAGE.write_text(placed(PAGE.read_text("utf-8"), found), "utf-8")


def _measured(rival: Rival) -> Figures:
    figures = Figures(rival.title)
    if "run" in rival.measured:
        with _desk(rival) as (runner, api, sheet):
            figures.costs.append(measure.run(runner, api, sheet))
            _say(rival, figures.costs[-1])
    for share in KILLS if "kill" in rival.measured else ():
        with _desk(rival) as (runner, api, sheet):
            figures.kills.append(measure.kill(runner, api, sheet, int(ROWS * share)))
            _say(rival, figures.kills[-1])
    for _ in range(SORTS if "sort" in rival.measured else 0):
        with _desk(rival) as (runner, api, sheet):
            figures.sorts.append(measure.sort(runner, api, sheet))
            _say(rival, figures.sorts[-1])
    return figures


@contextmanager
def _desk(rival: Rival) -> Iterator[tuple[Runner, Sandbox, CsvFile | GoogleTab]]:
    with (
        tempfile.TemporaryDirectory() as place,
        sandbox_process(**API) as api,
        google_sheets() as google,
    ):
        folder = Path(place)
        sheet: CsvFile | GoogleTab = (
            GoogleTab.new(google, ROWS) if rival.in_google else CsvFile.new(folder, ROWS)
        )
        yield rival.make(folder, api, sheet), api, sheet


def _say(rival: Rival, found: object) -> None:
    print(f"{rival.title}: {found}", flush=True)


if __name__ == "__main__":
    main()
