"""The tables of a report. Each is made of texts, which the page escapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.language import NOTHING, Said, say, say_counted, together
from pipeline.core.text import duration, shortened
from pipeline.reports import figures
from pipeline.reports.drawing import in_figures
from pipeline.reports.results import Shown

if TYPE_CHECKING:
    from pandas import DataFrame

#: Rows of a table, and of a list of examples; the report says how many others there are.
MOST_ROWS: Final = 12
MOST_EXAMPLES: Final = 5
_NUMBER: Final = r"\d+(?:[.,]\d+)*"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names the rows."""

    title: Said
    heads: Sequence[Said | str]
    rows: Sequence[Sequence[Said | str]]
    #: Which columns hold numbers.
    numbers: frozenset[int] = frozenset()
    #: Which columns hold names that are not broken within a word where there is room.
    names: frozenset[int] = frozenset()
    #: A sentence about what it does not show.
    left_out: Said = NOTHING


def to_do(rows: Sequence[Shown]) -> Table:
    """What people have to do now: each status and note, and how many rows have it.

    Notes that differ only in numbers, such as amounts, and in names of tasks are one.
    """
    found: dict[tuple[str, Sequence[str]], dict[str, Shown]] = {}
    for one in rows:
        if one.needs:
            # A row may have asked for several results.
            kind = one.needs[0], _parts(one)[::2]
            found.setdefault(kind, {}).setdefault(one.row_id, one)
    most = sorted(found.items(), key=lambda each: len(each[1]), reverse=True)
    return Table(
        say("What to do"),
        (say("rows"), say("status"), say("what to do"), say("for example")),
        [
            (
                _number(len(its)),
                status,
                shortened(_in_common([*map(_parts, its.values())]), 300),
                named(next(iter(its.values()))),
            )
            for (status, _), its in most[:MOST_ROWS]
        ],
        frozenset({0}),
        frozenset({1}),
        _others(len(most)),
    )


def _parts(one: Shown) -> tuple[str, ...]:
    """The note of what a row needs: words, a number or the name of its task, words again …"""
    _, note = one.needs or ("", "")
    task = f"{re.escape(one.task_id)}|" if one.task_id else ""
    return tuple(re.split(f"({task}{_NUMBER})", note))


def _in_common(notes: Sequence[Sequence[str]]) -> str:
    """What these notes say, which have the same words; with … for what differs."""
    return "".join(its[0] if len({*its}) == 1 else "…" for its in zip(*notes, strict=True))


def named(one: Shown, most: int = 60) -> Said:
    """The row of a job, and its name or the begin of its prompt."""
    row = say("Row {number}", number=one.line) if one.line else one.row_id
    return together([row, shortened(one.name or one.prompt, most)], " · ")


def comparison(jobs: DataFrame, column: str) -> Table:
    """What became of the jobs, by the text of a column. Costs are there if all have one unit."""
    every = figures.compare(jobs, column)
    heads = {
        "jobs": say("jobs"),
        "done": say("done"),
        "refused": say("refused"),
        "failed": say("failed"),
        "p50": say("typical wait"),
        "picked": say("picked"),
        "spent": say("spent"),
        "per_pick": say("per picked result"),
    }
    if every["spent"].isna().all():
        del heads["spent"], heads["per_pick"]
    rows = [
        (
            shortened(str(text), 80) or "–",
            *((_seconds if word == "p50" else _number)(row[word]) for word in heads),
        )
        for text, row in every.head(MOST_ROWS).iterrows()
    ]
    title, numbers = say("By {column}", column=column), frozenset(range(1, 1 + len(heads)))
    return Table(title, (column, *heads.values()), rows, numbers, left_out=_others(len(every)))


def endpoints(jobs: DataFrame) -> Table:
    """How long the results of each endpoint took."""
    every = figures.waits_by_endpoint(jobs)
    rows = [
        (
            str(name),
            _number(row["jobs"]),
            *(_seconds(row[word]) for word in ("p50", "p90", "slowest")),
        )
        for name, row in every.tail(MOST_ROWS).iterrows()
    ]
    heads = (say("endpoint"), say("results"), say("half within"), say("nine of ten within"))
    title, numbers = say("From submission to result"), frozenset(range(1, 5))
    return Table(title, (*heads, say("slowest")), rows, numbers, left_out=_others(len(every)))


def slowest(jobs: DataFrame) -> Table:
    """The jobs that took longest."""
    heads = (say("row"), say("prompt"), say("endpoint"), say("took"))
    rows = [
        (_row(row), _prompt(row), row["endpoint"], _seconds(row["seconds"]))
        for _, row in figures.slowest(jobs, MOST_EXAMPLES).iterrows()
    ]
    return Table(say("The slowest jobs"), heads, rows, frozenset({3}), frozenset({2}))


def failures(jobs: DataFrame) -> Table:
    """The last jobs that were taken and failed."""
    # A refused submission has no task.
    every = figures.failures(jobs[jobs["task_id"] != ""])
    heads = (say("row"), say("prompt"), say("why, and what to do"))
    rows = [
        (_row(row), _prompt(row), shortened(row["note"] or "", 300))
        for _, row in every.tail(MOST_EXAMPLES).iterrows()
    ]
    title = say("The last jobs that failed")
    return Table(title, heads, rows, left_out=_others(len(every), MOST_EXAMPLES))


def refused_prompts(jobs: DataFrame) -> Table:
    """The prompts that were refused, the most frequent ones first."""
    every = figures.refused_prompts(jobs)
    heads = (say("prompt"), say("endpoint"), say("jobs"), say("why, and what to do"))
    rows = [
        (_prompt(row), row["endpoint"], _number(row["jobs"]), shortened(row["note"] or "", 300))
        for _, row in every.head(MOST_EXAMPLES).iterrows()
    ]
    title = say("The prompts that were refused")
    left_out = _others(len(every), MOST_EXAMPLES)
    return Table(title, heads, rows, frozenset({2}), frozenset({1}), left_out)


def _row(row: Any) -> str:
    # A row that is gone has no number: the table shows it as missing.
    name = shortened(row["name"] or "", 40)
    number = "" if row["line"] is None or row["line"] != row["line"] else f"{int(row['line'])}"
    return " · ".join(filter(None, (number, name))) or "–"


def _prompt(row: Any) -> str:
    return shortened(row["prompt"] or "", 140) or "–"


def _number(number: float) -> Said | str:
    """A number as people write it; a dash for none."""
    return "–" if isnan(number) else in_figures(number)


def _seconds(seconds: float) -> Said | str:
    return "–" if isnan(seconds) else duration(float(seconds))


def _others(every: int, shown: int = MOST_ROWS) -> Said:
    """That a table of so many rows is cut."""
    more = every - shown
    if more <= 0:
        return NOTHING
    return say_counted(
        more,
        "{number} more is not shown.",
        "{number} more are not shown.",
        number=in_figures(more),
    )
