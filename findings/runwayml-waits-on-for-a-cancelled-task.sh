#!/usr/bin/env bash
# runwayml 5.24.0 (Python): wait_for_task_output waits on for a task that was cancelled.
#
# The docstring says that TaskFailedError is raised if the task fails or is cancelled. AsyncRunwayML
# does that. RunwayML, the synchronous client, ends only at SUCCEEDED and FAILED: a task that another
# process cancelled with `tasks.delete` is asked for again and again until the timeout of ten minutes.
# The error is then TaskTimeoutError, so a program that takes a timeout for "still running" waits for
# what was stopped, or pays for it once more. Waiting for a workflow ends at CANCELLED in both clients.
#
# Seen (with a timeout of ten seconds; the last status is that of the error):
#   RunwayML       several polls  TaskTimeoutError  CANCELLED
#   AsyncRunwayML  one poll       TaskFailedError   CANCELLED
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check runwayml==5.24.0
cat > "$folder/try.py" <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from runwayml import AsyncRunwayML, RunwayML, TaskFailedError, TaskTimeoutError

TASK = "17f20503-6c24-4c16-946b-35dbbce2af2f"
polls = 0


class Api(BaseHTTPRequestHandler):
    def answer(self, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"id": TASK})

    def do_GET(self) -> None:
        global polls
        polls += 1
        times = {"createdAt": "2026-11-27T12:00:00Z", "cost": {"credits": 0}}
        self.answer({"id": TASK, "status": "CANCELLED", **times})

    def log_message(self, *words: object) -> None:
        pass


def seen(name: str, error: TaskFailedError | TaskTimeoutError) -> str:
    count = "one poll" if polls == 1 else "several polls"
    return f"{name:14} {count:14} {type(error).__name__:17} {error.task_details.status}"


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"api_key": "any", "base_url": f"http://127.0.0.1:{server.server_port}"}
picture = {"model": "gen4_image", "prompt_text": "a fox", "ratio": "1024:1024"}


async def asynchronous() -> None:
    async with AsyncRunwayML(**options) as client:
        task = await client.text_to_image.create(**picture)
        await task.wait_for_task_output(timeout=10)


def synchronous() -> None:
    with RunwayML(**options) as client:
        client.text_to_image.create(**picture).wait_for_task_output(timeout=10)


for name, call in (("RunwayML", synchronous), ("AsyncRunwayML", lambda: asyncio.run(asynchronous()))):
    polls = 0
    try:
        call()
    except (TaskFailedError, TaskTimeoutError) as error:
        print(seen(name, error))
PYTHON
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
RunwayML       several polls  TaskTimeoutError  CANCELLED
AsyncRunwayML  one poll       TaskFailedError   CANCELLED
SEEN
echo "As described."
