"""A real n8n on this machine: its settings, what is imported into it, its process."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.program import until


@dataclass
class N8n:
    """An n8n of a folder where `n8n.sh` has installed it, with its data in another folder."""

    installed: Path
    home: Path
    more: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self._environment = {
            "PATH": f"{self.installed / 'node_modules/.bin'}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "N8N_USER_FOLDER": str(self.home),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(_free_port()),
            "N8N_ENCRYPTION_KEY": secrets.token_hex(16),
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_PERSONALIZATION_ENABLED": "false",
            "N8N_SECURE_COOKIE": "false",
            "NO_COLOR": "1",
            **self.more,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def load(self, workflow: Mapping[str, Any], credentials: Sequence[Mapping[str, Any]]) -> None:
        """Import credentials and a workflow, and publish it. n8n must not run."""
        files = {"credentials": list(credentials), "workflow": workflow}
        for kind, content in files.items():
            file = self.home / f"{kind}.json"
            file.write_text(json.dumps(content))
            self._command(f"import:{kind}", f"--input={file}")
        self._command("publish:workflow", f"--id={workflow['id']}")

    def prepare(self) -> None:
        """Make the database, which takes longer than everything else at a first start."""
        self._command("list:workflow")

    def start(self, is_up: Callable[[str], bool]) -> None:
        """Start it, and wait until `is_up` says of its address that the workflow listens."""
        with (self.home / "log").open("a") as log:
            self.process = subprocess.Popen(
                ["n8n", "start"],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: self._answers(is_up), "n8n answers", 300, 0.5)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End its processes; with SIGKILL all at once."""
        if self.process is None:
            return
        if how == signal.SIGKILL:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process = None

    def log(self) -> str:
        """The end of what it has logged."""
        return (self.home / "log").read_text()[-4000:]

    def _answers(self, is_up: Callable[[str], bool]) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return is_up(self.url)
        except httpx.HTTPError:
            return False

    def _command(self, *words: str) -> None:
        with (self.home / "log").open("a") as log:
            ended = subprocess.run(
                ["n8n", *words], env=self._environment, stdout=log, stderr=log, timeout=300
            )
        assert ended.returncode == 0, self.log()


def version_of(installed: Path) -> str:
    """The version of the n8n in this folder."""
    return str(json.loads((installed / "node_modules/n8n/package.json").read_text())["version"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
