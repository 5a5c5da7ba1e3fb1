"""The key of the sandbox in its tests, a poll, and a wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import httpx

KEY = "k-123"


def fetch(api: httpx.Client, task_id: str) -> dict[str, Any]:
    """What version 1 says about a task."""
    task: dict[str, Any] = api.post("/fetch", json={"task_id": task_id}).raise_for_status().json()
    return task


def until(look: Callable[[], object], seconds: float = 10) -> None:
    """Wait until `look` returns true. Raises AssertionError after so many seconds."""
    deadline, pause = time.monotonic() + seconds, Event()
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.01)
