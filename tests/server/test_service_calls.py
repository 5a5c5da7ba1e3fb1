"""A service with webhooks, whatever happens to the calls: real processes, real sockets.

Safety and liveness are checked together: forged calls have no effect *and* real ones are accepted;
nothing is paid twice *and* every row is done. The API's side counts.
"""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.attacker import MARK, attacking
from tests.fakes.program import KEY, Program, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import backward_moves, free_port, is_up, service
from tests.fakes.team import Team

LOSSY: dict[str, Any] = {"webhook_drop": 0.3, "webhook_double": 0.3, "webhook_reorder": 1}


def prompts(number: int) -> list[str]:
    return [f"a heron, number {n}" for n in range(number)]


def tell(team: Team, sandbox: Sandbox, rows: int) -> None:
    """Print the safety and liveness numbers, and the requests they took."""
    state = sandbox.state()
    twice = sum(n - 1 for n in state["tasks"].values())
    asked = Counter(state["requests"])
    print(
        f"\nsafety: paid twice {twice}, backward moves {backward_moves(team)}; "
        f"liveness: {team.statuses()['done']} of {rows} rows done; {asked.total()} requests "
        f"({asked['/imagine']} submissions), webhooks {state['webhooks']}"
    )


def assert_kept(team: Team, sandbox: Sandbox, rows: list[str]) -> None:
    """Check that every row is done with its own pictures, none was paid twice, and no state went
    back.
    """
    state = sandbox.state(ids=True)
    assert team.statuses() == {"done": len(rows)}
    assert state["tasks"] == dict.fromkeys(rows, 1)
    assert backward_moves(team) == 0
    assert {row["Prompt"]: state["ids"][row["task_id"]] for row in team.rows()} == {
        row: row for row in rows
    }
    assert all(row["task_id"] in row["image_urls"] for row in team.rows())
    team.assert_whole(rows)


def lossy_and_attacked(folder: Path, number: int, forged: float, seconds: float) -> None:
    """A third of the calls is lost, a third doubled, all are in reverse order, some are forged."""
    rows, port = prompts(number), free_port()
    with (
        sandbox_process(KEY, seed=3, task_seconds=seconds, **LOSSY) as sandbox,
        attacking(f"http://127.0.0.1:{port}", forged) as attacker,
    ):
        team = Team(folder, sandbox.url)
        team.write_prompts(rows)
        config = service(team, hooks=port, public_url=attacker.url, in_flight=1000)
        with Program("watch", config) as program:
            program.until(lambda: team.statuses()["done"] == number, "all are done")
            program.signal(signal.SIGTERM)
            ended = program.end()
        state = sandbox.state()

        tell(team, sandbox, number)
        for kind, answers in attacker.forged.items():
            print(f"forged, {kind}: {dict(answers)}")
        print(f"genuine: {dict(attacker.genuine)}; requests for 1,000 rows: ", end="")
        print(round(1000 * sum(state["requests"].values()) / number))
        assert ended.is_plain, ended.said
        assert set(attacker.genuine) == {200}
        assert state["webhooks"]["dropped"] > 0
        assert state["webhooks"]["doubled"] > 0
        for kind, answers in attacker.forged.items():
            # An exact repetition is known already, and gets the same answer as the first call.
            assert set(answers) == ({200} if kind == "replay" else {404}), kind
        assert MARK not in team.sheet.read_text()
        assert_kept(team, sandbox, rows)


def test_with_lost_doubled_reordered_and_forged_calls_every_row_is_correct(
    tmp_path: Path,
) -> None:
    lossy_and_attacked(tmp_path, 60, forged=0.4, seconds=1)


@pytest.mark.soak
def test_of_a_thousand_rows_with_lost_doubled_reordered_and_forged_calls_every_row_is_correct(
    tmp_path: Path,
) -> None:
    lossy_and_attacked(tmp_path, 1000, forged=0.05, seconds=5)


def test_if_every_call_is_lost_polling_collects_all_results(tmp_path: Path) -> None:
    rows, port = prompts(30), free_port()
    with sandbox_process(KEY, task_seconds=0.3, webhook_drop=1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(rows)
        config = service(team, hooks=port)
        ended = call("run", config, "--wait")

        tell(team, sandbox, len(rows))
        assert (ended.code, ended.is_plain) == (0, True), ended.said
        assert set(sandbox.state()["webhooks"]) == {"dropped"}
        assert_kept(team, sandbox, rows)


def test_a_waiting_run_gets_webhooks_and_needs_no_polls(tmp_path: Path) -> None:
    rows, port = prompts(30), free_port()
    with sandbox_process(KEY, task_seconds=1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(rows)
        config = service(team, hooks=port, poll_every="5s")
        ended = call("run", config, "--wait")

        tell(team, sandbox, len(rows))
        assert (ended.code, ended.is_plain) == (0, True), ended.said
        assert sandbox.state()["requests"] == {"/imagine": 30}
        assert_kept(team, sandbox, rows)


def test_two_receivers_on_one_store_accept_calls_for_the_passes_of_a_third_process(
    tmp_path: Path,
) -> None:
    """They are killed in turn: recorded calls are kept, and the API calls the next receiver."""
    rows, ports = prompts(60), (free_port(), free_port())
    switches: dict[str, Any] = {"webhook_retry_seconds": 0.2, "webhook_retries": 6}
    with sandbox_process(KEY, task_seconds=1.5, **switches) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(rows)
        first = service(team, "first", hooks=ports[0])
        second = service(team, "second", hooks=ports[1])
        # The second process runs the sheet, and uses the address of the first.
        runs = team.configured(
            poll_every="20s",
            in_flight=1000,
            tables={
                "webhook": {
                    "public_url": f"http://127.0.0.1:{ports[0]}",
                    "secret": "file:secret",
                    "listen": "",
                },
            },
        )
        with Program("serve", first) as one, Program("serve", second) as two:
            one.until(lambda: is_up(ports[0]), "the first receiver is up")
            two.until(lambda: is_up(ports[1]), "the second receiver is up")
            with Program("run", runs, "--wait") as program:
                program.until(lambda: taken(sandbox) >= 10, "calls have come in")
                one.kill()
                assert one.end().code == -signal.SIGKILL
                with Program("serve", first) as again:
                    ended = program.end()
                    assert not again.is_over
            assert not two.is_over

        tell(team, sandbox, len(rows))
        assert (ended.code, ended.is_plain) == (0, True), ended.said
        assert_kept(team, sandbox, rows)


def test_a_repeatedly_killed_watch_pays_nothing_twice(tmp_path: Path) -> None:
    rows, port, chance = prompts(60), free_port(), Random(5)
    # The API goes on calling until a receiver answers again.
    switches: dict[str, Any] = {"webhook_retry_seconds": 0.2, "webhook_retries": 9}
    with sandbox_process(
        KEY, task_seconds=0.5, answer_seconds=0.05, webhook_progress=0, **switches
    ) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(rows)
        team.answers_within(2)
        config = service(team, hooks=port, concurrency=3, in_flight=1000)
        in_air: set[str] = set()
        for number in (10, 30):
            with Program("watch", config) as program:
                _until_sent(program, sandbox, number + chance.randint(0, 5))
                program.kill()
                program.end()
            in_air |= {o["prompt"] for o in team.attempts() if o["state"] == "submitting"}
        with Program("watch", config) as program:
            program.until(lambda: _is_final(team, sandbox), "all that was taken is done")
            program.signal(signal.SIGTERM)
            assert program.end().is_plain

        tell(team, sandbox, len(rows))
        print(f"{len(in_air)} in the air at 2 kills; {dict(team.statuses())}")
        tasks, statuses = sandbox.state()["tasks"], team.statuses()
        assert set(tasks.values()) == {1}
        assert set(rows) - tasks.keys() <= in_air
        assert statuses == Counter({"done": len(tasks), "check needed": len(rows) - len(tasks)})
        assert backward_moves(team) == 0
        team.assert_whole(rows)


def taken(sandbox: Sandbox) -> int:
    """How many calls were accepted."""
    return int(sandbox.state()["webhooks"].get("accepted", 0))


def _until_sent(program: Program, sandbox: Sandbox, number: int) -> None:
    program.until(lambda: sandbox.state()["tasks_taken"] >= number, f"{number} are sent")


def _is_final(team: Team, sandbox: Sandbox) -> bool:
    """True if all tasks that the API accepted are done; lost submissions need a person."""
    statuses, tasks = team.statuses(), sandbox.state()["tasks_taken"]
    return statuses["done"] == tasks and statuses.keys() <= {"done", "check needed"}
