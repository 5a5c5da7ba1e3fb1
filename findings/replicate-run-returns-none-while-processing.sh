#!/usr/bin/env bash
# replicate 1.0.7 (Python): run() returns None for a prediction that is still being processed.
#
# The API answers a prediction that was not finished within `Prefer: wait` with the status `starting`
# or `processing`; both mean that it goes on. run() asks again only after `starting`. After
# `processing` it returns the output of that moment, which is None, although the prediction is paid
# for and finishes a moment later. No error is raised, and no further request is sent.
#
# Seen (polls = requests for the prediction after it was created):
#   starting    polls=1 result=['http://127.0.0.1/1.png']
#   processing  polls=0 result=None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check replicate==1.0.7
cat > "$folder/try.py" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import replicate


def prediction(status: str, output: object) -> dict[str, object]:
    return {
        "id": "p1",
        "model": "black-forest-labs/flux-schnell",
        "version": "v1",
        "status": status,
        "input": {"prompt": "a fox"},
        "output": output,
        "error": None,
        "logs": "",
        "urls": {"get": "", "cancel": ""},
        "created_at": "2026-11-27T12:00:00Z",
    }


def tried(first: str) -> str:
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
            self.answer(prediction(first, None))

        def do_GET(self) -> None:
            nonlocal polls
            polls += 1
            self.answer(prediction("succeeded", ["http://127.0.0.1/1.png"]))

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = replicate.Client(api_token="any", base_url=f"http://127.0.0.1:{server.server_port}")
    result = client.run("black-forest-labs/flux-schnell", input={"prompt": "a fox"})
    server.shutdown()
    return f"{first:<11} polls={polls} result={result}"


print(tried("starting"))
print(tried("processing"))
PYTHON
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
starting    polls=1 result=['http://127.0.0.1/1.png']
processing  polls=0 result=None
SEEN
echo "replicate 1.0.7 still behaves so"
