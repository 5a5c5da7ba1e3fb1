"""Writes the fields of the general endpoints in configs/providers/apiframe-v2.toml.

The facts are in the sandbox's table of request shapes, which was made from the vendor's OpenAPI
file. Run `python -m tests.config.apiframe_v2` after that table has changed. A test compares.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.sandbox.v2.shapes import models, table

FILE = Path(__file__).parents[2] / "configs/providers/apiframe-v2.toml"
#: Endpoint -> the path whose models it reaches.
PATHS = {
    "image": "/v2/images/generate",
    "image-upscale": "/v2/images/upscale",
    "image-edit": "/v2/images/edit",
    "background-remove": "/v2/images/background-remove",
    "video": "/v2/videos/generate",
    "video-upscale": "/v2/videos/upscale",
    "video-edit": "/v2/videos/edit",
    "music": "/v2/music/generate",
}
#: Models that have ended at their makers, and when (inferred: their makers' announcements).
ENDED = {
    "dall-e-2": "2026-05-12",
    "dall-e-3": "2026-05-12",
    "imagen-4": "2026-08-17",
    "imagen-4-ultra": "2026-08-17",
    "imagen-4-fast": "2026-08-17",
    "sora-2": "2026-09-24",
    "sora-2-pro": "2026-09-24",
}
#: Models that their makers have said will end: from that day on they are refused.
ENDING = {"gpt-image-1.5": "2026-12-01"}
#: Column -> how one line of a list of objects is written, and how to say so.
LINES = {
    "multi_prompt": {
        "line": "{duration}s: {prompt}",
        "says": 'one shot on each line: its seconds and its prompt, such as "5s: a fox runs"',
    },
}
#: Lists of objects that the API wants as JSON in a text. Its file has no more than "string" here;
#: the names of the parts are those that several programs send to the same model at Replicate.
AS_TEXT = {
    "klingParams.multi_prompt": {
        "as_text": True,
        "items": [1, 6],
        "parts": {"duration": {"type": "integer", "least": 1, "most": 15}, "prompt": {}},
    },
}
#: What the table [webhook] fills in.
WEBHOOK = ("webhookUrl", "webhookEvents")
#: Names in the body -> column, where several names mean the same, or a name is not plain.
COLUMNS = {
    "image_input": "input_images",
    "image_url": "image",
    "klingImageParams.n": "number_of_images",
    "last_frame": "end_image",
    "loraId": "lora_id",
    "murekaParams.n": "number_of_songs",
    "num_images": "number_of_images",
    "num_outputs": "number_of_images",
    "reference_audio_urls": "reference_sounds",
    "reference_image_urls": "reference_images",
    "reference_video_urls": "reference_videos",
}
#: A video's `image` is its first picture, as `start_image` is, but not for these models.
OTHER_IMAGE = ("kling-3.0-motion-control",)
#: The first of these that a model has takes the picture or the video of the parent.
OF_PARENT = {
    "image": ("image", "input_images"),
    "video": ("start_image", "image", "images", "reference_images"),
    "music": ("reference_images",),
    "image-upscale": ("image",),
    "image-edit": ("image",),
    "background-remove": ("image",),
    "video-upscale": ("video",),
    "video-edit": ("video",),
}
#: Columns at the beginning of each table; all others follow in the order of the alphabet.
FIRST = ("model", "prompt", "number_of_images", "aspect_ratio", "duration", "resolution")
RATIO = r"[1-9]\d{0,3}:[1-9]\d{0,3}"
SAYS = {
    "pattern": "two numbers with a colon, such as 16:9",
    "uuid": "the id of a LoRA",
}
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
#: Lines are folded here, and lists that are longer than SHORT.
WIDTH, SHORT = 100, 64

#: The keys of a field in the file, in their order there.
Keys = dict[str, Any]


def paths_of(endpoint: str, model: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """The fields of a model: where each goes in the body, its shape, whether it is required."""
    body = table()[PATHS[endpoint]]["body"]
    way = body["ways"][model]
    for name, shape in sorted({**body["common"], **way["properties"]}.items()):
        if name in WEBHOOK:
            continue
        if shape.get("type") == "object":
            for inner, each in shape["properties"].items():
                yield f"{name}.{inner}", each, inner in shape.get("required", ())
        else:
            yield name, shape, name in way["required"]


def fields_of(endpoint: str, model: str) -> dict[str, Keys]:
    """The fields of a model: column -> its keys."""
    found = {}
    for path, shape, is_required in paths_of(endpoint, model):
        column = _column(endpoint, model, path)
        assert column not in found, (model, column)
        found[column] = _keys(column, path, shape, is_required=is_required)
    taker = next((name for name in _takers(endpoint, found) if name in found), "")
    if taker:
        found[taker]["parent"] = "url"
    return found


def _takers(endpoint: str, found: Mapping[str, Keys]) -> tuple[str, ...]:
    needed = tuple(
        name for name, keys in found.items() if keys.get("type") == "address" and "required" in keys
    )
    order = OF_PARENT[endpoint]
    return (
        *(name for name in order if name in needed),
        *(needed if len(needed) == 1 else ()),
        *order,
    )


def _column(endpoint: str, model: str, path: str) -> str:
    leaf = path.rpartition(".")[2]
    if endpoint == "video" and leaf == "image" and model not in OTHER_IMAGE:
        return "start_image"
    return COLUMNS.get(path, COLUMNS.get(leaf, leaf))


def _keys(column: str, path: str, shape: Mapping[str, Any], *, is_required: bool) -> Keys:
    keys: Keys = {} if path == column else {"to": path}
    words = shape.get("enum") or shape.get("items", {}).get("enum", ())
    kinds = [shape["type"]] if isinstance(shape["type"], str) else shape["type"]
    kind = next(one for one in kinds if one != "null")
    if "properties" in shape.get("items", {}):
        keys |= {"type": "objects", **LINES[column]}
        keys["parts"] = {
            name: _keys(name, name, one, is_required=False)
            for name, one in shape["items"]["properties"].items()
        }
    elif kind == "string" and path in AS_TEXT:
        keys |= {"type": "objects", **LINES[column], **AS_TEXT[path]}
    elif kind == "array":
        is_addresses = shape["items"].get("format") == "uri"
        keys["type"] = "addresses" if is_addresses else "list"
    elif shape.get("format") == "uri":
        keys["type"] = "address"
    elif kind == "number" and words and all(word == int(word) for word in words):
        keys["type"] = "integer"
    elif kind != "string":
        keys["type"] = kind
    if is_required:
        keys["required"] = True
    if words:
        keys["one_of"] = list(words)
    if "pattern" in shape:
        keys |= {"pattern": RATIO, "says": SAYS["pattern"]}
    if shape.get("format") == "uuid":
        keys |= {"pattern": UUID, "says": SAYS["uuid"]}
    for limit, key in (("minimum", "least"), ("maximum", "most"), ("maxLength", "longest")):
        if limit in shape:
            keys[key] = shape[limit]
    if "maxItems" in shape:
        keys["items"] = [shape.get("minItems", 1), shape["maxItems"]]
    return keys


def tables(endpoint: str) -> str:
    """The fields of a general endpoint, as they are in the file."""
    names = models(PATHS[endpoint])
    meanings: dict[str, list[tuple[Keys, list[str]]]] = {}
    for model in names:
        for column, keys in fields_of(endpoint, model).items():
            known = meanings.setdefault(column, [])
            same = next((only for each, only in known if each == keys), None)
            if same is None:
                known.append((keys, same := []))
            same.append(model)
    lines = [f"[endpoints.{endpoint}.fields]"]
    if len(names) > 1:
        lines += _model(names)
    if any("parent" in keys for found in meanings.values() for keys, _ in found):
        lines.append('index = { type = "integer", least = 1, most = 10, send = false }')
    later: list[str] = []
    for column in sorted(meanings, key=lambda name: (_place(name), name)):
        found = meanings[column]
        if len(found) == 1 and len(found[0][1]) == len(names):
            lines.append(f"{column} = {_inline(found[0][0])}")
        elif len(found) == 1:
            lines.append(f"{column} = {_inline(found[0][0], found[0][1])}")
        else:
            later += _variants(endpoint, column, found, len(names))
    return "\n".join([*lines, *later]) + "\n"


def _place(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _model(names: list[str]) -> Iterator[str]:
    ends = ENDED | ENDING
    ended = [f'"{name}" = {ends[name]}' for name in names if name in ends]
    yield "model.required = true"
    yield f"model.one_of = {_list(names)}"
    if ended:
        yield f"model.ended = {{ {', '.join(ended)} }}"


def _variants(
    endpoint: str, column: str, found: list[tuple[Keys, list[str]]], count: int
) -> Iterator[str]:
    """A field that means different things by model; what most models share is not a variant."""
    usual, models_of = max(found, key=lambda each: len(each[1]))
    is_for_all = sum(len(only) for _, only in found) == count
    yield f"[endpoints.{endpoint}.fields.{column}]"
    for key, value in usual.items():
        yield f"{key} = {_value(value)}"
    if not is_for_all:
        yield f"only = {_list(models_of)}"
    yield "variants = ["
    for keys, only in found:
        if keys is not usual:
            yield textwrap.indent(f"{_inline(keys, only)},", "    ")
    yield "]"


def _inline(keys: Keys, only: Iterable[str] = ()) -> str:
    inside = [f"{key} = {_value(value)}" for key, value in keys.items()]
    if only := list(only):
        if len(_flat(only)) <= SHORT:
            return f"{{ {', '.join([*inside, f'only = {_flat(only)}'])} }}"
        return f"{{ {', '.join([*inside, f'only = {_folded(only)}'])} }}"
    return f"{{ {', '.join(inside)} }}" if inside else "{}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'" if "\\" in value or '"' in value else json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(values: Iterable[object]) -> str:
    return f"[{', '.join(_value(value) for value in values)}]"


def _list(values: Iterable[object]) -> str:
    flat = _flat(values)
    return flat if len(flat) <= SHORT else _folded(values)


def _folded(values: Iterable[object]) -> str:
    lines = [""]
    for value in values:
        text = f"{_value(value)},"
        if len(lines[-1]) + len(text) > WIDTH - 8:
            lines.append("")
        lines[-1] += f" {text}" if lines[-1] else text
    return "\n".join(["[", *(f"    {line}" for line in lines), "]"])


def marked(endpoint: str) -> tuple[str, str]:
    """The lines of the file before and after the fields of an endpoint."""
    return f"# Made by tests/config/apiframe_v2.py: {endpoint}\n", f"# End of {endpoint}\n"


def written(text: str) -> str:
    """The file with the fields of all general endpoints as they should be."""
    for endpoint in PATHS:
        start, end = marked(endpoint)
        before, _, rest = text.partition(start)
        assert rest, f"the file has no line {start}"
        text = before + start + tables(endpoint) + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text("utf-8")), "utf-8")
