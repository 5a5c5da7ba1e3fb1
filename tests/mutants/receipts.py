"""Faults in the receipt: a charge that is not named, a refund that is claimed without proof."""

from __future__ import annotations

from tests.mutants.fault import Fault

_FILE, _TESTS = "pipeline/core/receipts.py", "tests/core/test_receipts.py"

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
)
