"""An API that answers slower than before, on a simulated clock.

An attempt is on disk as sent before its request leaves. If no place becomes free in time, it has
not left.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.model import Request, Response, State
from pipeline.core.states import state_of
from pipeline.sync.outcome import Asked
from tests.sync.bench import Api, Bench

PROMPTS = [f"fox {number}" for number in range(60)]
PACE = "[pace]\nconcurrency = 4\nin_flight = 100\nper_minute = 0\n"


class SlowerThanBefore(Api):
    """Answers 20 submissions at once, and each further one after five seconds."""

    async def submit(self, request: Request, within: float) -> Response:
        self.answers_in = 0.01 if len(self.received) < 20 else 5.0
        return await super().submit(request, within)


@pytest.mark.parametrize("limit", [None, 55])
def test_a_run_sends_each_row_once_although_answers_come_too_late_to_make_room(
    tmp_path: Path, limit: int | None
) -> None:
    bench = Bench(tmp_path, PROMPTS, PACE, kind=SlowerThanBefore)

    outcome = bench.run(Asked(limit=limit))

    with bench.store() as store:
        (sheet,) = store.sheets.all()
        jobs = store.jobs.all(sheet.key).values()
        late = [one for job in jobs for one in job.attempts if one.state is State.RETURNED]
        running = sum(state_of(job) is State.RUNNING for job in jobs)
    bench.close()
    assert outcome.code == 0
    sent = limit or len(PROMPTS)
    assert (bench.api.prompts, bench.api.most) == (dict.fromkeys(PROMPTS[:sent], 1), 4)
    assert (outcome.counts.new, running) == (sent, sent)
    # Some found no place; after that, none is expected to become free before an answer comes.
    assert 0 < len(late) <= 4
