"""The requests to a Google Sheet: as many with ten thousand rows as with ten."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.google_sheets import GoogleSheets, google_sheets
from tests.system.whole.google_office import Office, office

#: Google advises no larger requests.
TWO_MEGABYTES = 2 * 1024 * 1024


def cost(google: GoogleSheets, step: Callable[[], object]) -> tuple[int, int]:
    """The number of reads and writes of a step; no request may be too large."""
    first = len(google.log)
    step()
    asked = google.log[first:]
    assert all(len(json.dumps(one.body)) <= TWO_MEGABYTES for one in asked)
    writes = sum(one.is_write for one in asked)
    return len(asked) - writes, writes


def look(made: Office) -> Callable[[], object]:
    def later() -> None:
        made.now += timedelta(seconds=61)
        made.sync.look()

    return later


@pytest.mark.parametrize("rows", [10, 1_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_the_requests_of_a_sync_do_not_grow_with_the_rows(tmp_path: Path, rows: int) -> None:
    with google_sheets() as google:
        made = office(google, tmp_path, rows, seed=1, most=0, at_a_time=10**6)

        # The first one of all: the claim, then our columns, and the ids and states. It reads once
        # more than later ones, because new rows get ids only after the claim.
        assert cost(google, look(made)) == (3, 3)
        made.answer_all()
        assert made.results == rows
        # Every row has changed; and the claim is raised, because something was sent.
        reads, writes = cost(google, look(made))
        assert reads == 2
        assert writes <= 3
        assert cost(google, look(made)) == (1, 0)
        assert made.statuses() == {"done": rows}
        made.store.close()


def test_a_long_pass_reads_the_sheet_once_a_minute(tmp_path: Path) -> None:
    with google_sheets() as google:
        made = office(google, tmp_path, 100, seed=1, most=0)
        look(made)()
        waiting = list(made.sync.last.plan.to_send)
        minutes = 0
        while waiting:
            # No submission was answered yet: the sheet is unchanged.
            batch = made.submissions.commit_batch((), waiting[:10])
            assert len(batch.begun) == 10
            assert batch.refused == []
            waiting = waiting[10:]
            made.now += timedelta(seconds=61)
            assert made.submissions.commit_batch((), waiting[:10]).begun == []
            reads, writes = cost(google, made.sync.look)
            # The rows now say "sending": one more reading before that is written, and the claim.
            assert (reads, writes) == (2, 2)
            assert cost(google, made.sync.look) == (1, 0)
            waiting = list(made.sync.last.plan.to_send)
            minutes += 1
        assert minutes == 10
        made.store.close()
