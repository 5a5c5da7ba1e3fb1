"""What a pass asks of the store does not cost more because more rows are finished."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy.event import listen

from pipeline.store import Store
from tests.store.build import plan_of
from tests.sync.bench import Bench

#: Tables with lines for each finished row.
_GROWING: Final = "jobs|attempts|events|files|known_rows|past|row_events|outbox"
#: These indexes have only the few rows that need something.
_FEW: Final = r"(?!.*known_rows_(?:again|dismissed|approved)\b)"
#: How the plans of SQLite and of PostgreSQL say that all lines are read, or all of one sheet.
_GROWS: Final = (
    re.compile(rf"^{_FEW}.*\bSCAN (?:{_GROWING})\b", re.MULTILINE),
    re.compile(rf"^{_FEW}.*\bSEARCH (?:{_GROWING})\b.*\(sheet=\?\)$", re.MULTILINE),
    re.compile(rf"\bSeq Scan on (?:{_GROWING})\b"),
    re.compile(
        rf"^{_FEW}.*Index.* on (?:{_GROWING})\b[^\n]*\n +Index Cond: \(sheet = [^)]*\)$",
        re.MULTILINE,
    ),
)


def note_plans(store: Store, plans: dict[str, str]) -> None:
    """Note the plan of each statement of this store from now on."""

    def plan(_: object, cursor: Any, statement: str, values: Any, *more: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            its = values[0] if isinstance(values, list) else values
            plans[statement] = plan_of(cursor.connection.cursor(), statement, its)

    for engine in (store._database._reader, store._database._writer):
        listen(engine, "before_cursor_execute", plan)


def note_statements(store: Store, seen: list[str]) -> None:
    """Note each statement of this store from now on, but not where a transaction begins or ends."""

    def note(statement: str) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(statement)

    if store._database.engine.dialect.name == "sqlite":
        # Some statements do not pass through SQLAlchemy there.
        checked_out: Any = lambda connection, *_: connection.set_trace_callback(note)  # noqa: E731
        listen(store._database.engine, "checkout", checked_out)
        return
    asked: Any = lambda _, cursor, statement, *more: note(statement)  # noqa: E731
    for engine in (store._database._reader, store._database._writer):
        listen(engine, "before_cursor_execute", asked)


def test_a_pass_over_a_sheet_needs_few_statements(tmp_path: Path, url: str) -> None:
    with closing(_bench(tmp_path, url, [f"fox {number}" for number in range(30)])) as bench:
        for _ in range(2):
            bench.run()
        idle, new = list[str](), list[str]()
        bench.run(before=lambda store: note_statements(store, idle))
        with bench.file.open("a") as file:
            file.writelines(f"owl {number}\n" for number in range(10))
        outcome = bench.run(before=lambda store: note_statements(store, new))

    assert outcome.statuses == {"done": 40}
    print(f"{len(idle)} statements with nothing new, {len(new)} for ten new rows")
    assert 5 < len(idle) <= 25
    assert len(new) <= 250


def _bench(folder: Path, url: str, prompts: list[str]) -> Bench:
    (folder / "address").write_text(url)
    (folder / "address").chmod(0o600)
    more = '[store]\nurl = "file:address"\n' if url.startswith("postgresql") else ""
    return Bench(folder, prompts, more, environ={"APIFRAME_API_KEY": "key"})


def test_no_statement_of_a_pass_reads_all_finished_rows(tmp_path: Path, url: str) -> None:
    with closing(_bench(tmp_path, url, [f"fox {number}" for number in range(30)])) as bench:
        for _ in range(2):
            bench.run()
        with bench.file.open("a") as file:
            file.write("an owl\n")
        plans: dict[str, str] = {}
        outcome = bench.run(before=lambda store: note_plans(store, plans))

    growing = [
        f"{statement}\n{plan}"
        for statement, plan in plans.items()
        # What reads a fixed number of the newest rows costs the same.
        if "LIMIT" not in statement and any(one.search(plan) for one in _GROWS)
    ]
    assert outcome.statuses == {"done": 31}
    assert bench.api.prompts["an owl"] == 1
    assert len(plans) > 20
    assert growing == []
