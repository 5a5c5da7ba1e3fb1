"""The shapes of version 2's requests, read from `shapes.json`.

That table is made from the vendor's OpenAPI file by `tests/sandbox/v2/facts.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pipeline.sandbox.shapes import Problem, Shape, problems


@cache
def table() -> Mapping[str, Any]:
    """Path -> the shapes of its `body` and its `query`."""
    read = json.loads(files(__package__).joinpath("shapes.json").read_text("utf-8"))
    shared = read["shared"]

    def whole(value: object) -> object:
        if isinstance(value, dict):
            if set(value) == {"shared"}:
                return whole(shared[value["shared"]])
            return {name: whole(inner) for name, inner in value.items()}
        return value

    paths: Mapping[str, Any] = {path: whole(shapes) for path, shapes in read["paths"].items()}
    return paths


def body_problems(path: str, fields: Mapping[str, object]) -> list[Problem]:
    """All that is wrong with the body of a request to this path."""
    body = table()[path]["body"]
    if "by" not in body:
        return problems(body, fields)
    by = body["by"]
    way = body["ways"].get(fields.get(by)) if isinstance(fields.get(by), str) else None
    if way is None:
        known = ", ".join(body["ways"])
        return [Problem(by, f"must be one of {known}" if by in fields else "is required")]
    return problems(_closed(path, str(fields[by])), fields)


def query_problems(path: str, values: Mapping[str, str]) -> list[Problem]:
    """All that is wrong with what follows the question mark."""
    shape = table()[path]["query"]
    return problems(shape, {name: _read(shape, name, text) for name, text in values.items()})


def models(path: str) -> list[str]:
    """The models that a path knows."""
    return list(table()[path]["body"]["ways"])


@cache
def _closed(path: str, value: str) -> Shape:
    body = table()[path]["body"]
    way = body["ways"][value]
    own = {body["by"]: {"type": "string"}, **way["properties"], **body["common"]}
    return {**way, "type": "object", "properties": own, "additionalProperties": False}


def _read(shape: Shape, name: str, text: str) -> object:
    """A value of a query or a form: a number where the shape wants one."""
    if shape["properties"].get(name, {}).get("type") == "integer":
        try:
            return int(text)
        except ValueError:
            return text
    return text


def form_fields(path: str, texts: Mapping[str, str]) -> dict[str, object]:
    """The plain fields of a form, as the shape of its path wants them."""
    shape = table()[path]["body"]
    return {name: _read(shape, name, text) for name, text in texts.items()}
