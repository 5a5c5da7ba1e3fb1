"""Reads one part of a notebook, as a process of its own that imports no more than it needs.

    python -m tests.benchmarks.notebook_reading PART CONFIG SIZE

PART is jobs, events or read_sql. Ends with an error if it has not SIZE lines.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

#: The columns that the table of jobs is made of.
_FACTS = """
    SELECT row_id, take, part, made_at, inputs, endpoint, state, task_id, result, prompt, price,
    reported, provider, base_url, api_key, number, sent_at, ended_at
    FROM jobs JOIN attempts ON attempts.job = jobs.id
"""


def lines_of(part: str, config: Path) -> int:
    """Read one part. Returns how many lines it has."""
    if part == "read_sql":
        return _lines_by_pandas(config)
    from pipeline import notebook
    from pipeline.config import load
    from pipeline.notebook import Results
    from pipeline.notebook.tables import empty_jobs

    if part == "jobs":
        return len(notebook.open(config).jobs())
    # A table of events reads no jobs.
    return len(Results("", empty_jobs(), load(config)).events())


def _lines_by_pandas(config: Path) -> int:
    import pandas as pd

    if "BENCH_STORE" not in os.environ:
        with sqlite3.connect(config.parent / "promptsheet.db") as store:
            return len(pd.read_sql(_FACTS, store, dtype_backend="pyarrow"))
    from sqlalchemy import create_engine

    with create_engine(os.environ["BENCH_STORE"]).connect() as server:
        return len(pd.read_sql(_FACTS, server, dtype_backend="pyarrow"))


if __name__ == "__main__":
    part, config, size = sys.argv[1:]
    if (lines := lines_of(part, Path(config))) != int(size):
        raise SystemExit(f"{part}: {lines} lines for {size} jobs")
