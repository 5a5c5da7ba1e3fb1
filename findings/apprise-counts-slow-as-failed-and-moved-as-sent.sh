#!/usr/bin/env bash
# apprise 2.3.0: a message that takes the server six seconds counts as failed although it arrived.
#
# The plugins read an answer for at most 4 s by default. A server that needs 6 s has the message, but
# `notify` returns a failure, and a program that tries again sends it twice. `?rto=20` in the address
# cures it. A redirect is the opposite case: the POST becomes a GET without the message, and `notify`
# returns success; `?redirect=no` cures that.
#
# Seen (result of notify, and what the server got):
#   slow          False ['POST with message']
#   slow, rto=20  True ['POST with message']
#   redirect      True ['POST with message', 'GET without message']
#   redirect=no   False ['POST with message']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apprise==2.3.0 requests==2.34.2
cat > "$folder/try.py" <<'PYTHON'
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apprise import Apprise, NotifyFormat

CALLS: list[str] = []


class Server(BaseHTTPRequestHandler):
    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        CALLS.append(f"{self.command} {'with' if b'a fox is done' in body else 'without'} message")
        if "slow" in self.path:
            time.sleep(6)
        moved = "moved" in self.path and self.command == "POST"
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("location", "/other")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = _any

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"json://127.0.0.1:{server.server_port}"
tries = {
    "slow": f"{host}/slow/",
    "slow, rto=20": f"{host}/slow/?rto=20",
    "redirect": f"{host}/moved/",
    "redirect=no": f"{host}/moved/?redirect=no",
}
seen = []
for name, url in tries.items():
    CALLS.clear()
    apprise = Apprise()
    assert apprise.add(url)
    result = apprise.notify(body="a fox is done", body_format=NotifyFormat.TEXT)
    seen.append(f"{name:13} {bool(result)} {CALLS}")
print("\n".join(seen))
assert seen == [
    "slow          False ['POST with message']",
    "slow, rto=20  True ['POST with message']",
    "redirect      True ['POST with message', 'GET without message']",
    "redirect=no   False ['POST with message']",
], "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/try.py" 2>/dev/null
