"""One pass of `run` or `watch`, whatever becomes of it: logged, and never an exception."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline import event_log, wiring
from pipeline.core.errors import PromptsheetError, unforeseen
from pipeline.sync.lease import Busy
from pipeline.sync.logged import log_pass
from pipeline.sync.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pipeline.config import Settings

log = logging.getLogger("promptsheet")


async def ended(settings: Settings, run: Awaitable[Outcome | Busy]) -> Outcome | Busy:
    """The outcome of `wiring.run`. An error, expected or not, is part of it, with its exit code."""
    title, began = settings.source.name, wiring.CLOCK.monotonic()
    event_log.pass_began(title)
    outcome: Outcome | Busy = Outcome(title=title)
    try:
        outcome = await run
    except PromptsheetError as e:
        outcome = _failed(title, e.exit_code, str(e))
    except Exception as e:
        log.info("The traceback:", exc_info=e)
        outcome = _failed(title, 3, unforeseen(e))
    log_pass(outcome.title, outcome, wiring.CLOCK.monotonic() - began)
    return outcome


def _failed(title: str, code: int, sentence: str) -> Outcome:
    outcome = Outcome(title=title)
    outcome.worsen(code, sentence)
    return outcome
