"""Planted faults in rows that ask for several generations."""

from __future__ import annotations

from typing import Final

from tests.mutants.fault import Fault

_CORE: Final = "tests/core/rows/test_generations.py"

FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        "a row that asks for other generations than were made pays for them",
        "P1",
        "pipeline/core/rows/generations.py",
        "    if sent and not is_same and not (kept <= named and was_there):",
        "    if sent and not named:",
        _CORE,
    ),
    Fault(
        "a column of the team's own that was there before is read as a count",
        "P1",
        "pipeline/core/rows/generations.py",
        "not (kept <= named and was_there)",
        "not (kept <= named)",
        _CORE,
    ),
    Fault(
        "after a lost store, the others of a row that was adopted as one are sent again",
        "P1",
        "pipeline/sync/adopt.py",
        "    left_out = () if share.is_asked_for else (COUNT, RATIOS)",
        "    left_out = ()",
        "tests/sync/test_adopt.py",
    ),
    Fault(
        "after a lost store, generations that did not all succeed share their pictures evenly",
        "use",
        "pipeline/core/cells/taken_over.py",
        "    if len(tasks) != len(its) or rest or bool(urls) != is_done:",
        "    if len(tasks) != len(its) or rest:",
        "tests/cli/test_generations.py"
        "::test_tasks_of_a_row_that_did_not_all_succeed_are_asked_about_once_it_is_adopted",
    ),
    Fault(
        "after a lost store, the addresses of a task whose id was removed are replaced by others",
        "P3",
        "pipeline/core/cells/taken_over.py",
        "    holder = len(made) - 1 if is_kept else 0",
        "    holder = 0",
        "tests/sync/test_adopt.py",
    ),
    Fault(
        "the order of the ratios decides which generation is which",
        "P1",
        "pipeline/core/rows/generations.py",
        '            yield Generation(f"{slug}_{copy}" if copy > 1 else slug, inputs, copy)',
        '            yield Generation(f"_{len(slug)}{copy}" if copy > 1 else slug, inputs, copy)',
        _CORE,
    ),
    Fault(
        "a row may ask for any number of generations",
        "P4",
        "pipeline/core/rows/generations.py",
        "return int(text) if 1 <= int(text) <= MOST_COUNT else None",
        "return int(text) or None",
        _CORE,
    ),
    Fault(
        "a row is partly sent although a part of it cannot be",
        "P1",
        "pipeline/core/planning/plan.py",
        "    return with_pick(_unless_wrong(lines), jobs, asked, columns)",
        "    return with_pick(lines, jobs, asked, columns)",
        _CORE,
    ),
    Fault(
        "the cells show the first generation only",
        "P3",
        "pipeline/core/cells/content.py",
        "        for one in line.each\n        if one.job and (attempt",
        "        for one in line.each[:1]\n        if one.job and (attempt",
        _CORE,
    ),
    Fault(
        "two generations of a row are saved under one name",
        "P3",
        "pipeline/core/pictures/filenames.py",
        "parts = [free_part(name), key.generation, str(key.take)]",
        "parts = [free_part(name), key.row_id, str(key.take)]",
        "tests/core/pictures/test_filenames.py",
    ),
)
