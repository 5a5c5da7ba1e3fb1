"""The progress of a pass and of a task is shown to people, but not recorded at every poll."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from rich.progress import Progress

from pipeline.cli.output import Bars
from pipeline.sync.progress import Progress as Step
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


def test_a_pass_that_only_waits_shows_that_it_goes_on() -> None:
    progress = Progress()
    bars = Bars(progress, "Google Sheet")
    shown = []
    for step in (Step(), Step(to_send=1), Step(sent=1, to_send=1, done=1)):
        bars(step)
        shown.append([task.description for task in progress.tasks])

    sent, made = "Google Sheet sent", "Google Sheet made"
    assert shown == [["Google Sheet waiting"], [sent], [sent, made]]
