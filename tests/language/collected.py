"""The messages of the program, as they stand in its code, templates and provider files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jinja2

ROOT = Path(__file__).parents[2]
#: Function -> how many of its first arguments are messages (one has the number before them).
_CALLS = {"say": (0, 1), "say_counted": (1, 3), "message": (0, 1)}
#: A line, or a part of one, that says what a field accepts.
_SAYS = re.compile(r'\bsays = "([^"]*)"')
_UNIT = re.compile(r'^unit = "([^"]*)"')


class Used(NamedTuple):
    """A message that is used in the code."""

    #: The message; with a second one for other numbers than 1.
    message: tuple[str, ...]
    #: The module, below the root.
    file: str
    line: int
    #: The names of the values that it gets; None if they are given elsewhere.
    values: frozenset[str] | None


@cache
def used() -> list[Used]:
    """Every use of a message, by module and line."""
    files = sorted((ROOT / "pipeline").rglob("*.py"))
    templates = sorted((ROOT / "pipeline" / "templates").rglob("*.j2"))
    in_code = [one for file in files if "sandbox" not in file.parts for one in _used_in(file)]
    in_templates = [one for file in templates for one in _used_in_template(file)]
    return [*in_code, *in_templates, *_used_in_provider_files()]


def _used_in_provider_files() -> Iterator[Used]:
    """What fields say of the texts that they accept, and the units of prices."""
    for file in sorted((ROOT / "configs" / "providers").glob("*.toml")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            if found := _SAYS.search(line):
                text = found[1].replace("{", "{{").replace("}", "}}")
                yield Used((text,), file.relative_to(ROOT).as_posix(), number, None)
            if found := _UNIT.search(line):
                forms = (f"{{number}} {found[1]}", f"{{number}} {found[1]}s")
                for each in (forms, (f"{found[1]}s",)):
                    yield Used(each, file.relative_to(ROOT).as_posix(), number, None)


def _used_in(file: Path) -> Iterator[Used]:
    name = file.relative_to(ROOT).as_posix()
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        function = _name(call)
        first, last = _CALLS[function]
        texts = [one.value for one in call.args[first:last] if isinstance(one, ast.Constant)]
        place = f"{name}:{call.lineno}"
        assert len(texts) == last - first, f"{place}: the message must be written out here"
        values = frozenset(str(one.arg) for one in call.keywords)
        if function == "say_counted":
            values |= {"number"}
        its = None if function == "message" else values
        yield Used(tuple(map(str, texts)), name, call.lineno, its)


def _used_in_template(file: Path) -> Iterator[Used]:
    name = file.relative_to(ROOT).as_posix()
    template = jinja2.Environment().parse(file.read_text("utf-8"))
    for call in template.find_all(jinja2.nodes.Call):
        function = getattr(call.node, "name", "")
        if function not in _CALLS:
            continue
        first, last = _CALLS[function]
        texts = [one.value for one in call.args[first:last] if isinstance(one, jinja2.nodes.Const)]
        place = f"{name}:{call.lineno}"
        assert len(texts) == last - first, f"{place}: the message must be written out here"
        values = {one.key for one in call.kwargs}
        if function == "say_counted":
            values.add("number")
        yield Used(tuple(map(str, texts)), name, call.lineno, frozenset(values))


def _name(call: ast.Call) -> str:
    """The function that is called, if it takes a message; else empty."""
    function = call.func
    return function.id if isinstance(function, ast.Name) and function.id in _CALLS else ""
