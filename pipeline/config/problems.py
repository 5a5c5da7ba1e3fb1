"""Problems of a configuration as sentences; an unknown name comes with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

#: Kind of a problem, up to its first `_` -> what the value must be.
_WANTED: Final = {
    "string": "a text in quotation marks",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list in square brackets",
    "list": "a list in square brackets",
    "dict": "a table, such as { name = value }",
    "mapping": "a table, such as { name = value }",
    "model": "a table, such as { name = value }",
    "dataclass": "a table, such as { name = value }",
    "date": "a date, such as 2026-05-12",
}

Place = tuple[int | str, ...]


def sentences(error: ValidationError, document: Any = None, given: object = None) -> Iterator[str]:
    """The problems that pydantic found.

    `document` is the model or dataclass, which tells which keys there are. `given` is what was
    checked: with it, a value of which several kinds are allowed gives one sentence.
    """
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False):
        loc: Place = problem["loc"]
        kind = problem["type"]
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            known = list(_keys(document, loc[:-1])) if document else []
            said = f"there is no such key{nearest(str(loc[-1]), known)}"
        elif kind == "missing":
            said = "is missing"
        else:
            loc = loc if given is None else existing(given, loc)
            said = _said(kind, problem.get("ctx", {})) or problem["msg"]
            said = said.removeprefix("Value error, ")
        about = found.setdefault(place_of(loc), [])
        if said not in about:
            about.append(said)
    for place, said_of_it in found.items():
        is_number = "write a number" in said_of_it
        first, *others = (s for s in said_of_it if not (is_number and s == "write a whole number"))
        yield f"{place}: {' or '.join((first, *(one.removeprefix('write ') for one in others)))}"


def place_of(loc: Place) -> str:
    """A place in a file as people read it; elements of a list are counted from 1."""
    place = ""
    for part in loc:
        place += f" (entry {part + 1})" if isinstance(part, int) else f".{part}" if place else part
    return place


def existing(given: object, loc: Place) -> Place:
    """The beginning of a place that leads to something: pydantic adds the kinds that it tried."""
    for depth, part in enumerate(loc):
        try:
            given = given[part]  # type: ignore[index]
        except (TypeError, LookupError):
            return loc[:depth]
    return loc


def _said(kind: str, context: Mapping[str, Any]) -> str:
    """What is wrong with a value; empty where pydantic's own words must do."""
    match kind:
        case "literal_error" | "enum":
            return f"write {context['expected']}".replace("'", '"')
        case "greater_than_equal":
            return f"must be {context['ge']} or more"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be {context['le']} or less"
        case "finite_number":
            return "must be a finite number"
    if kind.endswith(("_type", "_parsing", "_from_float", "_inexact")):
        wanted = _WANTED.get(kind.partition("_")[0], "")
        return f"write {wanted}" if wanted else ""
    return ""


def _keys(kind: Any, place: Place) -> Iterator[str]:
    """The keys of a table; none if the place is not in a table of known keys."""
    for part in place:
        hints = _hints(kind)
        if hints is not None:
            kind = _table(hints.get(str(part)))
        else:  # A table with any names, or a list of tables.
            inner = [one for one in map(_table, get_args(kind)) if one is not None]
            kind = inner[-1] if inner else None
    yield from _hints(kind) or ()


def _hints(kind: Any) -> dict[str, Any] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: one.annotation for name, one in kind.model_fields.items()}
    return get_type_hints(kind) if isinstance(kind, type) and is_dataclass(kind) else None


def _table(kind: Any) -> Any:
    """The kind of a table or a list that a key holds; None if it holds neither."""
    if get_origin(kind) is Union or type(kind).__name__ == "UnionType":
        return next((one for one in map(_table, get_args(kind)) if one is not None), None)
    return kind if get_args(kind) or _hints(kind) is not None else None


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one, or all there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}" * bool(known)
