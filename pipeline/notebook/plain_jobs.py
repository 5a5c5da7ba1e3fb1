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

from pipeline.core.chains import LINK
from pipeline.core.costs import account_of, summed
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
from pipeline.reports.extras import needed
from pipeline.store import SEPARATOR, WITHIN, JobTexts, Store

if TYPE_CHECKING:
    import pyarrow

#: Inputs (canonical text) that say more than the person wrote, or were forgotten.
_UNUSUAL: Final = f'"(?:{"|".join(map(re.escape, (LINK, *ADDED, COUNT, RATIOS)))})":|{PREFIX}'
#: The signs of a doubt, as Arrow writes them.
_SIGNS: Final = "(?i)" + re.sub(r"\\u([0-9a-fA-F]{4})", r"\\x{\1}", ANY_SIGN.pattern)
#: What begins a character that the store writes in another way.
_ESCAPE: Final = SEPARATOR[0]
_SEP: Final = re.escape(os.sep)
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
    names: set[str] = set()
    made = pa.concat_tables(
        [
            tables.empty_jobs(),
            *(_of(one, rules, media, names) for one in store.plain_jobs.jobs(rules.sheet)),
        ],
        promote_options="default",
    )
    if not len(made):
        return PlainJobs(tables.empty_jobs(), set())
    known = _known(store, rules.sheet)
    made = _with_files(_with_rows(_with_places(made, sheet.order), known))
    others = pc.unique(made["row_id"].filter(pc.invert(made["is_plain"])))
    if len(others):
        made = made.filter(pc.invert(pc.is_in(made["row_id"], value_set=others)))
    made = made.drop_columns(["is_plain", "wrote"])
    return PlainJobs(_with_cells(made, known, sheet), set(others.to_pylist()))


def _of(its: JobTexts, rules: Rules, media: Path | None, names: set[str]) -> pyarrow.Table:
    """The table of some jobs, with the columns `is_plain` and `wrote` (what was sent) besides.

    `names` are those of the inputs so far.
    """
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    wrote, sent, task_id = _split(its.inputs), _split(its.prompt), _split(its.task_id)
    plain = pc.equal(_split(its.is_plain), "1")
    for text in (wrote, sent, task_id):
        plain = pc.and_not(plain, pc.match_substring(text, _ESCAPE))
    plain = pc.and_not(plain, pc.match_substring_regex(wrote, _UNUSUAL))
    plain = pc.and_not(plain, pc.match_substring(sent, PREFIX))
    plain = pc.and_not(plain, _doubtful(wrote, plain, rules))
    inputs, plain = _inputs(wrote, plain, names)
    result, plain = _results(_split(its.result), plain)
    files, plain = _files(_split(its.saved), result["urls"], plain, rules, media)
    paid, plain = _paid(_split(its.sent_to), plain, rules)
    size = len(plain)
    prompt = pc.fill_null(inputs.get("prompt", pa.nulls(size, pa.string())), "")
    sent_at, ended_at = _numbers(its.sent_at), _numbers(its.ended_at)
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
        "row_id": _split(its.row_id),
        "take": _numbers(its.take),
        "prompt": pc.if_else(pc.equal(sent, ""), prompt, sent),
        "task_id": task_id,
        **result,
        **files,
        **paid,
        "submitted_at": sent_at.cast(types["submitted_at"]),
        "finished_at": ended_at.cast(types["finished_at"]),
        "duration": pc.subtract(ended_at, sent_at).cast(types["duration"]),
        "made": pc.fill_null(_numbers(its.made_at), LATEST),
        **{f"{tables.AN_INPUT}{name}": texts for name, texts in inputs.items()},
        "is_plain": plain,
        "wrote": wrote,
    }
    return pa.table(columns)


def _split(column: str) -> Any:
    """The texts of a column of the store."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    return pc.split_pattern(pa.array([column]), SEPARATOR).flatten()


def _numbers(column: str) -> Any:
    """The whole numbers of a column of the store, null where there is none."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    texts = _split(column)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts).cast(pa.int64())


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
    whole = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer()
    blocks = pj.ReadOptions(use_threads=False, block_size=whole.size + 1)
    parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)
    read = pj.read_json(pa.BufferReader(whole), read_options=blocks, parse_options=parsing)
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
    return {name: _whole(found[name]) for name in found.schema.names}, plain


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
    saved: Any, urls: Any, plain: Any, rules: Rules, media: Path | None
) -> tuple[dict[str, Any], Any]:
    """The columns of the saved files, and which jobs are still plain: all or none are saved."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    empty = pa.scalar([], pa.list_(pa.string()))
    has_some = pc.not_equal(saved, "")
    if rules.saves_files:
        lacks = pc.and_not(pc.greater(pc.list_value_length(urls), 0), has_some)
        plain = pc.and_not(plain, lacks)
    if not pc.any(has_some).as_py():
        none = pa.repeat(empty, len(saved))
        return {"files": none, "saved": none, "links": none}, plain
    names = pc.if_else(has_some, urls, empty)
    parts = pc.if_else(has_some, pc.split_pattern(saved, WITHIN), empty)
    url, path, link, wrong = (_every_fourth(parts.flatten(), begin) for begin in range(4))
    place, is_usual = _places(path, media)
    for text in (url, path, link):
        is_usual = pc.and_not(is_usual, pc.match_substring(text, _ESCAPE))
    is_usual = pc.and_(is_usual, pc.equal(wrong, ""))
    # They were saved in another order than the results have.
    jobs = pc.list_parent_indices(names)
    theirs = _keys(_every_fourth(pc.list_parent_indices(parts), 0), url)
    at = pc.index_in(_keys(jobs, names.flatten()), value_set=theirs)
    bad = jobs.filter(pc.invert(pc.fill_null(is_usual.take(at), False)))
    plain = pc.and_not(plain, pc.is_in(pa.arange(0, len(saved)), value_set=bad))
    count = pc.multiply(pc.list_value_length(names), 4)
    plain = pc.and_(plain, pc.equal(count, pc.list_value_length(parts)))
    link = pc.if_else(pc.match_substring_regex(link, "^https?://"), link, "")
    of_jobs = {
        name: pa.ListArray.from_arrays(names.offsets, pc.fill_null(texts.take(at), ""))
        for name, texts in (("files", place), ("links", link))
    }
    return {"saved": names, **of_jobs}, plain


def _every_fourth(values: Any, begin: int) -> Any:
    return values.take(needed("pyarrow").arange(begin, len(values), 4))


def _keys(jobs: Any, urls: Any) -> Any:
    return needed("pyarrow.compute").binary_join_element_wise(jobs.cast("string"), urls, " ")


def _places(path: Any, media: Path | None) -> tuple[Any, Any]:
    """The places of saved files, and whether their paths are spelled as `Path` spells them."""
    pc = needed("pyarrow.compute")
    is_elsewhere = pc.match_substring(path, "://")
    if media is None:
        return path, is_elsewhere
    is_unusual = pc.match_substring_regex(path, r"^$|^[./]|//|/\.|/$|\\")
    here = pc.binary_join_element_wise(str(media), pc.replace_substring(path, "/", os.sep), os.sep)
    return pc.if_else(is_elsewhere, path, here), pc.or_(is_elsewhere, pc.invert(is_unusual))


def _with_files(made: pyarrow.Table) -> pyarrow.Table:
    """The table in which a job is only plain if all its saved files are there."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    jobs, files = pc.list_parent_indices(made["files"]), pc.list_flatten(made["files"])
    jobs, files = (one.filter(pc.invert(pc.match_substring(files, "://"))) for one in (jobs, files))
    # To list a folder takes a tenth of the time of a look at each of its files.
    folders = pc.unique(pc.replace_substring_regex(files, f"{_SEP}[^{_SEP}]*$", ""))
    there = [path for folder in folders.to_pylist() for path in _plain_files(folder)]
    lost = pc.invert(pc.is_in(files.cast(pa.binary()), value_set=pa.array(there, pa.binary())))
    is_bad = pc.is_in(pa.arange(0, len(made)), value_set=jobs.filter(lost))
    return _put(made, "is_plain", pc.and_not(made["is_plain"], is_bad))


def _plain_files(folder: str) -> list[bytes]:
    """The paths of the regular files in a folder; none if it cannot be read."""
    try:
        with os.scandir(os.fsencode(folder)) as found:
            return [one.path for one in found if one.is_file(follow_symlinks=False)]
    except OSError:
        return []


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
        "is_usual": _ESCAPE not in f"{endpoint}{provider}{base_url}{account}",
    }


def _known(store: Store, sheet: str) -> pyarrow.Table:
    """The known rows of the sheet: `row_id`, `inputs` and `is_plain`."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    kinds = [("row_id", pa.string()), ("inputs", pa.string()), ("is_plain", pa.bool_())]
    parts = []
    for its in store.plain_jobs.rows(sheet):
        inputs = _split(its.inputs)
        plain = pc.equal(_split(its.is_plain), "1")
        plain = pc.and_not(plain, pc.match_substring(inputs, _ESCAPE))
        parts.append(pa.table([_split(its.row_id), inputs, plain], pa.schema(kinds)))
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
