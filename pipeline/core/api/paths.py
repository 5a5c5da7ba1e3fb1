"""Paths into JSON: `result.images[]` is each element of the list `images` within `result`.

A path is made of names with dots between them; `[]` after a name stands for each element of a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache

#: What a path may look like; `[]` is allowed where values are read, not where one is put.
READ = re.compile(r"[\w$-]+(?:\[\])?(?:\.[\w$-]+(?:\[\])?)*")
PUT = re.compile(r"[\w$-]+(?:\.[\w$-]+)*")


def values(body: object, path: str) -> list[object]:
    """The values at a path, in the order of the lists on the way; none if the path leads nowhere.

    Values that are null are left out.
    """
    return _at(body, _steps(path))


def elements(body: object, path: str) -> list[object]:
    """The same; a list at the end of the path counts as its elements, also without `[]`."""
    found: list[object] = []
    for one in values(body, path):
        if isinstance(one, list):
            found += (inner for inner in one if inner is not None)
        else:
            found.append(one)
    return found


def is_list(body: object, path: str) -> bool:
    """Returns whether a path of names leads to a list."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return isinstance(body, list)


def first_text(body: object, paths: Sequence[str]) -> str:
    """The first text or number that one of the paths leads to, trimmed; empty if there is none."""
    for path in paths:
        for value in values(body, path):
            is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
            if is_text and (text := str(value).strip()):
                return text
    return ""


def put(body: MutableMapping[str, object], path: str, value: object) -> None:
    """Set the value at a path of names; objects on the way are made."""
    *way, last = path.split(".")
    for name in way:
        inner = body.setdefault(name, {})
        if not isinstance(inner, dict):  # A constant of the file is there: the field wins.
            inner = body[name] = {}
        body = inner
    body[last] = value


def merged(body: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """Both in one; where both have an object under one name, the two are put together."""
    result = dict(body)
    for name, value in more.items():
        there = result.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            value = merged(there, value)
        result[name] = value
    return result


def _at(body: object, steps: Sequence[tuple[str, bool]]) -> list[object]:
    for position, (name, is_list) in enumerate(steps, 1):
        body = body.get(name) if isinstance(body, dict) else None
        if is_list:
            inner = body if isinstance(body, list) else ()
            return [value for one in inner for value in _at(one, steps[position:])]
    return [] if body is None else [body]


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    return tuple((name.removesuffix("[]"), name.endswith("[]")) for name in path.split("."))
