"""Faults in the receipt: a charge that is not named, a refund that is claimed without proof."""

from __future__ import annotations

from tests.mutants.fault import Fault

_FILE, _TESTS = "pipeline/core/money/receipts.py", "tests/core/money/test_receipts.py"

FAULTS = (
    Fault(
        "a receipt claims refunds that may have come back",
        "use",
        _FILE,
        "to_check = not is_compared or bool(back)",
        "to_check = bool(back)",
        _TESTS,
    ),
    Fault(
        "a receipt explains any loss of the account",
        "use",
        _FILE,
        "    if fell > most:\n        return exact(fell - most)\n",
        "",
        _TESTS,
    ),
    Fault(
        "a receipt takes any task of these minutes for one whose answer was lost",
        "use",
        _FILE,
        "if one.may_be_of(at) and self.bodies.agrees(one, content)",
        "if one.may_be_of(at)",
        _TESTS,
    ),
    Fault(
        "a receipt counts one task of two pages twice",
        "use",
        _FILE,
        "        for charge in charges.values():\n            if sent",
        "        for charge in self.charges:\n            if sent",
        _TESTS,
    ),
    Fault(
        "doctor collects a task that another program may have made",
        "P2",
        "pipeline/core/money/lost_answers.py",
        "is_alone and len(tasks) <= len(its) and",
        "is_alone and",
        "tests/cli/test_doctor_lost_answers.py",
    ),
    Fault(
        "doctor collects a task that calls another address",
        "P2",
        "pipeline/core/money/lost_answers.py",
        "return is_called and bodies.agrees(sent, content)",
        "return bodies.agrees(sent, content)",
        "tests/cli/test_doctor_lost_answers.py",
    ),
    Fault(
        "doctor repairs in a store that is damaged",
        "P1",
        "pipeline/cli/doctor/__init__.py",
        "is_repaired = repair and not store_trouble(settings)",
        "is_repaired = repair",
        "tests/cli/test_doctor_damage.py",
    ),
    Fault(
        "a report replaces the sheet",
        "use",
        "pipeline/reports/output_files.py",
        "if target in map(_place, ours) or",
        "if",
        "tests/reports/test_report.py",
    ),
    Fault(
        "a link leads a report to the sheet",
        "use",
        "pipeline/reports/output_files.py",
        " or any(_is_same(target, one) for one in ours)",
        "",
        "tests/reports/test_report.py",
    ),
)
