"""An extension of Sphinx, so that pages stay plain Markdown which reads well on GitHub too.

The pages named `README.md` are the navigation: each of their headings is a part of it, with the
pages that the list below it links to. `docs/README.md` is the first page of the site.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

#: An item of a list that begins with a link to a page.
_ITEM = re.compile(r"^- \[([^\]]+)\]\(([^):#]+)\.md\)", re.MULTILINE)


def navigation(text: str) -> str:
    """The hidden tables of contents of a page, as MyST: one for each heading with links."""
    trees = []
    for part in re.split(r"(?m)^#+ ", text)[1:]:
        heading, _, body = part.partition("\n")
        pages = [f"{title.replace('`', '')} <{page}>" for title, page in _ITEM.findall(body)]
        if pages:
            options = [":hidden:", f":caption: {heading}", ""]
            trees.append("\n".join(["```{toctree}", *options, *pages, "```"]))
    return "\n\n".join(trees)


def _add_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    if Path(name).name == "README":
        source[0] += "\n" + navigation(source[0])


def _add_index(app: Sphinx, failure: Exception | None) -> None:
    """A server and a browser look for `index.html` in a folder."""
    if app.builder.name == "html" and failure is None:
        for page in Path(app.outdir).rglob("README.html"):
            shutil.copyfile(page, page.with_name("index.html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    # Our blocks of commands have no prompt and no output, so that they can be copied as they are.
    app.add_lexer("console", BashLexer)
    app.add_lexer("cron", TextLexer)
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _add_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
