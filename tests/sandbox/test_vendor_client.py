"""The vendor's own published Python client works when it is pointed at the sandbox.

`apiframe` 1.0.0 on PyPI is imported as `apiframe_python`. Where it is not installed, its requests
are sent as they were observed on the wire: the same method, headers and JSON, by another client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Sandbox, running

KEY = "k-123"
Ask = Callable[..., Any]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(KEY, task_seconds=0) as sandbox:
        yield sandbox


class Observed:
    """What the client sends: the key raw, JSON, and `process_mode` unasked."""

    def __init__(self, key: str, base_url: str) -> None:
        self.api_key = key
        self.base_url = base_url

    def imagine(self, prompt: str, aspect_ratio: str = "1:1", process_mode: str = "fast") -> Any:
        fields = {"prompt": prompt, "aspect_ratio": aspect_ratio, "process_mode": process_mode}
        return self._ask("POST", "/imagine", fields)

    def fetch(self, task_id: str) -> Any:
        return self._ask("POST", "/fetch", {"task_id": task_id})

    def fetch_many(self, task_ids: list[str]) -> Any:
        return self._ask("POST", "/fetch-many", {"task_ids": task_ids})

    def account(self) -> Any:
        return self._ask("GET", "/account", None)

    def _ask(self, method: str, path: str, fields: object) -> Any:
        headers = {
            "Authorization": self.api_key,
            "Content-Type": "application/json",
            "User-Agent": "python-requests/2.34.2",
            "Accept-Encoding": "gzip, deflate",
            "Accept": "*/*",
            "Connection": "keep-alive",
        }
        sent = None if fields is None else json.dumps(fields)
        with httpx.Client(trust_env=False) as client:
            address = self.base_url + path
            return client.request(method, address, content=sent, headers=headers).json()


def published(key: str, base_url: str) -> Any:
    client = import_module("apiframe_python").ApiframeClient(key)
    # The address is a plain attribute: the constructor has no argument for it.
    client.base_url = base_url
    return client


@pytest.fixture(
    params=[
        pytest.param(Observed, id="as observed"),
        pytest.param(
            published,
            id="as published",
            marks=pytest.mark.skipif(not find_spec("apiframe_python"), reason="not installed"),
        ),
    ]
)
def connect(request: pytest.FixtureRequest) -> Callable[[str, str], Any]:
    made: Callable[[str, str], Any] = request.param
    return made


def test_the_vendors_client_submits_and_fetches_one_task_and_many(
    sandbox: Sandbox, connect: Callable[[str, str], Any]
) -> None:
    client = connect(KEY, sandbox.url)
    ids = [client.imagine(prompt, aspect_ratio="16:9")["task_id"] for prompt in ("a fox", "an owl")]
    one = client.fetch(ids[0])
    many = client.fetch_many(ids)

    assert (one["status"], len(one["image_urls"])) == ("finished", 4)
    assert [task["task_id"] for task in many["tasks"]] == ids
    assert sandbox.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_the_vendors_client_reads_the_account(
    sandbox: Sandbox, connect: Callable[[str, str], Any]
) -> None:
    client = connect(KEY, sandbox.url)
    before = client.account()["credits"]
    client.imagine("a fox")

    assert client.account()["credits"] == before - 4


def test_the_vendors_client_understands_the_errors(
    sandbox: Sandbox, connect: Callable[[str, str], Any]
) -> None:
    assert connect(KEY, sandbox.url).imagine("")["errors"] == [{"msg": "prompt is required"}]
    assert connect("wrong", sandbox.url).account() == {}
