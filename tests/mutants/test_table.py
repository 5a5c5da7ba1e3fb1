"""The table of planted faults agrees with the code."""

from __future__ import annotations

import ast
from collections import Counter

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
    for fault in FAULTS:
        text = (ROOT / fault.file).read_text()
        if fault.file.endswith(".py"):
            before, after = ast.parse(text), ast.parse(text.replace(fault.old, fault.new))
            is_other = ast.dump(before) != ast.dump(after)
            assert is_other, f"{fault.name} changes nothing"
