"""Faults in plans: what they quote, and how a plan of a file is carried out."""

from __future__ import annotations

from tests.mutants.fault import Fault

_FILES = "pipeline/core/planning/files.py"
_QUOTES = "pipeline/core/planning/quotes.py"
_BY_FILE = "tests/cli/test_plan_files.py"
_OF_QUOTES = "tests/core/planning/test_quotes.py"
_AT_THE_TERMINAL = "tests/cli/test_quotes.py"

FAULTS = (
    Fault(
        "a plan of a file sends rows that were added later",
        "P1",
        "pipeline/sync/agreement.py",
        "return row is not None and is_as_planned(line, row, self._sync.rules)",
        "return row is None or is_as_planned(line, row, self._sync.rules)",
        _BY_FILE,
    ),
    Fault(
        "a plan of a file is run in part if a row has changed",
        "P1",
        _FILES,
        "return Agreed({}, sent, tuple(problems)) if problems else Agreed(rows, sent)",
        "return Agreed(rows, sent, tuple(problems)) if problems else Agreed(rows, sent)",
        _BY_FILE,
    ),
    Fault(
        "a plan of a file does not notice a higher price",
        "P4",
        _FILES,
        "    if now.credits != row.credits:",
        "    if now.credits != now.credits:",
        "tests/core/planning/test_files.py",
    ),
    Fault(
        "a plan of a file does not notice another prompt",
        "P1",
        _FILES,
        "    if now.prompt != row.prompt:",
        "    if not now.prompt:",
        _BY_FILE,
    ),
    Fault(
        "a plan of a file forgets which rows it has sent",
        "use",
        _FILES,
        "    if len(made) < row.attempt:\n        return False\n",
        "    if len(made) <= row.attempt:\n        return False\n",
        _BY_FILE,
    ),
    Fault(
        "a plan of a file ignores a change of the configuration",
        "P1",
        _FILES,
        "if plan.terms[name] != now.get(name)]",
        "if name not in now]",
        _BY_FILE,
    ),
    Fault(
        "a plan replaces any file",
        "P2",
        "pipeline/cli/plan_file.py",
        "    if not file.exists():\n        return\n",
        "    if file.exists():\n        return\n",
        _BY_FILE,
    ),
    Fault(
        "a quote lets a child begin with its parent",
        "use",
        _QUOTES,
        "            if task.after is not None:\n",
        "            if task.after is not None and task.place:\n",
        _OF_QUOTES,
    ),
    Fault(
        "a quote ignores the limit by the minute",
        "use",
        _QUOTES,
        "if per_minute and many >= per_minute:",
        "if per_minute and many < per_minute:",
        _OF_QUOTES,
    ),
    Fault(
        "a bound from few tasks is as near as one from many",
        "use",
        _QUOTES,
        "few = 1 + 2 / min(known)",
        "few = 1 + 0 / min(known)",
        _OF_QUOTES,
    ),
    Fault(
        "a quote ignores what the account allows at once",
        "use",
        "pipeline/sync/quoting.py",
        "return min(self.pace.in_flight, self.at_once or self.pace.in_flight)",
        "return self.pace.in_flight",
        _AT_THE_TERMINAL,
    ),
    Fault(
        "a balance that is too small is called enough",
        "P4",
        "pipeline/reports/balances.py",
        "else self.left >= self.cost",
        "else self.left > 0",
        _AT_THE_TERMINAL,
    ),
    Fault(
        "the quote of a batch is forgotten with its first pass",
        "use",
        "pipeline/sync/kept_quote.py",
        "        return waits or any(",
        "        return waits and any(",
        _AT_THE_TERMINAL,
    ),
)
