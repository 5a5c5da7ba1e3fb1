"""An outlet belongs to its sheet: several configurations, and outlets that are taken out.

The receiver is a real server that verifies each message; cron makes plain runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.program import KEY, Ended, Program, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.fakes.terminal import terminal
from tests.fakes.web_service import Service, answers, serving

PUSH = (
    '[[outlets]]\nkind = "push"\nurl = "file:address"\nsecret = "file:secret"\n'
    'allow_private = true\nfields = { season = "Campaign" }\n'
)


class Desk:
    """A sheet with two configurations: one pushes results, and the other one tells nobody."""

    def __init__(self, folder: Path, sandbox: Sandbox, service: Service, receiver: Receiver):
        self.team, self.sandbox = Team(folder, sandbox.url), sandbox
        self.service, self.receiver = service, receiver
        (folder / "address").write_text(service.url)
        (folder / "secret").write_text(SECRET)
        self.telling = self.configured("telling", PUSH)
        self.silent = self.configured("silent")

    def configured(self, name: str, outlets: str = "") -> Path:
        config = self.team.configured(name)
        config.write_text(f"{config.read_text()}\n{outlets}")
        return config

    def add(self, *prompts: str) -> None:
        with self.team.editing() as rows:
            rows += [{"prompt": prompt, "Campaign": "autumn"} for prompt in prompts]

    def begin(self) -> None:
        """A sheet with one row, which is done and told."""
        self.team.write("prompt,Campaign", "a fox,autumn")
        call("run", self.telling, "--wait")
        assert self.told() == {"a fox": 1}

    def cron(self, config: Path) -> str:
        """Plain runs until all rows are done. Returns what they printed."""
        said = ""
        for _ in range(60):
            ended = call("run", config)
            assert (ended.code, ended.is_plain) == (0, True), ended
            said += ended.said
            if self.team.statuses().keys() <= {"done"}:
                return said
        raise AssertionError(self.team.statuses())

    def told(self) -> Counter[str]:
        """Prompt of each accepted message, each id once."""
        return Counter(body["data"]["prompt"] for body in self.receiver.accepted.values())

    def say(self, *words: str | Path) -> Ended:
        return self.team.start(*words)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    receiver = Receiver()
    with sandbox_process(KEY, task_seconds=0.4) as sandbox, serving(receiver) as service:
        yield Desk(tmp_path, sandbox, service, receiver)


def test_results_that_a_run_of_another_configuration_finds_are_told(desk: Desk) -> None:
    desk.begin()
    desk.add("a hen", "a cat")
    call("run", desk.telling)
    assert desk.team.statuses() == {"done": 1, "in progress": 2}
    until(
        # It sends nothing, and records results.
        lambda: call("run", desk.silent).code == 1 and desk.team.statuses() == {"done": 3},
        "all rows are done",
    )
    assert desk.told() == {"a fox": 1}

    listed = desk.say("outlets", "list", desk.silent)
    assert listed.code == 0
    assert "push: 1 delivered, 2 waiting, last delivery" in listed.said
    assert f"It is in {desk.telling}." in listed.said
    assert "push" not in desk.say("status", desk.silent).said

    assert desk.cron(desk.telling) == ""
    assert desk.told() == {"a fox": 1, "a hen": 1, "a cat": 1}
    assert desk.sandbox.state()["tasks_taken"] == 3


def test_watch_with_one_configuration_and_cron_with_the_other_tell_each_row_once(
    desk: Desk,
) -> None:
    desk.configured("silent", '[schedule]\nevery = "300ms"\n')
    desk.begin()
    with Program("watch", desk.silent):
        for number in range(2):
            desk.add(f"a hen {number}")
            desk.cron(desk.telling)
        until(lambda: call("run", desk.telling).code == 0 and len(desk.told()) == 3, "all are told")

    assert set(desk.told().values()) == {1}
    assert desk.sandbox.state()["tasks_taken"] == 3


def test_an_outlet_that_was_taken_out_is_named_and_keeps_its_messages_until_it_is_forgotten(
    desk: Desk,
) -> None:
    desk.begin()
    config = desk.configured("telling")
    named = 'The outlet "push" is in no configuration any more'
    assert named in desk.say("status", config).said, "before any run"
    desk.add("a hen", "a cat")
    said = desk.cron(config)
    assert said.count(named) == 1, "that more messages wait is no news"
    assert desk.cron(config) == ""
    for words in (("outlets", "list", desk.silent), ("status", config), ("doctor", config)):
        ended = desk.say(*words)
        assert f"{named}. Its messages are kept until it is back: 2 messages." in ended.said
        assert "promptsheet outlets forget push" in ended.said

    wrong = desk.say("outlets", "forget", "slack", config)
    assert (wrong.code, "are not in telling.toml: push." in wrong.said) == (2, True)
    asks = desk.say("outlets", "forget", "push", config)
    assert asks.code == 2
    assert "2 messages to it were not delivered. Add --yes to delete them." in asks.said
    with terminal(desk.team.folder, "outlets", "forget", "push", str(config)) as shown:
        shown.answer("Delete them?", "n\r")
        assert shown.end() == 1
    assert "2 waiting" in desk.say("outlets", "list", config).said

    ended = desk.say("outlets", "forget", "push", config, "--yes")
    assert (ended.code, ended.said.endswith("push is forgotten. 2 messages deleted.")) == (0, True)
    assert "push" not in desk.say("status", config).said
    desk.configured("telling", PUSH)
    desk.add("a dog")
    desk.cron(config)
    assert desk.told() == {"a fox": 1, "a dog": 1}


def test_an_outlet_that_comes_back_under_its_name_gets_what_waited(desk: Desk) -> None:
    desk.begin()
    desk.configured("telling", PUSH.replace("[[outlets]]", '[[outlets]]\nname = "shop"'))
    desk.add("a hen")
    said = desk.cron(desk.telling)
    assert 'The outlet "push" is in no configuration any more' in said
    assert "If it was renamed, give it its old name back." in said
    assert desk.told() == {"a fox": 1, "a hen": 1}, "the new name is told from now on"

    desk.configured("telling", PUSH)
    desk.add("a cat")
    said = desk.cron(desk.telling)
    assert 'The outlet "shop" is in no configuration any more.' in said
    assert desk.told() == {"a fox": 1, "a hen": 2, "a cat": 1}
    assert {body["data"]["columns"]["season"] for body in desk.receiver.accepted.values()} == {
        "autumn"
    }


def test_doctor_names_an_outlet_that_two_configurations_describe_in_two_ways(desk: Desk) -> None:
    desk.begin()
    desk.configured("silent", PUSH)
    call("run", desk.silent)
    said = "with another table or another address. Make both tables the same"
    assert said not in desk.say("doctor", desk.telling).said
    desk.configured("silent", f'{PUSH}when = ["failed"]\n')
    call("run", desk.silent)

    assert f'"push" is in {desk.silent}, too, {said}' in desk.say("doctor", desk.telling).said


def test_an_outlet_of_the_configuration_is_not_forgotten(desk: Desk) -> None:
    desk.service.fail(answers(503))
    desk.team.write("prompt,Campaign", "a fox,autumn")
    desk.cron(desk.telling)

    ended = desk.say("outlets", "forget", "push", desk.telling, "--yes")
    assert (ended.code, "Remove its [[outlets]] table first." in ended.said) == (2, True)
    elsewhere = desk.say("outlets", "forget", "push", desk.silent)
    assert f"{desk.telling} has it: its next run begins it again." in elsewhere.said
    assert elsewhere.code == 2
    assert "1 waiting" in desk.say("outlets", "list", desk.telling).said
