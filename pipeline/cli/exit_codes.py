"""Runs commands, prints what went wrong on standard error, and returns the exit code.

0: it ran. 1: a person must act. 2: configuration or usage. 3: something is out of reach, or an
unforeseen error. 130: interrupted.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from pipeline import terminal
from pipeline.core.errors import ConfigError, PromptsheetError, unforeseen

if TYPE_CHECKING:
    from pipeline.config import Settings

log = logging.getLogger("promptsheet")


def code_of(program: Callable[..., int | None]) -> int:
    """Run the command line, print what went wrong, and return the exit code."""
    try:
        # Not standalone, so that our own errors end with their own codes.
        return program(prog_name="promptsheet", standalone_mode=False) or 0
    except PromptsheetError as e:
        complain(str(e))
        return e.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as e:
        log.info("The traceback:", exc_info=e)
        complain(unwritten(e))
        return 3
    except Exception as e:
        # click's own usage errors have a method that prints them; they end with 2.
        if not hasattr(e, "show"):
            log.info("The traceback:", exc_info=e)
            complain(f"{unforeseen(e)} Run it again with -v to see where it happened.")
            return 3
        shown = io.StringIO()
        e.show(shown)
        terminal.complain(shown.getvalue())
        return 2


def worst_code(settings: list[Settings], do: Callable[[Settings], int]) -> int:
    """Do it for each sheet, and return the worst exit code. One sheet's error stops no other."""
    code = 0
    for one in settings:
        try:
            code = max(code, do(one))
        except Exception as e:
            is_expected = isinstance(e, PromptsheetError)
            if not is_expected:
                log.info("The traceback:", exc_info=e)
            said = str(e) if is_expected else unforeseen(e)
            complain(said, "" if isinstance(e, ConfigError) else one.source.name)
            code = max(code, e.exit_code if isinstance(e, PromptsheetError) else 3)
    return code


def complain(text: str, title: str = "") -> None:
    """Print what went wrong on standard error. `title` names the sheet, if it is about one."""
    if not sys.stderr.isatty():
        terminal.complain(text, title)
        return
    from pipeline.cli.screen import screen

    # rich breaks lines between words; the terminal itself would break within a word.
    said = terminal.about(title, text) if title else text
    screen(stderr=True).print(said.rstrip(), markup=False)


def unwritten(error: OSError) -> str:
    """A sentence about a file or an output that the system refused."""
    what = f"{error.filename}" if error.filename else "The output"
    return f"{what} cannot be used: {error.strerror or error}."
