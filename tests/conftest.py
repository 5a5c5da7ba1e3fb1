"""What most of these tests begin with: a quick stand-in for the API, and a team that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        yield sandbox


@pytest.fixture
def team(tmp_path: Path, api: Sandbox) -> Team:
    api.reset()
    team = Team(tmp_path, api.url)
    team.configure('[media]\nsave_to = ""\n')
    return team


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first, so that at the end no worker waits for one of them."""
    items.sort(key=lambda item: "system" not in item.path.parts)
