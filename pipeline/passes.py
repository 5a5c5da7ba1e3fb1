"""One pass of `run` or `watch`: logged, and told to the service that watches over it."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from pipeline import event_log, telemetry, wiring
from pipeline.core.errors import PromptsheetError, StoreError, unforeseen
from pipeline.core.money.costs import accounts
from pipeline.sync import heartbeat
from pipeline.sync.account_alarms import WatchedAccount, check_accounts
from pipeline.sync.lease import Busy
from pipeline.sync.logged import log_pass, result_of
from pipeline.sync.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pipeline.config import Settings
    from pipeline.store import Store

log = logging.getLogger("promptsheet")


async def ended(
    settings: Settings, run: Awaitable[Outcome | Busy], store: Store | None = None
) -> Outcome | Busy:
    """The outcome of `wiring.run`. An error, expected or not, is part of it, with its exit code.

    `store` is the open store of the configuration, if there is one.
    """
    title, began = settings.source.name, wiring.CLOCK.monotonic()
    event_log.pass_began(title)
    outcome: Outcome | Busy = Outcome(title=title)
    try:
        with telemetry.span("pass", sheet=title):
            outcome = await run
    except PromptsheetError as e:
        outcome = _failed(title, e.exit_code, str(e))
    except Exception as e:
        log.info("The traceback:", exc_info=e)
        outcome = _failed(title, 3, unforeseen(e))
    log_pass(outcome.title, outcome, wiring.CLOCK.monotonic() - began)
    if isinstance(outcome, Outcome) and outcome.counts.new:
        with suppress(StoreError):  # The next pass asks again.
            await _check_accounts(settings, outcome.key, store)
    if (result := result_of(outcome)) in ("ok", "failed"):
        may = partial(_may_call, settings, store)
        heartbeat.beat(settings, worked=result == "ok", may=may)
    return outcome


async def _check_accounts(settings: Settings, key: str, store: Store | None) -> None:
    """Ask the accounts with a `[budget] warn_below` what is left."""
    tables = [one.budget for one in settings.apis]
    if not any(table.warn_below for table in tables):
        return
    async with AsyncExitStack() as stack:
        store = store or stack.enter_context(wiring.open_store(settings))
        apis = wiring.rules(settings, key, store).apis
        each = zip(apis, accounts(apis), wiring.wires(settings, stack), tables, strict=False)
        watched = [
            WatchedAccount(api.account, account, api.provider, way, table.warn_below)
            for api, account, way, table in each
            if table.warn_below and api.provider.account
        ]
        await check_accounts(store, key, watched)


def _may_call(settings: Settings, store: Store | None, name: str) -> bool:
    try:
        with nullcontext(store) if store else wiring.open_store(settings) as opened:
            return opened.heartbeats.take(name, heartbeat.LEAST)
    except StoreError:
        return True  # That the store cannot be used is what the service should hear.


def _failed(title: str, code: int, sentence: str) -> Outcome:
    outcome = Outcome(title=title)
    outcome.worsen(code, sentence)
    return outcome
