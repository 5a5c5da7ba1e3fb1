"""The big sheet of the benchmarks is one as a run leaves it."""

from __future__ import annotations

from tests.benchmarks.big import fill
from tests.fakes.team import Team


def test_a_run_over_the_big_sheet_changes_and_sends_nothing(team: Team) -> None:
    fill(team.config, 20)
    before = team.sheet.read_bytes()

    ended = team.run()

    assert (ended.code, ended.said) == (0, "")
    assert team.sheet.read_bytes() == before
    assert team.start("status").out.splitlines()[1].split() == ["20", "done"]
