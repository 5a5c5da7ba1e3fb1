"""All notes of the column `note`, from the modules that write them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from types import ModuleType

from docs.tools.blocks import plain, sentence, table
from pipeline.core.api import fields
from pipeline.core.messages import feedback_notes, picture_notes, reasons, row_notes, sent_notes
from pipeline.core.planning import approval_missing
from pipeline.core.rows import generations

#: How many of a call's first arguments are the message.
_CALLS = {"say": (0, 1), "say_counted": (2, 3)}


def notes(*modules: ModuleType) -> str:
    """When a note is written, and what it says; `{…}` stands for a value of the row."""
    titles = ["when", "what the note says, and what to do"]
    return table(titles, (row for one in modules for row in _notes(one)))


def rows_not_sent() -> str:
    """The notes about rows before they are sent, and about takes."""
    return notes(row_notes, feedback_notes)


def rows_sent() -> str:
    """The notes about rows that were sent."""
    return notes(sent_notes)


def pictures() -> str:
    """The notes about the pictures of a row."""
    return notes(picture_notes)


def cells() -> str:
    """What may be wrong with a cell: the part of a note after `Not sent, nothing paid:`."""
    texts = [text for one in (fields, generations, approval_missing) for text in _texts_of(one)]
    said = [text for text in dict.fromkeys(texts) if len(text.split()) > 4 or text[-1] == "."]
    return "\n".join(f"- {plain(text)}" for text in said)


def why() -> str:
    """The reasons that notes give in our own words, where no API gave one."""
    kept = [one for name, one in vars(reasons).items() if name.isupper() and isinstance(one, str)]
    return "\n".join(f"- {plain(text)}" for text in dict.fromkeys(kept) if len(text.split()) > 2)


def _notes(module: ModuleType) -> Iterator[list[str]]:
    functions = _functions(module)
    for name, function in functions.items():
        if name.startswith("_"):
            continue
        said = dict.fromkeys(_said(function, functions, {name}))
        sentences = [text for text in said if text.rstrip().endswith((".", "?"))]
        if sentences:
            when = _when(ast.get_docstring(function) or "")
            yield [when, "<br>".join(map(plain, sentences))]


def _when(docstring: str) -> str:
    """The docstring without what it says about arguments."""
    parts = re.split(r"(?<=\.) ", sentence(docstring))
    kept = [re.sub(r"; `.*", ".", part) for part in parts]
    return plain(" ".join([part for part in kept if "`" not in part] or kept).replace("`", ""))


def _functions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}


def _said(
    function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef], seen: set[str]
) -> Iterator[str]:
    """The messages of a function, and of the private functions that it calls, in their order."""
    calls = [one for one in ast.walk(function) if isinstance(one, ast.Call)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        called = getattr(call.func, "id", "")
        if called.startswith("_") and called in functions and called not in seen:
            yield from _said(functions[called], functions, seen | {called})
        yield from _message(call)


def _message(call: ast.Call) -> Iterator[str]:
    first, last = _CALLS.get(getattr(call.func, "id", ""), (0, 0))
    for one in call.args[first:last]:
        if isinstance(one, ast.Constant):
            yield str(one.value).replace("{{", "{").replace("}}", "}")


def _texts_of(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call):
            yield from _message(node)
