"""Airtable's API as far as it is documented: tables, upserts, limits, and the shapes of errors."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from tests.fakes.outlets.messages import POISON
from tests.fakes.web_service import Call, Reply

TOKEN = "patTESTTESTTEST1.s3cr3t"
BASE, TABLE = "appTESTTESTTES123", "tblTESTTESTTES123"
#: The columns of a table that takes what we have, with their types.
COLUMNS = {
    "row_id": "singleLineText",
    "Prompt": "multilineText",
    "Status": "singleSelect",
    "Image URLs": "multipleAttachments",
    "Credits": "number",
    "Finished at": "dateTime",
}
_COMPUTED = ("formula", "rollup", "autoNumber", "createdTime", "multipleLookupValues")
#: What the documentation allows to merge by.
_MERGED = ("number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date")


class Airtable:
    """One base with one table; `records` are those that there are, by id."""

    #: Requests in a second; one more is refused.
    per_second = 5

    def __init__(self, columns: Mapping[str, str] = COLUMNS) -> None:
        self.columns = dict(columns)
        self.records: dict[str, dict[str, Any]] = {}
        self.permission = "create"
        #: Times at which records were written, and pictures were copied.
        self.written = 0
        self.copied: list[str] = []
        self._numbers = count(1)
        self._asked: list[float] = []

    def by_name(self) -> list[dict[str, Any]]:
        """The records with the names of their columns."""
        names = {self.id_of(name): name for name in self.columns}
        return [{names[key]: v for key, v in one.items()} for one in self.records.values()]

    def id_of(self, name: str) -> str:
        """The id of a column."""
        return f"fld{[*self.columns].index(name):014}"

    def __call__(self, call: Call) -> Reply:
        now = time.monotonic()
        self._asked = [at for at in self._asked if at > now - 1] + [now]
        if len(self._asked) > self.per_second:
            said = {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded."}]}
            return _json(429, said)
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        match call.method, call.path.partition("?")[0]:
            case "GET", "/v0/meta/whoami":
                return _json(200, {"id": "usrTEST"})
            case "GET", "/v0/meta/bases":
                its = {"id": BASE, "name": "Shop", "permissionLevel": self.permission}
                return _json(200, {"bases": [its]})
            case "GET", path if path == f"/v0/meta/bases/{BASE}/tables":
                return _json(200, {"tables": [self._schema()]})
            case "PATCH", path if path == f"/v0/{BASE}/{TABLE}":
                return self._upsert(json.loads(call.body))
        return _error(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "Invalid permissions")

    def _schema(self) -> dict[str, Any]:
        fields = [
            {"id": self.id_of(name), "name": name, "type": kind} | _options(kind)
            for name, kind in self.columns.items()
        ]
        return {
            "id": TABLE,
            "name": "Pictures",
            "primaryFieldId": self.id_of(next(iter(self.columns))),
            "fields": fields,
            "views": [],
        }

    def _upsert(self, body: Any) -> Reply:
        records, merged = body["records"], body["performUpsert"]["fieldsToMergeOn"]
        if not 0 < len(records) <= 10 or not 0 < len(merged) <= 3:
            return _error(422, "INVALID_REQUEST_UNKNOWN", "Invalid request: too many")
        types = {self.id_of(name): kind for name, kind in self.columns.items()}
        names = {self.id_of(name): name for name in self.columns}
        if bad := [one for one in merged if types.get(one) not in _MERGED]:
            return _error(422, "INVALID_REQUEST_UNKNOWN", f"Cannot merge on {bad}")
        for record in records:
            for key, value in record["fields"].items():
                if key not in types:
                    return _error(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{key}"')
                if not _fits(types[key], value):
                    said = f'Field "{names[key]}" cannot accept the provided value'
                    return _error(422, "INVALID_VALUE_FOR_COLUMN", said)
        keys = [tuple(one["fields"].get(key) for key in merged) for one in records]
        if len({*keys}) < len(keys):
            return _error(422, "INVALID_REQUEST_UNKNOWN", "Duplicate records to upsert")
        found = [[i for i, r in self.records.items() if _key(r, merged) == key] for key in keys]
        if any(len(one) > 1 for one in found):
            return _error(422, "INVALID_REQUEST_UNKNOWN", "Cannot match more than one record")
        created, told = [], []
        for record, there in zip(records, found, strict=True):
            number = there[0] if there else f"rec{next(self._numbers):014}"
            created += [] if there else [number]
            its = self.records.setdefault(number, {})
            for key, value in record["fields"].items():
                if types[key] == "multipleAttachments":
                    self.copied += [one["url"] for one in value]
                if value in (None, "", []):
                    its.pop(key, None)
                else:
                    its[key] = value
            self.written += 1
            made = "2026-11-28T09:30:00.000Z"
            told.append({"id": number, "createdTime": made, "fields": dict(its)})
        updated = [one["id"] for one in told if one["id"] not in created]
        answer = {"records": told, "createdRecords": created, "updatedRecords": updated}
        return _json(200, answer)


def _key(record: Mapping[str, Any], merged: list[str]) -> tuple[Any, ...]:
    return tuple(record.get(one) for one in merged)


def _options(kind: str) -> dict[str, Any]:
    match kind:
        case "singleSelect":
            return {"options": {"choices": [{"id": "sel1", "name": "done"}]}}
        case "number":
            return {"options": {"precision": 1}}
        case "dateTime":
            spelled = {"name": "iso", "format": "YYYY-MM-DD"}
            hours = {"name": "24hour", "format": "HH:mm"}
            return {
                "options": {"timeZone": "utc", "dateFormat": spelled, "timeFormat": hours},
            }
        case "checkbox":
            return {"options": {"icon": "check", "color": "greenBright"}}
        case "multipleAttachments":
            return {"options": {"isReversed": False}}
        case "formula":
            return {
                "options": {
                    "formula": "1",
                    "isValid": True,
                    "referencedFieldIds": [],
                    "result": None,
                }
            }
    return {}


def _fits(kind: str, value: Any) -> bool:
    if kind in _COMPUTED or (isinstance(value, str) and POISON in value):
        return False
    if value is None:
        return True
    match kind:
        case "number":
            return isinstance(value, int | float)
        case "checkbox":
            return isinstance(value, bool)
        case "multipleAttachments":
            return isinstance(value, list) and all(
                re.match("https?://", one.get("url", "")) for one in value
            )
        case "dateTime":
            return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))
        case "multipleSelects":
            return isinstance(value, list)
    return isinstance(value, str) and len(value) <= 100_000


def _error(status: int, kind: str, said: str) -> Reply:
    return _json(status, {"error": {"type": kind, "message": said}})


def _json(status: int, body: Any) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})
