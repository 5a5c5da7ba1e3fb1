"""A request of the API that was read to its end, and the routes that can answer it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.sandbox.answers import Reply

Api = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route: how it is named in faults and counts, and what answers it."""

    method: str
    #: As Starlette writes it: `/imagine`, `/v2/jobs/{id}`.
    path: str
    answer: Callable[[Call], Reply]
    api: Api = "v1"
    #: True if it begins a task.
    is_submission: bool = False
    needs_key: bool = True
    #: True if its answer is the finished result.
    is_sync: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the API, read to its end."""

    route: ApiRoute
    headers: Mapping[bytes, bytes]
    body: bytes
    #: The JSON object that was sent, or None if it was not one.
    fields: Mapping[str, object] | None
    #: The parts of the address in braces, such as `id`.
    params: Mapping[str, str]
    #: What follows the question mark.
    query: str
    #: The address that the client used.
    base_url: str
    now: float
    #: What chance is drawn for: the same in every run with the same requests.
    draw_for: str

    @property
    def path(self) -> str:
        """The path of the request, with what the client put for the parts in braces."""
        return self.route.path.format_map(self.params)

    def header(self, name: str) -> str:
        """The value of a header, or ""."""
        return self.headers.get(name.encode(), b"").decode("latin-1")


#: Fields that say where to report, not what to make.
REPORTING = ("webhook_url", "webhook_secret", "webhookUrl", "webhookEvents")


def canonical(path: str, fields: Mapping[str, object]) -> str:
    """The path and the fields as one text: equal for two submissions that ask for the same."""
    asked = {name: value for name, value in fields.items() if name not in REPORTING}
    return f"{path} {as_json(asked)}"


#: JSON with sorted keys. One encoder for all: `json.dumps` would make a new one each time.
as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def json_object(body: bytes) -> Mapping[str, object] | None:
    """The JSON object in a body, or None if it is something else."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
