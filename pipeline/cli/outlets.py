"""The commands `outlets list`, `outlets test`, `outlets retry` and `outlets forget`.

Each prints to the console and returns an exit code. Raises ConfigError for an unknown outlet.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta

from rich.console import Console

from pipeline import wiring
from pipeline.cli.doctor.outlets import problems_of
from pipeline.cli.questions import confirm
from pipeline.config import OutletSettings, Settings
from pipeline.core.errors import ConfigError
from pipeline.core.outlets.announcements import sample
from pipeline.core.outlets.outbox import Delivered
from pipeline.core.text import counted, one_line
from pipeline.delivering import deliver_now, deliveries, link_of
from pipeline.open_outlets import open_outlet
from pipeline.store import OutletState, Store
from pipeline.sync import outlet_states
from pipeline.sync.configured_sheet import Campaign


def list_outlets(settings: Settings, console: Console) -> int:
    """Print each outlet of the sheet with its messages. Returns 1 if one needs a person.

    Those of the configuration come first, in its order.
    """
    if not settings.outlets:
        console.print(
            f"{settings.path.name} has no outlets. An [[outlets]] table adds one: "
            "docs/how-to/outlets.md shows how.",
            markup=False,
        )
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(wiring.campaigns([settings]))
        store, key, now = campaign.store, campaign.key, wiring.now()
        due = {one.told.name: one.due(is_last=True) for one in deliveries(campaign)}
        for one in outlet_states.own(store, key, settings):
            at = due[one.name]
            later = at if at and at > now + timedelta(minutes=1) else None
            console.print(outlet_states.line(one, later), markup=False)
            _show_reasons(store, one, console)
        for one in outlet_states.others(store, key, settings):
            elsewhere = outlet_states.configuration_of(one, settings)
            console.print(outlet_states.line(one, elsewhere=elsewhere), markup=False)
            _show_reasons(store, one, console)
        found = list(outlet_states.troubles(store, key, settings, now))
        for sentence in found:
            console.print(one_line(sentence), markup=False, style="yellow")
    return int(bool(found))


def _show_reasons(store: Store, one: OutletState, console: Console) -> None:
    """Print why messages to an outlet wait or were set aside."""
    if one.waiting and one.reason and not one.closed:
        console.print(f"  the last try failed: {one_line(one.reason)}", markup=False)
    for about, reason in store.outbox.parked(one.id):
        console.print(f"  {about}: {one_line(reason)}", markup=False)


def try_outlet(settings: Settings, console: Console, name: str) -> int:
    """Check an outlet, send it one sample, and print what came of it. Returns 1 if it failed."""
    return asyncio.run(_tested(named(settings, name), console, link_of(settings)))


def retry(settings: Settings, console: Console, name: str) -> int:
    """Deliver now what waits or was set aside. Returns 1 if an outlet still needs a person.

    Without a name, those of all outlets. Raises ConfigError if a secret is not set here.
    """
    for its in [named(settings, name)] if name else settings.outlets:
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


def forget(settings: Settings, console: Console, name: str, yes: bool) -> int:
    """Delete an outlet that the configuration does not have. Returns 1 if the person declines.

    Raises ConfigError if the configuration has it, if there is none, and if no person can answer.
    """
    file = settings.path.name
    if any(one.name == name for one in settings.outlets):
        raise ConfigError(
            f'The outlet "{name}" is in {file}, so the next run would begin it again. Remove its '
            "[[outlets]] table first."
        )
    with ExitStack() as stack:
        (campaign,) = stack.enter_context(wiring.campaigns([settings]))
        store, key = campaign.store, campaign.key
        others = {one.name: one for one in outlet_states.others(store, key, settings)}
        its = others.get(name)
        if its is None:
            names = ", ".join(others) or "none"
            raise ConfigError(
                f'This sheet has no outlet "{name}". Outlets that are not in {file}: {names}.'
            )
        console.print(outlet_states.line(its), markup=False)
        if elsewhere := outlet_states.configuration_of(its, settings):
            console.print(f"  {elsewhere} has it: its next run begins it again.", markup=False)
        left = its.waiting + its.parked
        if left and not yes:
            what = outlet_states.undelivered(left)
            if not sys.stdin.isatty():
                raise ConfigError(f"{what}. Add --yes to delete {_them(left)}.")
            if not confirm(f"{what}. Delete {_them(left)}?"):
                return 1
        store.outlets.forget(key, name)
        deleted = f" {counted(left, 'message')} deleted." if left else ""
        console.print(f"{name} is forgotten.{deleted}", markup=False)
    return 0


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _states(campaign: Campaign) -> Sequence[OutletState]:
    wiring.configure_outlets(campaign.settings, campaign.store, campaign.key)
    return outlet_states.own(campaign.store, campaign.key, campaign.settings)


def named(settings: Settings, name: str) -> OutletSettings:
    """The outlet of this name. Raises ConfigError if the configuration has none."""
    found = next((one for one in settings.outlets if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in settings.outlets) or "none"
        raise ConfigError(
            f'There is no outlet "{name}" in {settings.path.name}. Its outlets: {names}.'
        )
    return found


async def _tested(settings: OutletSettings, console: Console, link: str) -> int:
    problems = await problems_of(settings) or await _failure(settings, link)
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
