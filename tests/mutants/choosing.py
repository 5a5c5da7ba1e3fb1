"""Planted faults in what people pick and in their feedback."""

from __future__ import annotations

from typing import Final

from tests.mutants.fault import Fault

_TESTS: Final = "tests/cli/test_choosing.py"

FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        "remarks from before an upgrade become a part of prompts",
        "P1",
        "pipeline/core/rows/known.py",
        "    first = known.old_feedback is None",
        "    first = False",
        _TESTS,
    ),
    Fault(
        "the first take of a row is made with its feedback",
        "P1",
        "pipeline/core/rows/feedback.py",
        "    if take is None or take <= row.first_take:",
        "    if take is None:",
        _TESTS,
    ),
    Fault(
        "an approval covers feedback that was written later",
        "P1",
        "pipeline/core/rows/feedback.py",
        "    return canonical({**parsed(row.inputs), FEEDBACK: feedback, PICTURES: pictures})",
        "    return canonical({**parsed(row.inputs), PICTURES: pictures})",
        _TESTS,
    ),
    Fault(
        "an approval covers whatever picture is picked later",
        "P1",
        "pipeline/core/rows/feedback.py",
        '"\\n".join(one.name for one in picked.pictures) or row.pick or "none"',
        'row.pick or "none"',
        "tests/core/rows/test_feedback.py",
    ),
    Fault(
        "a take that was made with feedback counts as edited",
        "P2",
        "pipeline/core/rows/chains.py",
        "changed(unrevised(attempt.inputs), inputs, attempt.columns)",
        "changed(attempt.inputs, inputs, attempt.columns)",
        _TESTS,
    ),
    Fault(
        "the next take starts from another picture than the picked one",
        "P1",
        "pipeline/core/pictures/picks.py",
        "pictures[number - 1] for number in numbers",
        "pictures[-number] for number in numbers",
        _TESTS,
    ),
    Fault(
        "a cell sends a saved picture that it names",
        "P7",
        "pipeline/core/planning/plan.py",
        "    problems += filter(None, said)\n",
        "",
        _TESTS,
    ),
)
