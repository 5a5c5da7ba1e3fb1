"""The real n8n receives our pushes: a sheet is run, and each row arrives exactly once.

    python -m tests.compat.n8n FOLDER_WITH_N8N

`tests/compat/n8n.sh` installs n8n and starts this. n8n listens on this machine only. It imports the
workflow of `configs/deploy/n8n/`, as people do, with one step more: each accepted message is posted
to a server here, which counts them. A forged push, a changed one and a repeated one are sent too.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Final

import httpx

from tests.compat.n8n_server import N8n, version_of
from tests.fakes.outlets.receiver import problems_of
from tests.fakes.program import until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, serving

ROOT: Final = Path(__file__).parents[2]
WORKFLOW: Final = ROOT / "configs/deploy/n8n/receive-push.json"
ROWS: Final = 40


def main() -> None:
    """Run everything and print what was seen."""
    installed = Path(sys.argv[1]).resolve()
    # The Crypto node takes a text, so the key is one: 64 hexadecimal digits.
    key = secrets.token_hex(32)
    arrived: list[dict[str, Any]] = []

    def collect(call: Call) -> Reply:
        arrived.append(json.loads(call.body))
        return Reply(204)

    with tempfile.TemporaryDirectory() as place, serving(collect) as collector:
        folder = Path(place)
        with listening(installed, folder / "n8n", collector.url, key) as n8n:
            print(f"n8n {version_of(installed)} listens")
            address = f"{n8n.url}/webhook/promptsheet"
            prompts = _run(folder, address, key)
            until(lambda: len(arrived) >= ROWS, "all rows have arrived", within=120)
            _attack(address, key, arrived[0])
            Event().wait(3)  # for what must not arrive
    by_row = Counter(one["data"]["row_id"] for one in arrived)
    assert {one["data"]["prompt"] for one in arrived} == prompts
    assert set(by_row.values()) == {1}, by_row
    assert [problem for one in arrived for problem in problems_of(one)] == []
    print(f"{ROWS} rows, each of them arrived once; what was forged or repeated did not")


def _run(folder: Path, url: str, key: str) -> set[str]:
    """Run a sheet twice with a push to this address. Returns its prompts."""
    prompts = [f"a fox no {n}: “Füchse” ☃" for n in range(ROWS)]
    with sandbox_process(task_seconds=0.1, plain_pictures="true") as sandbox:
        team = Team(folder, sandbox.url)
        (folder / "url").write_text(url)
        (folder / "secret").write_text("whsec_" + base64.b64encode(key.encode()).decode())
        team.write("prompt", *prompts)
        team.configure(
            '[media]\nsave_to = ""\n[[outlets]]\nkind = "push"\nurl = "file:url"\n'
            'secret = "file:secret"\nallow_private = true\nat_once = 1\n'
        )
        for _ in range(2):
            ended = team.finish()
            assert ended.code == 0, ended
        assert team.statuses() == {"done": ROWS}
        shown = team.start("status", team.config)
        print(shown.out)
    return set(prompts)


def _attack(url: str, key: str, body: dict[str, Any]) -> None:
    """Send a repeat, which is accepted and ends there, and three that are refused."""
    from pipeline.core.api.webhook import standard_signature

    text = json.dumps(body).encode()
    for message, seconds, signed, status in (
        (body["data"]["message_id"], time.time(), key, 204),
        ("other-1", time.time(), secrets.token_hex(32), 401),
        ("other-2", time.time() - 900, key, 401),
        ("other-3", time.time(), "", 401),
    ):
        at = str(int(seconds))
        signature = standard_signature(signed.encode(), message, at, text) if signed else "v1,"
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": at,
            "webhook-signature": signature,
        }
        answer = httpx.post(url, content=text, headers=headers, timeout=30)
        assert answer.status_code == status, (message, answer.status_code, answer.text)


@contextmanager
def listening(installed: Path, home: Path, collector: str, key: str) -> Iterator[N8n]:
    """A running n8n with the workflow."""
    n8n = N8n(installed, home)
    secret = {"id": "promptsheetSecret", "name": "Promptsheet secret", "type": "crypto"}
    n8n.load(_workflow(collector), [{**secret, "data": {"hmacSecret": key}}])
    try:
        n8n.start(_is_up)
        yield n8n
    except BaseException:
        print(n8n.log())
        raise
    finally:
        n8n.stop()


def _is_up(url: str) -> bool:
    # A push without a signature is refused as soon as the workflow listens.
    return httpx.post(f"{url}/webhook/promptsheet", json={}, timeout=10).status_code == 401


def _workflow(collector: str) -> Any:
    """The workflow, whose last step posts each message to the collector."""
    workflow = json.loads(WORKFLOW.read_text("utf-8"))
    (last,) = (node for node in workflow["nodes"] if node["name"] == "Your next steps")
    last |= {
        "type": "n8n-nodes-base.httpRequest",
        "typeVersion": 4.2,
        "parameters": {
            "method": "POST",
            "url": collector,
            "sendBody": True,
            "specifyBody": "json",
            "jsonBody": "={{ JSON.stringify($json.body) }}",
            "options": {},
        },
    }
    return workflow


if __name__ == "__main__":
    main()
