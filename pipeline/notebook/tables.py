"""The tables of a notebook, as DataFrames with Arrow-backed columns.

Raises ConfigError if pandas or pyarrow is not installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.credits import Credits
from pipeline.core.money.costs import Cost
from pipeline.core.statuses import Status
from pipeline.reports import charts
from pipeline.reports.extras import needed
from pipeline.reports.results import Shown
from pipeline.store import ToldEvent

if TYPE_CHECKING:
    import pandas
    import pyarrow

#: Column of the table of jobs -> its type, in order. `list` stands for a list of strings.
COLUMNS: Final = {
    "row_id": "string",
    "line": "int64",
    "name": "string",
    "take": "int64",
    "part": "string",
    "prompt": "string",
    "endpoint": "string",
    "status": "category",
    "note": "string",
    "state": "string",
    "task_id": "string",
    "urls": "list",
    "grid_url": "string",
    "picked": "list",
    "feedback": "string",
    "text": "string",
    "files": "list",
    "credits": "float64",
    "unit": "string",
    "account": "string",
    "attempts": "int64",
    "submitted_at": "moment",
    "finished_at": "moment",
    "duration": "duration",
    "in_sheet": "bool",
}
#: Before the name of an input whose own name is that of a column above.
INPUT: Final = "input_"
#: The same for the team's own columns.
OWN: Final = "own_"
#: The same for the other tables; see the methods of `Results`.
PAYMENTS: Final = {
    **{name: COLUMNS[name] for name in ("row_id", "take", "part", "submitted_at")},
    **{name: COLUMNS[name] for name in ("account", "unit", "credits")},
}
FILES: Final = {
    **{name: COLUMNS[name] for name in ("row_id", "take", "part")},
    "number": "int64",
    "url": "string",
    "file": "string",
    "link": "string",
    "picked": "bool",
}
EVENTS: Final = {
    **{name: COLUMNS[name] for name in ("row_id", "take", "part")},
    "attempt": "int64",
    "at": "moment",
    "event": "string",
    "text": "string",
}
PLAN: Final = {
    **{name: COLUMNS[name] for name in ("row_id", "line", "name", "take", "part", "prompt")},
    **{name: COLUMNS[name] for name in ("endpoint", "credits", "unit", "account")},
    "when": "string",
}


#: The columns of a job inside this package, of which the tables are made. `saved` has the URLs of
#: `files` and `links`, `made` is when the first job of the row was made. For each input there is a
#: column that begins with AN_INPUT, for each column of the team one with OWN_COLUMN.
JOBS: Final = {
    **COLUMNS,
    "status": "string",
    **dict.fromkeys(("saved", "links", "accounts", "units"), "list"),
    "amounts": "numbers",
    "made": "int64",
}
AN_INPUT, OWN_COLUMN = "input:", "own:"
#: So many lines of a table are in memory as Python values at a time.
_AT_ONCE: Final = 50_000


def table(kinds: Mapping[str, str], rows: Iterable[Sequence[object]]) -> pandas.DataFrame:
    """A DataFrame with columns of these types, from rows with a value for each of them."""
    pa, words = needed("pyarrow"), _arrow_types()
    types = [words[kind] for kind in kinds.values()]
    parts: list[list[Any]] = [[] for _ in types]
    lines = iter(rows)
    while some := list(islice(lines, _AT_ONCE)):
        for its, values, kind in zip(parts, zip(*some, strict=True), types, strict=True):
            its.append(pa.array(values, kind))
    columns = zip(kinds, parts, types, strict=True)
    return _frame({name: pa.chunked_array(its, kind) for name, its, kind in columns})


def empty_jobs() -> pyarrow.Table:
    """No jobs, with the columns JOBS."""
    table: pyarrow.Table = needed("pyarrow").schema(list(types().items())).empty_table()
    return table


def of_shown(shown: Sequence[Shown], made: Mapping[str, int] | None = None) -> pyarrow.Table:
    """Jobs with the columns JOBS, in this order. `made` is when the first job of a row was made."""
    pa = needed("pyarrow")
    made, text = made or {}, pa.string()
    columns = {
        name: pa.array([_value(one, name, made) for one in shown], kind)
        for name, kind in types().items()
    }
    for name in dict.fromkeys(name for one in shown for name in one.inputs):
        texts = [plain_text(one.inputs.get(name)) for one in shown]
        columns[f"{AN_INPUT}{name}"] = pa.array(texts, text)
    for title in dict.fromkeys(title for one in shown for title in one.own):
        texts = [plain_text(one.own.get(title)) for one in shown]
        columns[f"{OWN_COLUMN}{title}"] = pa.array(texts, text)
    table: pyarrow.Table = pa.table(columns)
    return table


def jobs_table(jobs: pyarrow.Table) -> pandas.DataFrame:
    """See `Results.jobs`."""
    columns = {name: jobs[name] for name in COLUMNS}
    inputs = _of_kind(jobs, AN_INPUT)
    for name in inputs:
        columns[_title(name, INPUT, COLUMNS, inputs)] = jobs[f"{AN_INPUT}{name}"]
    for title in _of_kind(jobs, OWN_COLUMN):
        name = _title(column_of(title), OWN, columns)
        columns[name] = jobs[f"{OWN_COLUMN}{title}"]
    return _frame(columns)


def column_of(title: str) -> str:
    """The name of a column of the team in the table of jobs, if no other column has it."""
    return re.sub(r"[\s_-]+", "_", title.strip().lower())


def _of_kind(jobs: pyarrow.Table, begin: str) -> list[str]:
    """The names of the columns that begin so, in the order in which they are first filled."""
    pc = needed("pyarrow.compute")
    found = []
    for place, name in enumerate(jobs.schema.names):
        if name.startswith(begin):
            first = pc.index(pc.is_valid(jobs[name]), value=True).as_py()
            # Inputs are sorted within a job, the team's columns stay in their order.
            title = name.removeprefix(begin)
            found += [(first, title if begin == AN_INPUT else "", place, title)] * (first >= 0)
    return [title for *_, title in sorted(found)]


def payments_table(jobs: pyarrow.Table) -> pandas.DataFrame:
    """See `Results.payments`."""
    lists = {"account": "accounts", "unit": "units", "credits": "amounts"}
    return _unfolded(jobs, PAYMENTS, lists)


def files_table(jobs: pyarrow.Table) -> pandas.DataFrame:
    """See `Results.files`."""
    kinds = {name: kind for name, kind in FILES.items() if name not in ("number", "picked")}
    made = _unfolded(jobs, kinds, {"url": "saved", "file": "files", "link": "links"})
    pa = needed("pyarrow")
    found = jobs.select(["saved", "urls", "picked"]).to_pylist() if len(made) else []
    its = [(one["urls"].index(u) + 1, u in one["picked"]) for one in found for u in one["saved"]]
    numbers, picked = zip(*its, strict=True) if its else ((), ())
    more = _frame({"number": pa.array(numbers, pa.int64()), "picked": pa.array(picked, pa.bool_())})
    return needed("pandas").concat([made, more], axis="columns")[list(FILES)]  # type: ignore[no-any-return]


def _unfolded(
    jobs: pyarrow.Table, kinds: Mapping[str, str], lists: Mapping[str, str]
) -> pandas.DataFrame:
    """A line for each element of these lists (name -> column), beside the values of its job."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    types = _arrow_types()
    parts: dict[str, list[Any]] = {name: [] for name in kinds}
    names = {lists.get(name, name) for name in kinds}
    for batch in jobs.select(sorted(names)).to_batches():
        parents = pc.list_parent_indices(batch[next(iter(lists.values()))])
        for name, its in parts.items():
            column = batch[lists.get(name, name)]
            its.append(pc.list_flatten(column) if name in lists else column.take(parents))
    return _frame({n: pa.chunked_array(its, types[kinds[n]]) for n, its in parts.items()})


def events_table(events: Iterable[ToldEvent], note: Callable[[str], str]) -> pandas.DataFrame:
    """See `Results.events`. `note` is the text of an event in the language of the sheet."""
    told = table(EVENTS, ((*one[:-1], note(one.text)) for one in events))
    return told.sort_values("at", kind="stable", ignore_index=True)


def types() -> dict[str, Any]:
    """Column of JOBS -> type of Arrow."""
    words = _arrow_types()
    return {name: words[word] for name, word in JOBS.items()}


def _arrow_types() -> dict[str, Any]:
    """Word of COLUMNS -> type of Arrow."""
    pa = needed("pyarrow")
    return {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "list": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
        "moment": pa.timestamp("us", tz="UTC"),
        "duration": pa.duration("us"),
    }


def _frame(columns: Mapping[str, Any]) -> pandas.DataFrame:
    """A DataFrame of Arrow's columns, which are not copied; `status` is categorical."""
    pd = needed("pandas")
    made: pandas.DataFrame = pd.DataFrame(
        {
            name: _statuses(values) if name == "status" else pd.arrays.ArrowExtensionArray(values)
            for name, values in columns.items()
        }
    )
    return made


def _statuses(texts: Any) -> Any:
    pa, pc, pd = needed("pyarrow"), needed("pyarrow.compute"), needed("pandas")
    words = [status.value for status in charts.STATUSES]
    codes = pc.fill_null(pc.index_in(texts, value_set=pa.array(words)), -1)
    return pd.Categorical.from_codes(
        codes.to_numpy(), dtype=pd.CategoricalDtype(words, ordered=False)
    )


def plain_text(text: str | None) -> str | None:
    """The text with a question mark for each half of a character: Arrow has no form for it."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _title(name: str, before: str, taken: Collection[str], others: Collection[str] = ()) -> str:
    """The name of a column, with `before` in front of it as long as there is such a column."""
    if name not in taken:
        return name
    name = before + name
    while name in taken or name in others:
        name = before + name
    return name


def _value(one: Shown, name: str, made: Mapping[str, int]) -> object:
    match name:
        case "status":
            return Status.of(one.status).value
        case "state":
            return str(one.state)
        case "urls" | "picked":
            return [plain_text(url) for url in getattr(one, name)]
        case "files":
            return [plain_text(str(place)) for _, place in _saved(one)]
        case "saved":
            return [plain_text(url) for url, _ in _saved(one)]
        case "links":
            return [plain_text(one.links.get(url, "")) for url, _ in _saved(one)]
        case "credits" | "unit" | "account" | "accounts" | "units" | "amounts":
            return cost_columns(one.credits, one.costs)[name]
        case "duration":
            return None if one.seconds is None else timedelta(seconds=one.seconds)
        case "made":
            return made.get(one.row_id)
        case _:
            value = getattr(one, name)
            return plain_text(value) if isinstance(value, str) else value


def cost_columns(in_all: Credits, costs: Sequence[Cost]) -> dict[str, object]:
    """The columns of what a job cost in all, and at each account."""
    only = costs[0].account if len(costs) == 1 else None
    return {
        "credits": float(in_all) if len(costs) < 2 else None,
        "unit": only and only.unit,
        "account": only and only.name,
        "accounts": [cost.account.name for cost in costs],
        "units": [cost.account.unit for cost in costs],
        "amounts": [float(cost.amount) for cost in costs],
    }


def _saved(one: Shown) -> list[tuple[str, Path | str]]:
    """URL and saved file, or its address on another machine, in the order of the results."""
    places: dict[str, Path | str] = {**one.files, **one.elsewhere}
    return [(url, places[url]) for url in one.urls if url in places]
