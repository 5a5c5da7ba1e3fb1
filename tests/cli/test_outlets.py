"""Outlets as people use them: runs as cron makes them, a broken outlet, and the commands.

The receiver is a real server that verifies each message with the reference library. It counts the
messages that it accepted, by their ids; the sandbox counts what was paid.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load
from pipeline.sandbox import Sandbox
from pipeline.sync.quick_check import Found, check
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.program import KEY, KEY_NAME, Program, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.fakes.web_service import HANGS, LOST, Service, answers, serving


class Desk:
    """A team with a push outlet to a real receiver."""

    def __init__(self, folder: Path, sandbox: Sandbox, service: Service, receiver: Receiver):
        self.team, self.sandbox = Team(folder, sandbox.url), sandbox
        self.service, self.receiver = service, receiver
        (folder / "address").write_text(service.url)
        (folder / "secret").write_text(SECRET)
        self.config = self.configured()

    def configured(self, more: str = "", media: str = "") -> Path:
        config = self.team.configured(media=media)
        config.write_text(
            f'{config.read_text()}\n[[outlets]]\nkind = "push"\nurl = "file:address"\n'
            f'secret = "file:secret"\nallow_private = true\n{more}'
        )
        return config

    def told(self) -> Counter[tuple[str, str]]:
        """Prompt and type of each accepted message, each id once."""
        return Counter(
            (body["data"].get("prompt", ""), body["type"])
            for body in self.receiver.accepted.values()
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    receiver = Receiver()
    with sandbox_process(KEY, task_seconds=0.3) as sandbox, serving(receiver) as service:
        yield Desk(tmp_path, sandbox, service, receiver)


def run_as_cron(desk: Desk, times: int = 30) -> str:
    """Plain runs one after another, until every row has ended. Returns what they printed."""
    said = ""
    for _ in range(times):
        ended = call("run", desk.config)
        assert ended.is_plain
        said += ended.said
        if set(desk.team.statuses()) <= {"done", "failed"}:
            return said
    raise AssertionError(f"not ended after {times} runs: {desk.team.statuses()}")


def listed(desk: Desk) -> str:
    """What `outlets list` says."""
    return call("outlets", "list", desk.config).said


def test_plain_runs_deliver_each_row_once_and_a_further_run_delivers_nothing(desk: Desk) -> None:
    desk.team.write("prompt", "a fox", "a hen", "a cat [fail]")
    run_as_cron(desk)
    calls = len(desk.service.calls)
    call("run", desk.config)

    assert desk.told() == {
        ("a fox", "row.done"): 1,
        ("a hen", "row.done"): 1,
        ("a cat [fail]", "row.failed"): 1,
    }
    assert (calls, len(desk.service.calls)) == (3, 3)
    assert desk.sandbox.state()["tasks_taken"] == 3


def test_a_broken_outlet_does_not_change_a_run_and_everything_arrives_later(desk: Desk) -> None:
    desk.service.fail(*[answers(500)] * 4)
    desk.team.write("prompt", *(f"fox {number}" for number in range(5)))

    ended = call("run", desk.config, "--wait")

    assert (ended.code, desk.team.statuses()) == (0, {"done": 5})
    assert "waiting" in listed(desk)
    desk.service.failures.clear()
    assert call("outlets", "retry", desk.config, "--only", "push").code == 0
    assert desk.told() == {(f"fox {number}", "row.done"): 1 for number in range(5)}


def test_a_message_that_is_due_later_is_delivered_without_a_pass_over_the_sheet(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    desk.configured('when = ["done"]\n')
    desk.service.fail(answers(503))
    desk.team.write("prompt", "a fox")
    run_as_cron(desk)
    call("run", desk.config)  # notes that nothing is left to do
    settings = load(desk.config)
    until(lambda: check(settings.sources).found is Found.MESSAGES, "the message is due", every=0.1)
    assert len(desk.service.calls) == 1

    ended = call("run", desk.config)

    assert (ended.code, ended.said) == (0, "")
    assert desk.told() == {("a fox", "row.done"): 1}
    assert check(settings.sources).found is Found.UNCHANGED


def test_a_wrong_address_is_said_once_and_a_new_one_delivers_what_waited(desk: Desk) -> None:
    desk.service.fail(*[answers(404)] * 3)
    desk.team.write("prompt", "a fox")
    run_as_cron(desk)

    second = call("run", desk.config)
    assert 'The outlet "push" accepts nothing' in call("status", desk.config).said
    assert 'The outlet "push" accepts nothing' in second.said
    assert call("run", desk.config).said == ""
    with desk.team.editing() as rows:
        rows.append({"prompt": "a hen"})
    assert run_as_cron(desk) == ""
    assert call("run", desk.config).said == ""  # more messages wait; that is no news
    assert len(desk.service.calls) == 1

    desk.service.failures.clear()
    (desk.team.folder / "address").write_text(f"{desk.service.url}/right")
    call("run", desk.config)
    assert desk.told() == {(prompt, "row.done"): 1 for prompt in ("a fox", "a hen")}


def test_a_lost_answer_is_delivered_again_under_the_same_id(desk: Desk) -> None:
    desk.service.fail(LOST)
    desk.team.write("prompt", "a fox")
    run_as_cron(desk)
    call("outlets", "retry", desk.config)

    assert len(desk.service.calls) == 2
    assert len({one.headers["webhook-id"] for one in desk.service.calls}) == 1
    assert desk.receiver.repeats == 1


@pytest.mark.parametrize("seed", range(3))
def test_runs_that_are_killed_at_any_moment_deliver_every_row_and_none_under_two_ids(
    desk: Desk, seed: int
) -> None:
    chance = random.Random(seed)
    desk.team.write("prompt", *(f"fox {number}" for number in range(12)))
    for _ in range(6):
        with Program("run", desk.config, "--wait") as program:
            calls = len(desk.service.calls)
            wanted = calls + chance.randrange(1, 4)
            until(
                lambda: program.is_over or len(desk.service.calls) >= wanted,  # noqa: B023
                "some messages",
            )
            program.kill()
    call("run", desk.config, "--wait")
    call("outlets", "retry", desk.config)

    assert desk.told() == {(f"fox {number}", "row.done"): 1 for number in range(12)}
    assert desk.sandbox.state()["tasks_taken"] == 12


def test_serve_beside_cron_and_two_runs_deliver_each_message_once(desk: Desk) -> None:
    desk.config = desk.configured('[page]\nlisten = "127.0.0.1:0"\n')
    desk.team.write("prompt", *(f"fox {number}" for number in range(10)))
    with Program("serve", desk.config):
        run_as_cron(desk)
        until(lambda: len(desk.receiver.accepted) == 10, "all messages")

    assert desk.told() == {(f"fox {number}", "row.done"): 1 for number in range(10)}
    assert len(desk.service.calls) == 10


def test_watch_delivers_while_it_runs(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    with Program("watch", desk.config):
        until(lambda: len(desk.receiver.accepted) == 1, "the message")
    assert desk.told() == {("a fox", "row.done"): 1}


def test_an_outlet_that_never_answers_holds_up_no_pass(desk: Desk) -> None:
    desk.service.fail(*[HANGS] * 50)
    desk.team.write("prompt", *(f"fox {number}" for number in range(5)))
    with Program("run", desk.config, "--wait") as program:
        program.until(lambda: desk.team.statuses() == {"done": 5}, "all rows are done")
        desk.service.stopped.set()
    assert desk.sandbox.state()["tasks_taken"] == 5


def test_outlets_test_sends_a_sample_or_says_what_is_wrong(desk: Desk) -> None:
    good = call("outlets", "test", "push", desk.config)
    assert (good.code, desk.told()[("A fox in the snow, to try this outlet", "test")]) == (0, 1)

    desk.service.fail(answers(401))
    wrong = call("outlets", "test", "push", desk.config)
    assert wrong.code == 1
    assert "401" in wrong.said
    assert SECRET not in wrong.said

    unknown = call("outlets", "test", "slack", desk.config)
    assert unknown.code == 2
    assert 'There is no outlet "slack"' in unknown.said


def test_a_row_that_needs_a_person_and_a_nearly_used_budget_are_told(desk: Desk) -> None:
    text = desk.config.read_text()
    every = '["done", "attention", "budget", "stopped"]'
    desk.config.write_text(
        text.replace("per_day = 1000000", "per_day = 10").replace(
            'kind = "push"', f'kind = "push"\nwhen = {every}'
        )
    )
    desk.team.write("prompt,aspect_ratio", "a fox,1:1", "a hen,wide", "a cat,1:1", "a dog,1:1")
    call("run", desk.config, "--wait")

    types = Counter(body["type"] for body in desk.receiver.accepted.values())
    assert (types["row.done"], types["rows.attention"], types["budget.used"]) == (2, 1, 1)


def test_messages_name_the_saved_files_also_if_serve_delivers_them(desk: Desk) -> None:
    config = desk.configured(media="media")
    desk.team.write("prompt", "a fox", "a hen", "a cat")
    with Program("serve", config):
        run_as_cron(desk)
        until(lambda: len(desk.receiver.accepted) == 3, "all messages")

    told = [body["data"]["files"] for body in desk.receiver.accepted.values()]
    saved = sorted(path.name for path in (desk.team.folder / "media").glob("*.png"))
    assert sorted(name for names in told for name in names) == saved
    assert all(told)


def test_a_message_carries_the_columns_that_the_outlet_names(desk: Desk) -> None:
    desk.config = desk.configured('fields = { season = "Campaign", words = "prompt" }\n')
    desk.team.write("name,prompt,Campaign", "fox,a fox,winter")
    run_as_cron(desk)

    (body,) = desk.receiver.accepted.values()
    assert body["data"]["columns"] == {"Campaign": "winter", "season": "winter", "words": "a fox"}


def test_a_sheet_that_cannot_be_read_is_told_once_after_three_runs(desk: Desk) -> None:
    desk.config = desk.configured('when = ["stopped"]\n')
    desk.team.write("prompt", "a fox")
    away, counts = desk.team.folder / "away", list[int]()
    for is_there in (True, False, False, True, False, False, False, False, True):
        if is_there and away.exists():
            away.rename(desk.team.sheet)
        elif not is_there and desk.team.sheet.exists():
            desk.team.sheet.rename(away)
        assert call("run", desk.config).code == (0 if is_there else 3)
        counts.append(len(desk.receiver.accepted))

    assert counts == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    (body,) = desk.receiver.accepted.values()
    assert body["data"]["sentence"].endswith(
        "does not exist. Put it back, or correct [sheet] source. The runs before failed, too."
    )


def test_a_refused_key_is_told_once_however_often_a_run_meets_it(desk: Desk) -> None:
    desk.config.write_text(
        desk.config.read_text().replace('kind = "push"', 'kind = "push"\nwhen = ["stopped"]')
    )
    desk.team.write("prompt", "a fox", "a hen")
    wrong = {**os.environ, KEY_NAME: "another-key"}
    for _ in range(3):
        with Program("run", desk.config, environment=wrong) as program:
            assert program.end().code == 3

    (body,) = desk.receiver.accepted.values()
    assert body["type"] == "sending.stopped"
    assert "API key" in body["data"]["sentence"]
    assert desk.sandbox.state()["tasks_taken"] == 0


def test_few_credits_and_an_unreadable_account_are_told_once_and_also_that_it_is_over(
    desk: Desk,
) -> None:
    desk.config = desk.configured('when = ["budget"]\n')
    text = desk.config.read_text()
    desk.config.write_text(text.replace("[budget]\n", "[budget]\nwarn_below = 1000\n"))
    sentences = []
    changes: tuple[dict[str, Any], ...] = (
        {"credits": 500},
        {"credits": 400},
        {"credits": 500_000},
        {"code": "next 9 500 /account"},
        {"code": "off", "credits": 500_000},
    )
    for number, change in enumerate(changes):
        desk.sandbox.set(**change)
        desk.team.write("prompt", *(f"fox {one}" for one in range(number + 1)))
        run_as_cron(desk)
        sentences.append([body["data"]["sentence"] for body in desk.receiver.accepted.values()])
        with closing(sqlite3.connect(desk.team.folder / "promptsheet.db")) as store, store:
            store.execute("delete from promptsheet where name like 'balance of %'")

    assert [len(one) for one in sentences] == [1, 1, 2, 3, 4]
    low, enough, unreadable, readable = sentences[-1]
    assert "less than the 1,000 of [budget] warn_below" in low
    assert "enough again" in enough
    assert "is not known: it answers 500" in unreadable
    assert "enough again" in readable
    ends = [body["data"]["is_over"] for body in desk.receiver.accepted.values()]
    assert ends == [False, True, False, True]


def test_serve_tells_that_no_pass_runs_any_more(desk: Desk) -> None:
    desk.config = desk.configured(
        'when = ["silent"]\n[schedule]\nsilent_after = "1s"\n[page]\nlisten = "127.0.0.1:0"\n'
    )
    desk.team.write("prompt", "a fox")
    run_as_cron(desk)
    with Program("serve", desk.config):
        until(lambda: desk.receiver.accepted, "the message")

    (body,) = desk.receiver.accepted.values()
    assert body["type"] == "passes.missing"
