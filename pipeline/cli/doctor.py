"""The command `doctor`: compares sheet, store and API, and repairs what is safe. Never pays.

Prints the findings and returns an exit code. Raises ConfigError if a repair cannot start.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from random import SystemRandom

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.cli import doctor_api, doctor_outlets, doctor_sheet, doctor_webhook
from pipeline.cli.doctor_api import Finding, Sign
from pipeline.cli.former_accounts import former_accounts
from pipeline.config import Settings, configs
from pipeline.config.languages import FOLDER, problems_with
from pipeline.core.errors import ConfigError, NoPlace, PromptsheetError, SheetError
from pipeline.core.filenames import shared_files
from pipeline.core.header import OURS, folded
from pipeline.core.model import JobKey
from pipeline.core.named_columns import missing as missing_columns
from pipeline.core.named_columns import places
from pipeline.core.statuses import Status
from pipeline.core.text import counted, is_or_are, joined, one_line, quoted
from pipeline.open_pictures import path_of_link
from pipeline.open_sheet import open_sheet, refuse_read_only
from pipeline.plain_files import is_plain
from pipeline.reports import summary
from pipeline.server import event_loop
from pipeline.store import ALL_COLUMNS
from pipeline.sync import adopt as adoption
from pipeline.sync import outlet_states, row_reports
from pipeline.sync.lease import Busy, take_lease
from pipeline.sync.outcome import Asked
from pipeline.sync.outlet_entries import columns_of, unknown_fields
from pipeline.sync.sheet_sync import SheetSync

_SIGNS: dict[Sign, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "person": ("!", "yellow"),
    "unusable": ("✗", "red"),
    "reach": ("✗", "red"),
}
#: Status -> what a person can do about such rows.
_CURES = {
    Status.INVALID: "the column note says what to change",
    Status.FAILED: "change the prompt, or run promptsheet retry",
    Status.CHECK_NEEDED: (
        "the column note says what to do; where it says that no answer came, you can run retry "
        "--unknown to pay again"
    ),
}
#: Most rows that a finding names; the others are only counted.
MOST_NAMED = 10
#: Saved file -> pictures that are recorded for it, as (job, URL).
_Pictures = Mapping[str, Sequence[tuple[JobKey, str]]]
_CODES: dict[Sign, int] = {"ok": 0, "person": 1, "unusable": 2, "reach": 3}


def run(settings: Settings, console: Console, *, repair: bool, adopt: bool) -> int:
    """Make the requested repairs, then check, and return the exit code.

    0: no problem. 1: something needs attention. 2: the header cannot be used. 3: the sheet, the
    store or the API cannot be reached.
    """
    if repair and settings.api_key is None:
        raise ConfigError("--repair asks the API about open tasks. Set the API key first.")
    if adopt:
        _adopt(settings, console)
    lost = _repair(settings, console) if repair else {}
    worst = 0
    for sign, sentence, lines in _findings(settings, lost, repair):
        mark, colour = _SIGNS[sign]
        console.print(Text(f"{mark} ", style=colour) + Text(one_line(sentence)))
        for line in lines:
            console.print(Text(f"    {one_line(line)}"), soft_wrap=True)
        worst = max(worst, _CODES[sign])
    return worst


def _adopt(settings: Settings, console: Console) -> None:
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        lease = take_lease(store, sheet)
        if isinstance(lease, Busy):
            raise ConfigError(_busy(lease))
        try:
            adopted = adoption.adopt(
                sheet,
                store,
                wiring.rules(settings, sheet.key, store),
                settings.header,
                str(settings.path),
                wiring.now(),
                SystemRandom(),
                partial(path_of_link, settings),
            )
        finally:
            store.leases.release(lease)
    console.print(
        f"{sheet.title} belongs to this store now. Nothing was paid. Rows taken over: "
        f"{adopted.pictures} with pictures, {adopted.tasks} with an open task, {adopted.unknown} "
        "that may have been sent (promptsheet retry --unknown sends those that you choose).",
        markup=False,
    )


def _busy(by: Busy) -> str:
    return f"Another run ({by.holder}) is working on {by.title}. Try again later."


def _repair(settings: Settings, console: Console) -> _Pictures:
    """Run a pass that sends nothing: it polls tasks, saves pictures and writes the sheet.

    Returns the files that contained pictures of several rows, with the pictures that could not be
    saved again.
    """
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        jobs = store.jobs.all(sheet.key).values()
        copies = store.files.shared_on_purpose(sheet.key)
        shared = {path: its for path, its in shared_files(jobs).items() if path not in copies}
        gone = [(j.key, u) for j in jobs for u, p in j.files.items() if not _is_there(settings, p)]
        gone += [(job.key, url) for job in jobs for url in job.unsaved]
        gone += doctor_sheet.damaged_files(settings, store, sheet.key)
        for key, url in {*gone, *chain.from_iterable(shared.values())}:
            store.files.forget(key, url)
        store.unchanged.forget(sheet.key)  # they may be damaged, too
    outcome = event_loop.run(wiring.run(settings, Asked(limit=0)))
    if isinstance(outcome, Busy):
        raise ConfigError(_busy(outcome))
    for sentence in outcome.sentences:
        console.print(Text(one_line(sentence), style="yellow"))
    saved = f"{counted(outcome.counts.saved, 'picture')} saved"
    console.print(f"Repaired: {counted(outcome.counts.done, 'row')} done, {saved}.")
    with wiring.open_store(settings) as store:
        known = store.jobs.all(sheet.key)
    return {
        path: [(key, url) for key, url in pictures if url not in known[key].files]
        for path, pictures in shared.items()
    }


def _findings(settings: Settings, lost: _Pictures, repair: bool) -> Iterator[Finding]:
    yield Finding("ok", f"{settings.path.name} can be used.")
    yield from _of_the_files(settings)
    yield from _of_the_place(settings)
    if trouble := _store_trouble(settings):
        # Without the store, the check would report that the sheet belongs to another store.
        yield Finding("reach", trouble)
        yield from doctor_outlets.findings(settings)
        yield from doctor_api.findings(settings, keep=repair)
        return
    closed: set[str] = set()
    try:
        with wiring.previewing(settings) as sync:
            states = outlet_states.own(sync.store, sync.key, settings)
            closed = {one.closed for one in states}
            yield from _of_the_sheet(sync, settings)
            yield from doctor_sheet.findings(sync)
            yield from doctor_sheet.of_the_files(settings, sync)
            yield from _of_shared_files(sync, lost)
    except PromptsheetError as e:
        signs: dict[int, Sign] = {2: "unusable", 3: "reach"}
        yield Finding(signs.get(e.exit_code, "person"), str(e))
    shipped = configs() / FOLDER
    for sentence in problems_with(settings.catalogue.language, settings.path, shipped):
        yield Finding("person", sentence)
    yield from doctor_outlets.findings(settings, closed)
    yield from doctor_webhook.findings(settings)
    yield from doctor_api.findings(settings, keep=repair)


def _of_the_place(settings: Settings) -> Iterator[Finding]:
    """Check that pictures can be saved, if they are saved on another machine."""
    if settings.remote is None:
        return
    from pipeline.provider.downloads.places import checked

    where = settings.remote.address
    try:
        remark = event_loop.run(checked(settings))
    except NoPlace as e:
        yield Finding("person", str(e))
    except PromptsheetError as e:
        yield Finding("reach", str(e))
    else:
        yield Finding("ok", joined(f"Pictures can be saved in {where}.", remark))


def _of_the_files(settings: Settings) -> Iterator[Finding]:
    if isinstance(settings.source, Path) and settings.source.is_file():
        try:
            refuse_read_only(settings.source)
        except SheetError as e:
            yield Finding("reach", str(e))


def _store_trouble(settings: Settings) -> str:
    """Why the store can be neither opened nor created, as a sentence; empty if it can."""
    store = Path(settings.store_url.removeprefix("sqlite:///"))
    cure = "Correct that, or set [store] url to another place."
    if store.exists():
        usable = store.is_file() and os.access(store, os.W_OK)
        return "" if usable else f"The store {store} is not a writable file. {cure}"
    if not store.parent.is_dir():
        return f"The store {store} cannot be created: there is no folder {store.parent}. {cure}"
    if not os.access(store.parent, os.W_OK | os.X_OK):
        return f"The store {store} cannot be created: {store.parent} is not writable. {cure}"
    return ""


def _of_the_sheet(sync: SheetSync, settings: Settings) -> Iterator[Finding]:
    statuses = sync.last.plan.statuses
    yield Finding(
        "ok",
        f"{sync.sheet.title} has {counted(len(sync.last.plan.lines), 'row')}. "
        f"{_columns(sync, settings)}",
    )
    if sync.last.hold:
        sign: Sign = "unusable" if sync.last.hold.exit_code == 2 else "person"
        yield Finding(sign, sync.last.hold.sentence)
    if count := statuses[Status.UNRECOGNIZED]:
        yield Finding("person", summary.unrecognized(count))
    inputs = {
        name
        for api in sync.rules.apis
        for its in api.provider.endpoints.values()
        for name in its.fields
    }
    unknown = unknown_fields(settings, sync.last.columns, sorted(inputs))
    lacking = missing_columns(sync.last.columns, sync.rules)
    yield from (Finding("person", sentence) for sentence in (*unknown, *lacking))
    about = sync.store, sync.key, settings
    troubles = outlet_states.troubles(*about, wiring.now())
    two = outlet_states.disagreements(*about)
    yield from (Finding("person", one) for one in (*troubles, *two))
    needing = Counter(row.status for row in row_reports.needing(sync))
    for status, cure in _CURES.items():
        if count := needing[status]:
            yield Finding("person", f"{counted(count, 'row')} with the status {status}: {cure}.")
    yield from (Finding("person", sentence) for sentence in sync.endings())
    yield from former_accounts(sync, settings)
    missing = sum(
        not _is_there(settings, path)
        for job in sync.state.jobs.all.values()
        for path in job.files.values()
    )
    if missing:
        gone = f"{counted(missing, 'saved picture')} {is_or_are(missing)} missing on disk"
        yield Finding("person", f"{gone}. Run doctor --repair.")
    unsaved = sum(map(len, sync.state.jobs.unsaved().values()))
    if unsaved and settings.saves_files:
        late = f"{counted(unsaved, 'picture')} {is_or_are(unsaved)} not saved yet"
        yield Finding("person", f"{late}. Run doctor --repair.")


def _of_shared_files(sync: SheetSync, lost: _Pictures) -> Iterator[Finding]:
    """Report pictures that an earlier version saved under one name: only the last one is left."""
    copies = sync.store.files.shared_on_purpose(sync.sheet.key)
    found = shared_files(sync.state.jobs.all.values())
    if shared := {path: its for path, its in found.items() if path not in copies}:
        rows = _named(sync, chain.from_iterable(shared.values()))
        yield Finding(
            "person",
            f"{counted(sum(map(len, shared.values())), 'picture')} were saved in only "
            f"{counted(len(shared), 'file')}, so only the last one of each is there ({rows}). Run "
            "doctor --repair soon: it saves them again, as long as their links work.",
        )
    for path, pictures in lost.items():
        if pictures:
            yield Finding(
                "person",
                f"{counted(len(pictures), 'picture')} of {_named(sync, pictures)} could not be "
                f"saved again. The old file {path} stays where it is; it shows one of them.",
            )


def _named(sync: SheetSync, pictures: Iterable[tuple[JobKey, str]]) -> str:
    """The rows of some pictures in the order of the sheet: row 2 ("red fox"), row 3 and 4 more."""
    row_ids = {key.row_id for key, _ in pictures}
    names = []
    for line in sync.last.plan.lines:
        if line.seen.row_id in row_ids:
            row_ids.discard(line.seen.row_id)
            given = sync.rules.given(line.memory.inputs, line.take or 1)
            name = line.name or given.get("prompt", "")
            number = f"row {line.seen.place + 1}"
            names.append(f"{number} ({quoted(name, 40)})" if name else number)
    names += sorted(row_ids)  # of rows that are no longer in the sheet
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _columns(sync: SheetSync, settings: Settings) -> str:
    """A sentence about the columns: which are read and which are not used, by title."""
    columns = settings.header.read(sync.sheet.read())
    known = set(columns.index.values())
    named = {at for name, at in columns.index.items() if name not in OURS}
    named |= {*places(columns, sync.rules)} - known
    titles = {name for one in settings.outlets for name in columns_of(one)}
    rest = {at for at, title in enumerate(columns.header) if title and at not in known | named}
    named |= {at for at in rest if folded(columns.header[at]) in titles}
    takers = [one.name for one in settings.outlets if ALL_COLUMNS in columns_of(one)]
    others = ", ".join(columns.header[at] for at in sorted(rest - named))
    read = f"Read: {', '.join(columns.header[at] for at in sorted(named))}."
    if not others:
        return read
    if takers:
        return f"{read} For {' and '.join(takers)}, if there is such a column there: {others}."
    return f"{read} Not used: {others}."


def _is_there(settings: Settings, path: str) -> bool:
    if settings.media is None or "://" in path:
        return True  # it is on another machine
    return is_plain(settings.media / path)
