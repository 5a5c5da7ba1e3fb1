"""What a person at a terminal sees of outlets: after a run, in `outlets`, `doctor` and `init`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.outlets.chat_services import Channel, channel
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.program import KEY
from tests.fakes.team import Team
from tests.fakes.terminal import terminal
from tests.fakes.web_service import Service, answers, serving


class Desk:
    """A team that tells Slack in digests and pushes each row to a program."""

    def __init__(self, team: Team, chat: Channel, slack: str, service: Service) -> None:
        self.team, self.chat, self.service = team, chat, service
        for name, secret in (("slack", slack), ("push", service.url), ("secret", SECRET)):
            (team.folder / name).write_text(secret)
        self.config = team.configure(
            '[media]\nsave_to = ""\n'
            '[[outlets]]\nkind = "slack"\nurl = "file:slack"\n'
            '[[outlets]]\nkind = "push"\nurl = "file:push"\nsecret = "file:secret"\n'
            "allow_private = true\n"
        )

    def at_terminal(self, *words: str) -> str:
        """What the program shows."""
        with terminal(self.team.folder, *words, str(self.config), width=200, key=KEY) as shown:
            shown.end()
            return shown.shown

    def say(self, *words: str) -> str:
        """What the program prints elsewhere."""
        ended = self.team.start(*words, self.config)
        return ended.out + ended.err

    def waiting(self) -> str:
        """The line of `outlets list` about Slack."""
        return next(line for line in self.say("outlets", "list").splitlines() if "slack: " in line)


@pytest.fixture
def desk(team: Team) -> Iterator[Desk]:
    with ExitStack() as stack:
        chat, _, slack = stack.enter_context(channel("slack"))
        yield Desk(team, chat, slack, stack.enter_context(serving(Receiver())))


def test_a_run_says_what_each_outlet_got_and_what_waits(desk: Desk) -> None:
    desk.team.write("prompt", "a fox", "a hen", "a cat")
    first = desk.at_terminal("run", "--wait")
    assert "Sent to outlets: slack 1 digest, push 3 messages." in first

    desk.team.write("prompt", "a dog")
    assert "Sent to outlets: slack 1 digest, push 1 message." in desk.at_terminal("run", "--wait")


def test_a_digest_waits_for_a_later_run_unless_a_person_is_there(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    desk.team.finish()
    for prompt in ("a hen", "a cat"):
        desk.team.write("prompt", prompt)
        desk.team.finish()
        assert " waiting until " in desk.waiting()
        assert len(desk.chat.posted) == 1 + (prompt == "a cat")
        if prompt == "a hen":
            desk.say("outlets", "retry", "--only", "slack")
            assert len(desk.chat.posted) == 2
    assert "Sent to outlets: slack 1 digest." in desk.at_terminal("run")
    assert len(desk.chat.posted) == 3


def test_a_run_at_a_terminal_says_at_once_that_an_outlet_accepts_nothing(desk: Desk) -> None:
    desk.service.fail(*[answers(404)] * 3)
    desk.team.write("prompt", "a fox")
    shown = desk.at_terminal("run", "--wait")

    assert shown.count('The outlet "push" accepts nothing') == 1
    assert "Waiting: 1 message. It is tried again each hour" in shown
    assert "Not sent yet: push 1 message; promptsheet outlets list shows why." in shown


def test_cron_mails_nothing_about_deliveries(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    said = [desk.say("run") for _ in range(8)]

    assert desk.team.statuses() == {"done": 1}
    assert set(said) == {""}


def test_a_secret_that_is_not_set_here_is_named_and_changes_nothing(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    desk.team.finish()
    desk.team.write("prompt", "a hen")
    desk.team.finish()
    before, address = desk.waiting(), (desk.team.folder / "slack").read_text()
    (desk.team.folder / "slack").write_text("")
    missing = 'url: "file:slack" is not set, missing or empty'

    for words in (("test", "slack"), ("retry",), ("retry", "--only", "slack")):
        said = desk.say("outlets", *words)
        assert missing in said, words
        assert "Unexpected" not in said
    assert missing in desk.say("doctor")
    assert desk.waiting() == before
    (desk.team.folder / "slack").write_text(address)
    assert desk.waiting() == before
    assert len(desk.chat.posted) == 1


def test_doctor_checks_each_outlet_and_posts_nothing(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    said = desk.say("doctor")

    for name in ("slack", "push"):
        assert f'✓ Nothing wrong was found with the outlet "{name}".' in said
        assert f"promptsheet outlets test {name}" in said
    assert desk.chat.posted == []


def test_doctor_says_not_used_only_of_columns_that_nothing_uses(desk: Desk) -> None:
    (desk.team.folder / "db").write_text(f"sqlite:///{desk.team.folder}/shop.db")
    desk.team.write("prompt,Team,Campaign,Shelf,Owner", "a fox,Blue,Autumn,7,Ann")
    text = desk.config.read_text().replace('save_to = ""', 'file_name = "{campaign}-{n}"')
    text = f'{text}fields = {{ t = "team" }}\n[budget]\nper = {{ shelf = 100 }}\n'
    desk.config.write_text(text)
    assert "Read: prompt, Team, Campaign, Shelf. Not used: Owner." in desk.say("doctor")

    table = '[[outlets]]\nkind = "sql"\nurl = "file:db"\ntable = "pictures"\n'
    desk.config.write_text(f"{text}{table}")
    said = desk.say("doctor")
    assert "Shelf. For sql, if there is such a column there: Owner." in said
    assert "Not used" not in said


def test_doctor_names_fields_of_an_outlet_that_nothing_fills(desk: Desk) -> None:
    desk.team.write("prompt,Team", "a fox,Blue")
    fields = 'fields = { a = "promt", b = "team", c = "Aspect Ratio", d = "image_urls", e = "zzz" }'
    desk.config.write_text(f"{desk.config.read_text()}{fields}\n")

    said = desk.say("doctor")
    assert '! The outlet "push" has "promt" in its fields' in said
    assert 'Did you mean "prompt"?' in said
    assert said.count("in its fields") == 2, "the others are filled"


def test_doctor_says_once_why_an_outlet_accepts_nothing(desk: Desk) -> None:
    (desk.team.folder / "db").write_text(f"sqlite:///{desk.team.folder}/shop.db")
    (desk.team.folder / "shop.db").touch()
    table = '[[outlets]]\nkind = "sql"\nurl = "file:db"\ntable = "pictures"\n'
    desk.config.write_text(f"{desk.config.read_text()}{table}")
    desk.team.write("prompt", "a fox")
    missing = 'There is no table "pictures"'
    assert f'The outlet "sql": {missing}' in desk.say("doctor")
    desk.team.finish()

    said = desk.say("doctor")
    assert said.count(missing) == 1
    assert f'The outlet "sql" accepts nothing: {missing}' in said
    assert "Waiting: 1 message." in said
    assert said.count("Nothing wrong was found with the outlet") == 2


def test_the_list_is_in_the_order_of_the_configuration(desk: Desk) -> None:
    lines = desk.say("outlets", "list").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["slack", "push"]


def test_the_list_says_why_messages_wait(desk: Desk) -> None:
    desk.service.fail(answers(503))
    desk.team.write("prompt", "a fox")
    desk.team.finish()

    said = desk.say("outlets", "list")
    assert "push: 0 delivered, 1 waiting" in said
    assert "  the last try failed: " in said


def test_messages_that_were_set_aside_are_counted_with_the_reason(desk: Desk) -> None:
    desk.service.fail(answers(422))
    desk.team.write("prompt", "a fox")
    desk.team.finish()

    said = desk.say("outlets", "list")
    assert "push: 0 delivered, 0 waiting, 1 set aside" in said
    assert '1 message to the outlet "push" is set aside. promptsheet outlets list shows why' in said
    assert '1 message to the outlet "push" is set aside.' in desk.say("doctor")
    assert "push: 1 message to deliver." in desk.say("outlets", "retry")
    assert "push: 1 delivered, 0 waiting, last delivery" in desk.say("outlets", "list")


def test_the_help_lists_outlets_beside_the_commands_for_rows(desk: Desk) -> None:
    names = [
        line.split()[0]
        for line in desk.team.start("--help").out.splitlines()
        if line.startswith("  ")
    ]
    assert names.index("outlets") == names.index("resume") + 1
    assert names[-1] == "sandbox"


def test_the_lines_about_outlets_in_a_new_configuration_can_be_used(
    desk: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    new = Team(folder, desk.team.url)
    assert new.start("init", "prompts.csv").code == 0
    config = folder / "promptsheet.toml"
    text = config.read_text()
    start = text.index("# [[outlets]]")
    config.write_text(text[:start] + text[start:].replace("# [", "[").replace("\n# ", "\n"))

    (outlet,) = tomllib.loads(config.read_text())["outlets"]
    assert outlet == {"kind": "slack", "url": "env:SLACK_URL"}
    assert "slack: 0 delivered, 0 waiting." in new.start("outlets", "list").out


def test_json_stays_one_line_for_each_sheet(desk: Desk) -> None:
    desk.team.write("prompt", "a fox")
    said = desk.say("run", "--wait", "--json").splitlines()
    (line,) = (one for one in said if one.startswith("{"))
    assert "Sent to outlets" not in "".join(said)
    assert json.loads(line)["done"] == 1
