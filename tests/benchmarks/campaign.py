"""What a campaign costs: CPU of the whole program, compared with another build.

    python -m tests.benchmarks.campaign [ROWS] [ROUNDS] [ANOTHER_BUILD]

Each round runs this number of rows to their end in three forms, in turns: plain prompts by
ANOTHER_BUILD, the folder of another version of the program (without it, by this build); the same by
this build; and prompts made of columns and named styles, with a receipt at the end. The second
table compares `run --plan` over 100,000 finished rows with a first look without a plan, and both
after one cell was changed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.downloads import command_ended
from tests.fakes.program import KEY, KEY_NAME, ROOT
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

MANY = 100_000
STYLES = """name,text
studio,"softbox light, grey background, 85 mm"
film,"35 mm film, grain"
"""


class Cost(NamedTuple):
    """Seconds and seconds of CPU of one start."""

    seconds: float
    cpu: float


def main(rows: int, rounds: int, other: Path) -> None:
    """Print the medians of each form, and their ratios to the first."""
    forms: dict[str, Callable[[], list[Cost]]] = {
        "plain prompts, the other build": lambda: _run(other, rows),
        "plain prompts": lambda: _run(ROOT, rows),
        "templates and styles, then a receipt": lambda: _run(ROOT, rows, template=True),
    }
    costs: dict[str, list[list[Cost]]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form, measure in forms.items():
            costs[form].append(measure())
    table = Table(title=f"{rows} rows, medians of {rounds} rounds")
    for column in ("form", "seconds", "CPU", "ratio", "CPU of the receipt"):
        table.add_column(column, justify="left" if column == "form" else "right")
    least = 0.0
    for form, its in costs.items():
        seconds, cpu = (median(one[0][part] for one in its) for part in (0, 1))
        least = least or cpu
        receipt = f"{median(one[1].cpu for one in its):.2f}" if len(its[0]) > 1 else ""
        table.add_row(form, f"{seconds:.2f}", f"{cpu:.2f}", f"{cpu / least:.2f}", receipt)
    Console(width=100).print(table)
    _compare_plans()


def _compare_plans() -> None:
    """Print what a plan of many rows costs beside a look."""
    table = Table(title=f"{MANY:,} finished rows: CPU")
    for column in ("state", "run", "run --plan", "ratio"):
        table.add_column(column, justify="left" if column == "state" else "right")
    with tempfile.TemporaryDirectory() as place:
        team = Team(Path(place), "http://127.0.0.1:9")
        config = team.configured()
        # In a process of its own: its memory would count for all processes that this one starts.
        big = [sys.executable, "-m", "tests.benchmarks.big", str(config), str(MANY)]
        subprocess.run(big, cwd=ROOT, env=os.environ | {KEY_NAME: KEY}, check=True)
        program = [sys.executable, str(ROOT / "run.py"), "run", config.name]
        for state in ("never looked at", "one cell changed since"):
            # A plan writes nothing, so the run after it finds the same.
            plan = _measured([*program, "--plan"], team.folder).cpu
            look = _measured(program, team.folder).cpu
            table.add_row(state, f"{look:.2f}", f"{plan:.2f}", f"{plan / look:.2f}")
            text = team.sheet.read_text()
            team.sheet.write_text(text.replace("a fox", "a wolf", 1))
    Console(width=100).print(table)


def _run(build: Path, rows: int, *, template: bool = False) -> list[Cost]:
    """Run the program until all rows are done; with `template` also its receipt."""
    with tempfile.TemporaryDirectory() as place, sandbox_process(KEY, task_seconds=2) as sandbox:
        team = Team(Path(place), sandbox.url)
        if template:
            team.write(
                "product,scene,style",
                *(f"fox number {number},in the snow,studio" for number in range(rows)),
            )
            (team.folder / "styles.csv").write_text(STYLES)
        else:
            sentence = "fox number {}, in the snow. softbox light, grey background"
            team.write("prompt", *(f'"{sentence.format(number)}"' for number in range(rows)))
        tables: dict[str, dict[str, object]] = {"pace": {"in_flight": rows}}
        if template:
            tables["prompt"] = {"text": "{product}, {scene}. {style}", "styles": "styles.csv"}
        config = team.configured(tables=tables)
        command = [sys.executable, str(build / "run.py")]
        found = [_measured([*command, "run", str(config), "--wait"], team.folder)]
        if template:
            found.append(_measured([*command, "receipt", str(config)], team.folder))
        assert set(team.statuses()) == {"done"}
    return found


def _measured(command: list[str], folder: Path) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = command_ended(command, folder)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if sys.argv[1:] else 1000,
        int(sys.argv[2]) if sys.argv[2:] else 5,
        Path(sys.argv[3]) if sys.argv[3:] else ROOT,
    )
