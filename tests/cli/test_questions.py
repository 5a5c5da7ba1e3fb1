"""Questions of yes or no: the words that they take, and one plain sentence for all others."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.questions import ask, confirm
from pipeline.core.errors import ConfigError
from tests.fakes.cases import each


def answered(typed: str, *, usual: bool = False) -> tuple[bool, str]:
    """The answer, and what was printed."""
    with CliRunner().isolation(input=typed) as (out, *_):
        return confirm("Pay?", usual=usual), out.getvalue().decode()


@each(
    ("typed", "usual", "is_yes"),
    [
        *((word, False, True) for word in ("y\n", "YES\n", " y \n")),
        *((word, True, False) for word in ("n\n", "No\n")),
        ("\n", False, False),
        ("\n", True, True),
    ],
)
def test_y_and_n_and_enter_are_answers(typed: str, usual: bool, is_yes: bool) -> None:
    assert answered(typed, usual=usual)[0] is is_yes


def test_any_other_word_is_asked_again_and_never_taken_for_yes() -> None:
    is_yes, shown = answered("yep\n1\nn\n", usual=True)

    assert not is_yes
    assert shown.count("Pay? [Y/n]: ") == 3
    assert shown.count("Error: Write y for yes, or n for no.\n") == 2


def test_the_end_of_the_input_is_no_answer_and_ends_the_line() -> None:
    with CliRunner().isolation(input="") as (out, *_):
        with pytest.raises(typer.Abort):
            confirm("Pay?")

        assert out.getvalue().decode() == "Pay? [y/N]: \n"


def test_a_long_question_and_its_error_break_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    def read(text: str) -> str:
        if text != "fox":
            raise ConfigError("Write the name of an animal that is in the list of animals.")
        return text

    with CliRunner().isolation(input="owl\nfox\n") as (out, *_):
        assert ask("Which animal of the list of animals do you want to see", "red fox", read)
        shown = out.getvalue().decode()

    question = "Which animal of the list of animals do\nyou want to see [red fox]: "
    error = "Error: Write the name of an animal\nthat is in the list of animals.\n"
    assert shown == f"{question}owl\n{error}{question}fox\n"
