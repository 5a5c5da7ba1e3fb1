"""Makes the table of version 2's request shapes from the vendor's OpenAPI file.

    python -m tests.sandbox.v2.facts openapi.json > pipeline/sandbox/v2/shapes.json

Only facts are kept: names of fields, types, allowed values, ranges. The vendor serves the file at
https://api.apiframe.ai/v2/openapi.json; the table was made from the one of 2026-07-16.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

#: What says which values are allowed. Everything else (descriptions, examples) is left out.
KEYWORDS = (
    *("type", "enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("exclusiveMinimum", "minItems", "maxItems", "required", "additionalProperties"),
)
#: A shape that occurs more than once and is at least this long is written once.
WORTH_SHARING = 40


def facts(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """Path -> `body` and `query`.

    A body that depends on one field has its name under `by`, the fields that are always allowed
    under `common`, and for each value of that field the others under `ways`.
    """
    table: dict[str, Any] = {}
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            query = [
                (one["name"], one["schema"])
                for one in operation.get("parameters", ())
                if one.get("in") == "query"
            ]
            if query:
                shapes = {name: _bare(shape) for name, shape in query}
                table.setdefault(path, {})["query"] = {"type": "object", "properties": shapes}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                table.setdefault(path, {})["body"] = _body(openapi, content["schema"])
    return table


def _body(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" not in schema:
        return _bare(schema)
    ways = [_bare(way) for way in schema["oneOf"]]
    by = next(n for n in ("model", "action") if all(n in way["properties"] for way in ways))
    named = {way["properties"].pop(by)["enum"][0]: way for way in ways}
    first = ways[0]["properties"]
    common = {n: s for n, s in first.items() if all(w["properties"].get(n) == s for w in ways)}
    for way in ways:
        # All of them are closed objects: what is left is what differs.
        if way.pop("type") != "object" or way.pop("additionalProperties") is not False:
            raise ValueError("a request of another form")
        way["properties"] = {n: s for n, s in way["properties"].items() if n not in common}
        way["required"].remove(by)
    return {"by": by, "common": common, "ways": named}


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its facts only."""
    bare = {key: schema[key] for key in KEYWORDS if key in schema}
    if not isinstance(bare.get("additionalProperties", False), bool):
        del bare["additionalProperties"]
    if "properties" in schema:
        bare["properties"] = {n: _bare(shape) for n, shape in schema["properties"].items()}
    if "items" in schema:
        bare["items"] = _bare(schema["items"])
    if "anyOf" in schema:
        ways = [_bare(way) for way in schema["anyOf"]]
        if all(set(way) == {"enum", "type"} for way in ways):
            types = {way["type"] for way in ways}
            if len(types) == 1:
                return bare | {"type": types.pop(), "enum": [v for w in ways for v in w["enum"]]}
        bare["anyOf"] = ways
    return bare


def shared(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table, in which a shape that occurs more than once is written once, under `shared`."""
    seen: Counter[str] = Counter()

    def count(shape: object) -> None:
        if isinstance(shape, dict):
            seen[_text(shape)] += 1
            if seen[_text(shape)] == 1:
                for value in shape.values():
                    count(value)

    count(table)
    often = [text for text, times in seen.items() if times > 1 and len(text) >= WORTH_SHARING]
    names = {text: str(number) for number, text in enumerate(often)}

    def written(shape: object, *, is_top: bool = False) -> object:
        if not isinstance(shape, dict):
            return shape
        if not is_top and (name := names.get(_text(shape))):
            return {"shared": name}
        return {key: written(value) for key, value in shape.items()}

    kept = {name: written(json.loads(text), is_top=True) for text, name in names.items()}
    return {"shared": kept, "paths": written(table)}


def fingerprint(table: Mapping[str, Any]) -> str:
    """A checksum of the facts."""
    return sha256(_text(table).encode()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    found = facts(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    table = shared(found)
    # One line for each entry, so that a change can be read.
    lines = [
        f'"{part}":{{\n'
        + ",\n".join(f"{json.dumps(name)}:{_text(value)}" for name, value in table[part].items())
        + "\n}"
        for part in ("shared", "paths")
    ]
    sys.stdout.write("{" + ",\n".join(lines) + "}\n")
    sys.stderr.write(f"fingerprint {fingerprint(found)}\n")
