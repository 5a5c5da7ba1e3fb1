"""All jobs of a sheet as an Arrow table, as of one moment.

Most jobs are plain and need no object each (`plain_jobs`); the others come from `reports.results`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.model import Grid
from pipeline.core.rules import Rules
from pipeline.notebook import tables
from pipeline.notebook.cells import Sheet
from pipeline.notebook.columns import fast_memory
from pipeline.notebook.plain_jobs import LATEST, plain_jobs
from pipeline.open_sheet import open_sheet
from pipeline.reports.extras import needed
from pipeline.reports.results import grid_now, results_of
from pipeline.store import Store

if TYPE_CHECKING:
    import pyarrow


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: So many jobs are put into order at a time.
_PART = 100_000


def jobs(settings: Settings) -> pyarrow.Table:
    """Every job, earlier takes included, with the columns `tables.JOBS`.

    They are in the order of the last reading, then by take. Jobs whose rows are gone come last, in
    the order of their creation. Raises StoreError.
    """
    pa = needed("pyarrow")
    with wiring.scratch_store(settings) as store, fast_memory():
        sheet = open_sheet(settings, store)
        grid, rules = grid_now(sheet), wiring.rules(settings, sheet.key, store)
        order = pa.array(json.loads(store.rows.written_order(sheet.key) or "[]"), pa.string())
        now = Sheet(grid, settings.header.read(grid), order)
        made, others = plain_jobs(store, now, rules, settings.media)
        if others:
            its = _others(others, grid, settings, store, rules)
            made = pa.concat_tables([made, its], promote_options="default")
    return _in_order(made)


def _others(
    rows: Collection[str], grid: Grid, settings: Settings, store: Store, rules: Rules
) -> pyarrow.Table:
    """The jobs of these rows."""
    its = results_of(rows, grid, settings, store, rules)
    made: dict[str, int] = {}
    for one, at in its:
        moment = LATEST if at is None else (at - _EPOCH) // _MICROSECOND
        made[one.row_id] = min(moment, made.get(one.row_id, LATEST))
    return tables.of_shown([one for one, _ in its], made)


def _in_order(made: pyarrow.Table) -> pyarrow.Table:
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # Within the sheet, only the line counts; rows without one come last.
    when = pc.if_else(made["in_sheet"], pa.scalar(0, pa.int64()), made["made"])
    keys = made.select(["line", "row_id", "take", "part"]).append_column("when", when)
    names = ("line", "when", "row_id", "take", "part")
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names])
    if len(order) < 2 or pc.all(pc.less(order[:-1], order[1:])).as_py():
        return made
    # In parts, so that no text grows beyond what one array of Arrow holds.
    parts = [made.take(order.slice(at, _PART)) for at in range(0, len(order), _PART)]
    ordered: pyarrow.Table = pa.concat_tables(parts)
    return ordered
