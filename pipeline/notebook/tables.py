"""The tables of a notebook, as DataFrames with Arrow-backed columns.

Raises ConfigError if pandas or pyarrow is not installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.statuses import Status
from pipeline.reports import charts
from pipeline.reports.extras import needed
from pipeline.reports.results import Shown
from pipeline.store import ToldEvent

if TYPE_CHECKING:
    import pandas

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


def table(kinds: Mapping[str, str], rows: Iterable[Sequence[object]]) -> pandas.DataFrame:
    """A DataFrame with columns of these types, from rows with a value for each of them."""
    pd, types = needed("pandas"), _types()
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    made: pandas.DataFrame = pd.DataFrame(
        {
            name: pd.array(list(values), dtype=types[kind])
            for (name, kind), values in zip(kinds.items(), columns, strict=True)
        }
    )
    return made


def jobs_table(shown: Sequence[Shown]) -> pandas.DataFrame:
    """See `Results.jobs`."""
    pd, types = needed("pandas"), _types()
    columns = {
        name: pd.array([_cell(one, name) for one in shown], dtype=types[kind])
        for name, kind in COLUMNS.items()
    }
    inputs = dict.fromkeys(name for one in shown for name in one.inputs)
    for name in inputs:
        texts = [one.inputs.get(name) for one in shown]
        columns[_title(name, INPUT, COLUMNS, inputs)] = pd.array(texts, dtype=types["string"])
    for title in dict.fromkeys(title for one in shown for title in one.own):
        texts = [one.own.get(title) for one in shown]
        name = _title(re.sub(r"[\s_-]+", "_", title.strip().lower()), OWN, columns)
        columns[name] = pd.array(texts, dtype=types["string"])
    made: pandas.DataFrame = pd.DataFrame(columns)
    return made


def payments_table(shown: Iterable[Shown]) -> pandas.DataFrame:
    """See `Results.payments`."""
    return table(
        PAYMENTS,
        (
            (
                *(one.row_id, one.take, one.part, one.submitted_at),
                *(cost.account.name, cost.account.unit, float(cost.amount)),
            )
            for one in shown
            for cost in one.costs
        ),
    )


def files_table(shown: Iterable[Shown]) -> pandas.DataFrame:
    """See `Results.files`."""
    return table(
        FILES,
        (
            (
                *(one.row_id, one.take, one.part, one.urls.index(url) + 1, url, str(place)),
                *(one.links.get(url, ""), url in one.picked),
            )
            for one in shown
            for url, place in _saved(one)
        ),
    )


def events_table(events: Iterable[ToldEvent], note: Callable[[str], str]) -> pandas.DataFrame:
    """See `Results.events`. `note` is the text of an event in the language of the sheet."""
    told = table(EVENTS, ((*one[:-1], note(one.text)) for one in events))
    return told.sort_values("at", kind="stable", ignore_index=True)


def _types() -> dict[str, Any]:
    """Word of COLUMNS -> type of pandas."""
    pd, pa = needed("pandas"), needed("pyarrow")
    arrow = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "list": pa.list_(pa.string()),
        "moment": pa.timestamp("us", tz="UTC"),
        "duration": pa.duration("us"),
    }
    statuses = pd.CategoricalDtype([status.value for status in charts.STATUSES], ordered=False)
    return {"category": statuses} | {word: pd.ArrowDtype(kind) for word, kind in arrow.items()}


def _title(name: str, before: str, taken: Collection[str], others: Collection[str] = ()) -> str:
    """The name of a column, with `before` in front of it as long as there is such a column."""
    if name not in taken:
        return name
    name = before + name
    while name in taken or name in others:
        name = before + name
    return name


def _cell(one: Shown, name: str) -> object:
    match name:
        case "status":
            return Status.of(one.status).value
        case "state":
            return str(one.state)
        case "urls" | "picked":
            return list(getattr(one, name))
        case "files":
            return [str(place) for _, place in _saved(one)]
        case "credits":
            return float(one.credits) if len(one.costs) < 2 else None
        case "unit" | "account":
            return getattr(one.costs[0].account, _OF_ACCOUNT[name]) if len(one.costs) == 1 else None
        case "duration":
            return None if one.seconds is None else timedelta(seconds=one.seconds)
        case _:
            return getattr(one, name)


_OF_ACCOUNT: Final = {"unit": "unit", "account": "name"}


def _saved(one: Shown) -> list[tuple[str, Path | str]]:
    """URL and saved file, or its address on another machine, in the order of the results."""
    places: dict[str, Path | str] = {**one.files, **one.elsewhere}
    return [(url, places[url]) for url in one.urls if url in places]
