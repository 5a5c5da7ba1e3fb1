"""How many attempts are on disk as sent, and have no recorded answer: these a kill leaves in doubt.

An attempt is on disk before its request leaves, but not before there is a place for it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.model import Request, Response
from pipeline.sync.outcome import Asked
from tests.sync.bench import Api, Bench

PROMPTS = [f"fox {number}" for number in range(60)]
PLACES = 4
PACE = f"[pace]\nconcurrency = {PLACES}\nin_flight = 100\nper_minute = 0\n"


@dataclass
class SlowerThanBefore(Api):
    """Answers 20 submissions at once, and each further one after five seconds.

    It counts the attempts that are in doubt at each submission.
    """

    store: Path = Path()
    in_doubt: list[int] = field(default_factory=list)

    async def submit(self, request: Request, within: float) -> Response:
        with closing(sqlite3.connect(self.store)) as store:
            asked = "select count(*) from attempts where state = 'submitting'"
            self.in_doubt += store.execute(asked).fetchone()
        self.answers_in = 0.01 if len(self.received) < 20 else 5.0
        return await super().submit(request, within)


def test_no_more_attempts_are_in_doubt_than_requests_may_be_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PROMPTS, PACE, kind=SlowerThanBefore)
    assert isinstance(bench.api, SlowerThanBefore)
    bench.api.store = tmp_path / "promptsheet.db"

    outcome = bench.run(Asked())

    bench.close()
    assert (outcome.code, outcome.counts.new) == (0, len(PROMPTS))
    assert (bench.api.prompts, bench.api.most) == (dict.fromkeys(PROMPTS, 1), PLACES)
    assert max(bench.api.in_doubt) == PLACES
