"""Questions at a terminal. A wrong answer is one sentence, and the question comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

from pipeline.core.errors import ConfigError

_T = TypeVar("_T")


def ask(question: str, usual: str, read: Callable[[str], _T]) -> _T:
    """An answer. If `read` raises ConfigError, its message is shown and the question repeated."""

    def value(text: str) -> _T:
        try:
            return read(text)
        except ConfigError as e:
            raise typer.BadParameter(str(e)) from e

    answer: _T = typer.prompt(question, default=usual, value_proc=value, show_default=bool(usual))
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
