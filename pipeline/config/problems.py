"""Problems of a configuration as sentences; an unknown name comes with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError


def sentences(error: ValidationError, document: type[BaseModel] | None = None) -> Iterator[str]:
    """The problems that pydantic found; `document` tells which keys there are."""
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"])
        kind = problem["type"]
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            known = list(_keys(document, problem["loc"][:-1])) if document else []
            yield f"{place}: there is no such key{nearest(str(problem['loc'][-1]), known)}"
        elif kind == "missing":
            yield f"{place}: is missing"
        else:
            yield f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _keys(model: type[BaseModel], place: tuple[Any, ...]) -> Iterator[str]:
    for part in place:
        inner = model.model_fields[str(part)].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return
        model = inner
    yield from model.model_fields


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one, or all there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}" * bool(known)
