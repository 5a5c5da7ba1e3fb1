"""The start of the program, and all of it where cron starts it and nothing has changed.

Most starts are `run` without options and without a terminal, and find nothing to do. They end here,
before the command line and the settings load anything: that takes four times as long as Python
itself. Every other start goes on in `cli.commands`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, NoReturn

#: The configuration that counts if none is named.
USUAL: Final = Path("promptsheet.toml")
#: The variable with which a shell asks what a word may become.
COMPLETE: Final = "_PROMPTSHEET_COMPLETE"


def main() -> NoReturn:
    """The command `promptsheet`. Ends the process with the exit code."""
    if COMPLETE in os.environ:
        from pipeline.cli.shells import answer

        if answer():
            sys.exit(0)
    if sys.argv[1:2] in (["--install-completion"], ["--show-completion"]):
        from pipeline.cli.shells import mend_zsh

        mend_zsh()
    try:
        changed = _changed(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    if changed == []:
        sys.exit(0)
    from pipeline.cli.commands import main as typed

    typed(changed)


def _changed(words: list[str]) -> list[Path] | None:
    """The configurations that `run` must load; None if this is not for this module to say."""
    is_seen = sys.stdout.isatty() or sys.stderr.isatty()
    if is_seen or words[:1] != ["run"] or any(word.startswith("-") for word in words):
        return None
    from pipeline.config.sources import sources_of
    from pipeline.sync.quick_check import Found, check, record

    named = [Path(word) for word in words[1:]] or [USUAL]
    checked = [(one, check(one)) for one in map(sources_of, named)]
    # These need settings.
    if any(result.found is Found.MESSAGES or one.has_ping for one, result in checked):
        return None
    for one, result in checked:
        if result.found is Found.UNCHANGED:
            record(one, result)
    return [one.path for one, result in checked if result.found is Found.CHANGED]
