"""Builds the objects of a pass from Settings. Its only state is the name of this start."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from random import SystemRandom
from zoneinfo import ZoneInfo

from pipeline.config import Secret, Settings
from pipeline.config.addresses import account_of
from pipeline.config.schema import PaceTable
from pipeline.config.settings import PromptSettings
from pipeline.core.api.accounts import Api
from pipeline.core.api.provider import Provider
from pipeline.core.api.webhook import Callback
from pipeline.core.errors import StoreError
from pipeline.core.model import Claim, Grid
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.prompts.templates import Prompts
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import folded
from pipeline.open_pictures import request_files
from pipeline.open_sheet import kept_styles, open_sheet, place_of, read_styles, styles_in
from pipeline.provider.lazy import LazyApiClient, LazyMedia
from pipeline.sheets import Sheet
from pipeline.store import Limits, PriceList, Store, scratch_copy
from pipeline.sync import outlet_states, price_list, quick_check
from pipeline.sync.announcing import announce_pass
from pipeline.sync.clock import Clock
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.last_pass import ending
from pipeline.sync.lease import BEGAN, LEASE_SECONDS, Busy, take_lease
from pipeline.sync.outcome import Asked, Outcome
from pipeline.sync.outlet_entries import entries, labels_of
from pipeline.sync.ports import ApiAccess, Pace
from pipeline.sync.progress import Progress
from pipeline.sync.runner import Runner
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Submissions

#: The name of this start of the program, for `[budget] per_run`.
START = f"{BEGAN:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


CLOCK = Clock()


def now() -> datetime:
    """The time, in UTC."""
    return CLOCK.now()


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store of a configuration. Facts in its rescue file are recorded first."""
    with Store(settings.store_url, now=now, rescue=settings.rescue_file) as store:
        store.attempts.rescued()
        yield store


@contextmanager
def campaigns(settings: Sequence[Settings]) -> Iterator[list[Campaign]]:
    """The sheets of these configurations with their stores. Each store is opened once."""
    with ExitStack() as stack:
        stores: dict[str, Store] = {}
        for one in settings:
            if one.store_url not in stores:
                stores[one.store_url] = stack.enter_context(open_store(one))
        opened = [(one, stores[one.store_url]) for one in settings]
        yield [Campaign(one, store, open_sheet(one, store).key) for one, store in opened]


@contextmanager
def _already_open(store: Store) -> Iterator[Store]:
    store.attempts.rescued()
    yield store


@contextmanager
def scratch_store(settings: Settings) -> Iterator[Store]:
    """A temporary copy of the store, so that a preview changes nothing."""
    with scratch_copy(settings.store_url, settings.store_file, now) as store:
        yield store


def rules(settings: Settings, key: str, store: Store | None = None) -> Rules:
    """The part of the configuration that planning needs."""
    own = _prices(settings.provider, settings.base_url, store)
    return Rules(
        sheet=key,
        provider=settings.provider,
        endpoint=settings.endpoint,
        defaults=settings.defaults,
        settle=settings.settle,
        approval=settings.rules.approval,
        sample=settings.rules.sample,
        budgeted=_budgeted(settings),
        file_columns=settings.file_name.fields if settings.file_name else (),
        approved_words=tuple(settings.rules.approved_words),
        strict_prompts=settings.rules.strict_prompts,
        give_up_after=settings.pace.give_up_after,
        saves_files=settings.saves_files,
        catalogue=settings.catalogue,
        links=CellLinks(settings.own_links, settings.page.address),
        base_url=settings.base_url,
        account=_account(settings.base_url, settings.api_key),
        prices={**own.prices, **settings.prices},
        # A person's own price is for a row, whatever the list's price is for.
        modes={name: mode for name, mode in own.modes.items() if name not in settings.prices},
        files=request_files(settings),
        remake=settings.remake,
        prompts=_prompts(settings, settings.prompt, store) if settings.prompt else None,
        feedback=settings.feedback,
        others=tuple(
            Api(
                one.provider,
                one.base_url,
                _account(one.base_url, one.api_key),
                one.prefix,
                one.sends,
                (its := _prices(one.provider, one.base_url, store)).prices,
                its.modes,
            )
            for one in settings.others
        ),
    )


def _prompts(settings: Settings, its: PromptSettings, store: Store | None) -> Prompts:
    """How prompts are made of columns. Raises ConfigError if the styles cannot be read."""
    own = kept_styles(settings, store) if store else {}
    styles = styles_in(its.styles, its.styles_tab) if its.styles else own
    return Prompts(its.template, styles, its.style_column)


def _prices(provider: Provider, base_url: str, store: Store | None) -> PriceList:
    """What the API's own price list says, as it was last read."""
    has_list = provider.account is not None and provider.account.prices
    if store is None or not has_list:
        return PriceList({}, None)
    return store.price_lists.get(provider.name, base_url)


def _budgeted(settings: Settings) -> tuple[str, ...]:
    """The columns of which each value has a budget at some API."""
    named = (name for one in settings.apis for name in one.budget.per)
    return tuple({folded(name): name for name in named}.values())


def limits(settings: Settings, *, at: datetime | None = None) -> Limits:
    """The limits at the sheet's own API (see `all_limits`)."""
    return all_limits(settings, at=at)[0]


def all_limits(
    settings: Settings, start: str = "", *, at: datetime | None = None
) -> tuple[Limits, ...]:
    """The limits on spending and requests at each API, the sheet's own first.

    They have the date in the configured time zone. `at` is the time of the store, which may be on a
    server; None: that of this machine.
    """
    return tuple(
        Limits(
            api_key=_account(one.base_url, one.api_key),
            run=start or START,
            day=_day(ZoneInfo(settings.timezone), at or now()),
            per_run=one.budget.per_run,
            per_day=one.budget.per_day,
            per_month=one.budget.per_month,
            per={folded(name): cap for name, cap in one.budget.per.items()},
            credit_price=one.provider.credit_price,
            per_minute=one.pace.per_minute or None,
        )
        for one in settings.apis
    )


def _account(base_url: str, key: Secret | None) -> str:
    """A digest of address and key: the store must distinguish accounts and contain no key."""
    text = f"{account_of(base_url)} {key.reveal() if key else ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _day(zone: ZoneInfo, at: datetime) -> str:
    """The date in this time zone, as ISO 8601."""
    return at.astimezone(zone).date().isoformat()


def pace(settings: Settings, table: PaceTable | None = None) -> Pace:
    """The limits on speed, of the sheet's own API or of another one."""
    table = table or settings.pace
    return Pace(
        concurrency=table.concurrency,
        in_flight=table.in_flight,
        poll_every=table.poll_every,
        write_every=settings.pace.write_every,
        give_up_after=settings.pace.give_up_after,
        stop_after=settings.rules.stop_after,
    )


def paces(settings: Settings) -> list[Pace]:
    """The limits on speed of each API, the sheet's own first."""
    return [pace(settings, one.pace) for one in settings.apis]


def callback(settings: Settings, provider: Provider) -> Callback | None:
    """The webhook settings to send with each submission; None if tasks are only polled."""
    ours, theirs = settings.webhook, provider.webhook
    if not (ours.public_url and ours.secret and theirs):
        return None
    return Callback(theirs, ours.public_url, ours.secret.reveal())


def wires(settings: Settings, stack: AsyncExitStack) -> list[LazyApiClient]:
    """The ways to the APIs of a configuration, the sheet's own first. `stack` closes them."""
    return [
        LazyApiClient(
            one.provider,
            one.api_key,
            base_url=one.base_url,
            concurrency=one.pace.concurrency,
            inputs=request_files(settings),
            stack=stack,
        )
        for one in settings.apis
    ]


def accesses(settings: Settings, sync: SheetSync, ways: Sequence[LazyApiClient]) -> list[ApiAccess]:
    """The APIs of a pass, the sheet's own first, each with its way and its pace."""
    return [
        ApiAccess(api, wire, its)
        for api, wire, its in zip(sync.rules.apis, ways, paces(settings), strict=True)
    ]


def open_sync(
    settings: Settings,
    store: Store,
    sheet: Sheet,
    accept_columns: bool = False,
    start: str = "",
    clock: Clock = CLOCK,
) -> SheetSync:
    """The sheet and its store, ready for a pass."""
    own, *others = all_limits(settings, start)
    is_called = any(callback(settings, one.provider) for one in settings.apis)
    zone = ZoneInfo(settings.timezone)

    def today() -> str:
        return _day(zone, store.now())  # one day for all machines, whatever their clocks say

    return SheetSync(
        sheet,
        store,
        rules(settings, sheet.key, store),
        settings.header,
        own,
        config=str(settings.path),
        clock=clock,
        chance=SystemRandom(),
        accept_columns=accept_columns,
        is_called=is_called,
        today=today,
        more_limits=others,
    )


def submissions(
    settings: Settings, sync: SheetSync, clock: Clock = CLOCK, by: str = ""
) -> Submissions:
    """The object that begins the attempts of a pass. `by` is who or what began the pass."""
    return Submissions(
        sync,
        callback=partial(callback, settings),
        labels=labels_of(sync.store.outlets.columns(sync.key)),
        clock=clock,
        chance=SystemRandom(),
        by=by,
    )


@contextmanager
def previewing(
    settings: Settings,
    *,
    ask_prices: bool = False,
    change: Callable[[Grid], Grid] = lambda grid: grid,
    whole: bool = True,
) -> Iterator[SheetSync]:
    """The plan of the sheet as a run would make it. Neither sheet nor store is changed.

    With `ask_prices`, an API is asked for its price list if rows wait for it, as a run would do.
    `change` is what a person would do to the sheet before; `whole` as in `SheetSync.preview`.
    """
    preview = partial(SheetSync.preview, change=change, whole=whole)
    with _previewing(settings, preview, ask_prices=ask_prices) as sync:
        if (hold := sync.last.hold) is None or hold.kind != "owner":
            yield sync
            return
        seen = sync.ownership.found
    # A run may have raised the claim after the store was copied. A newer copy has this claim, too.
    with _previewing(settings, preview, ask_prices=ask_prices, seen=seen) as sync:
        yield sync


@contextmanager
def _previewing(
    settings: Settings,
    preview: Callable[[SheetSync], object],
    *,
    ask_prices: bool,
    seen: Claim | None = None,
) -> Iterator[SheetSync]:
    def previewed(sheet: Sheet) -> SheetSync:
        sync = open_sync(settings, store, sheet)
        sync.ownership.compare_with(seen)
        preview(sync)
        return sync

    with scratch_store(settings) as store:
        sheet = open_sheet(settings, store)
        read_styles(settings, store)
        sync = previewed(sheet)
        lines = sync.last.plan.each
        if ask_prices and any(sync.rules.awaits_prices(line.inputs) for line in lines):
            asyncio.run(_ask_prices(settings, store))
            sync = previewed(sheet)
        yield sync


async def _ask_prices(settings: Settings, store: Store) -> None:
    async with AsyncExitStack() as stack:
        await _refresh_prices(settings, store, wires(settings, stack))


async def _refresh_prices(settings: Settings, store: Store, ways: Sequence[LazyApiClient]) -> None:
    """Read the price lists that are older than a day, of APIs that there is a key for."""
    lists = (
        (one.provider, one.base_url, way)
        for one, way in zip(settings.apis, ways, strict=True)
        if one.api_key is not None
    )
    await price_list.refresh(store, lists, now())


async def run(
    settings: Settings,
    asked: Asked,
    *,
    accept_columns: bool = False,
    store: Store | None = None,
    start: str = "",
    by: str = "",
    tell: Callable[[Progress], None] = lambda progress: None,
    shown: Callable[[float], None] = lambda seconds: None,
    started: Callable[[Runner], None] = lambda runner: None,
) -> Outcome | Busy:
    """Run one pass over the sheet of a configuration. Returns Busy if another pass is running.

    `store` is an open store to use. `start` is the name under which `[budget] per_run` counts,
    instead of this start of the program; `by` says who or what began the pass. `shown` is called
    with the seconds from each result to its cells.
    """
    with _already_open(store) if store else open_store(settings) as store:
        sheet = open_sheet(settings, store)
        lease = take_lease(store, sheet)
        if isinstance(lease, Busy):
            return lease
        with ending(store, lease) as passed:
            store.attempts.reserve()
            configure_outlets(settings, store, sheet.key)
            async with AsyncExitStack() as stack:
                ways = wires(settings, stack)
                await _refresh_prices(settings, store, ways)
                read_styles(settings, store)
                clock = Clock(store.now)
                sync = open_sync(settings, store, sheet, accept_columns, start, clock)
                runner = Runner(
                    sync,
                    submissions(settings, sync, clock, by),
                    accesses(settings, sync, ways),
                    LazyMedia(settings, stack) if settings.saves_files else None,
                    asked,
                    clock,
                    names=settings.file_name,
                    tell=tell,
                    shown=shown,
                    keep_lease=lambda: store.leases.renew(lease, LEASE_SECONDS),
                )
                started(runner)
                outcome = await runner.run()
            with suppress(StoreError):  # the pass has reported it
                if store.outbox.states(sheet.key):
                    announce_pass(sync, outcome, sync.spending.own.day)
                    outcome.outlets = outlet_states.own(store, sheet.key, settings)
                    outcome.notices += outlet_states.troubles(store, sheet.key, settings, now())
            _forget_ended_problems(settings, store, sheet, outcome)
            if sync.is_up_to_date() and not outcome.sentences:
                quick_check.note(settings, store, sync)
            passed.append(outcome)
            return outcome


def configure_outlets(settings: Settings, store: Store, key: str) -> dict[str, int]:
    """Make the store's outlets of a sheet as the configuration has them: name -> number."""
    return store.outlets.configure(key, entries(settings), str(settings.path))


def _forget_ended_problems(
    settings: Settings, store: Store, sheet: Sheet, outcome: Outcome
) -> None:
    """Forget reported problems that have ended, so that they are reported again if they return."""
    place = place_of(settings)
    with suppress(StoreError):
        with store.snapshot():
            has_troubles = not outcome.troubles and store.reports.troubles(place)
            has_rows = not outcome.newly and store.reports.rows(sheet.key)
        if has_troubles:
            store.reports.keep_troubles(place, {})
        if has_rows:
            store.reports.keep_rows(sheet.key, ())
