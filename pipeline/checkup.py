"""The command `doctor`: sheet, store and API compared, and what is safe put right. Never pays."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Literal

from rich.console import Console
from rich.text import Text

from pipeline import adopting, show, wiring
from pipeline.book import Book
from pipeline.config import Settings
from pipeline.core.endpoint import meaning_of, reason_of
from pipeline.core.errors import ConfigError, PromptsheetError, WireError
from pipeline.core.model import Request
from pipeline.runner import Asked

Sign = Literal["ok", "person", "reach"]
_SIGNS: dict[Sign, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "person": ("!", "yellow"),
    "reach": ("✗", "red"),
}
_CODES: dict[Sign, int] = {"ok": 0, "person": 1, "reach": 3}


def run(settings: Settings, console: Console, *, repair: bool, adopt: bool) -> int:
    """Check, after putting right what was asked for: 0 all well, 1 a person, 3 out of reach."""
    if adopt:
        _adopt(settings, console)
    if repair:
        _repair(settings, console)
    worst = 0
    for sign, sentence in _findings(settings):
        mark, colour = _SIGNS[sign]
        console.print(Text(f"{mark} ", style=colour) + Text(show.plain(sentence)))
        worst = max(worst, _CODES[sign])
    return worst


def _adopt(settings: Settings, console: Console) -> None:
    with wiring.open_store(settings) as store:
        sheet = wiring.open_sheet(settings, store)
        lease = wiring.take_lease(store, sheet)
        if isinstance(lease, wiring.Busy):
            raise ConfigError(f"{lease.holder} is at work on {lease.title}. Try again later.")
        try:
            adopted = adopting.adopt(
                sheet,
                store,
                wiring.rules(settings, sheet.key),
                wiring.header(settings),
                str(settings.path),
                wiring.now(),
                SystemRandom(),
            )
        finally:
            store.release(lease)
    console.print(
        f"{sheet.title} is this store's now. Taken over without paying: {adopted.pictures} with "
        f"pictures, {adopted.tasks} with a task to ask after, {adopted.unknown} that nobody can "
        "tell (retry --unknown sends those that you pick).",
        markup=False,
    )


def _repair(settings: Settings, console: Console) -> None:
    """A pass that sends nothing: asks after tasks, saves pictures, writes the sheet."""
    if settings.api_key is None:
        raise ConfigError("--repair asks the API after open tasks: set the API key first.")
    with wiring.open_store(settings) as store:
        sheet = wiring.open_sheet(settings, store)
        for job in store.jobs(sheet.key).values():
            gone = [u for u, p in job.files.items() if not _is_there(settings, p)]
            for url in gone:
                store.forget_file(job.key, url)
    outcome = asyncio.run(wiring.run(settings, Asked(limit=0)))
    if isinstance(outcome, wiring.Busy):
        raise ConfigError(f"{outcome.holder} is at work on {outcome.title}. Try again later.")
    for sentence in outcome.sentences:
        console.print(Text(show.plain(sentence), style="yellow"))
    console.print(f"Repaired: {outcome.done} found done, {outcome.saved} pictures saved.")


def _findings(settings: Settings) -> Iterator[tuple[Sign, str]]:
    yield "ok", f"{settings.path.name} can be used."
    yield from _of_the_files(settings)
    try:
        with wiring.previewing(settings) as book:
            yield from _of_the_book(book, settings)
    except PromptsheetError as e:
        yield ("reach" if e.exit_code == 3 else "person"), str(e)
    yield from _of_the_api(settings)


def _of_the_files(settings: Settings) -> Iterator[tuple[Sign, str]]:
    source = settings.source
    if source.is_file() and not (os.access(source, os.W_OK) and os.access(source.parent, os.W_OK)):
        yield (
            "person",
            f"{source.name} or its folder is write-protected; results stay in the store.",
        )


def _of_the_book(book: Book, settings: Settings) -> Iterator[tuple[Sign, str]]:
    statuses = book.plan.statuses
    yield "ok", f"{book.sheet.title} has {len(book.plan.lines)} rows."
    if book.hold:
        yield "person", book.hold.sentence
    if count := statuses["stranger"]:
        rows = "1 row bears" if count == 1 else f"{count} rows bear"
        yield "person", f"{rows} results that this store does not know. Run doctor --adopt."
    if count := statuses["check needed"]:
        yield "person", f"{count} sent without an answer: look at their notes, or retry --unknown."
    if count := statuses["failed"]:
        yield "person", f"{count} failed: change their prompts, or retry."
    missing = sum(
        not _is_there(settings, path) for job in book.jobs.values() for path in job.files.values()
    )
    if missing:
        yield "person", f"{missing} saved pictures are gone from disk. Run doctor --repair."
    if unsaved := sum(len(urls) for _, _, urls in book.unsaved()):
        yield "person", f"{unsaved} pictures are not saved yet. Run doctor --repair."


def _of_the_api(settings: Settings) -> Iterator[tuple[Sign, str]]:
    provider = settings.provider
    if settings.api_key is None:
        yield "person", "The API key is not set; nothing can be sent."
    elif provider.account:
        yield asyncio.run(_account(settings))


async def _account(settings: Settings) -> tuple[Sign, str]:
    from pipeline.api import Api

    provider = settings.provider
    assert settings.api_key is not None, "asked only with a key"
    key = settings.api_key.reveal()
    async with Api(provider, key, base_url=settings.base_url, concurrency=1) as api:
        try:
            response = await api.ask(Request("GET", provider.account), 15.0)
        except WireError as e:
            return "reach", f"{provider.title} cannot be reached: {e}."
    if meaning_of(provider, response) != "taken":
        said = reason_of(provider, response)
        return "reach", f"{provider.title} answers {response.status}{': ' + said if said else ''}."
    try:
        left = json.loads(response.body)[provider.account_credits]
    except (ValueError, KeyError, TypeError):
        return "ok", f"{provider.title} knows the key."
    return "ok", f"{provider.title} knows the key; {left} credits are left."


def _is_there(settings: Settings, path: str) -> bool:
    return settings.media is None or (settings.media / Path(path)).is_file()
