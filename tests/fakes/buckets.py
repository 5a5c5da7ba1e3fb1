"""Servers that keep files, on loopback ports: S3 (moto), Google Cloud Storage and Azure stand-ins.

The S3 server is moto's own, in a process. No such server exists in Python for the other two. Their
stand-ins know only the requests that an upload makes, with the status codes of the services.
"""

from __future__ import annotations

import atexit
import json
import re
import secrets
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

#: Keys that moto accepts.
S3_KEY = "key-id:secret"
BUCKET = "pictures"


@dataclass(frozen=True)
class S3:
    """moto's S3 server."""

    url: str

    def ask(self, method: str, path: str) -> urllib.request.Request:
        # Any signature will do.
        signed = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20261128/us-east-1/s3/aws4_request"
        }
        return urllib.request.Request(f"{self.url}{path}", method=method, headers=signed)

    def done(self, method: str, path: str) -> bytes:
        with urllib.request.urlopen(self.ask(method, path), timeout=20) as answer:
            return bytes(answer.read())

    def new_bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"pictures-{secrets.token_hex(4)}"
        self.done("PUT", f"/{name}")
        return name

    def files(self, bucket: str) -> dict[str, bytes]:
        """Key -> content, of every object in the bucket."""
        listing = ElementTree.fromstring(self.done("GET", f"/{bucket}?list-type=2"))
        keys = [one.text or "" for one in listing.iter() if one.tag.endswith("}Key")]
        return {key: self.done("GET", f"/{bucket}/{quote(key)}") for key in keys}

    def type_of(self, bucket: str, key: str) -> str:
        """The media type with which an object is served."""
        asked = self.ask("GET", f"/{bucket}/{quote(key)}")
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return str(answer.headers["Content-Type"])

    def drop(self, bucket: str) -> None:
        """Delete the bucket."""
        for key in self.files(bucket):
            self.done("DELETE", f"/{bucket}/{quote(key)}")
        self.done("DELETE", f"/{bucket}")


@cache
def s3_server() -> S3:
    """The server, started once for all tests of this process; it ends with the process."""
    program = (
        "import logging, threading, os, sys; logging.disable(logging.CRITICAL)\n"
        "from werkzeug.serving import make_server\n"
        "from moto.server import DomainDispatcherApplication, create_backend_app\n"
        "app = DomainDispatcherApplication(create_backend_app)\n"
        "server = make_server('127.0.0.1', 0, app, threaded=True)\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()\n"
        "print(server.server_port, flush=True); server.serve_forever()\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdin
    assert server.stdout
    atexit.register(server.stdin.close)
    atexit.register(server.kill)
    return S3(f"http://127.0.0.1:{int(server.stdout.readline())}")


@dataclass
class Store:
    """What a stand-in has: names and contents.

    `says` is a status to answer all uploads with, `refuses` one to answer all that read. Without
    `may_replace`, the key of Google has only the role Storage Object Creator.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    has_bucket: bool = True
    says: int = 0
    refuses: int = 0
    may_replace: bool = True
    uploads: int = 0
    port: int = 0
    _kill: tuple[int, Callable[[], object], bool] = (0, lambda: None, False)

    def kill_at(self, number: int, kill: Callable[[], object], *, applied: bool = False) -> None:
        """Call `kill` at upload `number`, before or after it is applied; then do not answer."""
        self._kill = number, kill, applied

    def is_end(self, *, applied: bool) -> bool:
        """Call `kill` if this is its moment. Returns whether it was."""
        number, kill, when = self._kill
        is_it = self.uploads == number and applied == when
        if is_it:
            kill()
        return is_it


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, content: bytes, wanted: str | None) -> None:
        """Answer with a file, or with the bytes of it that are wanted."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        if found is None:
            return self.answer(200, content, _MADE)
        start, end = int(found[1]), int(found[2] or len(content)) + 1
        if start >= len(content):
            return self.answer(416)
        piece = content[start:end]
        span = f"bytes {start}-{start + len(piece) - 1}/{len(content)}"
        return self.answer(206, piece, {**_MADE, "Content-Range": span})


#: What both services say of a file.
_MADE = {
    "ETag": '"1"',
    "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT",
    "x-ms-blob-type": "BlockBlob",
    "Content-Type": "application/octet-stream",
}


class _Google(_Handler):
    """https://cloud.google.com/storage/docs/json_api/v1/objects/insert"""

    def do_POST(self) -> None:
        asked, body = urlsplit(self.path), self.body()
        if not asked.path.startswith(f"/upload/storage/v1/b/{BUCKET}/o"):
            return self.answer(404)
        self.store.uploads += 1
        if self.store.is_end(applied=False):
            self.close_connection = True
            return None
        if status := self.store.says or (0 if self.store.has_bucket else 404):
            error = {"error": {"code": status, "message": "refused"}}
            return self.answer(status, json.dumps(error).encode())
        name = self.uploaded(body)[0]
        if name in self.store.files and not self.store.may_replace:
            missing = "Permission 'storage.objects.delete' denied on resource."
            denied = {"code": 403, "message": f"pictures@example.com has no access. {missing}"}
            return self.answer(403, json.dumps({"error": denied}).encode())
        if parse_qs(asked.query).get("uploadType") != ["multipart"]:
            return self.answer(400)
        name, second = self.uploaded(body)
        head, content = second.split(b"\n\n", 1)
        self.store.files[name] = content[:-1]
        self.store.types[name] = head.decode().strip().removeprefix("Content-Type: ")
        if self.store.is_end(applied=True):
            self.close_connection = True
            return None
        described = {"name": name, "bucket": BUCKET, "size": str(len(content) - 1)}
        self.answer(200, json.dumps(described).encode())
        return None

    def uploaded(self, body: bytes) -> tuple[str, bytes]:
        """The name of an object, and the part of the body that has its content."""
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])
        assert boundary
        _, first, second, _ = body.split(b"--" + boundary[1].encode())
        return json.loads(first.split(b"\n\n", 1)[1])["name"], second

    def do_GET(self) -> None:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/get"""
        asked = urlsplit(self.path)
        name = unquote(asked.path.partition("/o/")[2])
        if status := self.store.refuses:
            return self.answer(status, json.dumps({"error": {"code": status}}).encode())
        if asked.path.endswith("/o"):
            return self.answer(200, b"{}")  # no file is a folder of others
        if name not in self.store.files:
            return self.answer(404, b"{}")
        if parse_qs(asked.query).get("alt") == ["media"]:
            return self.part(self.store.files[name], self.headers.get("Range"))
        size = str(len(self.store.files[name]))
        described = {
            "name": name,
            "bucket": BUCKET,
            "size": size,
            "updated": "2026-11-28T00:00:00Z",
        }
        described |= {"generation": "1", "timeCreated": "2026-11-28T00:00:00Z"}
        return self.answer(200, json.dumps(described).encode())

    def do_DELETE(self) -> None:
        name = unquote(urlsplit(self.path).path.rpartition("/o/")[2])
        if not self.store.may_replace:
            return self.answer(403, b"{}")
        return self.answer(204 if self.store.files.pop(name, None) is not None else 404)


class _Azure(_Handler):
    """https://learn.microsoft.com/rest/api/storageservices/put-blob"""

    def do_PUT(self) -> None:
        asked, body = urlsplit(self.path), self.body()
        name = unquote(asked.path).removeprefix(f"/account/{BUCKET}/")
        self.store.uploads += 1
        assert self.headers["Authorization"].startswith("SharedKey account:")
        if status := self.store.says or (0 if self.store.has_bucket else 404):
            code = "ContainerNotFound" if status == 404 else "Refused"
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
            return self.answer(status, text, {"x-ms-error-code": code})
        if self.headers.get("x-ms-blob-type") != "BlockBlob":
            return self.answer(400)
        self.store.files[name] = body
        self.store.types[name] = self.headers.get("x-ms-blob-content-type", "")
        return self.answer(201, b"", _MADE)

    def do_HEAD(self) -> None:
        """https://learn.microsoft.com/rest/api/storageservices/get-blob-properties"""
        content = self.store.files.get(self.blob)
        is_there = content is not None or (self.store.has_bucket and not self.blob)
        self.send_response(self.store.refuses or (200 if is_there else 404))
        self.send_header("Content-Length", str(len(content or b"")))
        for name, value in _MADE.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        """https://learn.microsoft.com/rest/api/storageservices/get-blob"""
        if status := self.store.refuses:
            return self.answer(status)
        if "comp=list" in self.path:
            return self.answer(
                200, b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
            )
        if not self.blob:
            return self.answer(200 if self.store.has_bucket else 404)
        if self.blob not in self.store.files:
            return self.answer(404, b"", {"x-ms-error-code": "BlobNotFound"})
        return self.part(self.store.files[self.blob], self.headers.get("x-ms-range"))

    @property
    def blob(self) -> str:
        """The name of the asked blob; empty for the container."""
        return unquote(urlsplit(self.path).path).removeprefix(f"/account/{BUCKET}").lstrip("/")

    def do_DELETE(self) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix(f"/account/{BUCKET}/")
        self.answer(202 if self.store.files.pop(name, None) is not None else 404)


@contextmanager
def google_storage() -> Iterator[Store]:
    with _serving(_Google) as store:
        yield store


@contextmanager
def azure_storage() -> Iterator[Store]:
    with _serving(_Azure) as store:
        yield store


def azure_connection(store: Store) -> str:
    """A connection string for the stand-in."""
    return (
        "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=c2VjcmV0;"
        f"BlobEndpoint=http://127.0.0.1:{store.port}/account;"
    )


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the other side was killed


@contextmanager
def _serving(kind: type[_Handler]) -> Iterator[Store]:
    store = Store()
    handler: Any = type("Handler", (kind,), {"store": store})
    server = _Quiet(("127.0.0.1", 0), handler)
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
