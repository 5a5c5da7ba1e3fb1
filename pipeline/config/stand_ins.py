"""Replaces wrong values of a provider file by valid ones, so that the rest can be checked too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError

from pipeline.config.problems import Place, existing
from pipeline.core.api.provider import Provider

#: Required key -> a value without mistakes.
_STAND_INS: Final[Mapping[str, Any]] = {
    "title": "API",
    "base_url": "https://api.example.com",
    "key": {},
    "task": {"id": ["id"], "status": ["status"], "finished": ["done"], "failed": ["failed"]},
    "poll": {"one": "/{id}", "method": "GET"},
    "endpoints": {},
    "id": ["id"],
    "status": ["status"],
    "url": ["url"],
    "finished": ["done"],
    "failed": ["failed"],
    "one": "/{id}",
    "path": "/",
    "fields": {},
    **dict.fromkeys(("field", "header", "url_field"), "name"),
    "hours": 24,
    "when": {},
    "credits": 1,
}
_ENDPOINT: Final = {"path": "/", "fields": {}, "urls": ["url"]}
#: How often a stand-in may reveal that another value is missing.
_ROUNDS: Final = 5


def mended(
    prepared: Mapping[str, Any],
    error: ValidationError,
    validated: Callable[[Mapping[str, Any]], Provider],
) -> Provider | None:
    """The API with a stand-in for each value that the error names; None if that is not enough."""
    file = deepcopy(dict(prepared))
    for _ in range(_ROUNDS):
        problems = error.errors(include_url=False, include_input=False)
        missing = {problem["loc"] for problem in problems if problem["type"] == "missing"}
        # A value of which several kinds are allowed has one problem for each of them.
        wrong = {existing(file, problem["loc"]) for problem in problems} - missing
        for loc in missing:
            _mend(file, loc, is_missing=True)
        for loc in wrong:
            _mend(file, loc, is_missing=False)
        try:
            return validated(file)
        except ValidationError as again:
            error = again
    return None


def _mend(file: dict[str, Any], loc: Place, *, is_missing: bool) -> None:
    if not loc:
        return
    *way, last = loc
    table, name = file, str(last)
    for part in map(str, way):
        inner = table.get(part)
        if not isinstance(inner, dict):  # A list: without it, none of its entries is wrong.
            table.pop(part, None)
            return
        table = inner
    if is_missing:
        table[name] = deepcopy(_STAND_INS.get(name, {}))
    elif len(loc) == 2 and loc[0] == "endpoints":
        table[name] = deepcopy(_ENDPOINT)
    else:
        table.pop(name, None)
