"""The questions of `init` at a terminal; each answer is checked before the next question.

The answers are returned as one `Wanted`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import typer
from rich.console import Console

from pipeline import wiring
from pipeline.cli.new_rows import listed_price
from pipeline.config import Settings
from pipeline.config.template import PER_DAY, Target, Wanted, file_lines, new_config
from pipeline.core.errors import ConfigError
from pipeline.core.money import Money

CONFIG_NAME: Final = "promptsheet.toml"
SHEET_NAME: Final = "prompts.csv"

_T = TypeVar("_T")


def questions(console: Console, config: Path) -> Wanted:
    """The answers of the person at the terminal; each one is checked at once."""
    price = price_words(trial_settings(Wanted(), config))
    costs = f" ({price})" if price else ""
    answers = Wanted(
        aspect_ratio=ask(
            "Aspect ratio for rows that have none, such as 16:9 (Enter: none)",
            "",
            lambda text: _ratio(text, config),
        ),
        per_day=ask(
            f"Most credits per day{costs}", str(PER_DAY), lambda text: _credits(text, config)
        ),
        approval=typer.confirm("Must each row be approved before it is sent?", default=False),
        save=typer.confirm("Save the pictures in the folder media?", default=True),
        sandbox=typer.confirm(
            "Try it first with a stand-in for Apiframe, which costs nothing?", default=False
        ),
    )
    console.print()
    return answers


def ask(question: str, usual: str, read: Callable[[str], _T]) -> _T:
    """An answer. If `read` raises ConfigError, its message is shown and the question repeated."""

    def value(text: str) -> _T:
        try:
            return read(text)
        except ConfigError as e:
            raise typer.BadParameter(str(e)) from e

    answer: _T = typer.prompt(question, default=usual, value_proc=value, show_default=bool(usual))
    return answer


def _ratio(text: str, config: Path) -> str:
    trial_settings(Wanted(aspect_ratio=text.strip()), config)
    return text.strip()


def _credits(text: str, config: Path) -> int:
    if not (text.strip().isdecimal() and len(text.strip()) < 10):
        raise ConfigError("Write a whole number of credits, such as 1000.")
    trial_settings(Wanted(per_day=int(text)), config)
    return int(text)


def trial_settings(wanted: Wanted, config: Path) -> Settings:
    """The settings of the new configuration, tried in a temporary folder. Raises ConfigError."""
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        trial = Path(folder) / CONFIG_NAME
        trial.write_text(new_config(file_lines(SHEET_NAME), wanted), "utf-8")
        if (own := config.parent / "providers").is_dir():
            with suppress(OSError):
                (trial.parent / "providers").symlink_to(own.resolve())
        try:
            settings = wiring.load(trial)
        except ConfigError as e:
            starts = f"{CONFIG_NAME}: ", "defaults: "
            raise ConfigError(*(_without(starts, problem) for problem in e.problems)) from e
    price = listed_price(settings.provider, settings.endpoint) or 0
    if not isinstance(most := settings.budget.per_day or 0, Money) and most < price:
        how = "" if wanted.target == Target() else f", such as --per-day {10 * price}"
        raise ConfigError(f"A row costs {price} credits. Allow at least that many per day{how}.")
    return settings


def price_words(settings: Settings) -> str:
    """What the sample row costs by the provider file, in words; empty if there is no price."""
    price = listed_price(settings.provider, settings.endpoint)
    if price is None:
        return ""
    endpoint = settings.provider.endpoints[settings.endpoint]
    varies = endpoint.prices or endpoint.credits_times
    return f"{'the sample' if varies else 'a'} row costs {price}"


def _without(starts: tuple[str, ...], text: str) -> str:
    for start in starts:
        text = text.removeprefix(start)
    return text
