"""A caller who starts passes of a real `watch` or `serve` by HTTP, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

from tests.fakes.service import free_port
from tests.fakes.team import Team

TOKEN = "a token to start runs"


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower case) and JSON of an answer."""

    status: int
    headers: Mapping[str, str]
    said: Any

    @property
    def message(self) -> str:
        return str(self.said["message"])

    @property
    def state(self) -> str:
        return str(self.said["state"])


@dataclass(frozen=True)
class Caller:
    """Sends requests to the service at a port of this machine."""

    port: int
    name: str = "pipeline"
    token: str = TOKEN

    def send(
        self,
        method: str = "POST",
        body: object = None,
        *,
        name: str | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; `body` is sent as JSON, `raw` as it is."""
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        sent = {"authorization": f"Bearer {self.token}"} if headers is None else dict(headers)
        with closing(HTTPConnection(f"127.0.0.1:{self.port}", timeout=30)) as connection:
            connection.request(method, f"/run/{name or self.name}", content, sent)
            response = connection.getresponse()
            text = response.read().decode()
            found = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, found, json.loads(text) if text.startswith("{") else text)

    def run(self, **body: object) -> Answer:
        return self.send("POST", body or None)

    def state(self) -> Any:
        """The state of the sheet; an empty dictionary while nothing answers.

        It pauses before it asks, because a token may be used 600 times a minute.
        """
        Event().wait(0.1)
        try:
            return self.send("GET").said
        except OSError:
            return {}

    def is_idle(self, passes: int = 1) -> bool:
        """True if so many passes have begun since the start, and none is running or planned."""
        state = self.state()
        return bool(state) and state["state"] == "idle" and state["passes"] >= passes


def triggered(
    team: Team,
    name: str = "pipeline",
    *,
    trigger: Mapping[str, object] | None = None,
    schedule: Mapping[str, object] | None = None,
    tables: Mapping[str, Mapping[str, object]] | None = None,
    **more: object,
) -> tuple[Path, Caller]:
    """A configuration whose passes are started by a caller, and that caller.

    Unless `schedule` says otherwise, no pass but the first begins by itself.
    """
    (team.folder / "run-token").write_text(TOKEN)
    (team.folder / "run-token").chmod(0o600)
    port = free_port()
    ours: dict[str, object] = {"token": "file:run-token", "listen": f"127.0.0.1:{port}"}
    config = team.configured(
        name,
        tables={
            "trigger": {**ours, "apart": "100ms", **(trigger or {})},
            "schedule": schedule or {"every": "1h", "react": ""},
            **(tables or {}),
        },
        **more,  # type: ignore[arg-type]
    )
    return config, Caller(port, str((trigger or {}).get("name", name)))
