"""Attempts with webhooks, and the receiver of the calls on its own port."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from pipeline import config
from pipeline.config import Settings
from pipeline.core.api.provider import Provider
from pipeline.core.model import Attempt, JobKey
from pipeline.store import Intent, Limits, Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.hasty import hasty
from tests.fakes.program import until

SECRET, OLD_SECRET = "s" * 32, "o" * 32
ENVIRONMENT = {"APIFRAME_API_KEY": "key", "HOOKS": SECRET, "OLD_HOOKS": OLD_SECRET}
SHEET = "sheet"
LIMITS = Limits("key", "run", "2026-03-01")
FOUR = tuple(f"https://cdn.apiframe.pro/images/1-{n}.png" for n in range(1, 5))


def final(task_id: str = "", urls: Sequence[str] = FOUR) -> dict[str, Any]:
    """The final call of the API; documented calls have no status."""
    said: dict[str, Any] = {"task_type": "imagine", "image_urls": list(urls)}
    return {"task_id": task_id, **said} if task_id else said


def progress(percent: object, task_id: str = "") -> dict[str, Any]:
    """A call with progress."""
    said: dict[str, Any] = {"status": "processing", "percentage": percent}
    return {"task_id": task_id, **said} if task_id else said


def settings_in(folder: Path, more: str = "", old: bool = False) -> Settings:
    """A configuration with webhooks."""
    path = folder / "pipeline.toml"
    before = 'previous_secret = "env:OLD_HOOKS"' if old else ""
    path.write_text(
        '[sheet]\nsource = "rows.csv"\n[webhook]\npublic_url = "https://hooks.example.com"\n'
        f'secret = "env:HOOKS"\n{before}\n{more}\n'
    )
    return config.load(path, need_key=True, environ=ENVIRONMENT)


def proof(token: str, secret: str = SECRET) -> dict[str, str]:
    """The header that proves a call for the attempt with this token."""
    made = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    return {"x-webhook-secret": made}


@dataclass
class Desk:
    """The campaign of one sheet, and the attempts started in it."""

    campaign: Campaign

    @property
    def store(self) -> Store:
        return self.campaign.store

    @property
    def provider(self) -> Provider:
        return self.campaign.settings.provider

    def begin(self, count: int = 1, start: int = 0) -> list[JobKey]:
        """Start this number of jobs, each with an attempt in state SUBMITTING; the token has the
        row.
        """
        numbers = range(start, start + count)
        keys = [JobKey(SHEET, f"r_{number:09d}", 1) for number in numbers]
        self.store.jobs.add(keys)
        asked = [Intent(k, 1, "{}", (), "imagine", 4, 60, hook=token_of(k)) for k in keys]
        assert all(isinstance(one, Attempt) for one in self.store.attempts.begin(asked, LIMITS))
        return keys

    def attempt(self, key: JobKey) -> Attempt:
        """The last attempt of the job, as it is in the store."""
        job = self.store.jobs.get(key)
        assert job is not None
        return job.attempts[-1]

    def all_states(self) -> Mapping[JobKey, Sequence[object]]:
        """All states that a call could change."""
        return {
            key: [(a.state, a.task_id, a.progress, a.result) for a in job.attempts]
            for key, job in self.store.jobs.all(SHEET).items()
        }


def token_of(key: JobKey) -> str:
    return hashlib.sha256(key.row_id.encode()).hexdigest()[:32]


@contextmanager
def desk_in(folder: Path, **webhook: Any) -> Iterator[Desk]:
    """A desk with its own store in the folder."""
    settings = settings_in(folder, **webhook)
    with Store(settings.store_url) as store:
        yield Desk(Campaign(settings, store, SHEET))


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an app; yields its address."""
    made = uvicorn.Config(
        *(app, "127.0.0.1", 0),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
    )
    server = uvicorn.Server(made)
    thread = threading.Thread(target=server.run, daemon=True)
    with hasty():
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive(), "the receiver is up")
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def to_bytes(said: object) -> bytes:
    return json.dumps(said).encode()
