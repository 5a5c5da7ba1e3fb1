"""The commands `outlets`, `outlets test` and `outlets retry`.

Each prints to the console and returns an exit code. Raises ConfigError for an unknown outlet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from pipeline import wiring
from pipeline.config import OutletSettings, Settings
from pipeline.core.announcements import sample
from pipeline.core.errors import ConfigError, PromptsheetError
from pipeline.core.outbox import Delivered
from pipeline.core.text import counted, one_line
from pipeline.delivering import deliver_now, link_of
from pipeline.open_outlets import open_outlet
from pipeline.outlets import Outlet
from pipeline.server.serve import campaigns
from pipeline.store import OutletState
from pipeline.sync import outlet_states
from pipeline.sync.configured_sheet import Campaign


def list_outlets(settings: Settings, console: Console) -> int:
    """Print each outlet with its messages. Returns 1 if one needs a person."""
    if not settings.outlets:
        console.print(
            f"{settings.path.name} has no outlets. An [[outlets]] table adds one; "
            "configs/example.toml shows them.",
            markup=False,
        )
        return 0
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(campaigns([settings]))
        states = _states(campaign)
        for one in states:
            console.print(outlet_states.line(one), markup=False)
            for about, reason in campaign.store.outbox.parked(one.id):
                console.print(f"  {about}: {one_line(reason)}", markup=False)
        found = list(outlet_states.troubles(states, wiring.now()))
        for sentence in found:
            console.print(one_line(sentence), markup=False, style="yellow")
    return int(bool(found))


def try_outlet(settings: Settings, console: Console, name: str) -> int:
    """Check an outlet, send it one sample, and print what came of it. Returns 1 if it failed."""
    return asyncio.run(_tested(_named(settings, name), console, link_of(settings)))


def retry(settings: Settings, console: Console, name: str) -> int:
    """Deliver refused and waiting messages now. Returns 1 if an outlet still needs a person.

    Without a name, those of all outlets.
    """
    if name:
        _named(settings, name)
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(campaigns([settings]))
        for one in _states(campaign):
            if name in ("", one.name):
                number = campaign.store.outbox.retry(one.id) + one.waiting
                console.print(f"{one.name}: {counted(number, 'message')} to deliver.", markup=False)
        deliver_now(campaign)
    return list_outlets(settings, console)


def _states(campaign: Campaign) -> Sequence[OutletState]:
    wiring.configure_outlets(campaign.settings, campaign.store, campaign.key)
    return campaign.store.outbox.states(campaign.key)


def _named(settings: Settings, name: str) -> OutletSettings:
    found = next((one for one in settings.outlets if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in settings.outlets) or "none"
        raise ConfigError(f'There is no outlet "{name}". Those of {settings.path.name}: {names}.')
    return found


async def _tested(settings: OutletSettings, console: Console, link: str) -> int:
    try:
        outlet = open_outlet(settings, link)
    except PromptsheetError as error:
        console.print(str(error), markup=False, style="yellow")
        return 1
    try:
        problems = list(await outlet.check()) or await _failure(outlet)
    finally:
        await outlet.close()
    for problem in problems:
        console.print(one_line(problem), markup=False, style="yellow")
    if not problems:
        console.print(
            f"{settings.name} took the sample. See that it looks right there.", markup=False
        )
    return int(bool(problems))


async def _failure(outlet: Outlet) -> list[str]:
    (result,) = await outlet.deliver([sample(wiring.now())])
    return [] if isinstance(result, Delivered) else [result.reason]
