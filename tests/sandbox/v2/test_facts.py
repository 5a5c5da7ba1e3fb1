"""The table of version 2's request shapes is what its script makes of the vendor's OpenAPI file.

The file itself is the vendor's, and not kept here. The checksum is that of the facts in the file of
2026-07-16; `APIFRAME_OPENAPI=openapi.json` compares with a file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.sandbox.v2.shapes import body_problems, models, table
from tests.fakes.cases import each
from tests.sandbox.v2.facts import facts, fingerprint, shared

FINGERPRINT = "509a841dd175fea098d68fb8a53c4e93f93e8af053a170b009e554047b944857"
GIVEN = os.environ.get("APIFRAME_OPENAPI", "")


def test_the_table_was_not_edited_by_hand() -> None:
    assert fingerprint(table()) == FINGERPRINT


@pytest.mark.skipif(not GIVEN, reason="no file in APIFRAME_OPENAPI")
def test_the_table_has_the_facts_of_the_file() -> None:
    assert facts(json.loads(Path(GIVEN).read_text("utf-8"))) == table()


def test_the_table_has_as_many_models_as_the_vendor_lists() -> None:
    paths = ("/v2/images/generate", "/v2/videos/generate", "/v2/music/generate")

    assert [len(models(path)) for path in paths] == [51, 41, 7]


@each(
    ("model", "block", "wrong"),
    [
        ("flux-2-pro", {"fluxParams": {"guidance": 10.5}}, "fluxParams.guidance"),
        ("kling-image", {"klingImageParams": {"n": 0}}, "klingImageParams.n"),
        ("flux-lora", {}, "fluxLoraParams"),
        ("ideogram-v2", {"midjourneyParams": {}}, ""),
    ],
)
def test_the_table_knows_ranges_and_blocks(
    model: str, block: dict[str, object], wrong: str
) -> None:
    body = {"model": model, "prompt": "a fox"} | block

    assert [problem.path for problem in body_problems("/v2/images/generate", body)] == [wrong]


def test_the_script_keeps_facts_and_shares_what_occurs_twice() -> None:
    colour = {"type": "string", "description": "words", "enum": ["red", "green", "blue", "grey"]}
    ways = [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["model", "prompt"],
            "properties": {
                "model": {"type": "string", "enum": [model]},
                "prompt": {"type": "string", "maxLength": longest, "example": "a fox"},
                "front": colour,
                "back": colour,
                "size": {"anyOf": [{"type": "number", "enum": [n]} for n in (1, 2)]},
            },
        }
        for model, longest in (("one", 10), ("two", 20))
    ]
    post = {"requestBody": {"content": {"application/json": {"schema": {"oneOf": ways}}}}}
    found = facts({"paths": {"/v2/a": {"post": post}}})
    bare = {"type": "string", "enum": ["red", "green", "blue", "grey"]}

    assert found["/v2/a"]["body"] == {
        "by": "model",
        "common": {"front": bare, "back": bare, "size": {"type": "number", "enum": [1, 2]}},
        "ways": {
            "one": {
                "required": ["prompt"],
                "properties": {"prompt": {"type": "string", "maxLength": 10}},
            },
            "two": {
                "required": ["prompt"],
                "properties": {"prompt": {"type": "string", "maxLength": 20}},
            },
        },
    }
    assert shared(found)["shared"] == {"0": bare}
    assert shared(found)["paths"]["/v2/a"]["body"]["common"]["front"] == {"shared": "0"}
