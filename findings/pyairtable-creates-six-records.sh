#!/usr/bin/env bash
# pyairtable 3.5.1: one `create` whose answer is lost makes six records.
#
# A server stores each record that it gets, and the connection breaks before its answer, as happens
# when a proxy gives up. The default retry strategy of pyairtable repeats a POST like any other
# request: one call of `Table.create` sends six POSTs, and there are six records. The call then raises
# ConnectionError, so the caller thinks that there is none. `batch_upsert` with a key field and
# `retry_strategy=None` do not have this problem.
#
# Seen:
#   default               6 records, ConnectionError
#   retry_strategy=None   1 record, ConnectionError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyairtable==3.5.1
cat > "$folder/try.py" <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from pyairtable import Api

RECORDS: list[bytes] = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        RECORDS.append(self.rfile.read(int(self.headers["content-length"])))
        self.close_connection = True  # and no answer

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
seen = []
for name, options in (("default", {}), ("retry_strategy=None", {"retry_strategy": None})):
    RECORDS.clear()
    table = Api("patExample", endpoint_url=url, **options).table("appExample", "tblExample")
    try:
        table.create({"Name": "a fox"})
        said = "no error"
    except Exception as error:
        said = type(error).__name__
    seen.append(f"{name:21} {len(RECORDS)} record{'s' * (len(RECORDS) != 1)}, {said}")
print("\n".join(seen))
assert seen == [
    "default               6 records, ConnectionError",
    "retry_strategy=None   1 record, ConnectionError",
], "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
