"""The whole program with its store on PostgreSQL. The numbers come from the API's count."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.monitor import monitoring
from tests.fakes.postgresql import PostgresqlServer, own_server
from tests.fakes.program import KEY, Program, at_one_instant, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import free_port, is_up, service
from tests.fakes.team import Team

PROMPTS = [f"a lighthouse, number {number}" for number in range(40)]


def keep_in(url: str, *configs: Path) -> None:
    """Let these configurations of one folder use this database."""
    place = configs[0].with_name("store-address")
    place.write_text(url)
    place.chmod(0o600)
    for config in configs:
        text = config.read_text()
        assert "sqlite:///promptsheet.db" in text
        config.write_text(text.replace("sqlite:///promptsheet.db", "file:store-address"))


@pytest.fixture
def url(postgresql_server: PostgresqlServer, worker_id: str) -> str:
    """The address of an empty database."""
    return postgresql_server.make_database(f"whole_{worker_id}")


def has_taken(sandbox: Sandbox, count: int) -> bool:
    """Returns whether the API has accepted so many tasks."""
    return int(sandbox.state()["tasks_taken"]) >= count


def test_cron_on_several_machines_pays_each_row_once_and_fills_two_sheets(
    tmp_path: Path, url: str
) -> None:
    sheets = {"one": PROMPTS, "two": [f"a ship, number {number}" for number in range(40)]}
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        configs = []
        for name, prompts in sheets.items():
            team.write_prompts(prompts, f"{name}.csv")
            configs.append(team.configured(name, f"{name}.csv"))
        keep_in(url, *configs)

        ended = at_one_instant([["run", *configs, "--wait"]] * 3)
        said = [call(*words, configs[0]) for words in (["status"], ["run", "--plan"], ["doctor"])]
        again = call("run", *configs)

        assert [one.code for one in (*ended, *said, again)] == [0] * 7
        assert sandbox.state()["tasks"] == dict.fromkeys([*sheets["one"], *sheets["two"]], 1)
        for name, prompts in sheets.items():
            assert team.statuses(f"{name}.csv") == {"done": 40}
            team.assert_whole(prompts, f"{name}.csv")
        assert not list(tmp_path.glob("*.db"))
        assert not any("a-pass-word" in one.out + one.err for one in (*ended, *said, again))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts folders")
def test_a_run_that_cannot_write_beside_its_configuration_sends_nothing_and_doctor_says_why(
    tmp_path: Path, url: str
) -> None:
    with sandbox_process(KEY) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:1])
        (tmp_path / "there").mkdir()
        config = team.configured("there/promptsheet", "../prompts.csv")
        keep_in(url, config)
        subprocess.run(["mount", "--bind", "-o", "ro", config.parent, config.parent], check=True)
        try:
            ended = [call(*words, config) for words in (["run"], ["doctor"])]
        finally:
            subprocess.run(["umount", config.parent], check=True)
        after = call("run", config, "--wait")

        for one in ended:
            assert one.code == 3
            assert ".db.rescue cannot be written: " in one.said
            assert "Let this account write in that folder." in one.said
        assert after.code == 0
        assert sandbox.state()["tasks"] == {PROMPTS[0]: 1}


def test_watch_and_a_receiver_of_webhooks_share_one_database(tmp_path: Path, url: str) -> None:
    hooks = free_port()
    with sandbox_process(KEY, task_seconds=0.3) as sandbox, ExitStack() as stack:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:6])
        # The receiver is another process: only webhooks can end a task before its first poll.
        pace: dict[str, Any] = {"poll_every": "60s"}
        receives = service(team, "receiver", hooks=hooks, **pace)
        sends = service(
            team, "sender", public_url=f"http://127.0.0.1:{hooks}", hooks=free_port(), **pace
        )
        keep_in(url, receives, sends)
        serving = stack.enter_context(Program("serve", receives))
        serving.until(lambda: is_up(hooks), "the receiver is up")
        watching = stack.enter_context(Program("watch", sends))

        watching.until(lambda: team.statuses() == {"done": 6}, "the rows are done")
        team.add_prompts(PROMPTS[6:9])
        watching.until(lambda: team.statuses() == {"done": 9}, "the new rows are done")
        for one in (watching, serving):
            one.signal(signal.SIGTERM)
        ended = [one.end() for one in (watching, serving)]

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS[:9], 1)
        assert all(one.is_plain for one in ended), ended


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sender", ["run", "watch"])
def test_a_receiver_with_another_secret_or_key_accepts_nothing_and_every_row_is_polled(
    tmp_path: Path, url: str, sender: str, version: int
) -> None:
    hooks = free_port()
    with sandbox_process(KEY, task_seconds=0.3) as sandbox, ExitStack() as stack:
        team = Team(tmp_path, sandbox.url, version=version)
        team.write_prompts(PROMPTS[:4])
        pace: dict[str, Any] = {"poll_every": "300ms"}
        receives = service(team, "receiver", hooks=hooks, **pace)
        sends = service(
            team, "sender", public_url=f"http://127.0.0.1:{hooks}", hooks=free_port(), **pace
        )
        keep_in(url, receives, sends)
        # A secret of the program proves the calls of version 1, the key of the API those of 2.
        was = "secret" if version == 1 else "key"
        (tmp_path / "earlier").write_text("afk_" + "the-one-of-before" * 3)
        receives.write_text(receives.read_text().replace(f'"file:{was}"', '"file:earlier"'))
        serving = stack.enter_context(Program("serve", receives, "-v"))
        serving.until(lambda: is_up(hooks), "the receiver is up")

        if sender == "watch":
            watching = stack.enter_context(Program("watch", sends))
            watching.until(lambda: team.statuses() == {"done": 4}, "the rows are done")
        else:
            until(
                lambda: call("run", sends).code == 0 and team.statuses() == {"done": 4},
                "the rows are done",
            )
        until(lambda: sandbox.state()["webhooks"].get("refused"), "a call is refused")
        doctor = call("doctor", sends)
        serving.signal(signal.SIGTERM)
        log = serving.end()

        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS[:4], 1)
        assert "accepted" not in sandbox.state()["webhooks"]
        assert "has another secret or key for Apiframe than this configuration" in doctor.said
        assert "Restart serve or watch there. Until then, results are polled." in doctor.said
        assert "(proof): if the API made it, promptsheet doctor says why" in log.said
        assert (log.is_plain, doctor.code) == (True, 1)


def test_killed_processes_pay_nothing_twice_and_leave_only_what_was_in_flight(
    tmp_path: Path, url: str
) -> None:
    in_flight = 4
    with sandbox_process(KEY, task_seconds=0.2, answer_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        team.answers_within(1)
        config = team.configured(concurrency=in_flight)
        keep_in(url, config)

        for count in (6, 20):
            with Program("run", config, "--wait") as program:
                program.until(partial(has_taken, sandbox, count), "some are taken")
                program.kill()
            # Its lease on the sheet ends with its process, which ran on this machine.
        ended = call("run", config, "--wait")

        assert ended.code in (0, 1), ended
        tasks, statuses = sandbox.state()["tasks"], team.statuses()
        assert max(tasks.values()) == 1
        assert sum(statuses.values()) == statuses["done"] + statuses["check needed"] == 40
        print(f"paid twice 0, done {statuses['done']}, check needed {statuses['check needed']}")
        assert statuses["check needed"] <= 2 * 2 * in_flight  # and those about to leave


def test_a_pass_whose_server_crashes_says_so_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with (
        own_server(safe=True) as server,
        sandbox_process(KEY, task_seconds=0.2, answer_seconds=0.5) as sandbox,
    ):
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = team.configured(concurrency=4)
        keep_in(server.url(), config)

        with Program("run", config, "--wait") as program:
            program.until(partial(has_taken, sandbox, 8), "some are taken")
            server.stop("immediate")
            broken = program.end()
        refused = call("run", config)
        server.start()
        ended = call("run", config, "--wait")

        assert (broken.code, refused.code, ended.code) == (3, 3, 0), (broken, refused, ended)
        assert broken.is_plain
        assert "The store postgresql://anna@127.0.0.1" in broken.said
        assert "the connection is lost" in broken.said or "cannot be reached" in broken.said
        assert "nothing listens there. Is the server running" in refused.said
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
        # The answers to what was in flight were kept in the rescue file.
        assert team.statuses() == {"done": 40}
        team.assert_whole(PROMPTS)


def test_a_receiver_loses_no_result_while_its_server_ends_its_connections_and_crashes(
    tmp_path: Path,
) -> None:
    hooks = free_port()
    switches: dict[str, Any] = {"webhook_retries": 8, "webhook_retry_seconds": 0.2}
    with (
        own_server(safe=True) as server,
        sandbox_process(KEY, task_seconds=2, webhook_progress=0, **switches) as sandbox,
        ExitStack() as stack,
    ):
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS)
        config = service(team, hooks=hooks)
        keep_in(server.make_database("whole"), config)
        serving = stack.enter_context(Program("serve", config))
        serving.until(lambda: is_up(hooks), "the receiver is up")
        sent = call("run", config)

        def calls(outcome: str) -> int:
            return int(sandbox.state()["webhooks"].get(outcome, 0))

        with server.connected("whole") as connection:
            others = text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = 'whole' AND pid <> pg_backend_pid()"
            )
            serving.until(lambda: connection.execute(others) and calls("posted") > 10, "calls come")
        server.stop("immediate")
        serving.until(lambda: calls("refused") > 0, "calls are answered with an error")
        server.start()
        serving.until(lambda: calls("accepted") == len(PROMPTS), "all are accepted")
        serving.signal(signal.SIGTERM)
        ended = [sent, serving.end(), call("run", config)]

        assert all(one.code == 0 and one.is_plain for one in ended), ended
        assert "pool" not in ended[1].out, ended
        assert team.statuses() == {"done": len(PROMPTS)}
        # No result had to be polled.
        assert sandbox.state()["requests"] == {"/imagine": len(PROMPTS)}


def test_a_team_moves_its_store_to_a_server_and_goes_on(tmp_path: Path, url: str) -> None:
    with sandbox_process(KEY, task_seconds=0.2) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:5])
        config = team.configured()
        (tmp_path / "store-address").write_text(url)
        to = f"file:{tmp_path}/store-address"
        old = f"sqlite:///{tmp_path}/promptsheet.db"
        first = call("run", config, "--wait")

        copied, again = (call("store", "copy", old, to) for _ in range(2))
        keep_in(url, config)
        migrated = call("migrate", config)
        team.add_prompts(PROMPTS[5:8])
        ended = call("run", config, "--wait")
        other = call("store", "copy", old, to)

        codes = [one.code for one in (first, copied, again, migrated, ended, other)]
        assert codes == [0, 0, 0, 0, 0, 3]
        assert "and compared them: both are the same." in copied.said
        assert "Nothing was written" in again.said
        assert "there is nothing to do" in migrated.said
        assert "is not empty" in other.said
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS[:8], 1)
        assert team.statuses() == {"done": 8}


def test_previews_leave_nothing_on_the_server_and_logs_calls_and_forgetting_work_there(
    tmp_path: Path, url: str
) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox, monitoring() as monitor:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(PROMPTS[:3])
        config = team.configured(tables={"schedule": {"ping_url": monitor.url}})
        keep_in(url, config)
        before = [call(*words, config) for words in (["run", "--plan"], ["status"], ["doctor"])]
        with Store(url) as store:
            sheets = store.sheets.all()
        ended = call("run", config, "--wait", "--log-format", "json")
        words = ["status", "--json"], ["receipt", "--json"], ["doctor"]
        after = [call(*one, config) for one in words]
        gone = call("forget", config, "--before", datetime.now(UTC).isoformat(), "--yes")
        again = [call(*one, config) for one in (["run", "--wait"], ["status"], ["receipt"])]

        assert [one.code for one in (*before, ended, *after, gone, *again)] == [0] * 11
        assert "12 credits" in before[0].said
        assert sheets == []
        lines = [line for line in ended.out.splitlines() if line.startswith("{")]
        events = Counter(json.loads(line)["event"] for line in lines)
        assert [events[one] for one in ("sent", "succeeded", "written", "pass_ended")] == [
            3,
            3,
            3,
            1,
        ]
        assert json.loads(after[0].out)["rows"] == {"done": 3}
        assert "Forgotten: 3 rows." in gone.out
        assert monitor.calls == ["/ping/4e1d?a=b"]  # once in a minute
        assert sandbox.state()["tasks"] == dict.fromkeys(PROMPTS[:3], 1)
        assert team.statuses() == {"done": 3}
