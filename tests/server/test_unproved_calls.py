"""Calls of a vendor that proves nothing: they make the task be polled, and are not believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline import config
from pipeline.core.api.webhook import PATH, early_poll
from pipeline.core.model import JobKey, State
from pipeline.core.states import Accepted, Failed, Lost, Succeeded
from pipeline.server.app import receiver
from pipeline.store import Fact, Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.called_back import SHEET, Desk, served, token_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FORGED = {
    "id": "t-1",
    "state": "completed",
    "assets": {"image": "https://forged.example.com/1.png"},
}


@dataclass
class Unproved(Desk):
    """A receiver of Luma's calls, and its clock."""

    client: httpx.Client
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    def call(self, token: str, said: Any = FORGED) -> int:
        return self.client.post(f"{PATH}{token}", json=said).status_code

    def task(self, task_id: str = "t-1", start: int = 0) -> JobKey:
        """Begin an attempt, which the API accepts as this task."""
        (key,) = self.begin(start=start)
        self.store.attempts.record([Fact(key, 1, Accepted(task_id))])
        return key

    @property
    def version(self) -> int:
        """The store's change counter: each change makes passes look into the store."""
        return self.store.jobs.version(SHEET)


@pytest.fixture
def luma(tmp_path: Path) -> Iterator[Unproved]:
    path = tmp_path / "luma.toml"
    path.write_text(
        '[sheet]\nsource = "rows.csv"\n[webhook]\npublic_url = "https://hooks.example.com"\n'
        'secret = "env:HOOKS"\n[provider]\nname = "luma"\nendpoint = "photon"\n'
        'api_key = "env:LUMA"\n'
    )
    settings = config.load(path, need_key=True, environ={"HOOKS": "s" * 32, "LUMA": "key"})
    clock = [NOW]
    with Store(settings.store_url, now=lambda: clock[0]) as store:
        campaign = Campaign(settings, store, SHEET)
        with served(receiver([campaign])) as url, httpx.Client(base_url=url) as client:
            yield Unproved(campaign, client, clock)


def test_a_call_without_proof_leads_to_a_poll_at_once(luma: Unproved) -> None:
    key = luma.task()
    before = luma.version

    assert luma.call(token_of(key)) == 200

    attempt = luma.attempt(key)
    assert (attempt.state, attempt.result.urls) == (State.RUNNING, ())
    assert attempt.early_poll == NOW
    assert luma.version == before + 1
    assert [line.kind for line in luma.store.jobs.history(key)] == ["sent", "accepted"]


def test_a_flood_of_calls_leads_to_one_poll_in_five_seconds(luma: Unproved) -> None:
    key = luma.task()
    before = luma.version
    moments = set()
    for step in range(120):
        luma.clock[0] = NOW + timedelta(seconds=step / 4)
        assert luma.call(token_of(key)) == 200
        moments.add(luma.attempt(key).early_poll)

    assert sorted(filter(None, moments)) == [NOW + timedelta(seconds=5 * n) for n in range(7)]
    assert luma.version == before + 7


def test_a_call_during_the_submission_is_kept_until_the_task_is_known(luma: Unproved) -> None:
    (key,) = luma.begin()

    assert luma.call(token_of(key)) == 200
    luma.store.attempts.record([Fact(key, 1, Accepted("t-1"))])

    attempt = luma.attempt(key)
    assert (attempt.state, attempt.early_poll) == (State.RUNNING, NOW)


@pytest.mark.parametrize("event", [Lost("no answer"), Failed("no"), "succeeded"])
def test_a_call_about_a_task_that_is_not_polled_changes_nothing(luma: Unproved, event: Any) -> None:
    (key,) = luma.begin()
    if event == "succeeded":
        event = Succeeded(luma.attempt(key).result, "t-1")
    luma.store.attempts.record([Fact(key, 1, event)])
    before = luma.version, luma.all_states()

    assert luma.call(token_of(key)) == 200
    assert (luma.version, luma.all_states()) == before
    assert luma.attempt(key).early_poll is None


def test_a_call_about_an_unknown_or_another_task_is_refused_and_changes_nothing(
    luma: Unproved,
) -> None:
    key = luma.task()
    before = luma.version

    assert luma.call("unknown") == 404
    assert luma.call(token_of(key), {**FORGED, "id": "t-2"}) == 404
    assert luma.version == before
    assert luma.attempt(key).early_poll is None


def test_calls_about_two_tasks_at_once_are_both_noted(luma: Unproved) -> None:
    first, second = luma.task("t-1"), luma.task("t-2", start=1)

    assert luma.call(token_of(first)) == 200
    assert luma.call(token_of(second), {"id": "t-2"}) == 200
    assert [luma.attempt(key).early_poll for key in (first, second)] == [NOW, NOW]


def test_while_the_store_cannot_be_read_the_vendor_is_asked_to_call_again(luma: Unproved) -> None:
    key = luma.task()
    luma.store.close()
    with Path(luma.store._database.place).open("r+b") as file:
        file.truncate(0)

    assert luma.call(token_of(key)) == 503


def test_the_last_of_several_calls_is_always_followed_by_a_poll() -> None:
    second = timedelta(seconds=1)

    assert early_poll(None, NOW) == NOW
    assert early_poll(NOW, NOW + second) == NOW + 5 * second
    assert early_poll(NOW + 5 * second, NOW + 2 * second) is None
    assert early_poll(NOW, NOW + 60 * second) == NOW + 60 * second
