"""What `watch` does about a changed configuration, and about a sheet that cannot be read."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx

from tests.fakes.program import KEY, Program
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import TOKEN, free_port, service
from tests.fakes.team import Team

REACTS: dict[str, object] = {"every": "1h", "react": "500ms"}


def test_a_changed_configuration_takes_effect_and_a_mistake_in_it_does_not(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["the first"])
        team.write("prompt", "the third", sheet="other.csv")
        config = service(team, schedule=REACTS)
        text = config.read_text()
        with Program("watch", config) as program:
            program.until(lambda: team.statuses()["done"] == 1, "the first row is done")
            config.write_text(text.replace("[page]", "[pages]"))
            team.add_prompts(["the second"])
            program.until(lambda: team.statuses()["done"] == 2, "the second row is done")
            config.write_text(text.replace("prompts.csv", "other.csv"))
            program.until(
                lambda: team.statuses("other.csv")["done"] == 1, "the row of the new sheet is done"
            )
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert sandbox.state()["tasks"] == {"the first": 1, "the second": 1, "the third": 1}
        assert "The configuration has changed." in ended.said
        assert ended.is_plain
        assert ended.code in (0, 130)


def test_a_configuration_behind_a_link_changes_with_the_link(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["the first"])
        team.write("prompt", "the second", sheet="other.csv")
        first = service(team, "first", schedule=REACTS)
        second = service(team, "second", schedule=REACTS, sheet="other.csv")
        link, other = tmp_path / "live.toml", tmp_path / "next.toml"
        link.symlink_to(first)
        other.symlink_to(second)
        with Program("watch", link) as program:
            program.until(lambda: team.statuses()["done"] == 1, "the first row is done")
            other.replace(link)
            program.until(
                lambda: team.statuses("other.csv")["done"] == 1, "the row of the new sheet is done"
            )
            program.signal(signal.SIGTERM)
            program.end()

        assert sandbox.state()["tasks"] == {"the first": 1, "the second": 1}


def test_the_configuration_of_before_is_used_again_if_the_port_of_the_new_one_is_taken(
    tmp_path: Path,
) -> None:
    with sandbox_process(KEY, task_seconds=0.1) as sandbox, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["a cat"])
        config = service(team)
        with Program("watch", config) as program:
            program.until(lambda: team.statuses()["done"] == 1, "the row is done")
            port = taken.getsockname()[1]
            config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
            said = ""
            while "is used again" not in said:
                said += program.process.stdout.readline()
            team.add_prompts(["a fox"])
            program.until(lambda: team.statuses()["done"] == 2, "the new row is done")
            program.signal(signal.SIGTERM)
            said += program.end().out

        assert "Another program listens at" in said
        assert "never awaited" not in said
        assert sandbox.state()["tasks"] == {"a cat": 1, "a fox": 1}


def test_a_sheet_that_cannot_be_read_rests_alone_says_so_on_the_page_and_works_after_an_edit(
    tmp_path: Path,
) -> None:
    page = free_port()
    address = f"http://127.0.0.1:{page}"
    with sandbox_process(KEY, task_seconds=0.1) as sandbox:
        team = Team(tmp_path, sandbox.url)
        team.write_prompts(["a cat"])
        team.write_prompts(["a fox"], "other.csv")
        sheet = team.sheet.read_bytes()
        configs = [
            service(team, name, page=page, schedule={"every": "1s"}, sheet=f"{file}.csv")
            for name, file in (("pipeline", "prompts"), ("other", "other"))
        ]

        def shown() -> str:
            return " ".join(client.get("/").text.split())

        with (
            Program("watch", *configs) as program,
            httpx.Client(base_url=address, headers={"Origin": address}) as client,
        ):
            program.until(lambda: team.statuses()["done"] == 1, "the row is done")
            client.post("/login", data={"token": TOKEN})
            team.sheet.unlink()
            program.until(lambda: "could not use the sheet" in shown(), "it rests")
            team.add_prompts(["an owl"], "other.csv")
            program.until(lambda: team.statuses("other.csv")["done"] == 2, "the other one works")
            rests = shown()
            team.sheet.write_bytes(sheet)
            program.until(lambda: "could not use the sheet" not in shown(), "it works again")
            team.add_prompts(["a dog"])
            program.until(lambda: team.statuses()["done"] == 2, "the new row is done")
            program.signal(signal.SIGTERM)
            ended = program.end()

        assert "The next run starts at" in rests
        assert sandbox.state()["tasks"] == {"a cat": 1, "a fox": 1, "an owl": 1, "a dog": 1}
        assert ended.is_plain
