"""The plain jobs of a sheet as an Arrow table, without an object for each.

A job is plain if what it shows follows from few columns of the store: its only attempt succeeded,
and its row is as it was sent. All others are left to `reports.results`; both ways give the same
columns (`tables.JOBS`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.core.model import State
from pipeline.core.money.costs import account_of, summed
from pipeline.core.prompts.checks import ANY_SIGN
from pipeline.core.prompts.revisions import ADDED
from pipeline.core.rows.chains import LINK
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import COUNT, RATIOS
from pipeline.core.states import Paid, cost_of_attempt
from pipeline.core.statuses import Status
from pipeline.core.traces import PREFIX
from pipeline.notebook import tables
from pipeline.notebook.cells import Sheet, with_cells
from pipeline.notebook.columns import (
    ESCAPE,
    ahead,
    empty_lists,
    has_escapes,
    numbers,
    put,
    split,
    whole,
)
from pipeline.notebook.saved_files import files_of, with_files
from pipeline.reports.extras import needed
from pipeline.store import WITHIN, JobTexts, Store

if TYPE_CHECKING:
    import pyarrow

#: Inputs (canonical text) that say more than the person wrote, or were forgotten.
_UNUSUAL: Final = f'"(?:{"|".join(map(re.escape, (LINK, *ADDED, COUNT, RATIOS)))})":|{PREFIX}'
#: The signs of a doubt, as Arrow writes them.
_SIGNS: Final = re.sub(r"\\u([0-9a-fA-F]{4})", r"\\x{\1}", ANY_SIGN.pattern)
#: Later than any moment: a job of an old store does not say when it was made.
LATEST: Final = 2**62


class PlainJobs(NamedTuple):
    """The plain jobs, and the rows with others."""

    #: With the columns of `tables.JOBS`, in any order, and `is_plain`: of a row in `others` no job
    #: is. To leave those out here would be one more copy of all.
    jobs: pyarrow.Table
    #: Ids of the rows of which at least one job is not plain.
    others: set[str]


def plain_jobs(store: Store, sheet: Sheet, rules: Rules, media: Path | None) -> PlainJobs:
    """The plain jobs of the sheet of these rules. Raises StoreError."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    names: set[str] = set()
    made = pa.concat_tables(
        [
            tables.empty_jobs(),
            *(_of(one, rules, media, names) for one in ahead(store.plain_jobs.jobs(rules.sheet))),
        ],
        promote_options="default",
    )
    if not len(made):
        return PlainJobs(all_plain(tables.empty_jobs()), set())
    known = _known(store, rules.sheet)
    made = with_files(_with_rows(_with_places(made, sheet.order), known))
    others = pc.unique(made["row_id"].filter(pc.invert(made["is_plain"])))
    made = put(made, "is_plain", pc.invert(pc.is_in(made["row_id"], value_set=others)))
    made = with_cells(made.drop_columns(["wrote"]), known, sheet)
    return PlainJobs(made, set(others.to_pylist()))


def all_plain(made: pyarrow.Table) -> pyarrow.Table:
    """The table with the column `is_plain`, true for all."""
    pa = needed("pyarrow")
    return made.append_column("is_plain", pa.repeat(pa.scalar(True), len(made)))


def _of(its: JobTexts, rules: Rules, media: Path | None, names: set[str]) -> pyarrow.Table:
    """The table of some jobs, with the columns `is_plain` and `wrote` (what was sent) besides.

    `names` are those of the inputs so far.
    """
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    wrote, sent, task_id = split(its.inputs), split(its.prompt), split(its.task_id)
    plain = pc.equal(split(its.is_plain), "1")
    for column in (its.inputs, its.prompt, its.task_id, its.result):
        plain = pc.and_not(plain, has_escapes(column))
    plain = pc.and_not(plain, pc.match_substring_regex(wrote, _UNUSUAL))
    plain = pc.and_not(plain, pc.match_substring(sent, PREFIX))
    plain = pc.and_not(plain, _doubtful(wrote, plain, rules))
    inputs, plain = _inputs(wrote, plain, names)
    result, plain = _results(split(its.result), plain)
    files, plain = files_of(
        split(its.saved), result["urls"], plain, media, must_be_there=rules.saves_files
    )
    paid, plain = _paid(split(its.sent_to), plain, rules)
    size = len(plain)
    prompt = pc.fill_null(inputs.get("prompt", pa.nulls(size, pa.string())), "")
    sent_at, ended_at = numbers(its.sent_at), numbers(its.ended_at)
    types = tables.types()
    same: dict[str, object] = {
        "name": "",
        "part": "",
        "status": Status.DONE.value,
        "note": "",
        "feedback": "",
        "state": str(State.SUCCEEDED),
        "attempts": 1,
    }
    columns = {
        **{name: pa.repeat(pa.scalar(value, types[name]), size) for name, value in same.items()},
        "row_id": split(its.row_id),
        "take": numbers(its.take),
        "prompt": pc.if_else(pc.equal(sent, ""), prompt, sent),
        "task_id": task_id,
        "picked": empty_lists(size),
        **result,
        **files,
        **paid,
        "submitted_at": sent_at.cast(types["submitted_at"]),
        "finished_at": ended_at.cast(types["finished_at"]),
        "duration": pc.subtract(ended_at, sent_at).cast(types["duration"]),
        "made": pc.fill_null(numbers(its.made_at), LATEST),
        **{f"{tables.AN_INPUT}{name}": texts for name, texts in inputs.items()},
        "is_plain": plain,
        "wrote": wrote,
    }
    return pa.table(columns)


def _doubtful(wrote: Any, plain: Any, rules: Rules) -> Any:
    """Where there is a doubt about what was sent."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # The first character is a brace, which is a sign elsewhere.
    signs = pc.match_substring_regex(pc.utf8_slice_codeunits(wrote, 1), _SIGNS)
    if rules.prompts is not None:
        signs = plain
    found = [False] * len(wrote)
    for at in pc.indices_nonzero(pc.and_(signs, plain)).to_pylist():
        found[at] = bool(rules.doubts(wrote[at].as_py()))
    return pa.array(found, pa.bool_())


def _read(lines: Any, schema: Any, others: str = "ignore") -> Any:
    """Lines of JSON as a table, each with the fields of `schema`, and what becomes of other fields.

    Raises ArrowInvalid for lines that Arrow cannot read.
    """
    pa, pc, pj = needed("pyarrow"), needed("pyarrow.compute"), needed("pyarrow.json")
    text = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer()
    blocks = pj.ReadOptions(use_threads=False, block_size=text.size + 1)
    parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)
    read = pj.read_json(pa.BufferReader(text), read_options=blocks, parse_options=parsing)
    return read.combine_chunks()


def _inputs(wrote: Any, plain: Any, names: set[str]) -> tuple[dict[str, Any], Any]:
    """Name -> texts, null where there is none; and which jobs are still plain."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    lines = pc.if_else(plain, wrote, "{}")

    def read(others: str) -> Any:
        return _read(lines, pa.schema([(name, pa.string()) for name in sorted(names)]), others)

    try:
        try:
            found = read("error")
        except pa.ArrowInvalid:
            # Without a type, texts such as dates would become something else.
            names.update(read("infer").schema.names)
            found = read("error")
    except pa.ArrowInvalid:  # rare letters, such as half of a pair
        return {}, pa.repeat(False, len(plain))
    return {name: whole(found[name]) for name in found.schema.names}, plain


def _results(texts: Any, plain: Any) -> tuple[dict[str, Any], Any]:
    """The columns of the results, and which jobs are still plain."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    schema = pa.schema(
        [
            ("urls", pa.list_(pa.string())),
            *((name, pa.string()) for name in ("grid_url", "text")),
            ("left_out", pa.int64()),
        ]
    )
    lines = pc.if_else(pc.and_(plain, pc.not_equal(texts, "")), texts, "{}")
    try:
        read = _read(lines, schema)
    except pa.ArrowInvalid:
        plain = pa.repeat(False, len(plain))
        read = _read(pa.array(["{}"] * len(plain)), schema)
    some = {name: whole(read[name]) for name in schema.names}
    plain = pc.and_(plain, pc.equal(pc.fill_null(some.pop("left_out"), 0), 0))
    nothing = {"urls": pa.scalar([], pa.list_(pa.string()))}
    return {name: pc.coalesce(one, nothing.get(name, "")) for name, one in some.items()}, plain


def _paid(sent_to: Any, plain: Any, rules: Rules) -> tuple[dict[str, Any], Any]:
    """The endpoint and the columns of what was paid, and which jobs are still plain."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    kinds = pc.dictionary_encode(sent_to)
    lines = [_kind(rules, one) for one in kinds.dictionary.to_pylist()]
    types = {**tables.types(), "is_usual": pa.bool_()}
    columns = {
        name: pa.array([line[name] for line in lines], types[name]).take(kinds.indices)
        for name in lines[0]
    }
    return columns, pc.and_(plain, columns.pop("is_usual"))


def _kind(rules: Rules, sent_to: str) -> dict[str, Any]:
    """The columns of jobs that were sent to one place for one price."""
    if not sent_to:  # A job without an attempt is not plain.
        sent_to = WITHIN.join(("0", *[""] * 5))
    listed, reported, endpoint, provider, base_url, account = sent_to.split(WITHIN)
    price, charged = float(listed), float(reported) if reported else None
    attempt = Paid(State.SUCCEEDED, provider, base_url, account, "", "", price, charged)
    costs = summed([(account_of(rules, attempt), cost_of_attempt(attempt))])
    return {
        "endpoint": endpoint,
        **tables.cost_columns(cost_of_attempt(attempt), costs),
        "is_usual": ESCAPE not in f"{endpoint}{provider}{base_url}{account}",
    }


def _known(store: Store, sheet: str) -> pyarrow.Table:
    """The known rows of the sheet: `row_id`, `inputs` and `is_plain`."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    kinds = [("row_id", pa.string()), ("inputs", pa.string()), ("is_plain", pa.bool_())]
    parts = []
    for its in ahead(store.plain_jobs.rows(sheet)):
        inputs = split(its.inputs)
        plain = pc.and_not(pc.equal(split(its.is_plain), "1"), has_escapes(its.inputs))
        parts.append(pa.table([split(its.row_id), inputs, plain], pa.schema(kinds)))
    return pa.concat_tables([pa.schema(kinds).empty_table(), *parts])


def _with_places(made: pyarrow.Table, order: pyarrow.Array) -> pyarrow.Table:
    """The table with the lines of the rows, and `made` as that of the row's first job."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # Of two equal ids, the last one counts.
    found = pc.index_in(made["row_id"], value_set=order[::-1])
    line = pc.subtract(pa.scalar(len(order), pa.int64()), found.cast(pa.int64()))
    made = put(put(made, "line", line), "in_sheet", pc.is_valid(line))
    # Most rows have one take.
    several = pc.unique(made["row_id"].filter(pc.greater(made["take"], 1)))
    jobs = made.select(["row_id", "take", "made"])
    jobs = jobs.filter(pc.is_in(made["row_id"], value_set=several)).group_by("row_id")
    rows = jobs.aggregate([("take", "max"), ("made", "min")])
    its = rows.take(pc.index_in(made["row_id"], value_set=rows["row_id"]))
    is_last = pc.fill_null(pc.equal(made["take"], its["take_max"]), True)
    made = made.append_column("is_last", is_last)
    return put(made, "made", pc.coalesce(its["made_min"], made["made"]))


def _with_rows(made: pyarrow.Table, known: pyarrow.Table) -> pyarrow.Table:
    """The table in which a job is only plain if its row is, too, as the last reading left it."""
    pc = needed("pyarrow.compute")
    at = pc.index_in(made["row_id"], value_set=known["row_id"])
    its = known.select(["inputs", "is_plain"]).take(at)
    is_row = pc.fill_null(its["is_plain"], True)
    is_same = pc.fill_null(pc.equal(its["inputs"], made["wrote"]), True)
    # The present inputs belong to the last take; a row that is gone has none.
    is_same = pc.or_(is_same, pc.invert(pc.and_(made["is_last"], made["in_sheet"])))
    plain = pc.and_(made["is_plain"], pc.and_(is_row, is_same))
    made = made.drop_columns(["is_last"])
    return put(made, "is_plain", plain)
