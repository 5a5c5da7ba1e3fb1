"""The progress of a task is shown to people, but not recorded at every poll."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.fakes.program import KEY, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team


def test_progress_is_recorded_no_more_often_than_the_sheet_is_written(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=2, plain_pictures="true") as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["a fox", "an owl", "a cat"])

        ended = call("run", team.configured(poll_every="100ms", write_every="600ms"), "--wait")

        asked = sandbox.state()["requests"]
    with closing(sqlite3.connect(tmp_path / "promptsheet.db")) as store:
        kinds = Counter(kind for (kind,) in store.execute("select kind from events"))
    assert (ended.code, team.statuses()) == (0, {"done": 3})
    assert asked["/fetch-many"] + asked.get("/fetch", 0) > 6
    assert kinds["succeeded"] == 3
    # Of each task at most once for each writing in its two seconds.
    assert 3 <= kinds["progressed"] <= 3 * 3
