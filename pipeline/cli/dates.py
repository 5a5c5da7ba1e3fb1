"""Dates that people write on the command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.config import Settings
from pipeline.core.errors import ConfigError


def since(text: str, settings: Settings) -> datetime | None:
    """The moment that `--since` names; None for an empty text. Raises ConfigError.

    A day begins as the configuration's time zone says.
    """
    return moment("--since", text, settings) if text else None


def moment(option: str, text: str, settings: Settings) -> datetime:
    """The moment that an option names, in the same way. Raises ConfigError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text} is not a date: write it as 2026-11-01.") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(settings.timezone))
