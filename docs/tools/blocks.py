"""Parts of pages that are made from the code, between two comments which GitHub does not show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_BLOCK = re.compile(
    r"(<!-- made by `make reference`: ([\w. -]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL
)
#: What Markdown would take for markup.
_MARKUP = re.compile(r"([\\`*<|])")


def names(page: str) -> list[str]:
    """The names of the blocks of a page, in their order."""
    return [name for _, name, _, _ in _BLOCK.findall(page)]


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """The page with the text of each block. Raises KeyError if a block has no text."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]}\n\n{found[4]}", page)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown without line breaks."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def plain(text: str) -> str:
    """A text of the program as Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\1", text)


def code(text: str) -> str:
    """A word as code, also inside of a table."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def sentence(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((docstring or "").split("\n\n")[0].split())
