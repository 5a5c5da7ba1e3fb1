"""Which example finds a planted fault.

Each hunt is a process of its own, from a nursery where nothing else is loaded and hashes do not
vary: what Hypothesis draws depends on both, so that only there the same seed means the same
examples. The seeds are tried in turn until one finds it.
"""

from __future__ import annotations

import os
import sys

from tests.fakes import nursery
from tests.system.test_whole import Machine, run
from tests.system.whole.faults import planted


def main() -> None:
    """Run the machine with the fault in it, and print where it was found."""
    place, most, name, *seeds = sys.argv[1:]
    for seed in seeds:
        started = Machine.started
        try:
            with planted(name):
                run(int(seed), int(most), sheet=place)
        except (TypeError, AttributeError):
            raise  # the fault does not fit the product any more
        except Exception:
            print(f"seed {seed}, example {Machine.started - started}")
            return


def hunt(name: str, seeds: tuple[int, ...], most: int, place: str = "prompts.csv") -> str:
    """Where the fault was found, in a process of its own; empty if it was not."""
    words = [place, str(most), name, *map(str, seeds)]
    here = nursery.opened("tests.system.whole.hunt", hashes="0")
    child = nursery.Child("tests.system.whole.hunt", words, os.environ, here)
    said, _ = child.communicate()
    assert child.wait() == 0, said
    child.close()
    return said.strip()
