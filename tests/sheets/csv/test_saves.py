"""Saves by people and kills at random moments: nothing is lost, and the work gets done."""

from __future__ import annotations

import random
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid, Patch
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.files.swap import Exchange, exchange, exchange_by_link

ROWS = 40
LONG = "in the snow, " * 4_000

WRITER = """
import itertools, sys
from pathlib import Path
from pipeline.sheets.csv.sheet import CsvSheet
sheet = CsvSheet(Path(sys.argv[1]))
rows = range(1, len(sheet.read()))
for turn in itertools.count():
    sheet.write(lambda grid: {(row, 1): f"{sys.argv[2]}.{turn}" for row in rows})
    if turn == 0:
        print("at work", flush=True)
"""


def test_a_kill_at_any_moment_leaves_an_intact_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    prompts = [f"a fox, number {row}, {LONG}" for row in range(ROWS)]
    path.write_text("prompt,status\n" + "".join(f'"{prompt}",\n' for prompt in prompts))
    seen, left_overs = set(), 0

    for life in range(12):
        kill_a_writer(path, life)
        left_overs += sum(".promptsheet-" in beside.name for beside in tmp_path.iterdir())
        header, *rows = CsvSheet(path).read()
        assert header == ("prompt", "status")
        assert [row[0] for row in rows] == prompts
        (status,) = {row[1] for row in rows}
        seen.add(status)

    names = sorted(beside.name for beside in tmp_path.iterdir())
    assert names == ["prompts.csv", "prompts.csv.before-promptsheet"]
    print(f"\n12 kills: 0 torn files; {len(seen)} states seen, {left_overs} left-overs cleared")
    assert len(seen) == 12


def kill_a_writer(path: Path, life: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(life)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(timeout=random.uniform(0.0, 0.04))
        writer.kill()


SAVER = """
import sys
from pathlib import Path
path, ways = Path(sys.argv[1]), sys.argv[2].split()
def by_rename(text):
    path.with_name("saved").write_text(text)
    path.with_name("saved").replace(path)
def in_place(text):
    with path.open("w") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()
saves = {"rename": by_rename, "in-place": in_place}
for line in sys.stdin:
    for turn in range(20):
        prompts = "".join(f"a fox {row} of save {line.strip()}.{turn},\\n" for row in range(50))
        saves[ways[turn % len(ways)]]("prompt,status\\n" + prompts)
    print("saved", flush=True)
"""


@pytest.mark.parametrize(
    ("way", "ways"),
    [(exchange, "rename in-place"), (exchange, "in-place rename"), (exchange_by_link, "in-place")],
)
def test_no_save_is_lost_even_if_people_save_very_fast(
    tmp_path: Path, way: Exchange, ways: str
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,status\na fox,\n")
    writes = Writes(CsvSheet(path, exchange=way, pause=lambda _: None))
    rounds, lost, merged = 30, 0, 0

    with subprocess.Popen(
        [sys.executable, "-c", SAVER, path, ways],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as saver:
        assert saver.stdin
        assert saver.stdout
        for turn in range(rounds):
            saver.stdin.write(f"{turn}\n")
            while not select.select([saver.stdout], [], [], 0)[0]:
                writes.once()
            saver.stdout.readline()
            _, *rows = writes.sheet.write(our_cells)
            lost += [row[0] for row in rows] != [
                f"a fox {row} of save {turn}.19" for row in range(50)
            ]
            merged += all(row[1] == f"done: {row[0]}" for row in rows)
        saver.stdin.close()

    aside = sum("conflict" in beside.name for beside in tmp_path.iterdir())
    print(
        f"\n{rounds * 20} saves ({ways}), {lost} lost, {merged} of {rounds} last saves with our"
        f" cells; {writes.done} writes, {writes.again} worked out again, {writes.refused} refused,"
        f" {aside} saves kept aside"
    )
    assert (lost, merged) == (0, rounds)


class Writes:
    """Our side of the race, counted."""

    def __init__(self, sheet: CsvSheet) -> None:
        self.sheet = sheet
        self.done = self.again = self.refused = 0

    def once(self) -> None:
        asked = 0

        def patch_for(grid: Grid) -> Patch:
            nonlocal asked
            asked += 1
            return our_cells(grid)

        try:
            self.sheet.write(patch_for)
        except SheetError:
            self.refused += 1
        else:
            self.done += 1
        self.again += max(asked - 1, 0)


def our_cells(grid: Grid) -> Patch:
    """Our cells name the save that they belong to; a partial reading has rows without a prompt."""
    return {(row, 1): f"done: {cells[0]}" for row, cells in enumerate(grid) if row and cells}
