"""The questions of `init` at a terminal; each answer is checked before the next question."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from pipeline.cli.new_rows import listed_price, sample_prompt
from pipeline.cli.questions import ask, confirm
from pipeline.config import Settings, load
from pipeline.config.template import PER_DAY, Target, Wanted, file_lines, new_config
from pipeline.core.errors import ConfigError
from pipeline.core.money.currency import Money
from pipeline.core.sheet.header import RATIO
from pipeline.core.text import counted

CONFIG_NAME: Final = "promptsheet.toml"
SHEET_NAME: Final = "prompts.csv"


def questions(console: Console, wanted: Wanted, config: Path, key: str) -> Wanted:
    """The values of a new configuration, as the person at the terminal wants them.

    `key` is the API key if it is not in the environment.
    """
    settings = trial_settings(wanted, config, key)
    price = price_words(settings)
    costs = f" ({price})" if price else ""
    least = max(PER_DAY, 10 * int(listed_price(settings.provider, settings.endpoint) or 0))
    has_ratio = RATIO in settings.provider.endpoints[settings.endpoint].fields
    answers = replace(
        wanted,
        aspect_ratio=ask(
            "Aspect ratio for rows that have none, such as 16:9 (Enter: none)",
            "",
            lambda text: _ratio(text, wanted, config, key),
        )
        if has_ratio
        else None,
        per_day=ask(
            f"Most {settings.provider.unit}s per day{costs}",
            str(least),
            lambda text: _per_day(text, wanted, config, key, f"{settings.provider.unit}s"),
        ),
        approval=confirm("Must each row be approved before it is sent?"),
        save=confirm("Save the pictures in the folder media?", usual=True),
    )
    console.print()
    return answers


def first_prompt(wanted: Wanted, config: Path) -> str:
    """The prompt for the sample row of a new sheet; empty if its sample has none."""
    settings = trial_settings(wanted, config)
    usual = sample_prompt(settings.provider, settings.endpoint)
    return ask("Your first prompt", usual, str.strip) if usual else ""


def _ratio(text: str, wanted: Wanted, config: Path, key: str) -> str:
    trial_settings(replace(wanted, aspect_ratio=text.strip()), config, key)
    return text.strip()


def _per_day(text: str, wanted: Wanted, config: Path, key: str, units: str) -> int:
    if not (text.strip().isdecimal() and len(text.strip()) < 10):
        raise ConfigError(f"Write a whole number of {units}, such as 1000.")
    trial_settings(replace(wanted, per_day=int(text)), config, key)
    return int(text)


def trial_settings(wanted: Wanted, config: Path, key: str = "") -> Settings:
    """The settings of the new configuration, tried in a temporary folder. Raises ConfigError.

    `key` is used instead of the key that is in the environment.
    """
    environ = os.environ | ({wanted.target.variable: key} if key else {})
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        trial = Path(folder) / CONFIG_NAME
        trial.write_text(new_config(file_lines(SHEET_NAME), replace(wanted, key_file="")), "utf-8")
        if (own := config.parent / "providers").is_dir():
            with suppress(OSError):
                (trial.parent / "providers").symlink_to(own.resolve())
        try:
            settings = load(trial, environ=environ)
        except ConfigError as e:
            starts = f"{CONFIG_NAME}: ", "defaults: "
            raise ConfigError(*(_without(starts, problem) for problem in e.problems)) from e
    price = listed_price(settings.provider, settings.endpoint) or 0
    if not isinstance(most := settings.budget.per_day or 0, Money) and most < price:
        how = "" if wanted.target == Target() else f", such as --per-day {10 * price}"
        costs = counted(price, settings.provider.unit)
        raise ConfigError(f"A row costs {costs}. Allow at least that many per day{how}.")
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
