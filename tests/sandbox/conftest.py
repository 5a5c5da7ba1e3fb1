"""A sandbox whose tasks end at once, and a client of version 1."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipeline.sandbox import Sandbox, running
from tests.sandbox.calls import KEY


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(KEY, task_seconds=0, plain_pictures=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": KEY}
    with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as client:
        yield client
