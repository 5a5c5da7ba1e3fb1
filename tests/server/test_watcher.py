"""A stop by a rule, as `watch` obeys it on a machine that did not see the rule broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import wiring
from pipeline.cli.status import set_paused
from pipeline.config import Settings, load
from pipeline.core.errors import StoreError
from pipeline.sandbox import Sandbox
from pipeline.server.pass_requests import PassRequest
from pipeline.server.watcher import Watcher
from pipeline.sync.clock import Clock
from tests.fakes.program import KEY, KEY_NAME
from tests.fakes.team import Team

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK_SECONDS = 0
TEAM_TABLES = None


def loaded(config: Path) -> Settings:
    """The configuration, with the key of the API."""
    return load(config, environ={KEY_NAME: KEY}, need_key=True)


@contextmanager
def machine(config: Path) -> Iterator[Watcher]:
    """A machine that watches the sheet of this configuration, as it is now."""
    with wiring.campaigns([loaded(config)]) as (campaign,):
        watcher = Watcher(campaign, Console(quiet=True))
        watcher.learn(campaign.store.turns.of(campaign.key))
        yield watcher


def stop(config: Path) -> None:
    """A rule stops the sending, on another machine."""
    with wiring.campaigns([loaded(config)]) as (campaign,):
        campaign.store.turns.stop(campaign.key, Watcher(campaign, Console())._configuration, "")


def test_a_machine_sends_nothing_after_another_has_stopped_until_the_configuration_changes(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write_prompts(["a fox", "an owl"])
    stop(team.config)
    with machine(team.config) as watcher:
        asyncio.run(watcher.turn(PassRequest()))
        sent = api.state()["tasks"]
    team.configure("[budget]\nper_run = 8\n")
    with machine(team.config) as watcher:
        asyncio.run(watcher.turn(PassRequest()))

    assert sent == {}
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
    assert team.statuses() == {"done": 2}


def test_a_stop_holds_on_a_machine_whose_servers_and_files_differ(team: Team, api: Sandbox) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    stop(team.config)
    team.configure('[page]\nlisten = "127.0.0.1:8699"\n[webhook]\nlisten = "127.0.0.1:8698"\n')
    more = '[schedule]\nping_url = "env:PING"\n[[outlets]]\nkind = "push"\nurl = "env:PUSH"\n'
    team.config.write_text(team.config.read_text() + more)
    own = {KEY_NAME: KEY, "PING": "https://ping.example.com", "PUSH": "https://push.example.com"}
    here = replace(load(team.config, environ=own, need_key=True), warnings=("Others can read it.",))
    with wiring.campaigns([here]) as (campaign,):
        watcher = Watcher(campaign, Console(quiet=True))
        asyncio.run(watcher.turn(PassRequest()))

    assert (watcher.is_stopped, api.state()["tasks"]) == (True, {})


def test_a_stop_ends_when_a_person_resumes_the_sheet_and_each_row_is_paid_once(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write_prompts(["a fox", "an owl"])
    stop(team.config)
    with machine(team.config) as first, machine(team.config) as second:
        asyncio.run(first.turn(PassRequest()))
        sent = api.state()["tasks"]
        set_paused(first.settings, Console(quiet=True), paused=False)
        asyncio.run(second.turn(PassRequest()))

    assert sent == {}
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}
    assert team.statuses() == {"done": 2}


def test_a_sheet_does_not_rest_because_the_store_was_away_for_a_moment(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    told, failures = list[str](), list[int]()

    async def away(settings: Settings, *_: object, **__: object) -> None:
        raise StoreError(told[-1])

    with machine(team.config) as watcher:
        store = watcher._campaign.store
        monkeypatch.setattr("pipeline.wiring.run", away)
        lost, other = f"The store {store.place} cannot be reached.", "The sheet is gone."
        for why in (lost, lost, lost, other):
            told.append(why)
            asyncio.run(watcher.turn(PassRequest()))
            failures.append(store.turns.of(watcher.key).failures)

    assert failures == [0, 1, 1, 2], "it rests if that lasts"


def test_a_clock_set_back_while_a_sheet_waits_does_not_keep_the_next_pass_waiting(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.configure('[schedule]\nevery = "1s"\n')
    began, back = time.monotonic(), timedelta()

    def now() -> datetime:
        nonlocal back
        before, back = back, timedelta(hours=-1)
        return NOON + timedelta(seconds=time.monotonic() - began) + before

    async def waited(watcher: Watcher) -> None:
        async with asyncio.timeout(20):
            await watcher._wait()

    with machine(team.config) as watcher:
        monkeypatch.setattr(wiring, "CLOCK", Clock(now))
        asyncio.run(waited(watcher))  # raises TimeoutError if it waits for an hour


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_start_of_a_machine_ends_a_stop_only_if_no_other_shares_the_store(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    team.configure()
    team.write_prompts(["a fox"])
    stop(team.config)
    monkeypatch.setattr(Watcher, "is_shared", is_shared)
    with machine(team.config) as watcher:
        watcher.go_on()
        asyncio.run(watcher.turn(PassRequest()))

    assert api.state()["tasks"] == ({} if is_shared else {"a fox": 1})
