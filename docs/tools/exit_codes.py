"""Which error ends a command with which exit code."""

from __future__ import annotations

from collections.abc import Iterator

from docs.tools.blocks import code, sentence, table
from pipeline.core.errors import PromptsheetError


def errors() -> str:
    """The exit code of each kind of error, and what the kind means."""
    rows = [[str(kind.exit_code), code(kind.__name__), sentence(kind.__doc__)] for kind in _kinds()]
    return table(["exit code", "error", "meaning"], sorted(rows, key=lambda row: row[0]))


def _kinds(kind: type[PromptsheetError] = PromptsheetError) -> Iterator[type[PromptsheetError]]:
    for one in kind.__subclasses__():
        # Others are parts of a package; a person sees them as one of these.
        if one.__module__ == PromptsheetError.__module__:
            yield one
            yield from _kinds(one)
