"""The plain jobs of a sheet as an Arrow table, without an object for each.

A job is plain if what it shows follows from few columns of the store: its only attempt succeeded,
and its row is as it was sent. All others are left to `reports.results`; both ways give the same
columns (`tables.JOBS`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.core.cell_links import is_web
from pipeline.core.chains import LINK
from pipeline.core.costs import account_of, summed
from pipeline.core.credits import Credits
from pipeline.core.generations import COUNT, RATIOS
from pipeline.core.header import Columns
from pipeline.core.invisible import visible
from pipeline.core.model import Grid, State
from pipeline.core.prompt_checks import ANY_SIGN
from pipeline.core.revisions import ADDED
from pipeline.core.rules import Rules
from pipeline.core.states import Paid, cost_of_attempt
from pipeline.core.statuses import Status
from pipeline.core.traces import PREFIX
from pipeline.notebook import tables
from pipeline.open_pictures import is_elsewhere
from pipeline.plain_files import is_plain
from pipeline.reports.extras import needed
from pipeline.store import SEPARATOR, JobBatch, Store

if TYPE_CHECKING:
    import pyarrow

#: Inputs (canonical text) that say more than the person wrote, or were forgotten.
_UNUSUAL: Final = f'"(?:{"|".join(map(re.escape, (LINK, *ADDED, COUNT, RATIOS)))})":|{PREFIX}'
#: The signs of a doubt, as Arrow writes them.
_SIGNS: Final = "(?i)" + re.sub(r"\\u([0-9a-fA-F]{4})", r"\\x{\1}", ANY_SIGN.pattern)
#: What begins a character that the store writes in another way.
_ESCAPE: Final = SEPARATOR[0]
#: Later than any moment: a job of an old store does not say when it was made.
LATEST: Final = 2**62


class PlainJobs(NamedTuple):
    """The plain jobs, and the rows with others."""

    #: With the columns of `tables.JOBS`, in any order.
    jobs: pyarrow.Table
    #: Ids of the rows of which at least one job is not plain: none of theirs is in `jobs`.
    others: set[str]


class Sheet(NamedTuple):
    """A sheet as it is now, and the order of its last accepted reading."""

    grid: Grid
    columns: Columns
    #: The ids by their places at the last reading; empty for a line that is no row.
    order: Sequence[str]


def plain_jobs(store: Store, sheet: Sheet, rules: Rules, media: Path | None) -> PlainJobs:
    """The plain jobs of the sheet of these rules. Raises StoreError."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    made = pa.concat_tables(
        [
            tables.empty_jobs(),
            *(_of(one, rules, media) for one in store.plain_jobs.jobs(rules.sheet)),
        ],
        promote_options="default",
    )
    if not len(made):
        return PlainJobs(tables.empty_jobs(), set())
    known = _known(store, rules.sheet)
    made = _with_rows(_with_places(made, sheet.order), known)
    others = pc.unique(made["row_id"].filter(pc.invert(made["is_plain"])))
    if len(others):
        made = made.filter(pc.invert(pc.is_in(made["row_id"], value_set=others)))
    made = made.drop_columns(["is_plain", "wrote"])
    return PlainJobs(_with_cells(made, known, sheet), set(others.to_pylist()))


def _of(batch: JobBatch, rules: Rules, media: Path | None) -> pyarrow.Table:
    """The table of a batch, with the columns `is_plain` and `wrote` (what was sent) besides."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    size = len(batch.row_id)
    wrote = pc.fill_null(pa.array(batch.inputs, pa.string()), "{}")
    sent = pc.fill_null(pa.array(batch.prompt, pa.string()), "")
    task_id = pc.fill_null(pa.array(batch.task_id, pa.string()), "")
    plain = pc.fill_null(pa.array(batch.is_plain).cast(pa.bool_()), False)
    for text in (wrote, sent, task_id):
        plain = pc.and_not(plain, pc.match_substring(text, _ESCAPE))
    plain = pc.and_not(plain, pc.match_substring_regex(wrote, _UNUSUAL))
    plain = pc.and_not(plain, pc.match_substring(sent, PREFIX))
    plain = pc.and_not(plain, _doubtful(wrote, plain, rules))
    inputs, plain = _inputs(wrote, plain)
    result, plain = _results(pa.array(batch.result, pa.string()), plain)
    files, plain = _files(batch.saved, result["urls"], plain, rules, media)
    paid, plain = _paid(batch, plain, rules)
    prompt = pc.fill_null(inputs.get("prompt", pa.nulls(size, pa.string())), "")
    sent_at, ended_at = pa.array(batch.sent_at, pa.int64()), pa.array(batch.ended_at, pa.int64())
    types = tables.types()
    same: dict[str, object] = {
        "name": "",
        "part": "",
        "status": Status.DONE.value,
        "note": "",
        "feedback": "",
        "state": str(State.SUCCEEDED),
        "attempts": 1,
        "picked": [],
    }
    columns = {
        **{name: pa.repeat(pa.scalar(value, types[name]), size) for name, value in same.items()},
        "row_id": pa.array(batch.row_id, pa.string()),
        "take": pa.array(batch.take, pa.int64()),
        "prompt": pc.if_else(pc.equal(sent, ""), prompt, sent),
        "task_id": task_id,
        **result,
        **files,
        **paid,
        "submitted_at": sent_at.cast(types["submitted_at"]),
        "finished_at": ended_at.cast(types["finished_at"]),
        "duration": pc.subtract(ended_at, sent_at).cast(types["duration"]),
        "made": pc.fill_null(pa.array(batch.made_at, pa.int64()), LATEST),
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


def _read(lines: Any, schema: Any = None) -> Any:
    """Lines of JSON as a table, each with the fields of `schema`; without one, with all, as texts.

    Raises ArrowInvalid for lines that Arrow cannot read.
    """
    pa, pc, pj = needed("pyarrow"), needed("pyarrow.compute"), needed("pyarrow.json")
    whole = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer()
    blocks = pj.ReadOptions(use_threads=False, block_size=whole.size + 1)
    if schema is None:
        names = pj.read_json(pa.BufferReader(whole), read_options=blocks).schema.names
        schema = pa.schema([(name, pa.string()) for name in names])
    parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    read = pj.read_json(pa.BufferReader(whole), read_options=blocks, parse_options=parsing)
    return read.combine_chunks()


def _inputs(wrote: Any, plain: Any) -> tuple[dict[str, Any], Any]:
    """Name -> texts, null where there is none; and which jobs are still plain."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    lines = pc.if_else(plain, wrote, "{}")
    if pc.all(pc.equal(lines, "{}")).as_py():
        return {}, plain
    try:
        read = _read(lines)
    except pa.ArrowInvalid:  # rare letters, such as half of a pair
        return {}, pa.repeat(False, len(plain))
    return {name: _whole(read[name]) for name in read.schema.names}, plain


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
    texts = pc.fill_null(texts, "")
    plain = pc.and_not(plain, pc.match_substring(texts, _ESCAPE))
    lines = pc.if_else(pc.and_(plain, pc.not_equal(texts, "")), texts, "{}")
    try:
        read = _read(lines, schema)
    except pa.ArrowInvalid:
        plain = pa.repeat(False, len(plain))
        read = _read(pa.array(["{}"] * len(plain)), schema)
    some = {name: _whole(read[name]) for name in schema.names}
    plain = pc.and_(plain, pc.equal(pc.fill_null(some.pop("left_out"), 0), 0))
    nothing = {"urls": pa.scalar([], pa.list_(pa.string()))}
    return {name: pc.coalesce(one, nothing.get(name, "")) for name, one in some.items()}, plain


def _whole(column: Any) -> Any:
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _files(
    saved: Sequence[str | None], urls: Any, plain: Any, rules: Rules, media: Path | None
) -> tuple[dict[str, Any], Any]:
    """The columns of the saved files, and which jobs are still plain: all or none are there."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    texts = pa.list_(pa.string())
    size = len(saved)
    if rules.saves_files:
        has_none = pa.array([not one for one in saved], pa.bool_())
        plain = pc.and_not(plain, pc.and_(has_none, pc.greater(pc.list_value_length(urls), 0)))
    if not any(saved):
        empty = pa.repeat(pa.scalar([], texts), size)
        return {"files": empty, "saved": empty, "links": empty}, plain
    files: list[list[str]] = []
    links: list[list[str]] = []
    there: list[bool] = []
    for one, its in zip(saved, urls.to_pylist(), strict=True):
        found = _places(one, its, media) if one else {}
        there.append(found is not None)
        files.append([place for place, _ in (found or {}).values()])
        links.append([link for _, link in (found or {}).values()])
    plain = pc.and_(plain, pa.array(there, pa.bool_()))
    names = pc.if_else(pa.array([bool(one) for one in files]), urls, pa.scalar([], texts))
    return {"files": pa.array(files, texts), "saved": names, "links": pa.array(links, texts)}, plain


def _places(
    saved: str, urls: Sequence[str], media: Path | None
) -> dict[str, tuple[str, str]] | None:
    """URL -> place and link of its file, in their order; None if it is not as simple as that."""
    parts = saved.split(SEPARATOR)
    if any(_ESCAPE in one for one in parts):
        return None
    by_url = {
        url: (path, link, wrong)
        for url, path, link, wrong in zip(*(parts[at::4] for at in range(4)), strict=True)
    }
    if by_url.keys() != {*urls}:
        return None
    found = {}
    for url in urls:
        path, link, wrong = by_url[url]
        place: Path | str = path
        if not is_elsewhere(path):
            if media is None or not path or not is_plain(media / path):
                return None
            place = f"{media}{os.sep}{path}" if os.sep == "/" and _is_usual(path) else media / path
        if wrong:
            return None
        found[url] = str(place), link if is_web(link) else ""
    return found


def _is_usual(path: str) -> bool:
    """True if the path is spelled as `Path` spells it, and does not begin at the root."""
    return not (path.startswith((".", "/")) or "//" in path or "/." in path or path.endswith("/"))


def _paid(batch: JobBatch, plain: Any, rules: Rules) -> tuple[dict[str, Any], Any]:
    """The endpoint and the columns of what was paid, and which jobs are still plain."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    kinds: dict[tuple[Credits | None, Credits | None, str | None], int] = {}
    numbers = [
        kinds.setdefault(one, len(kinds))
        for one in zip(batch.price, batch.reported, batch.sent_to, strict=True)
    ]
    lines = [_kind(rules, *one) for one in kinds]
    which = pa.array(numbers, pa.int64())
    types = tables.types()
    columns = {
        name: pa.array([line[name] for line in lines], types[name]).take(which) for name in lines[0]
    }
    is_usual = pa.array([_is_readable(sent_to) for _, _, sent_to in kinds], pa.bool_())
    return columns, pc.and_(plain, is_usual.take(which))


def _is_readable(sent_to: str | None) -> bool:
    return sent_to is not None and not any(_ESCAPE in one for one in sent_to.split(SEPARATOR))


def _kind(
    rules: Rules, price: Credits | None, reported: Credits | None, sent_to: str | None
) -> dict[str, Any]:
    """The columns of jobs that were sent to one place for one price."""
    endpoint, provider, base_url, account = (sent_to or SEPARATOR * 3).split(SEPARATOR)
    attempt = Paid(State.SUCCEEDED, provider, base_url, account, "", "", price or 0, reported)
    costs = summed([(account_of(rules, attempt), cost_of_attempt(attempt))])
    return {"endpoint": endpoint, **tables.cost_columns(cost_of_attempt(attempt), costs)}


def _known(store: Store, sheet: str) -> pyarrow.Table:
    """The known rows of the sheet: `row_id`, `inputs` and `is_plain`."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    kinds = [("row_id", pa.string()), ("inputs", pa.string()), ("is_plain", pa.bool_())]
    parts = [
        pa.table(
            {
                "row_id": pa.array(one.row_id, pa.string()),
                "inputs": pa.array(one.inputs, pa.string()),
                "is_plain": pc.and_not(
                    pa.array(one.is_plain).cast(pa.bool_()),
                    pc.match_substring(pa.array(one.inputs, pa.string()), _ESCAPE),
                ),
            }
        )
        for one in store.plain_jobs.rows(sheet)
    ]
    return pa.concat_tables([pa.schema(kinds).empty_table(), *parts])


def _with_places(made: pyarrow.Table, order: Sequence[str]) -> pyarrow.Table:
    """The table with the lines of the rows, and `made` as that of the row's first job."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    # Of two equal ids, the last one counts.
    found = pc.index_in(made["row_id"], value_set=pa.array(order[::-1], pa.string()))
    line = pc.subtract(pa.scalar(len(order), pa.int64()), found.cast(pa.int64()))
    made = _put(_put(made, "line", line), "in_sheet", pc.is_valid(line))
    rows = made.select(["row_id", "take", "made"]).group_by("row_id")
    rows = rows.aggregate([("take", "max"), ("made", "min")])
    if len(rows) == len(made):
        return made.append_column("is_last", pa.chunked_array([pa.repeat(True, len(made))]))
    at = pc.index_in(made["row_id"], value_set=rows["row_id"])
    its = rows.take(at)
    made = made.append_column("is_last", pc.equal(made["take"], its["take_max"]))
    return _put(made, "made", its["made_min"])


def _with_rows(made: pyarrow.Table, known: pyarrow.Table) -> pyarrow.Table:
    """The table in which a job is only plain if its row is, too, as the last reading left it."""
    pc = needed("pyarrow.compute")
    its = known.take(pc.index_in(made["row_id"], value_set=known["row_id"]))
    is_row = pc.fill_null(its["is_plain"], True)
    is_same = pc.fill_null(pc.equal(its["inputs"], made["wrote"]), True)
    # The present inputs belong to the last take; a row that is gone has none.
    is_same = pc.or_(is_same, pc.invert(pc.and_(made["is_last"], made["in_sheet"])))
    plain = pc.and_(made["is_plain"], pc.and_(is_row, is_same))
    made = made.drop_columns(["is_last"])
    return _put(made, "is_plain", plain)


def _with_cells(made: pyarrow.Table, known: pyarrow.Table, sheet: Sheet) -> pyarrow.Table:
    """The table with the names of the rows and the team's own columns, from the cells now."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    at, inputs_of = sheet.columns.index.get("row_id"), sheet.columns.reader_of_inputs()
    if at is None:
        return made
    rows = [row for row in sheet.grid[1:] if at < len(row) and row[at]]
    marks = pa.array([visible(row[at]) for row in rows], pa.string())
    wrote = pa.array([tables.plain_text(inputs_of(row)) for row in rows], pa.string())
    its = known["inputs"].take(pc.index_in(marks, value_set=known["row_id"]))
    # People may sort or copy ids without their rows, so an id counts only beside its inputs.
    is_its = pc.fill_null(pc.equal(its, wrote), False)
    confirmed = pc.indices_nonzero(_whole(is_its)).to_pylist()[::-1]
    rows = [rows[n] for n in confirmed]
    found = pc.index_in(made["row_id"], value_set=marks.take(pa.array(confirmed, pa.int64())))
    for name, texts in _cells(rows, sheet.columns).items():
        column = pa.array(texts, pa.string()).take(_whole(found))
        if name == "name":
            column = pc.fill_null(column, "")
            made = _put(made, "name", column)
        else:
            empty = pa.scalar(None, pa.string())
            made = made.append_column(name, pc.if_else(pc.equal(column, ""), empty, column))
    return made


def _put(made: pyarrow.Table, name: str, column: Any) -> pyarrow.Table:
    """The table with another column of this name."""
    return made.set_column(made.schema.get_field_index(name), name, column)


def _cells(rows: Sequence[Sequence[str]], columns: Columns) -> dict[str, list[str | None]]:
    """Column of the table -> texts, of the columns `name` and the team's own."""
    taken = {*columns.index.values()}
    at = columns.index.get("name")
    places = {"name": [at]} if at is not None else {}
    for place, title in enumerate(columns.header):
        if title.strip() and place not in taken:
            places.setdefault(f"{tables.OWN_COLUMN}{title}", []).append(place)
    return {
        # Of two columns with one title, the last one that is filled.
        name: [tables.plain_text(_filled(row, its)) for row in rows]
        for name, its in places.items()
    }


def _filled(row: Sequence[str], places: Sequence[int]) -> str:
    for at in reversed(places):
        if at < len(row) and (text := row[at].strip()):
            return text
    return ""
