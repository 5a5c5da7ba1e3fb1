"""What each process can tell of the last pass, whichever process ran it."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import wiring
from pipeline.cli import doctor
from pipeline.core.model import Grid
from pipeline.page.board import Board
from pipeline.sandbox import Sandbox
from pipeline.server.metrics import Metrics
from pipeline.server.pass_requests import PassRequest
from pipeline.server.watcher import Watcher
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.last_pass import LastPass, last_pass_of
from pipeline.sync.outcome import INTERRUPTED, Asked
from tests.fakes.program import Program
from tests.fakes.team import Team
from tests.server.test_watcher import loaded

TASK_SECONDS = 0
WHY = 'The first 5 were all refused alike ("no"), so nothing more was sent.'
TEAM_TABLES = None


def held(team: Team) -> list[object]:
    """What the metrics, the page, `status` and `doctor` say of a sheet whose rows are not sent."""
    settings = loaded(team.config)
    with wiring.campaigns([settings]) as (campaign,):
        metrics = Metrics([campaign])
        number = metrics.registry.get_sample_value("promptsheet_held", {"sheet": "prompts.csv"})
        wall = Board(campaign)
        for _ in range(2):
            wall.refresh(at_once=True)
        page = wall.shown.sheet_status
    status = team.start("status", "--json", team.config)
    code = doctor.run(settings, Console(quiet=True), repair=False, adopt=False)
    return [number, page.hold, page.stopped, json.loads(status.out)["hold"], status.code, code]


def told(campaign: Campaign) -> LastPass:
    """The last pass, as another process knows it."""
    last = last_pass_of(campaign.store, campaign.key)
    assert last is not None
    return last


def test_a_refused_key_is_told_everywhere_until_a_pass_sends_again(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    prompts = [f"a fox {number}" for number in range(8)]
    team.write_prompts(prompts)
    api.set(code="1 403 /imagine")
    assert team.run().code == 3
    refused, first = held(team), api.state()["requests"]["/imagine"]
    sentence = str(refused[1])
    assert team.run().code == 3
    second = api.state()["requests"]["/imagine"] - first
    api.set(code="off")
    assert team.finish().code == 0

    assert sentence.startswith("At the last run: Apiframe refused the API key (403).")
    assert refused == [1, sentence, False, sentence, 1, 1]
    assert held(team) == [0, "", False, "", 0, 0]
    assert (first, second) == (5, 1), "one request tells whether the key is still refused"
    assert api.state()["tasks"] == dict.fromkeys(prompts, 1)


def test_a_stop_by_a_rule_is_told_everywhere_until_a_person_resumes(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    assert team.finish().code == 0
    with wiring.campaigns([loaded(team.config)]) as (campaign,):
        campaign.store.turns.stop(campaign.key, Watcher(campaign, Console())._configuration, WHY)
    stopped = held(team)
    team.start("resume", team.config)

    assert stopped[3] == f"{WHY} Nothing more is sent until you run promptsheet resume."
    # The page has a button for that.
    assert stopped == [1, WHY, True, stopped[3], 1, 1]
    assert held(team) == [0, "", False, "", 0, 0]


def test_lost_answers_that_take_all_places_are_told_everywhere_and_not_once_one_is_free(
    team: Team, api: Sandbox
) -> None:
    pace = '[pace]\npoll_every = "20ms"\nper_minute = 0\nin_flight = {}\n'
    config = team.configure().read_text().partition("[pace]")[0]
    prompts = [f"a fox {number}" for number in range(6)]
    team.config.write_text(config + pace.format(2))
    team.write_prompts(prompts[:1])
    assert team.finish().code == 0
    team.add_prompts(prompts[1:])
    api.set(lost="next 2 rst")
    ended = team.run()
    full = held(team)
    team.config.write_text(config + pace.format(3))
    free = held(team)

    assert str(full[3]).startswith(
        "2 submissions without an answer may be at work, and only 2 may be at once: nothing more"
    )
    assert full == [1, full[3], False, full[3], 1, 1]
    assert (ended.code, str(full[3]) in ended.said) == (1, True)
    assert free == [0, "", False, "", 1, 1], "two rows still need a person"
    assert team.finish().code == 0
    assert api.state()["tasks"] == dict.fromkeys(prompts, 1)


def test_lost_submissions_that_the_next_run_sends_again_take_no_places_for_an_hour(
    api: Sandbox, tmp_path: Path
) -> None:
    api.reset()
    prompts = [f"a fox {number}" for number in range(4)]
    team = Team(tmp_path, api.url, version=2)
    team.configured("promptsheet", in_flight=2)
    team.write_prompts(prompts)
    api.set(lost="1 rst")
    ended, plan = team.run(), json.loads(team.run("--plan", "--json").out)
    state = json.loads(team.start("status", "--json", team.config).out)
    api.set(lost="off")

    assert ended.code == 0, ended.said
    assert (plan["requests"], plan["hold"], state["hold"]) == (2, "", "")
    assert "may be at work" not in ended.said
    assert team.finish().code == 0
    assert team.statuses() == {"done": 4}
    assert api.state()["tasks"] == dict.fromkeys(prompts, 1)


def test_a_run_that_waits_says_at_once_that_lost_answers_take_all_places(
    team: Team, api: Sandbox, tmp_path: Path
) -> None:
    lose_all_places(team, api)
    errors = tmp_path / "errors"
    with errors.open("w") as err, Program("run", team.config, "--wait", err=err.fileno()) as run:
        run.until(lambda: errors.read_text().endswith("\n"), "it says so")
        run.signal(signal.SIGINT)
        code = run.end().code

    assert code == INTERRUPTED
    (line,) = errors.read_text().splitlines()
    assert line.startswith("prompts.csv: 2 submissions without an answer may be at work, and")


def test_watch_says_at_once_that_lost_answers_take_all_places_and_not_again(
    team: Team, api: Sandbox
) -> None:
    lose_all_places(team, api)
    said = Said()

    async def passes(watcher: Watcher) -> None:
        first = asyncio.create_task(watcher.turn(PassRequest()))
        await said.something.wait()
        watcher.end()
        await first
        await watcher.turn(PassRequest())

    with wiring.campaigns([loaded(team.config)]) as (campaign,):
        asyncio.run(passes(Watcher(campaign, Console(file=said, width=999))))

    assert said.getvalue().count("submissions without an answer") == 1
    assert api.state()["tasks_taken"] == 2


class Said(io.StringIO):
    """What was printed. The event is set once something was."""

    def __init__(self) -> None:
        super().__init__()
        self.something = asyncio.Event()

    def write(self, text: str) -> int:
        self.something.set()
        return super().write(text)


def lose_all_places(team: Team, api: Sandbox) -> None:
    """Let the answers to the next two submissions be lost; more are not allowed in flight."""
    config = team.configure().read_text().partition("[pace]")[0]
    team.config.write_text(f"{config}[pace]\nper_minute = 0\nin_flight = 2\n")
    team.write_prompts([f"a fox {number}" for number in range(4)])
    api.set(lost="next 2 rst")


def test_a_row_to_retry_waits_for_resume_where_a_rule_stopped_the_sending(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write_prompts(["a fox [fail]"])
    team.finish()
    with wiring.campaigns([loaded(team.config)]) as (campaign,):
        campaign.store.turns.stop(campaign.key, Watcher(campaign, Console())._configuration, WHY)

    assert "until you run promptsheet resume" in team.start("retry", team.config).said


def test_a_run_that_claims_the_sheet_during_a_status_is_no_other_copy_of_the_store(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    assert team.finish().code == 0
    team.add_prompts(["an owl"])
    read = CsvSheet.read

    def read_late(sheet: CsvSheet) -> Grid:
        monkeypatch.undo()
        assert team.finish().code == 0, "the status has a copy of the store, and has read nothing"
        return read(sheet)

    monkeypatch.setattr(CsvSheet, "read", read_late)
    with wiring.previewing(loaded(team.config)) as sync:
        assert sync.last.hold is None
        assert sync.last.plan.statuses == {"done": 2}


def test_a_machine_whose_clock_is_a_day_off_spends_on_the_day_of_the_store(
    team: Team, api: Sandbox
) -> None:
    team.configure("[budget]\nper_day = 4\n")
    team.write_prompts(["a fox", "an owl"])
    settings, day = loaded(team.config), timedelta(days=1)
    with Store(settings.store_url, lambda: datetime.now(UTC) - day) as store:
        asyncio.run(wiring.run(settings, Asked(wait=True), store=store))
        spent = wiring.limits(settings, at=store.now()).spent_today(store.budget)
    with wiring.campaigns([settings]) as (campaign,):
        today = wiring.limits(settings).spent_today(campaign.store.budget)

    assert (spent, today) == (4, 0)
    assert team.statuses() == {"done": 1, "over budget": 1}


def test_a_pass_that_broke_off_and_one_with_nothing_to_do_are_told_as_they_were(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    assert team.finish().code == 0
    content = team.sheet.read_bytes()
    with wiring.campaigns([loaded(team.config)]) as (campaign,):
        done = told(campaign)
        assert team.run().code == 0
        idle = told(campaign)
        team.sheet.write_bytes(b"\xff\xfe\x00")
        broken = team.run()
        failed = told(campaign)
        team.sheet.write_bytes(content)

    assert (done.counts["new"], done.counts["rows"]) == (1, {"done": 1})
    assert (idle.counts["new"], idle.counts["rows"]) == (0, {"done": 1})
    assert (failed.counts["exit_code"], failed.counts["new"]) == (broken.code, 0)
    assert broken.code
    assert done.ended_at < idle.ended_at < failed.ended_at
