"""A service outside that waits for a call after each pass (`[schedule] ping_url`)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Monitor:
    """A service that waits for calls. It keeps their paths, and answers with `status`."""

    def __init__(self, url: str) -> None:
        self.url, self.calls, self.status = f"{url}/ping/4e1d?a=b", list[str](), 200


@contextmanager
def monitoring() -> Iterator[Monitor]:
    """A service on this machine."""

    class Calls(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            its.calls.append(self.path)
            self.send_response(its.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Calls)
    its = Monitor(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield its
    server.shutdown()
    thread.join()
    server.server_close()
