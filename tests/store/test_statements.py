"""What a pass asks of the store does not cost more because more rows are finished."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from pipeline.store import Store
from tests.fakes.statements import hear_statements
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

    def note(statement: str, plan: Callable[[], str]) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            plans[statement] = plan()

    hear_statements(store._database.engine, note)


def note_statements(store: Store, seen: list[str]) -> None:
    """Note each statement of this store from now on, but not where a transaction begins or ends."""

    def note(statement: str, _: object) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(statement)

    hear_statements(store._database.engine, note)


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
