"""All jobs of a sheet as an Arrow table, as of one moment.

Most jobs are plain and need no object each (`plain_jobs`); the others come from `reports.results`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.rows.rules import Rules
from pipeline.notebook import tables
from pipeline.notebook.cells import Sheet
from pipeline.notebook.columns import fast_memory
from pipeline.notebook.plain_jobs import LATEST, all_plain, plain_jobs
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
    with fast_memory():
        return _in_order(_all_jobs(settings))


def _all_jobs(settings: Settings) -> pyarrow.Table:
    """The same in any order, with `is_plain`: where it is false, the job is there once more."""
    pa = needed("pyarrow")
    with wiring.scratch_store(settings) as store:
        sheet, key = _sheet_now(settings, store)
        rules = wiring.rules(settings, key, store)
        made, others = plain_jobs(store, sheet, rules, settings.media)
        if others:
            its = _others(others, sheet, settings.media, store, rules)
            made = pa.concat_tables([made, all_plain(its)], promote_options="default")
    return made


def _sheet_now(settings: Settings, store: Store) -> tuple[Sheet, str]:
    """The sheet in columns, and its key. Its texts are no Python objects any more."""
    sheet = open_sheet(settings, store)
    grid = grid_now(sheet)
    order = json.loads(store.rows.written_order(sheet.key) or "[]")
    return Sheet.of(grid, settings.header.read(grid), order), sheet.key


def _others(
    rows: Collection[str], sheet: Sheet, media: Path | None, store: Store, rules: Rules
) -> pyarrow.Table:
    """The jobs of these rows."""
    # A forgotten text may stand in any row.
    grid = sheet.grid(rows if store.forgetting.tracer() is None else None)
    its = results_of(rows, grid, sheet.columns, store, rules, media)
    made: dict[str, int] = {}
    for one, at in its:
        moment = LATEST if at is None else (at - _EPOCH) // _MICROSECOND
        made[one.row_id] = min(moment, made.get(one.row_id, LATEST))
    return tables.of_shown([one for one, _ in its], made)


def _in_order(made: pyarrow.Table) -> pyarrow.Table:
    """The table in order, without jobs that are there twice. Nothing else may hold `made`."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # Within the sheet, only the line counts; rows without one come last.
    when = pc.if_else(made["in_sheet"], pa.scalar(0, pa.int64()), made["made"])
    keys = made.select(["line", "row_id", "take", "part"]).append_column("when", when)
    keys = keys.append_column("at", pa.arange(0, len(made))).filter(made["is_plain"])
    names = ("line", "when", "row_id", "take", "part")
    sort_keys = [(name, "ascending") for name in names]
    order = keys["at"].take(pc.sort_indices(keys, sort_keys=sort_keys))
    made = made.drop_columns(["is_plain"])
    if order.equals(pa.chunked_array([pa.arange(0, len(made))])):
        return made
    # Column by column, because two copies of all would need twice the memory, and in parts, so that
    # no text grows beyond what one array of Arrow holds.
    columns = dict(zip(made.schema.names, made.columns, strict=True))
    del made
    for name in [*columns]:
        column = columns.pop(name)
        parts = [column.take(order.slice(at, _PART)) for at in range(0, len(order), _PART)]
        chunks = [chunk for part in parts for chunk in part.chunks]
        columns[name] = pa.chunked_array(chunks, column.type)
    ordered: pyarrow.Table = pa.table(columns)
    return ordered
