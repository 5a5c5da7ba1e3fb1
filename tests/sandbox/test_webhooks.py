"""The sandbox posts webhooks as the documentation says, and loses, doubles and reorders them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Sandbox, running
from tests.fakes.web_service import Call, Reply, serving
from tests.sandbox.calls import until

KEY = "k-123"


class Listener:
    """A web server that keeps what is posted to it, and answers as it is set to."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        self.connections: set[int] = set()
        #: Answers, the next one first; then 204.
        self.answers: list[int] = []

    @property
    def statuses(self) -> list[str]:
        """The statuses, in the order of arrival."""
        return [body.get("status", "") for _, _, body in self.received]

    def accept(self, call: Call) -> Reply:
        self.received.append((call.path, call.headers, json.loads(call.body)))
        self.connections.add(call.port)
        status = self.answers.pop(0) if self.answers else 204
        return Reply(status, headers={"location": f"{self.url}/elsewhere"})


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(KEY, task_seconds=0.1, webhook_retry_seconds=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def receiver(sandbox: Sandbox) -> Iterator[Listener]:
    listener = Listener()
    with serving(listener.accept) as service:
        listener.url = f"{service.url}/hooks/abc"
        yield listener


def take(sandbox: Sandbox, url: str, prompt: str = "a fox", secret: str = "s3cret ✓") -> str:
    fields = {"prompt": prompt, "webhook_url": url, "webhook_secret": secret}
    answer = httpx.post(
        f"{sandbox.url}/imagine", json=fields, headers={"Authorization": KEY}, trust_env=False
    )
    return str(answer.raise_for_status().json()["task_id"])


def fetched(sandbox: Sandbox, task_id: str) -> dict[str, Any]:
    answer = httpx.post(
        f"{sandbox.url}/fetch",
        json={"task_id": task_id},
        headers={"Authorization": KEY},
        trust_env=False,
    )
    statuses: dict[str, Any] = answer.raise_for_status().json()
    return statuses


def test_every_webhook_says_what_fetch_says(sandbox: Sandbox, receiver: Listener) -> None:
    task_id = take(sandbox, receiver.url, secret="s3cret")
    until(lambda: len(receiver.received) == 3)

    assert [body["task_id"] for _, _, body in receiver.received] == [task_id] * 3
    assert receiver.statuses == ["processing", "processing", "finished"]
    assert [body.get("percentage") for _, _, body in receiver.received] == ["11", "55", None]
    path, headers, body = receiver.received[-1]
    assert body == fetched(sandbox, task_id)
    assert (path, headers["x-webhook-secret"]) == ("/hooks/abc", "s3cret")
    assert headers["content-type"] == "application/json"
    until(lambda: sandbox.state()["webhooks"] == {"posted": 3, "accepted": 3})
    assert sandbox.state(hooks=True)["hooks"][task_id]["accepted"] == 3


def test_webhooks_share_one_connection(sandbox: Sandbox, receiver: Listener) -> None:
    take(sandbox, receiver.url)
    until(lambda: len(receiver.received) == 3)

    assert len(receiver.connections) == 1


def test_a_submission_without_an_address_gets_no_webhook(sandbox: Sandbox) -> None:
    take(sandbox, "")

    assert sandbox.state()["webhooks"] == {}


def test_a_final_webhook_may_have_no_status_and_percentages_may_be_numbers(
    sandbox: Sandbox, receiver: Listener
) -> None:
    sandbox.set(bare_final=True, percentage_as="number")
    take(sandbox, receiver.url)
    until(lambda: len(receiver.received) == 3)

    assert receiver.statuses == ["processing", "processing", ""]
    assert [body.get("percentage") for _, _, body in receiver.received] == [11, 55, None]


def test_a_webhook_that_is_not_answered_2xx_is_repeated_as_often_as_set(
    sandbox: Sandbox, receiver: Listener
) -> None:
    sandbox.set(webhook_progress=0, webhook_retries=2)
    receiver.answers = [500, 302, 503, 500, 200]
    take(sandbox, receiver.url, "given up")
    until(lambda: sandbox.state()["webhooks"].get("given_up") == 1)
    take(sandbox, receiver.url, "taken at last")
    until(lambda: sandbox.state()["webhooks"].get("accepted") == 1)

    assert sandbox.state()["webhooks"] == {
        "posted": 5,
        "refused": 4,
        "accepted": 1,
        "given_up": 1,
    }
    assert {path for path, _, _ in receiver.received} == {
        "/hooks/abc"
    }  # a redirect is not followed


def test_an_unreachable_address_has_no_other_effect(sandbox: Sandbox) -> None:
    sandbox.set(webhook_progress=0, webhook_retries=1)
    task_id = take(sandbox, "http://127.0.0.1:9/hooks/abc")
    until(lambda: sandbox.state()["webhooks"].get("given_up") == 1)

    assert sandbox.state()["webhooks"] == {"posted": 2, "unreached": 2, "given_up": 1}
    assert fetched(sandbox, task_id)["status"] == "finished"


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/hooks", "https://example.com/hooks", "file:///etc/passwd", "x://["]
)
def test_nothing_is_posted_to_other_machines(sandbox: Sandbox, url: str) -> None:
    take(sandbox, url)

    assert sandbox.state()["webhooks"] == {"elsewhere": 1}


def test_a_webhook_can_be_dropped_or_come_twice(sandbox: Sandbox, receiver: Listener) -> None:
    sandbox.set(webhook_drop="next 2 /progress", webhook_double="next 1 /final")
    take(sandbox, receiver.url)
    until(lambda: len(receiver.received) == 2)

    assert receiver.statuses == ["finished", "finished"]
    until(lambda: sandbox.state()["webhooks"].get("accepted") == 2)
    assert sandbox.state()["webhooks"] == {
        "posted": 2,
        "accepted": 2,
        "dropped": 2,
        "doubled": 1,
    }


def test_webhooks_can_come_in_reverse(sandbox: Sandbox, receiver: Listener) -> None:
    sandbox.set(webhook_reorder=1)
    take(sandbox, receiver.url)
    until(lambda: len(receiver.received) == 3)

    assert receiver.statuses == ["finished", "processing", "processing"]
    assert [body.get("percentage") for _, _, body in receiver.received] == [None, "55", "11"]


def test_a_webhook_can_come_before_the_answer_of_the_submission(
    sandbox: Sandbox, receiver: Listener
) -> None:
    sandbox.set(webhook_early="next 1", task_seconds=100)
    task_id = take(sandbox, receiver.url)

    assert [(body["task_id"], body["status"]) for _, _, body in receiver.received] == [
        (task_id, "staged")
    ]


def test_webhooks_can_be_late(sandbox: Sandbox, receiver: Listener) -> None:
    sandbox.set(webhook_delay_seconds=0.2, webhook_progress=0)
    began = time.monotonic()
    take(sandbox, receiver.url)
    until(lambda: receiver.received)

    assert time.monotonic() - began > 0.2


def test_a_task_without_end_is_reported_and_never_ends(
    sandbox: Sandbox, receiver: Listener
) -> None:
    sandbox.set(endless="next 1")
    take(sandbox, receiver.url)
    until(lambda: len(receiver.received) == 2)

    assert receiver.statuses == ["processing", "processing"]


def test_tasks_end_when_their_owner_says_so_and_are_reported_once(
    sandbox: Sandbox, receiver: Listener
) -> None:
    sandbox.set(task_seconds=10_000, webhook_progress=0)
    first = take(sandbox, receiver.url)
    sandbox.set(endless="next 1")
    second = take(sandbox, receiver.url, "an owl")
    assert sandbox.state()["running"] == 2

    assert sandbox.finish()["running"] == 0

    assert [fetched(sandbox, task)["status"] for task in (first, second)] == ["finished"] * 2
    sandbox.finish()  # there is nothing left to end
    until(lambda: sandbox.state()["webhooks"] == {"posted": 2, "accepted": 2})
    assert sorted(body["task_id"] for _, _, body in receiver.received) == sorted((first, second))
    assert receiver.statuses == ["finished"] * 2


def test_the_faults_of_webhooks_depend_on_the_prompt_only(
    sandbox: Sandbox, receiver: Listener
) -> None:
    def dropped(prompts: list[str]) -> dict[str, int]:
        sandbox.reset()
        sandbox.set(webhook_drop=0.5, webhook_progress=1, task_seconds=0.01)
        ids = {take(sandbox, receiver.url, prompt): prompt for prompt in prompts}

        def counts() -> dict[str, dict[str, int]]:
            hooks: dict[str, dict[str, int]] = sandbox.state(hooks=True)["hooks"]
            return hooks

        until(
            lambda: all(
                one.get("accepted", 0) + one.get("dropped", 0) == 2 for one in counts().values()
            )
        )
        return {ids[task]: one.get("dropped", 0) for task, one in counts().items()}

    prompts = [f"p{n}" for n in range(20)]

    assert dropped(prompts) == dropped(prompts[::-1])


def test_the_secret_is_in_no_repr_and_no_state(sandbox: Sandbox, receiver: Listener) -> None:
    take(sandbox, receiver.url, secret="s3cret")
    until(lambda: receiver.received)

    assert "s3cret" not in json.dumps(sandbox.state(times=True, ids=True, hooks=True))
