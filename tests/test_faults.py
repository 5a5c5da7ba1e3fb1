"""Planted faults: the machine of `test_whole` finds each of them, unchanged.

The suite plants each once; `make soak` plants each with five seeds and prints how many examples it
took to find it.
"""

from __future__ import annotations

import pytest

from tests.test_whole import Machine, run
from tests.whole.faults import FAULTS, planted

#: With this one the product itself passes (`test_whole`), so what is found is the fault.
SEED = 7
SEEDS = (2, 5, 7, 8, 11)


def examples_until_found(name: str, seed: int, most: int) -> int | None:
    """How many examples the machine needs to find the fault; None if it does not."""
    started = Machine.started
    with planted(name):
        try:
            run(seed, most)
        except Exception:
            return Machine.started - started
    return None


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    found = examples_until_found(name, SEED, most=100)

    assert found is not None, f"100 examples did not find: {name}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_each_planted_fault_is_found_with_each_of_five_seeds() -> None:
    table = {
        name: [examples_until_found(name, seed, most=500) for seed in SEEDS] for name in FAULTS
    }

    for name, found in table.items():
        numbers = "  ".join(f"{number or 0:4}" for number in found)
        print(f"{name:48} {numbers}")
    assert all(None not in found for found in table.values())


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_product_without_a_fault_passes_with_the_same_seeds(seed: int) -> None:
    assert run(seed, 500).examples >= 500
