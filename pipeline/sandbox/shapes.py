"""Checks JSON against a shape: the part of JSON Schema that the API's rules need.

A shape is a mapping with the keywords of JSON Schema: type, enum, pattern, minLength, maxLength,
minimum, maximum, exclusiveMinimum, minItems, maxItems, items, properties, required,
additionalProperties (false), anyOf, format (uri, uuid). A shape may have `says`: the problem in one
fixed sentence, whatever is wrong. All other keywords are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

Shape = Mapping[str, Any]

TYPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "string": ("a text", lambda value: isinstance(value, str)),
    "number": ("a number", lambda value: _is_number(value)),
    "integer": ("a whole number", lambda value: _is_number(value) and value == int(value)),  # type: ignore[call-overload]
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "null": ("null", lambda value: value is None),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value."""

    #: Names of fields and numbers of entries, joined by dots; "" for the whole.
    path: str
    says: str


def problems(shape: Shape, value: object) -> list[Problem]:
    """All that is wrong with the value, in the order of the shape's fields."""
    return list(_check(shape, value, ""))


def first_problem(shape: Shape, value: object) -> Problem | None:
    """The first thing that is wrong with the value, or None."""
    return next(_check(shape, value, ""), None)


def _check(shape: Shape, value: object, path: str) -> Iterator[Problem]:
    if says := shape.get("says"):
        if any(_unsaid(shape, value, path)):
            yield Problem(path, says)
        return
    yield from _unsaid(shape, value, path)


def _unsaid(shape: Shape, value: object, path: str) -> Iterator[Problem]:
    if wanted := shape.get("type"):
        names: Sequence[str] = (wanted,) if isinstance(wanted, str) else wanted
        if not any(TYPES[name][1](value) for name in names):
            yield Problem(path, f"must be {' or '.join(TYPES[name][0] for name in names)}")
            return
    if "enum" in shape and not any(_is_same(value, one) for one in shape["enum"]):
        yield Problem(path, f"must be one of {', '.join(map(str, shape['enum']))}")
        return
    if ways := shape.get("anyOf"):
        tried = [list(_check(way, value, path)) for way in ways]
        if all(tried):
            yield Problem(path, " or ".join(dict.fromkeys(found[0].says for found in tried)))
    if isinstance(value, str):
        yield from _text(shape, value, path)
    elif isinstance(value, list):
        yield from _list(shape, value, path)
    elif isinstance(value, dict):
        yield from _object(shape, value, path)
    elif _is_number(value):
        yield from _range(shape, value, path)  # type: ignore[arg-type]


def _text(shape: Shape, value: str, path: str) -> Iterator[Problem]:
    # As JavaScript counts it, in which the API is written: an emoji counts as two.
    size = len(value) + sum(character > "\uffff" for character in value)
    if size < shape.get("minLength", 0):
        yield Problem(path, f"must have at least {shape['minLength']} characters")
    elif size > shape.get("maxLength", math.inf):
        yield Problem(path, f"must have at most {shape['maxLength']} characters")
    elif "pattern" in shape and not _compiled(shape["pattern"]).search(value):
        yield Problem(path, f"must match {shape['pattern']}")
    elif shape.get("format") == "uri" and not is_url(value):
        yield Problem(path, "must be a URL")
    elif shape.get("format") == "uuid" and not is_uuid(value):
        yield Problem(path, "must be a UUID")


def _list(shape: Shape, value: list[object], path: str) -> Iterator[Problem]:
    if len(value) < shape.get("minItems", 0):
        yield Problem(path, f"must have at least {shape['minItems']} entries")
    elif len(value) > shape.get("maxItems", math.inf):
        yield Problem(path, f"must have at most {shape['maxItems']} entries")
    if items := shape.get("items"):
        for number, entry in enumerate(value):
            yield from _check(items, entry, _joined(path, str(number)))


def _object(shape: Shape, value: Mapping[str, object], path: str) -> Iterator[Problem]:
    fields: Mapping[str, Shape] = shape.get("properties", {})
    required = shape.get("required", ())
    for name, field in fields.items():
        if name in value:
            yield from _check(field, value[name], _joined(path, name))
        elif name in required:
            yield Problem(_joined(path, name), "is required")
    if shape.get("additionalProperties") is False and (unknown := sorted(set(value) - set(fields))):
        names = ", ".join(f'"{name}"' for name in unknown)
        yield Problem(path, f"Unrecognized keys: {names}")


def _range(shape: Shape, value: float, path: str) -> Iterator[Problem]:
    if value < shape.get("minimum", -math.inf):
        yield Problem(path, f"must be at least {shape['minimum']}")
    elif value > shape.get("maximum", math.inf):
        yield Problem(path, f"must be at most {shape['maximum']}")
    elif value <= shape.get("exclusiveMinimum", -math.inf):
        yield Problem(path, f"must be more than {shape['exclusiveMinimum']}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_same(value: object, other: object) -> bool:
    # In Python, True equals 1.
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def is_url(text: str) -> bool:
    """True if a text is an address with a scheme, without spaces."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_known = bool(parts.netloc) if parts.scheme in ("http", "https") else bool(parts.path)
    return bool(parts.scheme) and is_known and text.isprintable() and " " not in text


def is_uuid(text: str) -> bool:
    """True if a text is a UUID in its usual form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    # As in JavaScript: \d means ASCII digits, and $ only the very end.
    return re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
