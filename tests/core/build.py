"""Short builders for sheets, rows and jobs in the tests of the core."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.inputs import canonical
from pipeline.core.model import Attempt, Grid, Job, JobKey, KnownRow, Result, State
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import plan
from pipeline.core.rows.known import Memory, Seen, remembered
from pipeline.core.rows.matching import match
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, Header

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHEET = "prompts.csv"
FIELDS = frozenset({"prompt", "aspect_ratio"})
PROVIDER = read_provider(
    "apiframe-v1", None, Path(), Path(__file__).parents[2] / "configs" / "providers"
)
RULES = Rules(sheet=SHEET, provider=PROVIDER, endpoint="imagine")


def sheet(text: str) -> Grid:
    """A grid from lines with `|` between cells; spaces around cells are ignored."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return tuple(tuple(cell.strip() for cell in line.split("|")) for line in lines)


def columns_of(grid: Grid) -> Columns:
    """The columns of a grid with their meanings."""
    return Header(FIELDS).read(grid)


def wrote(prompt: str, **more: str) -> str:
    """Canonical inputs."""
    return canonical({"prompt": prompt, **more})


def known(row_id: str, prompt: str, **more: object) -> KnownRow:
    """A row that the store remembers."""
    row = KnownRow(row_id=row_id, inputs=wrote(prompt), first_take=1, since=NOW)
    return replace(row, **more)  # type: ignore[arg-type]


def memory(
    *rows: KnownRow,
    past: Mapping[str, Sequence[str]] | None = None,
    foreign: Mapping[str, str] | None = None,
) -> Memory:
    """Remembered rows, in the order of the last reading."""
    return Memory(
        known={row.row_id: row for row in rows},
        order={row.row_id: place for place, row in enumerate(rows, start=1)},
        past={one: [wrote(words) for words in had] for one, had in (past or {}).items()},
        foreign=foreign or {},
    )


def minting() -> Callable[[], str]:
    """New ids: r_new000001, r_new000002, …"""
    numbers = itertools.count(1)
    return lambda: f"r_new{next(numbers):06d}"


def matched(grid: Grid, remembers: Memory) -> list[Seen]:
    """The row matching of a reading."""
    return match(list(columns_of(grid).rows(grid)), remembers, minting())


def attempt(state: State = State.SUCCEEDED, prompt: str = "a fox", **more: object) -> Attempt:
    """An attempt made from a prompt, a minute ago."""
    named = state in (State.SUCCEEDED, State.RUNNING)
    one = Attempt(
        number=1,
        state=state,
        inputs=wrote(prompt),
        columns=("aspect_ratio", "prompt"),
        endpoint="imagine",
        price=4,
        sent_at=NOW - timedelta(minutes=1),
        deadline=NOW,
        task_id="t-1" if named else "",
        result=Result(("https://x/1.png",)) if state is State.SUCCEEDED else Result(),
    )
    return replace(one, **more)  # type: ignore[arg-type]


def job(*attempts: Attempt, row_id: str = "r_aaaaaaaaa", take: int = 1, asked: int = 1) -> Job:
    """A job with these attempts."""
    numbered = (replace(one, number=n) for n, one in enumerate(attempts, start=1))
    return Job(JobKey(SHEET, row_id, take), asked, tuple(numbered))


def planned(
    text: str | Grid,
    *jobs: Job,
    remembers: Memory | None = None,
    rules: Rules = RULES,
    now: datetime = NOW,
) -> list[Line]:
    """The planned lines of a sheet. By default, the store remembers each row that has an id."""
    grid = sheet(text) if isinstance(text, str) else text
    columns = columns_of(grid)
    rows = list(columns.rows(grid))
    if remembers is None:
        remembers = memory(
            *(
                KnownRow(row.mark, row.inputs, first_take=1, since=NOW - timedelta(hours=1))
                for row in rows
                if row.mark
            )
        )
    seen = match(rows, remembers, minting())
    return list(plan(seen, grid, columns, {one.key: one for one in jobs}, rules, now).lines)


def after(seen: Seen, take: int | None = 1) -> KnownRow:
    """The remembered row after this reading."""
    return remembered(seen, take, NOW)
