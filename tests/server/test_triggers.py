"""Passes that callers start by HTTP: the real service in a process of its own.

Safety stands beside liveness: nothing is paid twice or against a rule, *and* every row is done.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from functools import partial

import httpx
import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import Program, call
from tests.fakes.service import TOKEN as PAGE_TOKEN
from tests.fakes.service import free_port, get, is_up
from tests.fakes.team import Team
from tests.fakes.trigger import TOKEN, Caller, triggered

PROMPTS = [f"a lantern, number {number}" for number in range(8)]
TASK_SECONDS = 0.2
TEAM_TABLES = None


def is_served(caller: Caller) -> bool:
    """True if the last pass that was asked for has ended."""
    return caller.is_idle(2)


def test_a_post_starts_a_pass_at_once_and_says_what_it_sends(team: Team, api: Sandbox) -> None:
    team.write_prompts([])
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.add_prompts(PROMPTS)
        answer = caller.run()
        program.until(lambda: team.statuses()["done"] == 8, "all rows are done")
        program.until(lambda: is_served(caller), "the pass has ended")
        last = caller.state()["last_pass"]
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert (answer.status, answer.state) == (202, "started")
    assert answer.message == (
        "A run has started. 8 rows to send, for 32 credits. When it will be finished is not known "
        "yet: no task of imagine has ended."
    )
    assert answer.said["plan"] == {
        "rows": 8,
        "credits": 32,
        "rows_after_another_row": 0,
        "credits_after_another_row": 0,
        "rows_once_settled": 0,
        "credits_once_settled": 0,
        "rows_to_add": 0,
        "credits_to_add": 0,
        "costs": [{"account": "Apiframe", "unit": "credit", "amount": 32, "is_own": True}],
        "costs_once_settled": [],
        "money": [],
        "balances": [],
        "seconds": None,
        "earliest_seconds": None,
        "latest_seconds": None,
        "finished_at": None,
        "earliest_at": None,
        "latest_at": None,
        "earlier_tasks": 0,
    }
    assert (last["new"], last["done"], last["credits"], last["exit_code"]) == (8, 8, 32, 0)
    assert answer.said["asked_at"] < last["ended_at"]
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert "prompts.csv: a run was started over HTTP by 127.0.0.1 (file:run-token)." in ended.said
    assert (ended.code, ended.is_plain, TOKEN in ended.said) == (0, True, False)


def test_two_hundred_posts_at_once_are_one_pass_and_each_row_is_paid_once(
    team: Team, api: Sandbox
) -> None:
    team.write_prompts([])
    config, caller = triggered(team)

    async def all_at_once() -> list[httpx.Response]:
        url = f"http://127.0.0.1:{caller.port}/run/{caller.name}"
        limits = httpx.Limits(max_connections=200)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            limits=limits, headers=headers, timeout=30, trust_env=False
        ) as client:
            return await asyncio.gather(*(client.post(url) for _ in range(200)))

    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.add_prompts(PROMPTS)
        answers = asyncio.run(all_at_once())
        program.until(lambda: is_served(caller), "the pass has ended")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        assert program.end().code == 0

    states = Counter(one.json()["state"] for one in answers)
    assert {one.status_code for one in answers} == {202}
    assert states["started"] == 1
    assert states.total() == 200
    assert states.keys() <= {"started", "planned", "running"}
    assert passes == 2
    assert team.statuses() == {"done": 8}
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


def test_strangers_and_mistakes_get_a_sentence_and_start_nothing(team: Team, api: Sandbox) -> None:
    team.write_prompts(PROMPTS)
    config, caller = triggered(team, tables={"budget": {"per_run": 0, "per_day": 0}})
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        began = caller.state()["passes"]
        no_token = caller.send(headers={})
        wrong = caller.send(headers={"authorization": "Bearer of bad news, wrong"})
        other_name = caller.send(name="another")
        other_method = caller.send("DELETE")
        too_long = caller.send(raw=b" " * 17_000)
        broken = [
            caller.send(raw=raw)
            for raw in (
                *(b"{", b"[]", b'"run"', b'{"actoin": "run"}', b'{"action": "pay"}'),
                *(b'{"limit": -1}', b'{"limit": "10"}', b'{"limit": true}', b'{"row": {}}'),
                *(b'{"quick": 1}', b"[" * 10_000, b"\xff\xfe", b'{"row": "\\ud800"}'),
                b'{"row": "no such row"}',
            )
        ]
        guesses = [caller.send(headers={"authorization": f"Bearer guess {n}"}) for n in range(12)]
        program.until(lambda: caller.send("GET").status == 200, "the right token is accepted again")
        after = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert (no_token.status, wrong.status) == (401, 401)
    assert no_token.headers["www-authenticate"] == "Bearer"
    assert no_token.message == "Send the token: Authorization: Bearer TOKEN."
    assert "[trigger] token" in wrong.message
    assert (other_name.status, other_method.status, too_long.status) == (404, 405, 413)
    assert other_name.message == "There is no such sheet for this token. There is: pipeline."
    assert other_method.headers["allow"] == "GET, POST"
    assert {one.status for one in broken} == {400}
    assert all(one.message.endswith(".") for one in broken)
    assert broken[-1].message.startswith('There is no row "no such row"')
    refused = [one for one in guesses if one.status == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert after == began
    assert api.state()["tasks"] == {}
    assert (ended.is_plain, TOKEN in ended.said) == (True, False)


def test_a_paused_sheet_sends_nothing_until_it_is_resumed_by_http(team: Team, api: Sandbox) -> None:
    team.write_prompts([])
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        paused = caller.run(action="pause")
        team.add_prompts(PROMPTS)
        plan, run = caller.run(action="plan"), caller.run()
        program.until(lambda: caller.state()["state"] == "paused", "the pass has ended")
        sent = api.state()["tasks_taken"]
        resumed = caller.run(action="resume")
        again = caller.run()
        program.until(lambda: team.statuses()["done"] == 8, "all rows are done")
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert (paused.status, paused.state, paused.said["paused"]) == (200, "paused", True)
    assert "paused" in plan.message
    assert (plan.said["plan"]["rows"], plan.said["plan"]["credits"]) == (0, 0)
    assert (run.status, run.state) == (202, "paused")
    assert "nothing is sent until it resumes" in run.message
    assert sent == 0
    assert (resumed.status, resumed.said["paused"]) == (200, False)
    assert again.state in ("started", "planned")
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert "prompts.csv: paused over HTTP by 127.0.0.1" in ended.said
    assert "prompts.csv: resumed over HTTP by 127.0.0.1" in ended.said


def test_a_hold_is_named_and_nothing_is_sent_until_its_cause_is_gone(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,aspect_ratio", "a fox,1:1")
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["done"] == 1, "the first row is done")
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.retitle(lambda head: head.replace("aspect_ratio", "shape"))
        team.sheet.write_text(team.sheet.read_text() + "an owl,1:1\n")
        run = caller.run()
        program.until(lambda: caller.state()["state"] == "held", "the pass has ended")
        held = caller.state()
        sent = api.state()["tasks_taken"]
        team.retitle(lambda head: head.replace("shape", "aspect_ratio"))
        caller.run()
        program.until(lambda: team.statuses()["done"] == 2, "the new row is done")
        program.signal(signal.SIGTERM)
        program.end()

    assert (run.status, run.state) == (202, "held")
    assert "aspect_ratio" in run.message
    assert held["hold"]
    assert sent == 1
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_sending_that_a_rule_stopped_stays_stopped_and_the_answer_says_so(
    team: Team, api: Sandbox
) -> None:
    api.set(code="1 400")
    team.write_prompts(PROMPTS)
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["failed"] == 5, "five are refused alike")
        program.until(lambda: caller.state()["state"] == "held", "the pass has ended")
        api.set(code="off")
        run = caller.run()
        program.until(lambda: caller.state()["passes"] == 2, "a pass has begun")
        program.until(lambda: caller.state()["state"] == "held", "it has ended")
        program.signal(signal.SIGTERM)
        program.end()

    assert (run.status, run.state) == (202, "held")
    assert "Nothing more is sent until you run promptsheet resume." in run.message
    assert api.state()["requests"]["/imagine"] == 5


def test_a_budget_holds_however_often_a_run_is_asked_for(team: Team, api: Sandbox) -> None:
    team.write_prompts(PROMPTS)
    budget = {"per_run": 10, "per_day": 20}
    config, caller = triggered(team, tables={"budget": budget}, trigger={"apart": "10ms"})
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        for passes in range(2, 8):
            caller.run()
            program.until(partial(caller.is_idle, passes), "the pass has ended")
        plan = caller.run(action="plan")
        program.signal(signal.SIGTERM)
        program.end()

    assert plan.said["plan"]["rows"] == 0
    assert len(api.state()["tasks"]) == 5, "for 20 credits"
    assert team.statuses() == {"done": 5, "over budget": 3}


def test_a_limit_or_a_row_holds_for_its_pass_and_is_refused_while_another_one_runs(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,name")
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.write("prompt,name", "a fox,", "an owl,", "a hare,third", "a bear,")
        one = caller.run(row="third")
        program.until(lambda: caller.is_idle(2), "the pass for one row has ended")
        only = team.said_of("a fox", "an owl", "a hare", "a bear")
        two = caller.run(limit=2)
        program.until(lambda: caller.is_idle(3), "the pass for two rows has ended")
        three = team.statuses()
        api.set(task_seconds=1)
        last = caller.run()
        program.until(lambda: caller.state()["state"] == "running", "it is running")
        refused = caller.run(limit=1)
        program.until(lambda: team.statuses()["done"] == 4, "all rows are done")
        program.signal(signal.SIGTERM)
        program.end()

    assert (one.said["plan"]["rows"], two.said["plan"]["rows"]) == (1, 2)
    assert only == ["queued", "queued", "done", "queued"]
    assert three == {"done": 3, "queued": 1}
    assert two.said["plan"]["seconds"] >= 1, "as the first task took"
    assert last.said["plan"]["rows"] == 1
    assert refused.status == 409
    assert "does not keep to your limit" in refused.message
    assert set(api.state()["tasks"].values()) == {1}


def test_a_row_that_is_added_while_a_pass_runs_is_sent_by_that_pass(
    team: Team, api: Sandbox
) -> None:
    api.set(task_seconds=4)
    team.write_prompts(["the first"])
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: api.state()["tasks_taken"] == 1, "the first row is sent")
        team.add_prompts(["the second"])
        answer = caller.run()
        program.until(lambda: api.state()["tasks_taken"] == 2, "the second row is sent")
        state = caller.state()
        api.set(task_seconds=0)
        program.until(lambda: team.statuses()["done"] == 2, "both are done")
        program.signal(signal.SIGTERM)
        program.end()

    assert (answer.status, answer.state) == (202, "running")
    assert (state["state"], state["passes"]) == ("running", 1)
    assert api.state()["tasks"] == {"the first": 1, "the second": 1}


def test_two_passes_keep_their_least_distance_and_the_second_is_announced(
    team: Team, api: Sandbox
) -> None:
    team.write_prompts([])
    config, caller = triggered(team, trigger={"apart": "4s"})
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        first = caller.run(quick=True)
        program.until(lambda: is_served(caller), "the pass has ended, which had nothing to do")
        second, third = caller.run(quick=True), caller.run(quick=True)
        waiting = caller.state()
        team.add_prompts(["a row"])
        program.until(lambda: team.statuses()["done"] == 1, "the row is done")
        program.until(lambda: caller.is_idle(3), "the third pass has ended")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        program.end()

    assert (first.state, second.state, third.state) == ("started", "planned", "planned")
    assert (waiting["state"], waiting["passes"]) == ("planned", 2)
    assert "A run is planned, and starts in" in second.message
    assert passes == 3
    assert api.state()["tasks"] == {"a row": 1}


def test_a_watch_that_is_killed_during_a_pass_pays_nothing_twice(team: Team, api: Sandbox) -> None:
    api.set(answer_seconds=0.1)
    team.write_prompts([])
    team.answers_within(2)
    config, caller = triggered(team, concurrency=2)
    in_air: set[str] = set()
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.add_prompts(PROMPTS)
        caller.run()
        program.until(lambda: api.state()["tasks_taken"] >= 3, "three are sent")
        program.kill()
        program.end()
    in_air |= {one["prompt"] for one in team.attempts() if one["state"] == "submitting"}
    api.set(answer_seconds=0)
    with Program("watch", config) as program:
        program.until(lambda: bool(caller.state()), "it answers")
        answers = [caller.run() for _ in range(5)]
        program.until(lambda: team.statuses().keys() == {"done", "check needed"}, "it is done")
        program.signal(signal.SIGTERM)
        ended = program.end()

    tasks, statuses = api.state()["tasks"], team.statuses()
    assert {one.status for one in answers} == {202}
    assert set(tasks.values()) == {1}
    assert set(PROMPTS) - tasks.keys() <= in_air
    assert statuses == {"done": 8 - len(in_air), "check needed": len(in_air)}
    assert 0 < len(in_air) < 8
    assert ended.is_plain


def test_a_run_of_another_process_is_named_and_the_pass_begins_after_it(
    team: Team, api: Sandbox
) -> None:
    team.write_prompts([])
    config, caller = triggered(team)
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        api.set(task_seconds=4)
        team.add_prompts(["by cron"])
        with Program("run", config, "--wait") as other:
            program.until(lambda: api.state()["tasks_taken"] == 1, "the other run has sent a row")
            team.add_prompts(["by http"])
            answer = caller.run()
            assert other.end().code == 0
        program.until(lambda: team.statuses()["done"] == 2, "both are done")
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert answer.status == 202
    assert "Another run (" in answer.message
    assert "Yours begins after it." in answer.message
    assert api.state()["tasks"] == {"by cron": 1, "by http": 1}
    assert ended.is_plain


def test_serve_says_that_no_run_starts_there_and_does_all_else(team: Team, api: Sandbox) -> None:
    team.write_prompts(PROMPTS)
    config, caller = triggered(team)
    with Program("serve", config) as program:
        program.until(lambda: bool(caller.state()), "it answers")
        run, plan = caller.run(), caller.run(action="plan")
        paused = caller.run(action="pause")
        ran = call("run", config)
        caller.run(action="resume")
        call("run", config, "--wait")
        state = caller.state()
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert "by HTTP at" in ended.said
    assert "(no runs start here)" in ended.said
    assert run.status == 409
    assert "Use promptsheet watch, or let cron start promptsheet run." in run.message
    assert plan.said["plan"]["rows"] == 8
    assert paused.said["paused"] is True
    assert "paused" in ran.said
    assert (state["state"], state["passes"]) == ("idle", None)
    last = state["last_pass"]
    assert (last["new"], last["done"], last["rows"]) == (8, 8, {"done": 8})
    assert last["began_at"] < last["ended_at"]
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert (ended.code, ended.is_plain) == (0, True)


def test_the_page_and_the_receiver_can_share_the_address_and_other_servers_have_none(
    team: Team,
) -> None:
    team.write_prompts([])
    (team.folder / "token").write_text(PAGE_TOKEN)
    page, other = free_port(), free_port()
    shared = {"listen": f"127.0.0.1:{page}"}
    config, caller = triggered(
        team, trigger=shared, tables={"page": {"token": "file:token", **shared}}
    )
    without = team.configured(
        "without", tables={"page": {"token": "file:token", "listen": f"127.0.0.1:{other}"}}
    )
    with Program("watch", config) as program:
        program.until(lambda: is_up(page), "the page is up")
        found = Caller(page, caller.name).send("GET").status, get(f"http://127.0.0.1:{page}/")[0]
        program.signal(signal.SIGTERM)
        ended = program.end()
    with Program("watch", without) as program:
        program.until(lambda: is_up(other), "the page is up")
        missing = Caller(other, caller.name).send().status
        program.signal(signal.SIGTERM)
        program.end()

    assert found == (200, 303)
    assert f"start with POST http://127.0.0.1:{page}/run/pipeline" in ended.said
    assert missing == 404


def test_each_sheet_of_a_service_has_its_own_name_and_two_equal_names_are_refused(
    team: Team, api: Sandbox
) -> None:
    folders = [team.folder / name for name in ("spring", "autumn")]
    teams = [Team(folder, api.url) for folder in folders]
    for one in teams:
        one.folder.mkdir()
        one.write_prompts([])
    first, caller = triggered(teams[0])
    listen: dict[str, object] = {"listen": f"127.0.0.1:{caller.port}"}
    second, _ = triggered(teams[1], trigger=listen)
    refused = call("watch", first, second)
    triggered(teams[1], trigger={**listen, "name": "autumn-26"})
    with Program("watch", first, second) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        teams[1].add_prompts(["a leaf"])
        answer = Caller(caller.port, "autumn-26").run()
        program.until(lambda: teams[1].statuses()["done"] == 1, "the row is done")
        passes = caller.state()["passes"]
        program.signal(signal.SIGTERM)
        program.end()

    assert refused.code == 2
    assert "would both be started at /run/pipeline" in refused.said
    assert "Set another [trigger] name in one of them" in refused.said
    assert (answer.status, answer.said["title"]) == (202, "prompts.csv")
    assert passes == 1


@pytest.mark.parametrize(
    ("written", "missing"),
    [
        ('[trigger]\ntoken = "env:NO_SUCH_TOKEN"', 'trigger.token: "env:NO_SUCH_TOKEN" is not set'),
        ('[trigger]\ntoken = "file:short"', "trigger.token: is too short to be safe"),
        ('[trigger]\nname = "spring"', "trigger.token: is missing"),
        ('[trigger]\ntoken = "file:short"\nname = "a b"', "trigger.name: write letters, digits"),
        ('[trigger]\npublic_url = "http://x.example"', "trigger.public_url: must begin with https"),
        ('[schedule]\nreact = "soon"', "schedule.react: write a span of time"),
    ],
)
def test_mistakes_in_the_table_are_named(team: Team, written: str, missing: str) -> None:
    team.write_prompts([])
    (team.folder / "short").write_text("too short")
    ended = call("watch", team.configure(written + "\n"))

    assert ended.code == 2
    assert missing in ended.said


def test_a_plan_and_the_state_say_which_rows_wait_for_a_person(team: Team, api: Sandbox) -> None:
    team.write("prompt,aspect_ratio,approved", "a fox,1:1,yes", "an owl,1:1,", "a hen,none,yes")
    config, caller = triggered(team, schedule={"every": "200ms", "react": ""})
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["done"] == 1, "the first row is done")
        program.until(lambda: caller.is_idle(), "the pass has ended")
        passes = caller.state()["passes"]
        # Passes that find nothing new still know of the rows.
        program.until(lambda: caller.is_idle(passes + 3), "more passes have ended")
        plan, states = caller.run(action="plan").message, [caller.state()]

        def is_between_passes() -> object:
            states.append(caller.state())
            return states[-1]["state"] == "idle"

        program.until(is_between_passes, "no pass is running")
        program.signal(signal.SIGTERM)
        program.end()

    waits, state = "1 row needs attention: see its note.", states[-1]
    assert plan == f"No row is ready to be sent. 1 row waits for approval. {waits}"
    assert state["last_pass"]["need_a_person"] == 1
    assert state["last_pass"]["rows"] == {"done": 1, "invalid": 1, "needs approval": 1}
    assert state["message"].endswith(f"Rows: 1 invalid, 1 needs approval, 1 done. {waits}")
