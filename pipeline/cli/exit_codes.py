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


def exit_code_of(program: Callable[..., int | None]) -> int:
    """Run the command line, print errors, and return the exit code."""
    try:
        # Not in standalone mode, because our own errors have their own exit codes.
        return program(prog_name="promptsheet", standalone_mode=False) or 0
    except PromptsheetError as e:
        print_error(str(e))
        return e.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as e:
        log.info("The traceback:", exc_info=e)
        print_error(unusable(e))
        return 3
    except Exception as e:
        # Usage errors of click have a method that prints them; their exit code is 2.
        if not hasattr(e, "show"):
            log.info("The traceback:", exc_info=e)
            print_error(f"{unforeseen(e)} Run it again with -v to see where it happened.")
            return 3
        shown = io.StringIO()
        e.show(shown)
        terminal.print_error(shown.getvalue())
        return 2


def worst_code(settings: list[Settings], do: Callable[[Settings], int]) -> int:
    """Call `do` for each sheet and return the worst exit code. An error stops no other sheet."""
    code = 0
    for one in settings:
        try:
            code = max(code, do(one))
        except Exception as e:
            is_expected = isinstance(e, PromptsheetError)
            if not is_expected:
                log.info("The traceback:", exc_info=e)
            said = str(e) if is_expected else unforeseen(e)
            print_error(said, "" if isinstance(e, ConfigError) else one.source.name)
            code = max(code, e.exit_code if isinstance(e, PromptsheetError) else 3)
    return code


def print_error(text: str, title: str = "") -> None:
    """Print an error on standard error. `title` names the sheet that it is about."""
    if terminal.writes_json() or not sys.stderr.isatty():
        terminal.print_error(text, title)
        return
    from pipeline.cli.screen import screen

    # rich wraps lines between words; the terminal would break words.
    said = terminal.about(title, text) if title else text
    screen(stderr=True).print(said.rstrip(), markup=False)


def unusable(error: OSError) -> str:
    """The message about a file or output that cannot be used."""
    what = f"{error.filename}" if error.filename else "The output"
    return f"{what} cannot be used: {error.strerror or error}."
