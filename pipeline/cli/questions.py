"""Questions at a terminal. A wrong answer is one sentence, and the question comes again."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from typing import TypeVar

import typer

from pipeline.core.errors import ConfigError

_T = TypeVar("_T")


def ask(question: str, usual: str, read: Callable[[str], _T]) -> _T:
    """An answer. If `read` raises ConfigError, its message is shown and the question repeated.

    Raises typer.Abort at Ctrl-C and at the end of the input.
    """

    def value(text: str) -> _T:
        try:
            return read(text)
        except ConfigError as e:
            before = "Error: "  # typer writes it
            raise typer.BadParameter(in_lines(before + str(e)).removeprefix(before)) from e

    whole = in_lines(f"{question} [{usual}]" if usual else question)
    try:
        answer: _T = typer.prompt(whole, default=usual, value_proc=value, show_default=False)
    except typer.Abort:
        typer.echo()  # What comes next begins on a line of its own.
        raise
    return answer


def confirm(question: str, *, usual: bool = False) -> bool:
    """Returns whether the answer is yes. Without a word, the answer is `usual`."""

    def read(text: str) -> bool:
        match text.strip().casefold():
            case "":
                return usual
            case "y" | "yes":
                return True
            case "n" | "no":
                return False
        raise ConfigError("Write y for yes, or n for no.")

    return ask(f"{question} [{'Y/n' if usual else 'y/N'}]", "", read)


def in_lines(text: str) -> str:
    """The text with line breaks between its words, as wide as the terminal."""
    # The last line of a question goes on with a colon and a space.
    width = max(shutil.get_terminal_size().columns - 2, 20)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
