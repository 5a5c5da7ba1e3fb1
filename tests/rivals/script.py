"""The 40-line script (`tests/benchmarks/script.py`): it reads a CSV and writes another one."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.sandbox import Sandbox
from tests.rivals.runner import Command
from tests.rivals.sheets import CsvFile, Results, results_of


class Script(Command):
    """The script with a CSV."""

    good_codes = (0,)

    def __init__(self, folder: Path, api: Sandbox, sheet: CsvFile) -> None:
        super().__init__()
        self._done = sheet.path.with_suffix(".done.csv")
        self._words = [str(sheet.path), api.url, api.key]

    def command(self) -> Sequence[str]:
        """Start it in a new interpreter."""
        return [sys.executable, "-m", "tests.benchmarks.script", *self._words]

    def results(self) -> Results:
        """The file that it writes at its end; nothing before."""
        if not self._done.exists():
            return []
        with self._done.open(encoding="utf-8", newline="") as file:
            lines = [*csv.reader(file)]
        # It is empty for a moment while the script writes it.
        return results_of(lines[0], lines[1:]) if lines else []
