"""What `doctor` says about outlets: whether something is wrong with their places. Sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from pipeline import wiring
from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import OutletSettings, Settings
from pipeline.core.errors import PromptsheetError
from pipeline.core.text import joined
from pipeline.open_outlets import open_outlet
from pipeline.server import event_loop
from pipeline.store import OutletState
from pipeline.sync import outlet_states
from pipeline.sync.sheet_sync import SheetSync
from pipeline.terminal import about

#: Seconds for the check of an outlet.
_SECONDS = 30.0


def unusable(case: Case) -> Iterator[Finding]:
    """A finding for each outlet, in the order of the configuration. All are checked together.

    What the store knows of an outlet already is not said again.
    """
    if not case.settings.outlets:
        return
    known = {one.closed for one in _states(case)}
    checked = event_loop.run(_checked(case.settings))
    for one, problems in zip(case.settings.outlets, checked, strict=True):
        if problems and joined(*problems) in known:
            continue
        if problems:
            title = f'The outlet "{one.name}"'
            yield Finding("person", about(title, joined(*problems)))
        else:
            yield Finding(
                "ok",
                f'Nothing wrong was found with the outlet "{one.name}". Only a sample shows '
                f"whether messages arrive: promptsheet outlets test {one.name}",
            )


def _states(case: Case) -> Sequence[OutletState]:
    sync = case.sync
    return outlet_states.own(sync.store, sync.key, case.settings) if sync else ()


def messages(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Messages that were not delivered, and outlets that accept none."""
    troubles = outlet_states.troubles(sync.store, sync.key, case.settings, wiring.now())
    yield from (Finding("person", one) for one in troubles)


def tables(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Outlets that another configuration of the sheet has too, in another way."""
    two = outlet_states.disagreements(sync.store, sync.key, case.settings)
    yield from (Finding("person", one) for one in two)


async def _checked(settings: Settings) -> list[Sequence[str]]:
    return await asyncio.gather(*map(problems_of, settings.outlets))


async def problems_of(settings: OutletSettings) -> Sequence[str]:
    """What keeps an outlet from accepting messages: a sentence each, without any secret."""
    try:
        outlet = open_outlet(settings)
    except PromptsheetError as error:
        return [str(error)]
    try:
        async with asyncio.timeout(_SECONDS):
            return await outlet.check()
    except TimeoutError:
        return [f"There was no answer within {_SECONDS:.0f} s."]
    finally:
        await outlet.close()
