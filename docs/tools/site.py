"""An extension of Sphinx, so that pages stay plain Markdown which reads well on GitHub too.

The pages named `README.md` are the navigation: each of their headings is a part of it, with the
pages that the list below it links to. `docs/README.md` is the first page of the site.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

#: What `make notebooks` writes, and the page that leads to it where it is there.
NOTEBOOKS = Path(__file__).parents[2] / "build" / "notebooks"
_ABOUT_NOTEBOOKS = "how-to/notebook"
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


def with_notebooks(text: str, pages: Iterable[Path]) -> str:
    """The text of the page about notebooks, with a link to each of these rendered copies."""
    links = [f'<li><a href="../notebooks/{page.name}">{page.stem}</a></li>' for page in pages]
    return f"{text}\n## With results\n\n<ul>{''.join(links)}</ul>\n" if links else text


def _link_notebooks(_app: Sphinx, name: str, source: list[str]) -> None:
    if name == _ABOUT_NOTEBOOKS:
        source[0] = with_notebooks(source[0], sorted(NOTEBOOKS.glob("*.html")))


def _add_notebooks(app: Sphinx, failure: Exception | None) -> None:
    if app.builder.name == "html" and failure is None and NOTEBOOKS.is_dir():
        shutil.copytree(NOTEBOOKS, Path(app.outdir) / NOTEBOOKS.name, dirs_exist_ok=True)


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
    app.connect("source-read", _link_notebooks)
    app.connect("build-finished", _add_index)
    app.connect("build-finished", _add_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
