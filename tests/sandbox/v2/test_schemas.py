"""The sandbox's version 2 agrees with another reader of the vendor's schemas about any request.

Requests are drawn from the table that is made of the vendor's OpenAPI file: some as the schema
wants them, some changed in one place. `jsonschema` judges each one by the same table. The sandbox
must refuse exactly those that it refuses, and must answer in JSON whatever comes.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from pipeline.sandbox import running
from pipeline.sandbox.v2.shapes import table

URLS = st.sampled_from(["https://example.com/a.png", "http://a.b/?c=d#e"])
IDS = st.uuids().map(str)
#: What comes instead of a value, or as one more field.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "", "x" * 6000, "é\x00", "\U0001f98a", -1, 0, 1.5, 10**30, [], ["a"], [[]], {}]
) | st.text(max_size=5)
ROUTES = [(path, way) for path, s in table().items() for way in s.get("body", {}).get("ways", {})]

#: `format` is judged as the API's own validator does it: an address has a scheme, ids are UUIDs.
FORMATS = FormatChecker(())
FORMATS.checks("uri")(lambda text: not isinstance(text, str) or bool(re.match(r"https?://.", text)))
FORMATS.checks("uuid")(
    lambda text: (
        not isinstance(text, str)
        or bool(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text))
    )
)


def schema_of(path: str, way: str) -> dict[str, Any]:
    """The closed schema of one model's or action's request."""
    body = table()[path]["body"]
    one = body["ways"][way]
    own = {body["by"]: {"const": way}, **one["properties"], **body["common"]}
    required = [*one.get("required", ()), body["by"]]
    return {"type": "object", "properties": own, "required": required} | {
        "additionalProperties": False
    }


def values(shape: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as the shape wants them."""
    if "const" in shape:
        return st.just(shape["const"])
    if "anyOf" in shape:
        return st.one_of(*map(values, shape["anyOf"]))
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    kind = shape["type"] if isinstance(shape["type"], str) else shape["type"][0]
    least, most = shape.get("minimum", shape.get("exclusiveMinimum", 0) + 1), shape.get("maximum")
    match kind:
        case "object":
            fields = {name: values(one) for name, one in shape["properties"].items()}
            needed = {name: fields.pop(name) for name in shape.get("required", ())}
            return st.fixed_dictionaries(needed, optional=fields)
        case "array":
            size = shape.get("minItems", 0)
            return st.lists(
                values(shape["items"]), min_size=size, max_size=min(shape.get("maxItems", 3), 5)
            )
        case "string" if "pattern" in shape:
            return st.sampled_from(["16:9", "1:1"])
        case "string" if "format" in shape:
            return {"uri": URLS, "uuid": IDS}[shape["format"]]
        case "string":
            return st.text(
                st.characters(max_codepoint=0x2FF, exclude_categories=["Cs"]),
                min_size=shape.get("minLength", 0),
                max_size=min(shape.get("maxLength", 20), 20),
            )
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(int(least), int(most) if most is not None else None)
    return st.floats(least, most, allow_nan=False, allow_infinity=False)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """A path, the model or action, and a body; half of the bodies are changed in one place."""
    path, way = draw(st.sampled_from(ROUTES))
    body = copy.deepcopy(draw(values(schema_of(path, way))))
    body.pop("webhookUrl", None)  # No calls to strangers.
    if draw(st.booleans()):
        inner = [one for one in body.values() if isinstance(one, dict)]
        place = draw(st.sampled_from([body, *inner]))
        name = draw(st.sampled_from([*place, "unknown"]))
        if draw(st.booleans()):
            place[name] = draw(ODD)
        else:
            place.pop(name, None)
    return path, way, body


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    with running("k", task_seconds=0, plain_pictures=True) as sandbox:
        headers = {"X-API-Key": sandbox.key_v2}
        with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as client:
            yield client


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(request=requests())
def test_exactly_the_requests_that_the_schema_allows_are_taken(
    api: httpx.Client, request: tuple[str, str, dict[str, Any]]
) -> None:
    path, way, body = request
    by = table()[path]["body"]["by"]
    # Another model or action may have come by chance; it has a schema of its own.
    named = next((one for one in table()[path]["body"]["ways"] if one == body.get(by)), way)
    judge = Draft202012Validator(schema_of(path, named), format_checker=FORMATS)

    answer = api.post(path, json=body)

    # An action's parent, and a LoRA, is not there: they are looked up once the fields are right.
    allowed = (202, 404, 409)
    assert (answer.status_code in allowed) == judge.is_valid(body), (body, answer.text)
    assert answer.status_code in (*allowed, 400)
    assert ("jobId" if answer.status_code == 202 else "error") in answer.json()
