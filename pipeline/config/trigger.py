"""The tables `[trigger]` and `[schedule]` of a configuration: what starts a pass of `watch`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline.config.addresses import address_problems, is_loopback
from pipeline.config.schema import Document, ScheduleTable, TriggerTable
from pipeline.config.secrets import Secret, kept
from pipeline.config.settings import GoogleSource, ScheduleSettings, TriggerSettings

#: The least length of a token; wrong ones are slowed down as well.
TOKEN_LENGTH: Final = 16
#: A shorter time without a pass is not reported: the program may only have been restarted.
SOON: Final = timedelta(minutes=15)
_A_DAY: Final = timedelta(hours=24)
#: The least time between two checks of a Google Sheet: each is one of the 60 readings that Google
#: allows an account in a minute.
GOOGLE_REACT: Final = timedelta(seconds=5)


def trigger_settings(
    table: TriggerTable, path: Path, environ: Mapping[str, str], problems: list[str], needed: bool
) -> TriggerSettings:
    """The settings of `[trigger]`. Adds what is wrong to `problems`.

    With `needed`, a token that is named and missing is a problem. Without `[trigger] name`, the
    sheet has the name of the configuration file, without its ending.
    """
    token = kept(table.token, path, environ) if table.token else None
    if table.token and token is None and needed:
        problems.append(
            f'trigger.token: "{table.token}" is not set, missing or empty. Put a token there that '
            f"nobody can guess, of {TOKEN_LENGTH} characters or more."
        )
    if token and len(token.reveal()) < TOKEN_LENGTH:
        problems.append(
            f"trigger.token: is too short to be safe. Take one of {TOKEN_LENGTH} characters or "
            "more, such as `openssl rand -hex 16` prints."
        )
    if table.token and not table.listen:
        problems.append('trigger.listen: write a host and a port, such as "127.0.0.1:8642".')
    if (table.name or table.public_url) and not table.token:
        problems.append(
            'trigger.token: is missing. Write "env:PROMPTSHEET_RUN_TOKEN", and put a token there '
            f"that nobody can guess, of {TOKEN_LENGTH} characters or more."
        )
    problems += address_problems("trigger.public_url", table.public_url, "https://runs.example.com")
    return TriggerSettings(
        token, table.token, table.name or path.stem, table.listen, table.public_url, table.apart
    )


def schedule_settings(
    document: Document,
    path: Path,
    environ: Mapping[str, str],
    source: Path | GoogleSource,
    problems: list[str],
    needed: bool,
) -> ScheduleSettings:
    """The settings of `[schedule]`. Adds what is wrong to `problems`.

    With `needed`, an address that is named and missing is a problem.

    Unless `react` says otherwise, edits of a file start a pass, except where a cron line says when
    passes run. For a Google Sheet it must be asked for, because each check is a request.
    """
    table: ScheduleTable = document.schedule
    react = table.react
    is_google = isinstance(source, GoogleSource)
    if "react" not in table.model_fields_set and (is_google or table.cron):
        react = None
    if is_google and react is not None and react < GOOGLE_REACT:
        problems.append(
            "schedule.react: write 5s or more for a Google Sheet, because each check is one of the "
            "60 readings that Google allows in a minute."
        )
    every = None if table.cron else table.every
    wants_edits = table.react is not None or "react" not in table.model_fields_set
    return ScheduleSettings(
        table.cron,
        every,
        react,
        wants_edits=wants_edits,
        silent_after=_silent_after(table),
        ping_url=_ping_url(table.ping_url.strip(), path, environ, problems, needed),
    )


def _silent_after(table: ScheduleTable) -> timedelta | None:
    """Where the configuration says when passes run: three times of it."""
    if table.silent_after:
        return table.silent_after
    if table.cron:
        return None
    return max(3 * table.every, SOON) if "every" in table.model_fields_set else _A_DAY


def _ping_url(
    text: str, path: Path, environ: Mapping[str, str], problems: list[str], needed: bool
) -> Secret | None:
    """The address to call after each pass: the text itself, or the secret that it names."""
    named = text.startswith(("env:", "file:"))
    url = kept(text, path, environ) if named else Secret(text) if text else None
    if named and url is None and needed:
        problems.append(f'schedule.ping_url: "{text}" is not set, missing or empty.')
    if url and not _is_callable(url.reveal()):
        problems.append(
            "schedule.ping_url: write the address that the service shows, such as "
            '"https://hc-ping.com/…", or "env:NAME". It begins with https://, and for this machine '
            "also with http://."
        )
    return url


def _is_callable(url: str) -> bool:
    try:
        split = urlsplit(url)
        host, _ = split.hostname or "", split.port  # a port that is no number raises
    except ValueError:
        return False
    if not url.isascii() or not url.isprintable() or " " in url or "@" in split.netloc:
        return False
    if split.scheme == "http":
        return is_loopback(host)
    return split.scheme == "https" and bool(host)
