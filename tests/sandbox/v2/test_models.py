"""Every model and action of version 2: the least and the fullest request is accepted, and a request
with one wrong field is refused with the path of that field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipeline.sandbox import running
from pipeline.sandbox.v2.shapes import table

URL = "https://example.com/a.png"
ID = "9b2e1c1e-0c2b-4c7e-9d4e-1a2b3c4d5e6f"
ROUTES = [(path, way) for path, s in table().items() for way in s.get("body", {}).get("ways", {})]
WRONG: dict[str, object] = {"string": 7, "number": "7", "integer": 0.5, "boolean": 1}


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    with running("k", task_seconds=0) as sandbox:
        headers = {"X-API-Key": sandbox.key_v2}
        with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as client:
            yield client


def value(shape: dict[str, Any], *, is_full: bool) -> Any:
    """A value that the shape allows."""
    if "anyOf" in shape:
        return value(shape["anyOf"][0], is_full=is_full)
    if "enum" in shape:
        return shape["enum"][-1]
    kind = shape["type"] if isinstance(shape["type"], str) else shape["type"][0]
    if kind == "object":
        return fields(shape, is_full=is_full)
    if kind == "array":
        count = shape.get("maxItems", 1) if is_full else shape.get("minItems", 0)
        return [value(shape["items"], is_full=is_full)] * count
    if kind == "string":
        if "pattern" in shape:
            return "16:9"
        words = {"uri": URL, "uuid": ID}.get(shape.get("format", ""), "a")
        return "x" * shape["maxLength"] if is_full and shape.get("maxLength", 9e9) < 9999 else words
    if kind == "boolean":
        return True
    least = shape.get("minimum", shape.get("exclusiveMinimum", 0) + 1)
    return shape.get("maximum", least) if is_full else least


def fields(shape: dict[str, Any], *, is_full: bool) -> dict[str, Any]:
    wanted = shape["properties"] if is_full else shape.get("required", ())
    return {name: value(shape["properties"][name], is_full=is_full) for name in wanted}


def shape_of(path: str, way: str) -> dict[str, Any]:
    """The shape of a model's or an action's request, without where to report."""
    body = table()[path]["body"]
    own = body["common"] | body["ways"][way]["properties"]
    del own["webhookUrl"]
    return {**body["ways"][way], "properties": own}


def request(path: str, way: str, *, is_full: bool) -> dict[str, Any]:
    return fields(shape_of(path, way), is_full=is_full) | {table()[path]["body"]["by"]: way}


@pytest.mark.parametrize(("path", "way"), ROUTES)
def test_the_smallest_and_the_largest_request_are_accepted(
    api: httpx.Client, path: str, way: str
) -> None:
    for is_full in (False, True):
        answer = api.post(path, json=request(path, way, is_full=is_full))
        # An action's parent, and a LoRA, is not there: they come after the fields.
        needs_another = "action" in path or way == "flux-lora"
        assert answer.status_code == (404 if needs_another else 202), answer.text


@pytest.mark.parametrize(("path", "way"), ROUTES)
def test_a_wrong_or_a_missing_field_is_named(api: httpx.Client, path: str, way: str) -> None:
    shape = shape_of(path, way)
    fullest = request(path, way, is_full=True)
    for name, field in shape["properties"].items():
        inner = field.get("properties", {})
        spoilt = {
            name: {**fullest, name: WRONG.get(str(field.get("type")), 7)},
            **{
                f"{name}.{key}": {**fullest, name: {**fullest[name], key: WRONG[str(one["type"])]}}
                for key, one in inner.items()
                if str(one.get("type")) in WRONG
            },
        }
        if name in shape["required"]:
            absent = {key: kept for key, kept in fullest.items() if key != name}
            assert name in api.post(path, json=absent).json()["details"]
        for wrong, body in spoilt.items():
            assert list(api.post(path, json=body).json()["details"]) == [wrong]
