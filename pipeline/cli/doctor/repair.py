"""The repairs of `doctor`, and the taking over of a sheet. Neither ever pays."""

from __future__ import annotations

from functools import partial
from itertools import chain
from random import SystemRandom

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.cli.doctor.case import Pictures, is_saved, numbered
from pipeline.cli.doctor.files import damaged_files, shared_by_mistake
from pipeline.cli.doctor.lost_answers import collect
from pipeline.cli.doctor.machine import downloads_of
from pipeline.config import Settings
from pipeline.core.errors import ConfigError
from pipeline.core.statuses import Status
from pipeline.core.text import counted, one_line
from pipeline.open_pictures import path_of_link
from pipeline.open_sheet import open_sheet
from pipeline.server import event_loop
from pipeline.sheets import Sheet
from pipeline.store import Store
from pipeline.sync import adopt as adoption
from pipeline.sync.lease import Busy, take_lease
from pipeline.sync.outcome import Asked


def adopt(settings: Settings, console: Console) -> None:
    """Make this store the owner of the sheet. Raises ConfigError while another run works on it."""
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
    if adopted.left:
        console.print(
            f"{numbered(adopted.left)} {'has' if len(adopted.left) == 1 else 'have'} results, but "
            "no usable number in take, and nothing says of which take they are. They stay as they "
            "are. Correct take, and run promptsheet doctor --adopt again.",
            markup=False,
        )


def repair(settings: Settings, console: Console) -> Pictures:
    """Run a pass that sends nothing: it polls tasks, saves pictures and writes the sheet.

    Returns the files that contained pictures of several rows, with the pictures that could not be
    saved again. Raises ConfigError while another run works on the sheet.
    """
    if folder := downloads_of(settings):
        from pipeline.provider.downloads.unfinished import sweep

        sweep(folder)
    with wiring.open_store(settings) as store:
        sheet = open_sheet(settings, store)
        jobs = store.jobs.all(sheet.key).values()
        shared = shared_by_mistake(store, sheet.key)
        gone = [(j.key, u) for j in jobs for u, p in j.files.items() if not is_saved(settings, p)]
        gone += [(job.key, url) for job in jobs for url in job.unsaved]
        gone += damaged_files(settings, store, sheet.key)
        for key, url in {*gone, *chain.from_iterable(shared.values())}:
            store.files.forget(key, url)
        _claim_again(store, sheet)
        collect(settings, store, sheet.key)
        store.unchanged.forget(sheet.key)  # they may be damaged, too
    outcome = event_loop.run(wiring.run(settings, Asked(limit=0, detailed=True)))
    if isinstance(outcome, Busy):
        raise ConfigError(_busy(outcome))
    for sentence in outcome.sentences:
        console.print(Text(one_line(sentence), style="yellow"))
    saved = f"{counted(outcome.counts.saved, 'picture')} saved"
    done = sum(row.status == Status.DONE for row in outcome.changed)
    console.print(f"Repaired: {counted(done, 'row')} done, {saved}.")
    with wiring.open_store(settings) as store:
        known = store.jobs.all(sheet.key)
    return {
        path: [(key, url) for key, url in pictures if url not in known[key].files]
        for path, pictures in shared.items()
    }


def _claim_again(store: Store, sheet: Sheet) -> None:
    """Write the claim if it is gone, as a run that sends would do."""
    if not store.sheets.get(sheet.key).counter or sheet.read_claim() is not None:
        return
    lease = take_lease(store, sheet)
    if isinstance(lease, Busy):
        raise ConfigError(_busy(lease))
    try:
        word = f"{SystemRandom().getrandbits(64):016x}"
        sheet.write_claim(store.sheets.raise_claim(sheet.key, word), None)
    finally:
        store.leases.release(lease)


def _busy(by: Busy) -> str:
    return f"Another run ({by.holder}) is working on {by.title}. Try again later."
