"""The sandbox posts webhooks as the documentation says, and loses, doubles and reorders them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Sandbox, running

KEY = "k-123"


class Listener:
    """Whoever gave an address: what was posted to it, and how it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks/abc"
        self.heard: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.connections: set[tuple[str, int]] = set()
        #: Answers, the next one first; then 204.
        self.answers: list[int] = []

    @property
    def told(self) -> list[str]:
        """The statuses, in the order in which they were heard."""
        return [body.get("status", "") for _, _, body in self.heard]


@contextmanager
def listening() -> Iterator[Listener]:
    class Ear(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.casefold(): value for name, value in self.headers.items()}
            listener.heard.append((self.path, headers, body))
            listener.connections.add(self.client_address)
            self.send_response(listener.answers.pop(0) if listener.answers else 204)
            self.send_header("location", f"{listener.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    server.daemon_threads = True
    listener = Listener(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(KEY, task_seconds=0.1, webhook_retry_seconds=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def ear(sandbox: Sandbox) -> Iterator[Listener]:
    with listening() as listener:
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
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def until(look: Callable[[], object], seconds: float = 10) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while not look():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.005)


def test_updates_and_the_last_word_are_what_fetch_says(sandbox: Sandbox, ear: Listener) -> None:
    task_id = take(sandbox, ear.url, secret="s3cret")
    until(lambda: len(ear.heard) == 3)

    assert [body["task_id"] for _, _, body in ear.heard] == [task_id] * 3
    assert ear.told == ["processing", "processing", "finished"]
    assert [body.get("percentage") for _, _, body in ear.heard] == ["11", "55", None]
    path, headers, body = ear.heard[-1]
    assert body == fetched(sandbox, task_id)
    assert (path, headers["x-webhook-secret"]) == ("/hooks/abc", "s3cret")
    assert headers["content-type"] == "application/json"
    until(lambda: sandbox.state()["webhooks"] == {"posted": 3, "accepted": 3})
    assert sandbox.state(hooks=True)["hooks"][task_id]["accepted"] == 3


def test_connections_are_kept(sandbox: Sandbox, ear: Listener) -> None:
    take(sandbox, ear.url)
    until(lambda: len(ear.heard) == 3)

    assert len(ear.connections) == 1


def test_a_submission_without_an_address_is_told_nothing(sandbox: Sandbox) -> None:
    take(sandbox, "")

    assert sandbox.state()["webhooks"] == {}


def test_a_last_word_may_come_without_status_and_percentages_as_numbers(
    sandbox: Sandbox, ear: Listener
) -> None:
    sandbox.set(bare_final=True, percentage_as="number")
    take(sandbox, ear.url)
    until(lambda: len(ear.heard) == 3)

    assert ear.told == ["processing", "processing", ""]
    assert [body.get("percentage") for _, _, body in ear.heard] == [11, 55, None]


def test_what_is_not_answered_2xx_is_repeated_so_many_times(
    sandbox: Sandbox, ear: Listener
) -> None:
    sandbox.set(webhook_progress=0, webhook_retries=2)
    ear.answers = [500, 302, 503, 500, 200]
    take(sandbox, ear.url, "given up")
    until(lambda: sandbox.state()["webhooks"].get("given_up") == 1)
    take(sandbox, ear.url, "taken at last")
    until(lambda: sandbox.state()["webhooks"].get("accepted") == 1)

    assert sandbox.state()["webhooks"] == {
        "posted": 5,
        "refused": 4,
        "accepted": 1,
        "given_up": 1,
    }
    assert {path for path, _, _ in ear.heard} == {"/hooks/abc"}  # a redirect is not followed


def test_an_address_where_nobody_listens_costs_nothing_else(sandbox: Sandbox) -> None:
    sandbox.set(webhook_progress=0, webhook_retries=1)
    task_id = take(sandbox, "http://127.0.0.1:9/hooks/abc")
    until(lambda: sandbox.state()["webhooks"].get("given_up") == 1)

    assert sandbox.state()["webhooks"] == {"posted": 2, "unreached": 2, "given_up": 1}
    assert fetched(sandbox, task_id)["status"] == "finished"


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/hooks", "https://example.com/hooks", "file:///etc/passwd", "x://["]
)
def test_nothing_is_posted_beyond_this_machine(sandbox: Sandbox, url: str) -> None:
    take(sandbox, url)

    assert sandbox.state()["webhooks"] == {"elsewhere": 1}


def test_a_webhook_can_be_dropped_or_come_twice(sandbox: Sandbox, ear: Listener) -> None:
    sandbox.set(webhook_drop="next 2 /progress", webhook_double="next 1 /final")
    take(sandbox, ear.url)
    until(lambda: len(ear.heard) == 2)

    assert ear.told == ["finished", "finished"]
    until(lambda: sandbox.state()["webhooks"].get("accepted") == 2)
    assert sandbox.state()["webhooks"] == {
        "posted": 2,
        "accepted": 2,
        "dropped": 2,
        "doubled": 1,
    }


def test_webhooks_can_come_in_reverse(sandbox: Sandbox, ear: Listener) -> None:
    sandbox.set(webhook_reorder=1)
    take(sandbox, ear.url)
    until(lambda: len(ear.heard) == 3)

    assert ear.told == ["finished", "processing", "processing"]
    assert [body.get("percentage") for _, _, body in ear.heard] == [None, "55", "11"]


def test_a_webhook_can_come_before_the_answer_of_the_submission(
    sandbox: Sandbox, ear: Listener
) -> None:
    sandbox.set(webhook_early="next 1", task_seconds=100)
    task_id = take(sandbox, ear.url)

    assert [(body["task_id"], body["status"]) for _, _, body in ear.heard] == [(task_id, "staged")]


def test_webhooks_can_be_late(sandbox: Sandbox, ear: Listener) -> None:
    sandbox.set(webhook_delay_seconds=0.2, webhook_progress=0)
    began = time.monotonic()
    take(sandbox, ear.url)
    until(lambda: ear.heard)

    assert time.monotonic() - began > 0.2


def test_a_task_without_end_is_told_of_and_never_ends(sandbox: Sandbox, ear: Listener) -> None:
    sandbox.set(endless="next 1")
    take(sandbox, ear.url)
    until(lambda: len(ear.heard) == 2)

    assert ear.told == ["processing", "processing"]


def test_tasks_end_when_their_owner_says_so_and_are_told_of_once(
    sandbox: Sandbox, ear: Listener
) -> None:
    sandbox.set(task_seconds=10_000, webhook_progress=0)
    first = take(sandbox, ear.url)
    sandbox.set(endless="next 1")
    second = take(sandbox, ear.url, "an owl")
    assert sandbox.state()["running"] == 2

    assert sandbox.finish()["running"] == 0

    assert [fetched(sandbox, task)["status"] for task in (first, second)] == ["finished"] * 2
    sandbox.finish()  # there is nothing left to end
    until(lambda: sandbox.state()["webhooks"] == {"posted": 2, "accepted": 2})
    assert sorted(body["task_id"] for _, _, body in ear.heard) == sorted((first, second))
    assert ear.told == ["finished"] * 2


def test_what_chance_does_to_webhooks_depends_on_the_prompt_alone(
    sandbox: Sandbox, ear: Listener
) -> None:
    def dropped(prompts: list[str]) -> dict[str, int]:
        sandbox.reset()
        sandbox.set(webhook_drop=0.5, webhook_progress=1, task_seconds=0.01)
        ids = {take(sandbox, ear.url, prompt): prompt for prompt in prompts}

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


def test_the_secret_is_in_no_repr_and_no_state(sandbox: Sandbox, ear: Listener) -> None:
    take(sandbox, ear.url, secret="s3cret")
    until(lambda: ear.heard)

    assert "s3cret" not in json.dumps(sandbox.state(times=True, ids=True, hooks=True))
