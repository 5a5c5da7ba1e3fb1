"""What the API is told about calling back: by the real program, read at the API's side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.store import Store
from tests.fakes.called_back import SECRET, proof
from tests.fakes.program import ROOT, Studio, call

WEBHOOK = {"webhook": {"public_url": "https://hooks.example.com/studio", "secret": "env:HOOKS"}}


class _Api(BaseHTTPRequestHandler):
    """Takes every submission, and finishes it at the first question."""

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/imagine":
            self.asked.append(said)
            self._answer({"task_id": f"t-{len(self.asked)}"})
        else:
            ids = said.get("task_ids", [said.get("task_id")])
            done = [{"task_id": one, "image_urls": ["https://x.example/1.png"]} for one in ids]
            self._answer({"tasks": done} if "task_ids" in said else done[0])

    def _answer(self, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Studio, list[dict[str, Any]]]]:
    """A studio, and what its API was asked for."""
    heard: list[dict[str, Any]] = []
    api = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"asked": heard}))
    thread = threading.Thread(target=api.serve_forever)
    thread.start()
    try:
        yield Studio(tmp_path, f"http://127.0.0.1:{api.server_port}"), heard
    finally:
        api.shutdown()
        thread.join()
        api.server_close()


def test_each_submission_names_an_address_and_a_secret_of_its_own_and_the_store_keeps_neither(
    asked: tuple[Studio, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, heard = asked
    monkeypatch.setenv("HOOKS", SECRET)
    studio.write(["a fox", "an owl"])

    ended = call("run", studio.config(tables=WEBHOOK, poll_every="100ms"), "--wait")

    assert (ended.code, studio.statuses()) == (0, {"done": 2})
    tokens = []
    for one in heard:
        address, token = one["webhook_url"].rsplit("/", 1)
        assert address == "https://hooks.example.com/studio/hooks"
        assert one["webhook_secret"] == proof(token)["x-webhook-secret"]
        tokens.append(token)
    assert len(set(tokens)) == 2
    with Store(f"sqlite:///{studio.folder / 'promptsheet.db'}") as store:
        assert set(store.by_hook(tokens)) == set(tokens)
    kept = b"".join(path.read_bytes() for path in studio.folder.glob("promptsheet.db*"))
    secrets = [SECRET, "hooks.example.com", "webhook", *(one["webhook_secret"] for one in heard)]
    assert not [word for word in secrets if word.encode() in kept]
    assert not [word for word in (*secrets, *tokens) if word in ended.said]


def test_without_a_public_url_or_for_an_endpoint_that_does_not_call_back_nothing_is_added(
    asked: tuple[Studio, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, heard = asked
    monkeypatch.setenv("HOOKS", SECRET)
    studio.write(["a fox"])
    call("run", studio.config(), "--wait")
    studio.add(["an owl"])
    own = studio.folder / "providers" / "apiframe.toml"
    own.parent.mkdir()
    theirs = (ROOT / "configs/providers/apiframe.toml").read_text()
    own.write_text(theirs.replace("credits = 4", "credits = 4\nwebhook = false"))

    call("run", studio.config(tables=WEBHOOK), "--wait")

    assert heard == [{"prompt": "a fox"}, {"prompt": "an owl"}]
