"""Notion's API as far as it is documented: data sources, pages, uploads, limits and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tests.fakes.outlets.messages import POISON
from tests.fakes.web_service import Call, Reply

TOKEN = "ntn_s3cr3t"
DATABASE, SOURCE = "d" * 32, "5" * 32
#: The properties of a data source that takes what we have, with their types.
PROPERTIES = {
    "Name": "title",
    "row_id": "rich_text",
    "Prompt": "rich_text",
    "Status": "select",
    "Image URLs": "files",
    "Credits": "number",
    "Finished at": "date",
}
_READ_ONLY = ("formula", "rollup", "created_time", "unique_id")


class Notion:
    """A workspace with one database; `pages` are those that there are, by id."""

    def __init__(self, properties: Mapping[str, str] = PROPERTIES) -> None:
        self.properties = dict(properties)
        self.sources = [SOURCE]
        self.pages: dict[str, dict[str, Any]] = {}
        self.trash: set[str] = set()
        #: Pages that queries do not show yet, with the number of queries that miss them.
        self.lag = 0
        self.uploads: dict[str, bytes] = {}
        #: Pages that may still be created; None for a plan without a limit.
        self.blocks: int | None = None
        self.written = 0
        self._unseen: dict[str, int] = {}
        self._numbers = count(1)

    def texts(self) -> list[dict[str, Any]]:
        """The values of each page, as people see them."""
        return [
            {name: _seen(value) for name, value in page.items()} for page in self.pages.values()
        ]

    def __call__(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "unauthorized", "API token is invalid.")
        if call.headers.get("notion-version") != "2026-03-11":
            return _error(400, "missing_version", "Notion-Version header failed validation.")
        path = call.path.partition("?")[0].removeprefix("/v1/")
        is_json = call.headers.get("content-type", "").startswith("application/json")
        body = json.loads(call.body) if call.body and is_json else {}
        calls: list[tuple[str, str, Callable[..., Reply]]] = [
            ("GET", r"databases/(\w+)", self._database),
            ("GET", r"data_sources/(\w+)", self._source),
            ("POST", r"data_sources/(\w+)/query", lambda id_: self._query(id_, body)),
            ("POST", r"pages", lambda: self._create(body)),
            ("PATCH", r"pages/([\w-]+)", lambda id_: self._update(id_, body)),
            ("POST", r"file_uploads", lambda: self._upload(body)),
            ("POST", r"file_uploads/([\w-]+)/send", lambda id_: self._send(id_, call.body)),
        ]
        for method, pattern, answer in calls:
            if method == call.method and (found := re.fullmatch(pattern, path)):
                return answer(*found.groups())
        return _error(400, "invalid_request_url", "Invalid request URL.")

    def _database(self, number: str) -> Reply:
        if number != DATABASE:
            return _not_found("database", number)
        named = [{"id": one, "name": f"Source {one[0]}"} for one in self.sources]
        return _json(200, {"object": "database", "id": number, "data_sources": named})

    def _source(self, number: str) -> Reply:
        if number not in self.sources:
            return _not_found("data source", number)
        told = {
            name: {"id": f"p{at}", "name": name, "type": kind, kind: _options(kind)}
            for at, (name, kind) in enumerate(self.properties.items())
        }
        return _json(200, {"object": "data_source", "id": number, "properties": told})

    def _query(self, number: str, body: Any) -> Reply:
        if number not in self.sources:
            return _not_found("data source", number)
        wanted = body["filter"].get("and", [body["filter"]])
        found = []
        for page, its in self.pages.items():
            if self._unseen.get(page, 0) > 0:
                self._unseen[page] -= 1
                continue
            if page not in self.trash and all(
                _seen(its.get(one["property"])) == one[self.properties[one["property"]]]["equals"]
                for one in wanted
            ):
                found.append({"object": "page", "id": page})
        return _json(200, {"object": "list", "results": found[: body["page_size"]]})

    def _create(self, body: Any) -> Reply:
        if body["parent"] != {"type": "data_source_id", "data_source_id": SOURCE}:
            return _not_found("data source", "?")
        if problem := self._problem(body["properties"]):
            return problem
        if self.blocks is not None and not self.blocks:
            return _error(403, "restricted_resource", "Workspace has reached its block limit.")
        self.blocks = None if self.blocks is None else self.blocks - 1
        page = f"page-{next(self._numbers)}"
        self.pages[page] = dict(body["properties"])
        self._unseen[page] = self.lag
        self.written += 1
        return _json(200, {"object": "page", "id": page})

    def _update(self, page: str, body: Any) -> Reply:
        if page not in self.pages:
            return _not_found("page", page)
        if page in self.trash:
            said = "Can't edit block that is archived. You must unarchive the block first."
            return _error(400, "validation_error", said)
        if problem := self._problem(body["properties"]):
            return problem
        self.pages[page] |= body["properties"]
        self.written += 1
        return _json(200, {"object": "page", "id": page})

    def _upload(self, body: Any) -> Reply:
        number = f"upload-{len(self.uploads) + 1}"
        self.uploads[number] = b""
        return _json(200, {"object": "file_upload", "id": number, "status": "pending"})

    def _send(self, number: str, body: bytes) -> Reply:
        self.uploads[number] = body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        return _json(200, {"object": "file_upload", "id": number, "status": "uploaded"})

    def _problem(self, properties: Mapping[str, Any]) -> Reply | None:
        if len(json.dumps(properties)) > 500_000:
            return _error(400, "validation_error", "The body is too large.")
        for name, value in properties.items():
            kind = self.properties.get(name)
            if kind is None:
                return _error(400, "validation_error", f"{name} is not a property that exists.")
            if kind in _READ_ONLY or [*value] != [kind]:
                return _error(400, "validation_error", f"{name} is expected to be {kind}.")
            if not self._fits(kind, value[kind]) or POISON in json.dumps(value):
                return _error(400, "validation_error", f"body failed validation: {name}")
        return None

    def _fits(self, kind: str, value: Any) -> bool:
        match kind:
            case "title" | "rich_text":
                pieces = [one["text"]["content"] for one in value]
                return len(pieces) <= 100 and all(
                    len(one.encode("utf-16-le")) <= 4000 for one in pieces
                )
            case "select":
                return value is None or ("," not in value["name"] and len(value["name"]) <= 100)
            case "number":
                return value is None or isinstance(value, int | float)
            case "checkbox":
                return isinstance(value, bool)
            case "files":
                return all(self._is_file(one) for one in value)
            case "status":
                return value is None or value["name"] in ("Not started", "done")
            case "date":
                return value is None or "T" in value["start"]
        return value is None or isinstance(value, str | list)

    def _is_file(self, one: Mapping[str, Any]) -> bool:
        if one["type"] == "external":
            return len(one["external"]["url"]) <= 2000 and len(one["name"]) <= 100
        return bool(self.uploads.get(one["file_upload"]["id"]))


def _options(kind: str) -> dict[str, Any]:
    names = {"status": ("Not started", "done"), "select": ("done",)}.get(kind)
    return {"options": [{"id": one, "name": one} for one in names]} if names else {}


def _seen(value: Any) -> Any:
    """A property as people see it."""
    match value:
        case {"title": pieces} | {"rich_text": pieces}:
            return "".join(one["text"]["content"] for one in pieces)
        case {"select": one} | {"status": one}:
            return one and one["name"]
        case {"date": one}:
            return one and one["start"]
        case {"files": files}:
            return [one.get("external", one.get("file_upload")) for one in files]
        case dict():
            return next(iter(value.values()))
    return value


def _not_found(what: str, number: str) -> Reply:
    said = f"Could not find {what} with ID: {number}. Make sure it is shared with your connection."
    return _error(404, "object_not_found", said)


def _error(status: int, code: str, said: str) -> Reply:
    return _json(status, {"object": "error", "status": status, "code": code, "message": said})


def _json(status: int, body: Any) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})
