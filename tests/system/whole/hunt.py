"""Find the example that shows a planted fault.

Each hunt is its own process, forked where nothing else is loaded and hashes are fixed: the examples
of Hypothesis depend on both, so that a seed gives the same examples only there. The seeds are tried
one after the other until one finds the fault.
"""

from __future__ import annotations

import os
import re
import sys

from tests.fakes import nursery
from tests.system import test_whole
from tests.system.test_whole import Machine, run
from tests.system.whole.faults import FOUND_BY, planted


def main() -> None:
    """Run the machine with the fault, and print the example that found it."""
    place, most, name, *seeds = sys.argv[1:]
    kind: type[Machine] = getattr(test_whole, FOUND_BY.get(name, "Machine"))
    for seed in seeds:
        started = Machine.started
        try:
            with planted(name):
                run(int(seed), int(most), sheet=place, kind=kind)
        except (TypeError, AttributeError):
            raise  # the fault does not fit the product any more
        except Exception:
            print(f"seed {seed}, example {Machine.started - started}")
            return


def hunt(name: str, seeds: tuple[int, ...], most: int, place: str = "prompts.csv") -> str:
    """Hunt in a separate process; the example that found the fault, or an empty text."""
    words = [place, str(most), name, *map(str, seeds)]
    here = nursery.opened("tests.system.whole.hunt", hashes="0")
    child = nursery.Child("tests.system.whole.hunt", words, os.environ, here)
    said, _ = child.communicate()
    assert child.wait() == 0, said
    child.close()
    found = re.search(r"^seed \d+, example \d+$", said, re.MULTILINE)
    return found[0] if found else ""
