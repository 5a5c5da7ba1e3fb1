"""Finds what a new outlet lacks: messages about the rows of a sheet that ended earlier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from pipeline.config import OutletSettings
from pipeline.config.outlets import FieldsTable
from pipeline.core.model import Job, JobKey
from pipeline.core.outlets.filling import Told, untold
from pipeline.outlets.mapping import has_one_take
from pipeline.store import Filled
from pipeline.sync.outlet_entries import columns_of, row_labels
from pipeline.sync.sheet_sync import SheetSync


def lacking(
    sync: SheetSync,
    jobs: Mapping[JobKey, Job],
    outlet: OutletSettings,
    told: Told,
    since: datetime | None,
    now: datetime,
) -> list[Filled]:
    """The messages that an outlet lacks, in the order of the rows of the last look.

    A table that has a line for each take is told of every take, any other outlet of the newest.
    """
    by_row = defaultdict[str, dict[str, list[Job]]](dict)
    for key, job in jobs.items():
        by_row[key.row_id].setdefault(key.part, []).append(job)
    look, wanted = sync.last, frozenset(columns_of(outlet))
    each_take, found = _has_takes(outlet), list[Filled]()
    for row_id, place in sorted(look.places().items(), key=lambda one: one[1]):
        for its in by_row.get(row_id, {}).values():
            for one in untold(its, told, sync.rules, now, each_take=each_take, since=since):
                labels = row_labels(look, look.name_of(one.key), place, wanted)
                found.append(Filled(one, labels))
    return found


def _has_takes(outlet: OutletSettings) -> bool:
    """Returns whether an outlet is a table with a line for each take."""
    its = outlet.table
    return isinstance(its, FieldsTable) and not has_one_take(its.key, its.fields)
