#!/usr/bin/env bash
# google-auth 2.63.0 with requests 2.34.2: after a refreshed token, an upload of a file is sent empty.
#
# `AuthorizedSession` answers a 401 by getting a new token and sending the request again. If the body
# is an open file, the first try has read it to its end, and the file is not set back. The second
# try has a body of 0 bytes, and no error is raised: a server that accepts an empty upload keeps an
# empty file. Bytes instead of a file are sent whole both times.
#
# Seen (sizes of the bodies that the server got, and the final status):
#   file   [1533, 0] 200
#   bytes  [1533, 1533] 200
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-auth==2.63.0 requests==2.34.2
cat > "$folder/try.py" <<'PYTHON'
import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession

SIZES: list[int] = []


class Tokens(Credentials):
    """Credentials whose first token has expired at the server."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "old"

    @property
    def expired(self) -> bool:
        return False

    @property
    def valid(self) -> bool:
        return True

    def refresh(self, request: object) -> None:
        self.token = "new"


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            size = 0
            while length := int(self.rfile.readline(), 16):
                size += len(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = len(self.rfile.read(int(self.headers.get("content-length", 0))))
        SIZES.append(size)
        self.send_response(200 if self.headers["authorization"] == "Bearer new" else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/upload"
seen = []
content = b"x" * 1533
path = "picture.bin"
with open(path, "wb") as file:
    file.write(content)
for name in ("file", "bytes"):
    SIZES.clear()
    if name == "file":
        with open(path, "rb") as body:
            answer = AuthorizedSession(Tokens()).post(url, data=body)
    else:
        answer = AuthorizedSession(Tokens()).post(url, data=content)
    seen.append(f"{name:6} {SIZES} {answer.status_code}")
print("\n".join(seen))
assert seen == ["file   [1533, 0] 200", "bytes  [1533, 1533] 200"], "the behaviour has changed"
PYTHON
cd "$folder"
"$folder/venv/bin/python" try.py
