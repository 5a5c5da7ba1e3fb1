"""The command `forget`: removes old prompts and results from the store of a sheet.

The sheet is not touched. Files are deleted before the store forgets them: after a crash in between,
the same command finds the same rows again.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Final

from rich.console import Console

from pipeline import wiring
from pipeline.cli import dates
from pipeline.cli.questions import confirm
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.rows.forgetting import stays_by
from pipeline.core.text import counted, one_line
from pipeline.open_pictures import is_elsewhere
from pipeline.open_sheet import open_sheet
from pipeline.plain_files import is_plain
from pipeline.provider.downloads import manifest
from pipeline.provider.downloads.places import previews_of
from pipeline.sheets import Sheet
from pipeline.store import Lease, OldRows, Store, Terms
from pipeline.sync.lease import LEASE_SECONDS, Busy, take_lease

#: Rows that are forgotten in one transaction: other processes wait until it ends.
ROWS: Final = 500


def forget(
    settings: Settings, console: Console, before: str, *, with_files: bool, yes: bool
) -> int:
    """Remove what ended before a day from the store, after showing how much that is.

    Returns 1 if the person declines, if a run works on the sheet, or if removed words may still be
    in the store's file; else 0. Raises ConfigError for a date that cannot be used, and without a
    terminal to ask at.
    """
    until = dates.moment("--before", before, settings)
    if until > wiring.now():
        raise ConfigError(f"--before {before} is in the future: name a day that has passed.")
    if not settings.has_store:
        console.print("There is nothing to forget: there is no store yet.", markup=False)
        return 0
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        old = store.forgetting.old(sheet.key, until)
        for sentence in _sentences(sheet, settings, before, old, with_files=with_files):
            console.print(sentence, markup=False, soft_wrap=True)
        if not old.row_ids:
            # An earlier start may have been stopped before the file was rewritten.
            return _compact(store, console) if store.forgetting.tracer() else 0
        if not (yes or _is_wanted()):
            return 1
        lease = take_lease(store, sheet)
        if isinstance(lease, Busy):
            holder = one_line(lease.holder)
            console.print(
                f"A run ({holder}) works on {lease.title}. Forget when it has ended.", markup=False
            )
            return 1
        try:
            forgotten = _forget(settings, store, lease, old, until, with_files=with_files)
        finally:
            with suppress(StoreError):
                store.leases.end(lease.sheet, lease.word)
        console.print(f"Forgotten: {counted(forgotten, 'row', ',')}.", markup=False)
        return _compact(store, console)


def _compact(store: Store, console: Console) -> int:
    """Overwrite what was removed. Returns 1 if it may still be in the store's file."""
    if store.forgetting.compact():
        return 0
    console.print(
        "Another program has the store open, so its file may still hold what was removed. Stop "
        "watch and serve, and run promptsheet forget again.",
        markup=False,
        soft_wrap=True,
    )
    return 1


def _is_wanted() -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("Add --yes to forget them.")
    return confirm("Forget them? This cannot be undone.")


def _sentences(
    sheet: Sheet, settings: Settings, before: str, old: OldRows, *, with_files: bool
) -> list[str]:
    """What would be removed."""
    stay = (
        f" {counted(old.waiting, 'older row', ',')} stay until their pictures are saved, their "
        "messages are delivered, or rows that follow them are added."
        if old.waiting
        else ""
    )
    if not old.row_ids:
        return [f"There is nothing to forget: no row of {sheet.title} ended before {before}.{stay}"]
    rows = counted(len(old.row_ids), "row", ",")
    results, files = counted(old.results, "result", ","), counted(old.files, "saved file", ",")
    what = [
        f"{sheet.title}: {rows} ended before {before}, with {results}. Their prompts, inputs, "
        f"results, histories and messages are removed from the store. Their ids, takes and charges "
        f"stay, so that nothing is paid again. The sheet stays as it is.{stay}"
    ]
    if with_files and settings.media:
        what.append(f"{files} of them in {settings.media} are deleted, if no other row uses them.")
    elif with_files and old.files:
        what.append(
            f"{files} of them are on another machine: delete them there. Their previews here, and "
            "what the manifest says of them, are removed."
        )
    elif old.files:
        what.append(
            f"{files} of them stay, and so do the prompts in manifest.jsonl: --files removes both."
        )
    return what


def _forget(
    settings: Settings,
    store: Store,
    lease: Lease,
    old: OldRows,
    until: datetime,
    *,
    with_files: bool,
) -> int:
    """Forget the rows that are old still. Returns their number."""
    key, asked = lease.sheet, {*old.row_ids}
    rules = wiring.rules(settings, key, store)
    terms = Terms(stays_by(rules), rules.links)
    rows = [one for one in store.forgetting.old(key, until).row_ids if one in asked]
    if with_files:
        folder = settings.media or settings.work
        manifest.remove_lines(folder / manifest.NAME, {*rows})
    # Before the rows: a start that is stopped leaves rows, so that the next one has work to do.
    store.forgetting.forget_messages(key, until)
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        store.leases.renew(lease, LEASE_SECONDS)
        if with_files:
            _delete(settings, store.forgetting.files_of(key, some))
        store.forgetting.forget(key, some, terms)
    return len(rows)


def _delete(settings: Settings, paths: Collection[str]) -> None:
    """Delete saved files of this machine, and previews of others. What is no plain file stays."""
    for path in paths:
        if is_elsewhere(path):
            file = previews_of(settings).find(path)
        else:
            file = settings.media / path if settings.media else None
        if file and is_plain(file):
            file.unlink(missing_ok=True)
