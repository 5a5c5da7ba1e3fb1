"""`make rivals`: measure all programs, and write the table into docs/explanation/rivals.md.

    python -m tests.rivals FOLDER_WITH_N8N

It takes about an hour. Each measurement has a new folder, a new sheet and a new API.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from tests.rivals import measure
from tests.rivals.n8n import N8nRunner
from tests.rivals.promptsheet import Promptsheet
from tests.rivals.runner import ROOT, Runner
from tests.rivals.script import Script
from tests.rivals.sheets import CsvFile, GoogleTab
from tests.rivals.table import Figures, lines, placed

PAGE: Final = ROOT / "docs/explanation/rivals.md"
ROWS: Final = 200
#: Shares of the rows that are taken when a program is killed.
KILLS: Final = (0.3, 0.5, 0.7)
TIMES: Final = 3
#: Tasks of 6 to 14 s; the API answers each request after 200 ms.
API: Final[dict[str, Any]] = {"task_seconds": 10, "answer_seconds": 0.2, "plain_pictures": "true"}


@dataclass(frozen=True)
class Rival:
    """One column of the table: how to make the program, and what is measured of it."""

    title: str
    make: Callable[[Path, Sandbox, Any], Runner]
    in_google: bool = False
    does_run: bool = True
    sorts: int = TIMES


def main(installed: Path) -> None:
    """Measure everything, print the table and write it into the page."""
    account.key_bits = 2048  # n8n takes no shorter key
    n8n = partial(N8nRunner, installed)
    rivals = [
        Rival("Promptsheet, CSV", Promptsheet),
        Rival("script, CSV", Script, sorts=0),
        Rival("Promptsheet, Google", Promptsheet, in_google=True),
        Rival("n8n, Google", n8n, in_google=True),
        Rival(
            "n8n, by row number",
            partial(n8n, match="row_number"),
            in_google=True,
            does_run=False,
        ),
    ]
    busy = os.getloadavg()[0]
    found = [
        f"Measured on {datetime.now(UTC):%-d %B %Y} with Promptsheet {version('promptsheet')}, "
        f"n8n {version_of(installed)} and Python {platform.python_version()} on "
        f"{os.cpu_count()} cores, whose load was {busy:.1f} at the start:",
        "",
        *lines([_measured(rival) for rival in rivals], ROWS),
    ]
    print("\n".join(found))
    PAGE.write_text(placed(PAGE.read_text("utf-8"), found), "utf-8")


def _measured(rival: Rival) -> Figures:
    figures = Figures(rival.title)
    if rival.does_run:
        for _ in range(TIMES):
            with _desk(rival) as (runner, api, sheet):
                figures.costs.append(measure.run(runner, api, sheet))
                _say(rival, figures.costs[-1])
        for share in KILLS:
            with _desk(rival) as (runner, api, sheet):
                figures.kills.append(measure.kill(runner, api, sheet, int(ROWS * share)))
                _say(rival, figures.kills[-1])
    for _ in range(rival.sorts):
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
    main(Path(sys.argv[1]).resolve())
