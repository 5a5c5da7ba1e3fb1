"""The JSON of a push: `{"type": …, "timestamp": …, "data": {…}}`, as Standard Webhooks 1.0.0 say.

Its schema is `docs/reference/push.schema.json`. A body has less than MOST_BYTES bytes: long texts
are cut, and lists end early, but an address is whole or left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.core.outlets.outbox import FIELDS, Message, MessageKind, Notice, RowMessage, Value
from pipeline.core.sheet.header import folded

#: The limit that Standard Webhooks recommend.
MOST_BYTES: Final = 20_000
#: Rows of a notice, at most.
MOST_ROWS: Final = 50

#: Kind of a message -> the type of its push. What receivers compare with: never change one.
TYPES: Final = {
    MessageKind.DONE: "row.done",
    MessageKind.FAILED: "row.failed",
    MessageKind.CHECK_NEEDED: "row.check_needed",
    MessageKind.ATTENTION: "rows.attention",
    MessageKind.BUDGET: "budget.used",
    MessageKind.STOPPED: "sending.stopped",
    MessageKind.SILENT: "passes.missing",
    MessageKind.TEST: "test",
}

#: Texts are cut to these lengths, one after the other, until the body is short enough.
_CUTS: Final = (4000, 1000, 200, 50)
#: Texts that are useless if they are cut. `image_urls` is shortened as a list.
_WHOLE: Final = ("message_id", "row_id", "task_id", "endpoint", "status", "image_urls")
#: Lists that end early if the texts alone cannot be cut enough.
_LISTS: Final = ("files", "rows", "image_urls")

Data = dict[str, Any]


def body_of(message: Message, fields: Mapping[str, str]) -> bytes:
    """The body for a message; `fields` are further columns: their name -> ours, as in FIELDS."""
    data = _row(message, fields) if isinstance(message, RowMessage) else _notice(message)
    head = {"type": TYPES[message.kind], "timestamp": _time(message.at)}
    body = _bytes({**head, "data": data})
    if len(body) < MOST_BYTES:
        return body
    data["is_shortened"] = True
    for most in _CUTS:
        data |= {name: _cut(value, most) for name, value in data.items() if name not in _WHOLE}
        body = _bytes({**head, "data": data})
        if len(body) < MOST_BYTES:
            return body
    if "columns" in data:
        data["columns"] = {}
    for name in _LISTS:
        while data.get(name) and len(body) >= MOST_BYTES:
            data[name] = data[name][:-1]
            body = _bytes({**head, "data": data})
    return body


def _row(message: RowMessage, fields: Mapping[str, str]) -> Data:
    values = message.values
    ours = {folded(name): value for name, value in values.items()}
    columns = {name: value for name, value in values.items() if name not in FIELDS}
    columns |= {name: ours.get(folded(field), "") for name, field in fields.items()}
    return {
        "message_id": message.id,
        "is_repeat": message.is_repeat,
        "sheet": message.sheet,
        "row_id": message.row_id,
        "take": message.take,
        **{name: str(values.get(name, "")) for name in ("name", "prompt", "endpoint")},
        **{name: str(values.get(name, "")) for name in ("status", "note", "task_id", "text")},
        **{name: _texts(values.get(name)) for name in ("image_urls", "files")},
        "credits": message.credits,
        "unit": message.unit,
        "vendor": message.vendor,
        **{name: _plain(values.get(name)) or None for name in ("submitted_at", "finished_at")},
        "columns": {name: _plain(value) for name, value in columns.items()},
        "is_shortened": False,
    }


def _notice(message: Notice) -> Data:
    rows = message.rows[:MOST_ROWS]
    return {
        "message_id": message.id,
        "is_repeat": message.is_repeat,
        "sheet": message.sheet,
        "sentence": message.sentence,
        "rows": [
            {
                "row_id": row.row_id,
                "title": row.title,
                "line": row.line,
                "status": row.status,
                "note": row.note,
            }
            for row in rows
        ],
        "row_count": len(message.rows),
        "is_over": message.is_over,
        "is_shortened": len(rows) < len(message.rows),
    }


def _texts(value: Value | None) -> list[str]:
    return list(value) if isinstance(value, tuple) else []


def _plain(value: Value | None) -> object:
    """The value as JSON has it."""
    match value:
        case datetime():
            return _time(value)
        case float() if not math.isfinite(value):
            return None
        case tuple():
            return list(value)
    return value


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cut(value: Any, most: int) -> Any:
    """The value with shorter texts in it, at any depth."""
    match value:
        case str() if len(value) > most:
            return value[: most - 1] + "…"
        case list():
            return [_cut(one, most) for one in value]
        case dict():
            return {name: _cut(one, most) for name, one in value.items()}
    return value


def _bytes(body: Data) -> bytes:
    # Half a surrogate pair, which a cell may hold, has no UTF-8.
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
