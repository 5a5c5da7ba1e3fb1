"""Rate limits: how fast requests leave, how many are in flight, and what stops them.

All numbers come from the API: the requests it received and their times.
"""

from __future__ import annotations

import signal
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from threading import Event
from time import monotonic
from urllib.parse import urlsplit

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

PROMPTS = [f"a river, number {number}" for number in range(30)]


@contextmanager
def team_of(folder: Path, prompts: list[str], **switches: object) -> Iterator[tuple[Sandbox, Team]]:
    """An API with these options, and a sheet for it."""
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        sandbox.set(**switches)
        team = Team(folder, sandbox.url)
        team.write_prompts(prompts)
        yield sandbox, team


def two_sheets(team: Team, rows: int, pace: Mapping[str, object]) -> list[Path]:
    """Two sheets of one store and one key."""
    configs = []
    for name in ("one", "other"):
        team.write_prompts(
            [f"{name} river, number {number}" for number in range(rows)], f"{name}.csv"
        )
        configs.append(team.configured(name, f"{name}.csv", tables={"pace": pace}))
    return configs


def test_two_processes_together_keep_to_the_requests_per_minute(tmp_path: Path) -> None:
    with team_of(tmp_path, []) as (sandbox, team):
        one, other = two_sheets(team, 20, {"per_minute": 12})
        with Program("run", one, "--wait") as first, Program("run", other, "--wait") as second:
            first.until(
                lambda: sandbox.state()["most_per_minute"] == 12, "twelve requests have come"
            )
            # Time enough for a wrong thirteenth request: many rounds of polling and writing.
            _stays(lambda: sandbox.state()["most_per_minute"] == 12, seconds=2)
            for program in (first, second):
                program.signal(signal.SIGINT)
            codes = [first.end().code, second.end().code]

        assert sandbox.state()["most_per_minute"] == 12
        assert codes == [130, 130]


@pytest.mark.soak
def test_two_processes_keep_to_the_rate_limit_over_minutes(tmp_path: Path) -> None:
    with team_of(tmp_path, []) as (sandbox, team):
        one, other = two_sheets(team, 40, {"per_minute": 30, "poll_every": "20s"})
        with Program("run", one, "--wait") as first, Program("run", other, "--wait") as second:
            codes = [first.end(900).code, second.end(900).code]

        state = sandbox.state()
        print(f"\nsafety: {state['most_per_minute']} of 30; liveness: {len(state['tasks'])} of 80")
        assert state["most_per_minute"] == 30
        assert codes == [0, 0]
        assert set(state["tasks"].values()) == {1}
        assert len(state["tasks"]) == 80


def test_no_more_requests_are_open_than_the_configuration_allows(tmp_path: Path) -> None:
    with team_of(tmp_path, PROMPTS, answer_seconds=0.3) as (sandbox, team):
        ended = call("run", team.configured(concurrency=7, poll_every="1m"))

        state = sandbox.state()
        assert ended.code == 0
        assert state["most_in_flight"] == 7
        assert state["tasks"] == dict.fromkeys(PROMPTS, 1)


def test_no_more_tasks_are_in_progress_than_the_configuration_allows(tmp_path: Path) -> None:
    with team_of(tmp_path, PROMPTS[:12], task_seconds=0.5) as (sandbox, team):
        ended = call("run", team.configured(in_flight=4), "--wait")

        state = sandbox.state()
        assert ended.code == 0
        assert state["most_running"] == 4
        assert team.statuses() == {"done": 12}


def test_after_five_equal_refusals_no_sixth_row_is_sent(tmp_path: Path) -> None:
    refused = [f"a river [refuse], number {number}" for number in range(20)]
    with team_of(tmp_path, refused, answer_seconds=0.2) as (sandbox, team):
        ended = call("run", team.configured(), "--wait")

        state = sandbox.state()
        assert ended.code == 1
        assert "The first 5 were all refused alike" in ended.said
        assert state["submissions"] == {"refused": 5}
        assert state["most_in_flight"] == 5
        assert team.statuses() == {"failed": 5, "queued": 15}


def test_five_requests_are_open_until_one_is_accepted_then_as_many_as_allowed(
    tmp_path: Path,
) -> None:
    with team_of(tmp_path, PROMPTS, answer_seconds=0.5, task_seconds=60) as (sandbox, team):
        with Program("run", team.configured(concurrency=20, poll_every="1m")) as program:
            program.until(lambda: sandbox.state()["tasks_taken"], "the first have come")
            before = 0
            while not sandbox.state()["submissions"]:  # none is answered
                before = max(before, sandbox.state()["most_in_flight"])
            ended = program.end()

        assert before <= 5
        assert sandbox.state()["most_in_flight"] == 20
        assert ended.code == 0


@pytest.mark.parametrize(
    ("switches", "outcome", "sentence"),
    [
        ({"credits": 0}, "no_credits", "out of credits"),
        ({"code": "1.0 401"}, "code_401", "key"),
        ({"redirect": "1.0 301"}, "redirect", "moved"),
        ({"redirect": "1.0 308"}, "redirect", "moved"),
    ],
)
def test_an_api_that_refuses_stops_the_pass_and_the_rows_stay_queued(
    switches: dict[str, object], outcome: str, sentence: str, tmp_path: Path
) -> None:
    with team_of(tmp_path, PROMPTS, **switches) as (sandbox, team):
        ended = call("run", team.configured(concurrency=3), "--wait")

        state = sandbox.state()
        assert ended.code == 3
        assert ended.is_plain, ended.said
        assert sentence in ended.said
        assert team.statuses() == {"queued": 30}
        assert state["tasks"] == {}
        # The requests that were open together with the first, and no more.
        assert 1 <= state["submissions"][outcome] <= 3


def test_a_429_with_a_wait_time_delays_every_process(tmp_path: Path) -> None:
    with team_of(tmp_path, [], answer_seconds=0.1, retry_after=2) as (sandbox, team):
        configs = two_sheets(team, 20, {"concurrency": 1, "poll_every": "1m"})
        with Program("run", configs[0]) as first, Program("run", configs[1]) as second:
            first.until(lambda: _sheets_begun(sandbox) == 2, "both are sending")
            sandbox.set(busy="next 1")
            ended = [first.end(), second.end()]

        state = sandbox.state(times=True)
        sent = state["times"]["submissions"]
        pauses = [later - sooner for sooner, later in pairwise(sent)]
        assert max(pauses) >= 1.5
        assert state["submissions"]["busy"] == 1
        assert [one.code for one in ended] == [0, 0]
        assert set(state["tasks"].values()) == {1}
        # The request that has to wait is left to the next run, and so are those that each of the
        # two had just started; everything else was sent.
        assert len(state["tasks"]) >= 37
        sandbox.set(answer_seconds=0)
        assert [call("run", config).code for config in configs] == [0, 0]
        tasks = sandbox.state()["tasks"]
        assert (len(tasks), set(tasks.values())) == (40, {1})


def test_a_second_after_pause_in_another_process_no_request_leaves(tmp_path: Path) -> None:
    with team_of(tmp_path, PROMPTS, answer_seconds=0.5) as (sandbox, team):
        # The pause is checked before each request, and not only when the sheet is read again.
        config = team.configured(concurrency=1, write_every="1m")
        with Program("run", config, "--wait") as program:
            program.until(lambda: sandbox.state()["tasks_taken"], "the first is sent")
            paused = call("pause", config)
            at = _clock(sandbox)
            ended = program.end()
        sent = sandbox.state(times=True)["times"]["submissions"]
        sandbox.set(answer_seconds=0)
        resumed = call("resume", config)
        after = call("run", config, "--wait")

        assert paused.code == resumed.code == 0
        assert len(sent) < 30
        assert len(sent) - bisect_right(sent, at + 1) == 0
        assert ended.code == 1
        assert "is paused. Run promptsheet resume to continue." in ended.said
        assert after.code == 0
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        assert team.statuses() == {"done": 30}


def _stays(is_so: Callable[[], object], seconds: float) -> None:
    """Check for this long that nothing changes."""
    end, pause = monotonic() + seconds, Event()
    while monotonic() < end:
        assert is_so()
        pause.wait(0.02)


def _sheets_begun(sandbox: Sandbox) -> int:
    return len({prompt.split()[0] for prompt in sandbox.state()["tasks"]})


def _clock(sandbox: Sandbox) -> float:
    """The API's time, from the time that it notes for a request other than a submission."""
    with closing(HTTPConnection(urlsplit(sandbox.url).netloc, timeout=20)) as connection:
        connection.request("GET", "/account")
        connection.getresponse().read()
    noted: list[float] = sandbox.state(times=True)["times"]["requests"]
    return noted[-1]


def test_default_polling_finds_ends_sooner_than_a_fixed_interval_with_few_polls(
    tmp_path: Path,
) -> None:
    switches = {"task_seconds": 1.0, "max_seconds": 0.5}
    with team_of(tmp_path, [], **switches) as (sandbox, team):
        took = {}
        for name, poll_every in (("learnt", ""), ("fixed", "3s")):
            team.write_prompts([f"{name} river, number {n}" for n in range(40)], f"{name}.csv")
            sandbox.reset()
            sandbox.set(**switches)
            config = team.configured(name, f"{name}.csv", poll_every=poll_every, in_flight=20)
            began = monotonic()
            assert call("run", config, "--wait").code == 0
            took[name] = monotonic() - began
            requests = sum(sandbox.state()["requests"].values())
            assert sandbox.state()["tasks_taken"] == 40
            assert requests <= 1.2 * 40, name

    # Two groups: a fixed interval waits 3 s for the first group alone.
    assert took["learnt"] < took["fixed"]


def test_a_later_run_knows_how_long_tasks_take(tmp_path: Path) -> None:
    switches = {"task_seconds": 10.0, "max_seconds": 2.0}
    with team_of(tmp_path, [], **switches) as (sandbox, team):
        asked = []
        for name in ("first", "later"):
            team.write_prompts([f"{name} river, number {n}" for n in range(8)], f"{name}.csv")
            sandbox.reset()
            sandbox.set(**switches)
            config = team.configured(name, f"{name}.csv", poll_every="")
            assert call("run", config, "--wait").code == 0
            requests = sandbox.state()["requests"]
            asked.append(requests["/fetch-many"] + requests.get("/fetch", 0))

    # The first run polls at growing ages until it finds the ends; the later one polls at the end.
    assert asked[0] >= 3
    assert asked[1] < asked[0]
