"""The endpoints of versions 1 and pro, read from `endpoints.toml`: fields, prices, parents."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pipeline.sandbox.shapes import Shape
from pipeline.sandbox.tasks import Task

#: NAME* :TYPE (LEAST..MOST) =ALLOWED|VALUES, as the head of `endpoints.toml` says.
FIELD = re.compile(r"(\w+)(\*?)(?::(\w+))?(?:\(([\d.]*?)\.\.([\d.]*)\))?(?:=(\S+))?")
#: W:H. Both are whole numbers from 1 to 9999.
RATIO = r"^[1-9]\d{0,3}:[1-9]\d{0,3}$"
TEXT: Shape = {"type": "string", "says": "must be a text"}
TYPES: Mapping[str, Shape] = {
    "text": {"type": "string"},
    "url": {"type": "string", "format": "uri"},
    "ratio": {"type": "string", "pattern": RATIO, "says": "must be W:H, such as 16:9"},
    "int": {"type": "integer"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    # 1, 1.5, 2 or anything between, as a number or as text.
    "zoom": {
        "anyOf": [
            {"type": "number", "minimum": 1, "maximum": 2},
            {"type": "string", "pattern": r"^(1(\.\d+)?|2(\.0+)?)$"},
        ],
        "says": "must be from 1 to 2",
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint that begins a task."""

    name: str
    shape: Shape
    gives: str
    credits: int
    credits_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    times: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: Which of the parent's fields the price is counted by, or "".
    per_parent: str = ""
    #: The value of `task_type`, with fields in braces; "" for none.
    type: str = ""
    type_while_running: str = ""
    percent: Literal["text", "number", "none"] = "text"
    status: Literal["always", "never", "observed"] = "always"
    id_when_done: str = "task_id"
    id_while_running: bool = True
    while_running: str = ""
    sync: bool = False
    #: The field that names the parent, or "", and the endpoints it may be from.
    parent_field: str = ""
    parents: frozenset[str] = frozenset()
    one_of: tuple[str, ...] = ()
    #: The part of a multipart form that holds the file, or "", and the most bytes of it.
    upload: str = ""
    upload_most: int = 0
    #: Other paths of the same endpoint.
    also: str = ""

    @property
    def path(self) -> str:
        """The path, without the address of the server."""
        return f"/{self.name}"

    def price(self, fields: Mapping[str, object], parent: Task | None) -> int:
        """Credits for one task with these fields."""
        price = self.credits
        for name, prices in self.credits_by.items():
            price = prices.get(_written(fields.get(name)), price)
        for name, factors in self.times.items():
            price *= factors.get(_written(fields.get(name)), 1)
        if self.per_parent and parent:
            counted = parent.fields.get(self.per_parent)
            price *= len(counted) if isinstance(counted, list) else 1
        return price


@cache
def endpoints() -> Mapping[str, Endpoint]:
    """All endpoints by name, such as `imagine` and `pro/vary`."""
    table = tomllib.loads(files(__package__).joinpath("endpoints.toml").read_text("utf-8"))
    groups: Mapping[str, list[str]] = table.pop("groups")
    return {name: _read(name, row, groups) for name, row in table.items()}


def _read(name: str, row: dict[str, Any], groups: Mapping[str, list[str]]) -> Endpoint:
    has_hooks = row.pop("hooks", True)
    parent_field, _, parents = row.pop("parent", "").partition(": ")
    named = [one for word in parents.split() for one in groups.get(word, [word])]
    return Endpoint(
        name,
        _shape(row.pop("fields"), has_hooks=has_hooks),
        one_of=tuple(row.pop("one_of", ())),
        parent_field=parent_field,
        parents=frozenset(named),
        **row,
    )


def _shape(fields: str, *, has_hooks: bool) -> Shape:
    required, shapes = [], {}
    for word in fields.split():
        found = FIELD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is not a field")
        name, star, kind, least, most, allowed = found.groups()
        shapes[name] = _field(kind or "text", least, most, allowed, is_required=bool(star))
        required += [name] if star else []
    if has_hooks:
        shapes |= {"webhook_url": TEXT, "webhook_secret": TEXT}
    return {"type": "object", "properties": shapes, "required": required}


def _field(
    kind: str, least: str | None, most: str | None, allowed: str | None, *, is_required: bool
) -> Shape:
    shape: dict[str, Any] = dict(TYPES[kind])
    if allowed:
        values = [value.replace("+", " ") for value in allowed.split("|")]
        shape["enum"] = [int(value) for value in values] if kind == "int" else values
    elif kind == "text" and is_required:
        # Spaces alone are no text.
        shape |= {"pattern": r"\S"} if most else {"pattern": r"\S", "says": "is required"}
    names = {"text": ("minLength", "maxLength"), "list": ("minItems", "maxItems")}
    low, high = names.get(kind, ("minimum", "maximum"))
    shape |= {low: float(least)} if least else {}
    shape |= {high: float(most)} if most else {}
    return {key: _whole(value) for key, value in shape.items()}


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value == int(value) else value


def _written(value: object) -> str:
    """A value as the table writes it: true, 10, turbo."""
    return str(value).lower() if isinstance(value, bool) else str(value)
