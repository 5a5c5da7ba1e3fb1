"""Plant each fault of the table in a copy of the tree, and run the tests that must find it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.fault import ROOT, Fault
from tests.mutants.table import FAULTS

#: The parts of the tree that the tests need, with compiled modules, because compiling takes longer
#: than most of the tests.
PARTS = ("pipeline", "tests", "configs", "docs", "notebooks", "findings")
#: The exit code of pytest if a test failed.
FAILED = 1


def _copy(into: Path) -> None:
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, into / part)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy2(file, into / file.name)


def run(fault: Fault, tells: bool) -> bool:
    """True if the tests found the fault. Raises SystemExit if they could not be run.

    `tells` prints the tests that failed.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = Path(folder)
        _copy(root)
        fault.plant(root)
        words = ["-x", "-n", "0", "-q", "--timeout", "30", "--no-header", *fault.tests.split()]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=root,
            # The program is installed from this tree; the copy must come first.
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
        )
    if done.returncode not in (0, FAILED):
        raise SystemExit(f"{fault.name}: the tests could not be run.\n{done.stdout}{done.stderr}")
    if done.returncode == FAILED and tells:
        print(*(line for line in done.stdout.splitlines() if line.startswith("FAILED")), sep="\n")
    return done.returncode == FAILED


def main() -> int:
    """0 if all of the named faults were found, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a fault; all without one")
    parser.add_argument("-v", dest="tells", action="store_true", help="name the tests that failed")
    given = parser.parse_args()
    names: list[str] = given.names
    unknown = set(names) - {fault.name for fault in FAULTS}
    if unknown:
        raise SystemExit(f"There is no fault {', '.join(sorted(unknown))}.")
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    survived = []
    for fault in chosen:
        began = time.monotonic()
        is_found = run(fault, given.tells)
        word = "found" if is_found else "SURVIVED"
        print(f"{word:8} {time.monotonic() - began:5.1f} s  {fault.promise:3} {fault.name}")
        sys.stdout.flush()
        if not is_found:
            survived.append(fault.name)
    print(f"{len(chosen)} planted, {len(chosen) - len(survived)} found")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
