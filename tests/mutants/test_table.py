"""The table of planted faults agrees with the code."""

from __future__ import annotations

import ast
from collections import Counter
from itertools import zip_longest

from tests.mutants.fault import ROOT
from tests.mutants.table import FAULTS


def test_the_place_and_the_tests_of_each_planted_fault_exist() -> None:
    times = {fault.name: (ROOT / fault.file).read_text().count(fault.old) for fault in FAULTS}

    assert {name: n for name, n in times.items() if n != 1} == {}
    for fault in FAULTS:
        for one in fault.tests.split():
            file, _, name = one.partition("::")
            assert (ROOT / file).is_file(), f"{fault.name}: there is no {file}"
            assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_each_planted_fault_is_valid_python_and_has_a_unique_name() -> None:
    assert [n for n, times in Counter(one.name for one in FAULTS).items() if times > 1] == []
    files = {fault.file: (ROOT / fault.file).read_text() for fault in FAULTS}
    trees = {file: ast.parse(text) for file, text in files.items() if file.endswith(".py")}
    for fault in FAULTS:
        if fault.file in trees:
            text = files[fault.file]
            first = text[: text.index(fault.old)].count("\n") + 1
            after = ast.parse(text.replace(fault.old, fault.new))
            assert differ(trees[fault.file], after, first), f"{fault.name} changes nothing"


def differ(one: ast.Module, other: ast.Module, first: int) -> bool:
    """Whether two modules differ whose texts are equal up to this line."""
    pairs = [*zip_longest(one.body, other.body)]
    return any(
        before is None or after is None or ast.dump(before) != ast.dump(after)
        for before, after in pairs
        if before is None or (before.end_lineno or 0) >= first
    )
