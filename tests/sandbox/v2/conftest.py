"""A client of version 2."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipeline.sandbox import Sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": sandbox.key_v2}
    with httpx.Client(base_url=f"{sandbox.url}/v2/", headers=headers, trust_env=False) as client:
        yield client
