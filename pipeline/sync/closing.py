"""Completes the outcome of a pass: counts, rows that need attention, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from pipeline.core.errors import PromptsheetError, SheetError, StoreError
from pipeline.core.money.charges import sentences
from pipeline.core.planning.samples import sample_done
from pipeline.core.statuses import ON_THE_WAY, Status
from pipeline.core.text import counted
from pipeline.sync import row_reports
from pipeline.sync.breaker import Stop
from pipeline.sync.last_pass import why_all_taken
from pipeline.sync.outcome import Outcome
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.tally import Tally


def close(sync: SheetSync, tally: Tally, *, detailed: bool) -> None:
    """Count the rows of the last look, and list those that need attention.

    `detailed` also lists the rows that changed in this pass.
    """
    tally.close()
    outcome, new_attention = tally.outcome, sync.new_attention
    outcome.key = sync.key
    outcome.title = sync.sheet.title  # A Google Sheet has its title once it was read.
    outcome.statuses = sync.last.plan.statuses
    outcome.version = sync.state.jobs.version
    outcome.looked_at = sync.last.began_at
    outcome.notices = [*sync.last.notices]
    outcome.notices += sentences(tally.charged, sync.rules.apis)
    # If the store cannot be read any more, that was reported before.
    with suppress(StoreError):
        attention = row_reports.needing(sync)
        outcome.attention = sorted(attention, key=lambda row: row.row_id not in new_attention)
        outcome.newly = sum(row.row_id in new_attention for row in attention)
        if detailed:
            touched = {key.row_id for key in tally.touched}
            outcome.changed = row_reports.rows(sync, (), touched)


def note_troubles(
    outcome: Outcome,
    sync: SheetSync,
    *,
    stop: Stop | None,
    places: int,
    sheet: SheetError | None,
    api: Sequence[str],
    unsaved: Sequence[PromptsheetError],
) -> None:
    """Note what went wrong, in the order in which people should read it.

    `stop` is why the sending was stopped, `places` how many tasks the API may have at once, `sheet`
    why the last look failed, `api` are sentences about an unreachable API, `unsaved` the errors
    about pictures.
    """
    if hold := sync.last.hold:
        outcome.worsen(hold.exit_code, hold.sentence)
    if left_out := sync.sheet.left_out:
        outcome.worsen(1, left_out)
    if stop:
        outcome.worsen(3 if stop.out_of_reach else 1, stop.sentence)
        outcome.stopped, outcome.stop = not stop.out_of_reach, stop.sentence
    elif outcome.statuses[Status.QUEUED]:
        with suppress(StoreError):  # the pass itself says what is wrong with the store
            if full := why_all_taken(sync.store, sync.key, places, sync.rules.give_up_after):
                outcome.worsen(1, full)
    if sheet:
        outcome.worsen(sheet.exit_code, str(sheet))
    for sentence in filter(None, api):
        outcome.worsen(3, sentence)
    waits = sync.state.record.sample_waits
    if waits and not any(outcome.statuses[status] for status in ON_THE_WAY):
        sent, succeeded = sync.planner.sample.results()
        if sent:
            outcome.sample = sample_done(waits, sent, succeeded)
            outcome.worsen(1, outcome.sample)
    if outcome.newly:
        outcome.worsen(1)
    if unsaved:
        worst = max(unsaved, key=lambda error: error.exit_code)
        were = "was" if len(unsaved) == 1 else "were"
        many = counted(len(unsaved), "picture")
        outcome.worsen(
            worst.exit_code, f"{many} {were} not saved. {worst} A later run tries again."
        )
