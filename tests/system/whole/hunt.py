"""Run the machine of `test_whole` in a process of its own, with or without a planted fault.

Each run is its own process, forked where nothing else is loaded and hashes are fixed: the examples
of Hypothesis depend on both, so that a seed gives the same examples only there. With a fault, the
seeds are tried one after the other until one finds it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter

from tests.fakes import nursery
from tests.system import test_whole
from tests.system.test_whole import Machine, failure, run
from tests.system.whole.faults import FOUND_BY, planted

#: The names of the classes that can run without a fault.
MACHINES = ("Machine", "Keyed", "Chained", "Forgetful")

#: What the last line of a run without a fault begins with.
LAST_LINE = "counts: "


def main() -> None:
    """Run the machine, and print its counts, or which example found the fault."""
    place, most, name, *seeds = sys.argv[1:]
    if name in MACHINES:
        ran = run(int(seeds[0]), int(most), sheet=place, kind=getattr(test_whole, name))
        print(f"{LAST_LINE}{json.dumps(ran.counts)}")
        return
    kind: type[Machine] = getattr(test_whole, FOUND_BY.get(name, "Machine"))
    for seed in seeds:
        started = Machine.started
        with planted(name):
            found = failure(int(seed), int(most), kind, place)
        if isinstance(found, (TypeError, AttributeError)):
            raise found  # the fault does not fit the product any more
        if found is not None:
            print(f"seed {seed}, example {Machine.started - started}")
            return


def counted(
    seed: int, examples: int, kind: str = "Machine", place: str = "prompts.csv"
) -> Counter[str]:
    """How often each event happened in a run of the machine in a separate process. Raises
    AssertionError with the output of the process if the machine found a failure.
    """
    said = _said(place, str(examples), kind, str(seed))
    return Counter(json.loads(said.rpartition(LAST_LINE)[2]))


def hunt(name: str, seeds: tuple[int, ...], most: int, place: str = "prompts.csv") -> str:
    """Hunt in a separate process; the example that found the fault, or an empty text."""
    said = _said(place, str(most), name, *map(str, seeds))
    found = re.search(r"^seed \d+, example \d+$", said, re.MULTILINE)
    return found[0] if found else ""


def _said(*words: str) -> str:
    here = nursery.opened("tests.system.whole.hunt", hashes="0")
    child = nursery.Child("tests.system.whole.hunt", words, os.environ, here)
    said, _ = child.communicate()
    assert child.wait() == 0, said
    child.close()
    return said
