"""The program where one library is not installed: `LIBRARY WORD…`.

It runs in a process that has loaded the command line, but none of the libraries of the extras.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# What every start needs, and nothing else.
import pipeline.cli.commands
import pipeline.cli.init
import pipeline.cli.run
import pipeline.provider.client  # noqa: F401
from pipeline.cli import start
from tests.fakes.nursery import Child, opened
from tests.fakes.program import KEY, KEY_NAME, Ended


def main() -> None:
    """Run the command line as if Python could not find the library."""
    library = sys.argv.pop(1)
    assert library not in sys.modules, f"{library} is loaded before it is needed"
    sys.modules[library] = None  # type: ignore[assignment]  # how Python marks it
    find = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *a: None if name == library else find(name, *a)
    start.main()


def without(library: str, words: Sequence[str], folder: Path) -> Ended:
    """One start without this library, to its end."""
    environment = {**os.environ, KEY_NAME: KEY}
    child = Child(__name__, [library, *words], environment, opened(__name__), folder=folder)
    said, _ = child.communicate(60)
    code = child.wait()
    child.close()
    return Ended(code, said)
