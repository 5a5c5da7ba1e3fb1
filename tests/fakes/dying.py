"""The command line, which ends itself by SIGKILL just before a step in a folder.

A step opens, links, renames or deletes a file of that folder.
"""

from __future__ import annotations

import os
import signal
import sys

from pipeline.cli import commands

_STEPS = ("open", "os.link", "os.rename", "os.remove")


def main() -> None:
    """`FOLDER N WORDS…`: run these words; before step N in the folder, the process ends."""
    folder, last, *words = sys.argv[1:]
    seen = 0

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal seen
        paths = [os.fspath(one) for one in args if isinstance(one, str | os.PathLike)]
        if event in _STEPS and any(str(path).startswith(folder) for path in paths):
            seen += 1
            if seen == int(last):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    sys.argv = ["promptsheet", *words]
    commands.main()
