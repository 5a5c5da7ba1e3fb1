"""Cells for endpoints of provider files: every field filled, with each of its values in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from pipeline.core.api.fields import Parent, body_of, fields_of, problem_with
from pipeline.core.api.paths import put
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.model import Part

ADDRESS = "https://example.com/fox.png"
UUID = "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"
PARENT = Parent(UUID, urls=(ADDRESS,), ids=("track-1",))
#: Texts of which one fits each field that takes text.
_TEXTS = ("a red fox", UUID, "16:9", "ASPECT_16_9", "RESOLUTION_1024_1024")
#: A file goes into the body as text or as an address, as the field says.
_FILES = {"base64": "aGk=", "data_uri": "data:image/png;base64,aGk=", "upload": ADDRESS}


def ways(endpoint: Endpoint) -> Iterator[dict[str, str]]:
    """Rows for an endpoint, without problems: for each choice, all values of all its fields."""
    for choice in choices(endpoint):
        given = {endpoint.select: choice} if choice else {}
        there = {n: one for n, one in fields_of(endpoint, given).items() if one.is_column}
        columns = {n: texts(one) for n, one in there.items() if n != endpoint.select}
        for row in zip_longest(*columns.values()):
            cells = zip(columns.items(), row, strict=True)
            yield given | {n: text or values[0] for (n, values), text in cells}
        if not columns:
            yield given


def choices(endpoint: Endpoint) -> list[str]:
    """The values of the field that chooses which others there are; [""] if there is none."""
    if not endpoint.select:
        return [""]
    one = endpoint.fields[endpoint.select]
    return [word for word in one.one_of if word not in one.ended]


def texts(one: Field) -> list[str]:
    """Texts that a field may hold: each allowed value, or both ends of a range."""
    if one.one_of and one.type == "list":
        return [", ".join(one.one_of)]
    if one.one_of:
        return [word for word in one.one_of if word not in one.ended]
    match one.type:
        case "integer" | "number":
            return _numbers(one)
        case "boolean":
            return ["yes", "no"]
        case "address" | "file":
            return [ADDRESS]
        case "addresses":
            return ["\n".join([ADDRESS] * count) for count in one.items or (1,)]
        case "objects":
            words = [f"{{{name}}}" for name in one.parts]
            each = {name: texts(part) for name, part in zip(words, one.parts.values(), strict=True)}
            ends = [{name: all_of[end] for name, all_of in each.items()} for end in (0, -1)]
            counts = one.items or (1,)
            return ["\n".join([_filled(one.line, end)] * n) for end in ends for n in counts]
    long = ["x" * one.longest] if one.longest else []
    return [next(text for text in _TEXTS if not problem_with("it", one, text)), *long]


def _filled(line: str, words: Mapping[str, str]) -> str:
    for name, text in words.items():
        line = line.replace(name, text)
    return line


def _numbers(one: Field) -> list[str]:
    """All whole numbers of a short range, both ends of any other."""
    ends = [end for end in (one.least, one.most) if end is not None]
    if one.type == "integer" and len(ends) == 2 and ends[1] - ends[0] < 20:
        return [str(number) for number in range(int(ends[0]), int(ends[1]) + 1)]
    return [str(int(end) if end == int(end) else end) for end in ends] or ["7"]


def sent(endpoint: Endpoint, row: Mapping[str, str]) -> dict[str, object]:
    """The body of the submission for a row, with the files in it."""
    body, parts = body_of(endpoint, row, PARENT)
    for part in parts:
        put(body, part.to, _file(part))
    return body


def _file(part: Part) -> str:
    return _FILES[part.encode]
