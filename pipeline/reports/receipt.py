"""The receipt of a sheet: what its accounts charged, read from them and compared with the store.

Read-only: the store is read through a temporary copy, the sheet is not changed, and the APIs get
only requests that cost nothing: the balance, the pages of the list of tasks with a pause between
them, and a few single tasks that no row knows. Raises StoreError before the first run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from pipeline import wiring
from pipeline.config import Settings
from pipeline.config.schema import PaceTable
from pipeline.core.api.accounts import Api
from pipeline.core.api.paths import first_text
from pipeline.core.api.protocol import meaning_of
from pipeline.core.api.provider import Provider
from pipeline.core.api.task_list import ListedCharge
from pipeline.core.credits import Credits, exact
from pipeline.core.errors import SheetError, StoreError, WireError
from pipeline.core.inputs import parsed
from pipeline.core.model import Request
from pipeline.core.money.costs import Account, accounts
from pipeline.core.money.receipt_lines import Bodies, ReceiptLine, Sent
from pipeline.core.money.receipts import Reading, Receipt, ReceiptScope, grouped, receipt
from pipeline.core.rows.rules import Rules
from pipeline.core.traces import readable
from pipeline.open_sheet import open_sheet
from pipeline.reports.results import recalled_by, row_cells
from pipeline.reports.task_lists import WITHIN, TooLong, Unread, contents, listed
from pipeline.store import Balance, Store
from pipeline.sync.ports import Wire

T = TypeVar("T")

_RESTS_ON = "The receipt rests on what was reported with each task, else on the listed price."


@dataclass(frozen=True, slots=True)
class RowOf:
    """The row that a charge is for, as it is in the sheet now."""

    #: Its row number; None if it is gone.
    number: int | None
    name: str


@dataclass(frozen=True, slots=True)
class SheetReceipt:
    """The receipts of a sheet at each account, with what people need to read them."""

    title: str
    receipts: tuple[Receipt, ...]
    rows: Mapping[str, RowOf]
    files: Mapping[tuple[int, int], list[str]]
    #: Why an account or its list could not be read, one sentence each.
    troubles: tuple[str, ...] = ()

    def row(self, sent: Sent) -> RowOf:
        """The row of an attempt."""
        return self.rows.get(sent.row_id, RowOf(None, ""))

    def files_of(self, line: ReceiptLine) -> list[str]:
        """The saved files of a charge."""
        key = (line.sent.job, line.sent.number)
        return self.files.get(key, []) if line.task_id == line.sent.task_id else []


def prompt_of(sent: Sent) -> str:
    """The prompt of an attempt; without one, its inputs."""
    if sent.made_prompt:
        return readable(sent.made_prompt)
    given = {name: readable(text) for name, text in parsed(sent.inputs).items()}
    return given.get("prompt") or ", ".join(f"{name}: {text}" for name, text in given.items())


def sheet_receipt(settings: Settings, since: datetime | None) -> SheetReceipt:
    """Ask the accounts and match what they say with the store."""
    if not settings.has_store:
        raise StoreError(
            f"Nothing has been run yet: there is no store {settings.store_file}. "
            f"Run promptsheet run {settings.path.name} first."
        )
    with wiring.scratch_store(settings) as store:
        rules = wiring.rules(settings, "", store)
        starts = [since or _start(store, api) for api in rules.apis]
    # The list is read before the store: a task that is in the list is then in the store as well.
    said = _run(_read_all(settings, starts))
    with wiring.scratch_store(settings) as store:
        sheet = open_sheet(settings, store)
        memory = store.rows.memory(sheet.key)
        try:
            grid = sheet.read()
            columns = settings.header.read(grid)
            memory = recalled_by(grid, columns, store).memory(memory)
            cells = row_cells(grid, columns, memory)
        except SheetError:
            cells = {}
        rows = {
            row_id: RowOf(at + 1, cells[row_id].name if row_id in cells else "")
            for row_id, at in memory.order.items()
        }
        receipts, troubles = _run(_matched(settings, rules, store, sheet.key, since, said))
        return SheetReceipt(
            sheet.title, receipts, rows, store.charges.saved_files(sheet.key), troubles
        )


def _run(work: Coroutine[None, None, T]) -> T:
    """The result of the work."""
    found: list[T] = []

    async def keep() -> None:
        # When `asyncio.run` ends, it writes the repr of its result, and of each charge in it.
        found.append(await work)

    asyncio.run(keep())
    return found[0]


def _start(store: Store, api: Api) -> datetime | None:
    """How far back the list is read: to the first attempt, and to the balance that was kept."""
    before = store.accounts.balance(api.account)
    first = store.charges.first_sent_at(api.account)
    return min(first, before.at) if first and before else first


async def _matched(
    settings: Settings,
    rules: Rules,
    store: Store,
    sheet: str,
    since: datetime | None,
    said: Sequence[_Said],
) -> tuple[tuple[Receipt, ...], tuple[str, ...]]:
    attempts = store.charges.sent(sheet)
    places = {(one.provider, one.base_url, one.account): one for one in attempts}
    of_account = grouped(attempts, {place: _paid_at(rules, one) for place, one in places.items()})
    names = accounts(rules.apis)
    paces = [one.pace for one in settings.apis]
    receipts: list[Receipt] = []
    troubles: list[str] = []
    async with AsyncExitStack() as stack:
        ways = wiring.wires(settings, stack)
        for at, api in enumerate(rules.apis):
            its = of_account.pop((at, ""), [])
            its += _of_earlier_keys(of_account, at, said[at].charges or ())
            if not its and not said[at].charges:
                continue
            troubles += filter(None, [said[at].trouble])
            before = store.accounts.balance(api.account)
            if before and since and before.at < since:
                before = None  # the list was not read so far back
            reading = said[at].reading(before)
            asked = ReceiptScope(sheet, names[at], api.provider, api.account, since)
            bodies = Bodies()
            if reading.charges is not None:
                charges, bodies = await contents(
                    ways[at], api, store, its, reading.charges, _pause(paces[at])
                )
                reading = reading._replace(charges=charges)
            receipts.append(receipt(asked, its, reading, bodies))
    for (at, account), its in of_account.items():
        if not its:
            continue
        provider, name = _earlier(rules, at, its[0])
        unit = provider.unit if at >= 0 else "credit"
        asked = ReceiptScope(
            sheet, Account(name, unit), provider, account, since, can_be_asked=False
        )
        receipts.append(receipt(asked, its, Reading(wiring.now()), Bodies()))
    return tuple(receipts), tuple(troubles)


def _paid_at(rules: Rules, sent: Sent) -> tuple[int, str]:
    """Which account paid an attempt: the place of its API (-1: not configured any more), and the
    digest of the account, which is empty for the account that is configured now.
    """
    api = rules.api_of(sent)
    at = next((at for at, one in enumerate(rules.apis) if one == api), -1)
    is_present = api is not None and sent.account in ("", api.account)
    return at, "" if is_present else sent.account or sent.provider


def _of_earlier_keys(
    of_account: dict[tuple[int, str], list[Sent]], at: int, charges: Iterable[ListedCharge]
) -> list[Sent]:
    """Take out the attempts with another key whose tasks are in the list: it is one account."""
    ids = {one.task_id for one in charges}
    found: list[Sent] = []
    for place, its in list(of_account.items()):
        if ids and place[0] == at and place[1]:
            found += (one for one in its if one.task_id in ids)
            of_account[place] = [one for one in its if one.task_id not in ids]
    return found


def _earlier(rules: Rules, at: int, sent: Sent) -> tuple[Provider, str]:
    """The API of an account whose key is not configured any more, and a name for the account."""
    if at >= 0:
        provider = rules.apis[at].provider
        return provider, f"{provider.title} (an earlier key)"
    title = sent.provider or "an earlier API"
    return replace(rules.provider, name=title, title=title, about="", account=None), title


# Reading the accounts ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """What an account said, and what could not be read."""

    began: datetime
    charges: list[ListedCharge] | None = None
    left: Credits | None = None
    trouble: str = ""

    def reading(self, before: Balance | None) -> Reading:
        """The same with the earlier balance of the store."""
        earlier = (before.left, before.at) if before else None
        return Reading(self.began, self.charges, self.left, earlier)


async def _read_all(settings: Settings, starts: Sequence[datetime | None]) -> list[_Said]:
    async with AsyncExitStack() as stack:
        ways = wiring.wires(settings, stack)
        reads = []
        for at, api in enumerate(settings.apis):
            if api.api_key is None:
                title = api.provider.full_title
                words = f"The API key of {title} is not set, so it was not asked."
                reads.append(_nothing(f"{words} {_RESTS_ON}"))
            else:
                reads.append(_read(ways[at], api.provider, starts[at], _pause(api.pace)))
        return list(await asyncio.gather(*reads))


def _pause(pace: PaceTable) -> float:
    """Seconds between two requests."""
    return 60 / pace.per_minute if pace.per_minute else 0.0


async def _nothing(words: str) -> _Said:
    return _Said(wiring.now(), trouble=words)


async def _read(way: Wire, provider: Provider, start: datetime | None, pause: float) -> _Said:
    began = wiring.now()
    charges, trouble = None, ""
    if provider.poll.list:
        try:
            charges = await listed(way, provider, start, pause)
        except Unread as e:
            hint = "; name a later day with --since" if isinstance(e, TooLong) else ""
            trouble = (
                f"The list of tasks of {provider.full_title} could not be read to its end: {e}"
                f"{hint}. " + _RESTS_ON
            )
    left = await _left(way, provider) if provider.account else None
    return _Said(began, charges, left, trouble)


async def _left(way: Wire, provider: Provider) -> Credits | None:
    """The balance of the account; None if it cannot be read."""
    assert provider.account is not None, "only accounts that tell are asked"
    try:
        response = await way.ask(Request("GET", provider.account.path), WITHIN)
        if meaning_of(provider, response) != "taken":
            return None
        return exact(float(first_text(json.loads(response.body), provider.account.credits)))
    except (WireError, ValueError, OverflowError):
        return None
