"""Mistakes in the fields of a provider file, as sentences that begin with the place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.core.api.objects import PART
from pipeline.core.api.paths import PUT
from pipeline.core.api.provider import Field, Provider
from pipeline.core.sheet.header import ALWAYS, CONTROLS, IF_THERE, folded

#: Names that a field must not have: columns of these names mean something else.
_TAKEN: Final = {folded(name): name for name in (*ALWAYS, *IF_THERE, *CONTROLS)}
NUMBERS: Final = ("integer", "number")
#: The types of the parts of an object, and the keys that a part cannot have.
_OF_OBJECTS: Final = ("text", "integer", "number", "boolean", "address")
_NOT_IN_OBJECTS: Final = ("required", "parent", "only", "variants", "ended", "parts")


def mistakes_in_names(place: str, names: Iterable[str]) -> Iterator[str]:
    """The mistakes in the names of fields, which are the titles of columns."""
    seen: dict[str, str] = {}
    for name in names:
        column = folded(name)
        if not column:
            yield f"{place}.fields: a field has no name"
        elif column in _TAKEN:
            yield (
                f"{place}.fields.{name}: {_TAKEN[column]} is a column of Promptsheet itself: give "
                "the field another name, and write its own in `to`"
            )
        elif column in seen:
            yield f"{place}.fields.{name}: is the same column as {seen[column]}: rename one of them"
        seen.setdefault(column, name)


def mistakes_in_field(place: str, one: Field, provider: Provider) -> Iterator[str]:
    try:
        _ = one.pattern and re.compile(one.pattern)
    except re.error as error:
        yield f"{place}.pattern: is not a regular expression: {error}"
    if one.ratio and not ("{width}" in one.ratio and "{height}" in one.ratio):
        yield f'{place}.ratio: needs {{width}} and {{height}}, such as "{{width}}x{{height}}"'
    if one.ratio and one.type != "text":
        yield f"{place}.ratio: is only for type text"
    yield from mistakes_in_place(f"{place}.to", one.to)
    if one.encode == "upload" and provider.upload is None:
        yield f"{place}.encode: upload needs a table [upload]"
    if one.encode != "base64" and one.type != "file":
        yield f"{place}.encode: is only for type file"
    if one.as_text and one.type not in (*NUMBERS, "boolean", "objects"):
        yield f"{place}.as_text: is only for the types integer, number, boolean and objects"
    if one.parent and one.type in (*NUMBERS, "boolean"):
        yield f"{place}.parent: what a row takes of its parent is text, and not of type {one.type}"
    yield from _range(place, one)
    if one.type == "objects" or one.line or one.parts:
        yield from _objects(place, one, provider)
    if one.one_of:
        yield from _words(place, one)


def _objects(place: str, one: Field, provider: Provider) -> Iterator[str]:
    """The mistakes in how a list of objects is written."""
    if one.type != "objects":
        yield f"{place}.{'line' if one.line else 'parts'}: is only for type objects"
        return
    named = PART.findall(one.line)
    if not named:
        such = '"{seconds}s: {prompt}"'
        yield f"{place}.line: is missing: write each part in braces, such as {such}"
    for part in dict.fromkeys(named):
        if named.count(part) > 1:
            yield f"{place}.line: {part} is there twice"
        elif part not in one.parts:
            yield f"{place}.parts: there is no part {part}, which is in line"
    if re.search(r"\}\s*\{", one.line):
        yield f"{place}.line: write a sign between two parts, or no one can tell where one ends"
    for name, part in one.parts.items():
        its = f"{place}.parts.{name}"
        if name not in named:
            yield f"{its}: is not in line"
        if part.type not in _OF_OBJECTS or any(getattr(part, key) for key in _NOT_IN_OBJECTS):
            yield (
                f"{its}: a part has one of the types {', '.join(_OF_OBJECTS)}, and none of "
                f"{', '.join(_NOT_IN_OBJECTS)}"
            )
        yield from mistakes_in_field(its, part, provider)
    if one.parent or one.pattern or one.one_of:
        yield f"{place}: parent, pattern and one_of are not for type objects"


def _range(place: str, one: Field) -> Iterator[str]:
    for key, limit in (("least", one.least), ("most", one.most)):
        if limit is not None and one.type not in NUMBERS:
            yield f"{place}.{key}: is only for the types integer and number"
    if one.least is not None and one.most is not None and one.least > one.most:
        yield f"{place}.least: is more than most"
    if one.longest is not None and one.longest < 1:
        yield f"{place}.longest: must be 1 or more"
    if one.longest is not None and one.type in (*NUMBERS, "boolean", "file", "objects"):
        yield f"{place}.longest: is not for the type {one.type}"
    if one.items is None:
        return
    if one.type not in ("list", "addresses", "objects"):
        yield f"{place}.items: is only for the types list, addresses and objects"
    if one.items[0] > one.items[1]:
        yield f"{place}.items: write the least first, then the most"
    if one.items[1] < 1:
        yield f"{place}.items: the most must be 1 or more"


def _words(place: str, one: Field) -> Iterator[str]:
    seen = set[str]()
    for word in one.one_of:
        if word.casefold() in seen:
            yield f'{place}.one_of: "{word}" is there twice; case does not count'
        seen.add(word.casefold())
        if one.type in NUMBERS and not _is_number(word, one):
            yield f'{place}.one_of: "{word}" is not of type {one.type}'


def _is_number(word: str, one: Field) -> bool:
    try:
        return isinstance(int(word) if one.type == "integer" else float(word), int | float)
    except ValueError:
        return False


def mistakes_in_place(place: str, path: str) -> Iterator[str]:
    if path and not PUT.fullmatch(path):
        yield f'{place}: "{path}" is not a path: write names with dots, such as params.size'
