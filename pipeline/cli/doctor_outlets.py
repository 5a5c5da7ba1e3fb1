"""What `doctor` says about outlets: whether something is wrong with their places. Sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from pipeline.cli.doctor_api import Finding
from pipeline.config import OutletSettings, Settings
from pipeline.core.errors import PromptsheetError
from pipeline.core.text import joined
from pipeline.open_outlets import open_outlet
from pipeline.server import event_loop
from pipeline.terminal import about

#: Seconds for the check of an outlet.
_SECONDS = 30.0


def findings(settings: Settings, known: Collection[str] = ()) -> Iterator[Finding]:
    """A finding for each outlet, in the order of the configuration. All are checked together.

    `known` are the troubles that were reported already: they are not reported again.
    """
    if not settings.outlets:
        return
    for one, problems in zip(settings.outlets, event_loop.run(_checked(settings)), strict=True):
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
