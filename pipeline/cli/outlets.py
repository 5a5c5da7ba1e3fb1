"""The commands `outlets list`, `outlets test` and `outlets retry`.

Each prints to the console and returns an exit code. Raises ConfigError for an unknown outlet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta

from rich.console import Console

from pipeline import wiring
from pipeline.cli import doctor_outlets
from pipeline.config import OutletSettings, Settings
from pipeline.core.announcements import sample
from pipeline.core.errors import ConfigError
from pipeline.core.outbox import Delivered
from pipeline.core.text import counted, one_line
from pipeline.delivering import deliver_now, deliveries, link_of
from pipeline.open_outlets import open_outlet
from pipeline.store import OutletState
from pipeline.sync import outlet_states
from pipeline.sync.configured_sheet import Campaign


def list_outlets(settings: Settings, console: Console) -> int:
    """Print each outlet with its messages. Returns 1 if one needs a person."""
    if not settings.outlets:
        console.print(
            f"{settings.path.name} has no outlets. An [[outlets]] table adds one: docs/outlets.md "
            "shows how.",
            markup=False,
        )
        return 0
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(wiring.campaigns([settings]))
        made = deliveries(campaign)
        due = {one.told.name: one.due(is_last=True) for one in made}
        states, now = campaign.store.outbox.states(campaign.key), wiring.now()
        for one in states:
            at = due[one.name]
            later = at if at and at > now + timedelta(minutes=1) else None
            console.print(outlet_states.line(one, later), markup=False)
            if one.waiting and one.reason and not one.closed:
                console.print(f"  the last try failed: {one_line(one.reason)}", markup=False)
            for about, reason in campaign.store.outbox.parked(one.id):
                console.print(f"  {about}: {one_line(reason)}", markup=False)
        found = list(outlet_states.all_troubles(campaign.store, campaign.key, now))
        for sentence in found:
            console.print(one_line(sentence), markup=False, style="yellow")
    return int(bool(found))


def try_outlet(settings: Settings, console: Console, name: str) -> int:
    """Check an outlet, send it one sample, and print what came of it. Returns 1 if it failed."""
    return asyncio.run(_tested(_named(settings, name), console, link_of(settings)))


def retry(settings: Settings, console: Console, name: str) -> int:
    """Deliver now what waits or was set aside. Returns 1 if an outlet still needs a person.

    Without a name, those of all outlets. Raises ConfigError if a secret is not set here.
    """
    for its in [_named(settings, name)] if name else settings.outlets:
        open_outlet(its)
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(wiring.campaigns([settings]))
        for one in _states(campaign):
            if name in ("", one.name):
                again, overtaken = campaign.store.outbox.retry(one.id)
                number = counted(again + one.waiting, "message")
                console.print(f"{one.name}: {number} to deliver.", markup=False)
                if overtaken:
                    console.print(
                        f"  not sent: {counted(overtaken, 'older message')}, because a newer one "
                        "of the same row was delivered.",
                        markup=False,
                    )
        deliver_now(campaign)
    return list_outlets(settings, console)


def _states(campaign: Campaign) -> Sequence[OutletState]:
    wiring.configure_outlets(campaign.settings, campaign.store, campaign.key)
    return campaign.store.outbox.states(campaign.key)


def _named(settings: Settings, name: str) -> OutletSettings:
    found = next((one for one in settings.outlets if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in settings.outlets) or "none"
        raise ConfigError(
            f'There is no outlet "{name}" in {settings.path.name}. Its outlets: {names}.'
        )
    return found


async def _tested(settings: OutletSettings, console: Console, link: str) -> int:
    problems = await doctor_outlets.problems_of(settings) or await _failure(settings, link)
    for problem in problems:
        console.print(one_line(problem), markup=False, style="yellow")
    if not problems:
        console.print(
            f"{settings.name} took the sample. See that it looks right there.", markup=False
        )
    return int(bool(problems))


async def _failure(settings: OutletSettings, link: str) -> list[str]:
    outlet = open_outlet(settings, link)
    try:
        (result,) = await outlet.deliver([sample(wiring.now())])
    finally:
        await outlet.close()
    return [] if isinstance(result, Delivered) else [result.reason]
