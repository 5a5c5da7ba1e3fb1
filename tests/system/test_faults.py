"""Planted faults: the unchanged machine of `test_whole` finds each of them.

The suite plants some of them; `make soak` plants each with five seeds and prints which example
found it. Each hunt is a process of its own (`tests/system/whole/hunt.py`).
"""

from __future__ import annotations

import pytest

from tests.system.test_whole import run
from tests.system.whole.faults import FAULTS
from tests.system.whole.hunt import hunt

#: As Hypothesis draws today, the first finds every fault but those in SOONER; the others are for a
#: product, a Python or a Hypothesis with which it draws otherwise.
SUITE = (20, 15, 9, 1, 3, 13)
#: Fault -> the seed that is tried first for it.
SOONER = {
    "equal rows merged": 15,
    "an id given back to the wrong row": 15,
    "a new key for each request": 9,
    "a key used after a day": 9,
    "a child sent before its parent": 13,
    "a task polled at another API": 3,
}
SOAK = (1, 3, 4, 7, 8)
#: One fault or two for each way to lose money, a row or a result.
IN_SUITE = (
    *("row numbers kept from an earlier reading", "a lost answer sent again"),
    *("a failure undoing a success", "no claim between two passes", "stuck jobs not recovered"),
    *("a new key for each request", "a child sent before its parent"),
)


@pytest.mark.parametrize("name", IN_SUITE)
def test_a_planted_fault_is_found(name: str) -> None:
    seeds = tuple(sorted(SUITE, key=lambda seed: seed != SOONER.get(name)))

    assert hunt(name, seeds, most=25), f"25 examples of no seed in {SUITE} found: {name}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_with_each_of_five_seeds(name: str) -> None:
    found = [hunt(name, (seed,), most=500) for seed in SOAK]

    print(f"{name}: {'; '.join(found)}")
    assert all(found), f"500 examples did not find: {name}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_at_a_google_sheet(name: str) -> None:
    found = hunt(name, SUITE, most=100, place="google")

    print(f"{name}: {found}")
    assert found


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SOAK)
def test_the_product_without_a_fault_passes_with_the_same_seeds(seed: int) -> None:
    assert run(seed, 500).examples >= 500
