"""`python -m tests.whole.hunt PLACE MOST FAULT SEED…`: which example finds a planted fault.

A process of its own, with nothing else imported and with hashes that do not vary: what Hypothesis
draws depends on what is loaded, so that only here the same seed means the same examples. The seeds
are tried in turn until one finds it. Prints seed and example, or nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.test_whole import Machine, run
from tests.whole.faults import planted

ROOT = Path(__file__).parents[2]


def main(place: str, most: str, name: str, *seeds: str) -> None:
    """Run the machine with the fault in it, and print where it was found."""
    for seed in seeds:
        started = Machine.started
        try:
            with planted(name):
                run(int(seed), int(most), sheet=place)
        except (TypeError, AttributeError):
            raise  # the fault does not fit the product any more
        except Exception as found:
            print(f"{type(found).__name__}: {found}", file=sys.stderr)
            print(f"seed {seed}, example {Machine.started - started}")
            return


def hunt(name: str, seeds: tuple[int, ...], most: int, place: str = "prompts.csv") -> str:
    """Where the fault was found, in a process of its own; empty if it was not."""
    command = [sys.executable, "-m", "tests.whole.hunt", place, str(most), name, *map(str, seeds)]
    hashes = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=hashes, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
