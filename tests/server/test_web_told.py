"""Webhook addresses and secrets in the submissions of the real program, as the API gets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline import wiring
from pipeline.config import load
from pipeline.open_sheet import open_sheet
from pipeline.server.app import receiver as app
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.called_back import SECRET, final, progress, proof, served, to_bytes
from tests.fakes.program import ROOT, Program, call
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, serving

WEBHOOK = {"webhook": {"public_url": "https://hooks.example.com/team", "secret": "env:HOOKS"}}


class Api:
    """Accepts every submission; its pictures are ready some seconds later."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.questions = 0
        #: How long a task takes.
        self.seconds = 0.0
        self._taken: list[float] = []

    def accept(self, call: Call) -> Reply:
        return Reply(200, to_bytes(self.answer(call.path, json.loads(call.body))))

    def answer(self, path: str, said: dict[str, Any]) -> dict[str, Any]:
        """What to answer."""
        if path == "/imagine":
            self.asked.append(said)
            self._taken.append(time.monotonic())
            return {"task_id": f"t-{len(self.asked)}"}
        self.questions += 1
        ids = said.get("task_ids", [said.get("task_id")])
        tasks = [self._answer_about(one) for one in ids]
        return {"tasks": tasks} if "task_ids" in said else tasks[0]

    def _answer_about(self, task: str) -> dict[str, Any]:
        age = time.monotonic() - self._taken[int(task.removeprefix("t-")) - 1]
        return final(task) if age >= self.seconds else progress(10, task)

    def tokens(self) -> list[str]:
        """The tokens that it received, in the order of its tasks."""
        return [one["webhook_url"].rsplit("/", 1)[1] for one in self.asked]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def team(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team whose program uses this API."""
    monkeypatch.setenv("HOOKS", SECRET)
    with serving(api.accept) as service:
        yield Team(tmp_path, service.url)


@contextmanager
def receiver(team: Team) -> Iterator[httpx.Client]:
    """The receiver of the team's sheet, in the process of the test."""
    settings = load(team.folder / "pipeline.toml", need_key=False)
    with wiring.open_store(settings) as store:
        campaign = Campaign(settings, store, open_sheet(settings, store).key)
        with served(app([campaign])) as url, httpx.Client(base_url=url) as client:
            yield client


def test_each_submission_has_its_own_address_and_secret_and_the_store_keeps_neither(
    team: Team, api: Api
) -> None:
    team.write_prompts(["a fox", "an owl"])

    ended = call("run", team.configured(tables=WEBHOOK, poll_every="100ms"), "--wait")

    assert (ended.code, team.statuses()) == (0, {"done": 2})
    for one, token in zip(api.asked, api.tokens(), strict=True):
        assert one["webhook_url"] == f"https://hooks.example.com/team/hooks/{token}"
        assert one["webhook_secret"] == proof(token)["x-webhook-secret"]
    tokens = api.tokens()
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        assert len(store.callbacks.by_hook(tokens)) == 2
    kept = b"".join(path.read_bytes() for path in team.folder.glob("promptsheet.db*"))
    made = [one["webhook_secret"] for one in api.asked]
    secrets = [SECRET, "hooks.example.com", "webhook", *made]
    assert not [word for word in secrets if word.encode() in kept]
    assert not [word for word in (*secrets, *tokens) if word in ended.said]


def test_without_a_public_url_or_webhook_support_nothing_is_added(team: Team, api: Api) -> None:
    team.write_prompts(["a fox"])
    call("run", team.configured(), "--wait")
    team.add_prompts(["an owl"])
    own = team.folder / "providers" / "apiframe.toml"
    own.parent.mkdir()
    theirs = (ROOT / "configs/providers/apiframe-v1.toml").read_text()
    own.write_text(theirs.replace("credits = 4", "credits = 4\nwebhook = false", 1))

    call("run", team.configured(tables=WEBHOOK), "--wait")

    assert api.asked == [{"prompt": "a fox"}, {"prompt": "an owl"}]


def test_a_waiting_run_notices_calls_received_by_another_process(team: Team, api: Api) -> None:
    team.write_prompts(["a fox", "an owl", "a cat"])
    config = team.configured(tables=WEBHOOK, poll_every="1h")
    with Program("run", config, "--wait", "--json") as program:
        program.until(lambda: len(api.asked) == 3, "all are submitted")
        with receiver(team) as client:
            first, *others = api.tokens()
            said = progress("40", "t-1")
            client.post(f"/hooks/{first}", json=said, headers=proof(first))
            program.until(lambda: team.statuses()["in progress 40%"], "progress in its row")
            for number, token in enumerate((first, *others), start=1):
                answer = client.post(
                    f"/hooks/{token}", json=final(f"t-{number}"), headers=proof(token)
                )
                assert answer.status_code == 200
            ended = program.end(within=20)

    assert (ended.code, team.statuses()) == (0, {"done": 3})
    report = json.loads(ended.said)
    assert (report["new"], report["done"]) == (3, 3)
    assert api.questions == 0


def test_a_run_completes_although_every_call_is_lost_and_polls_far_less_often(
    team: Team, api: Api
) -> None:
    api.seconds = 0.8
    questions: list[int] = []
    for tables in ({}, WEBHOOK):
        team.write_prompts([f"fox {number} of run {len(questions)}" for number in range(20)])
        before = api.questions
        ended = call("run", team.configured(tables=tables, poll_every="100ms"), "--wait")
        questions.append(api.questions - before)
        assert (ended.code, team.statuses()) == (0, {"done": 20})

    polling, called = questions
    assert 0 < called * 2 < polling
