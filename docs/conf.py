"""How Sphinx makes the documentation a site: `make docs`."""

from __future__ import annotations

from sphinx.application import Sphinx

import pipeline

project = "Promptsheet"
version = release = pipeline.__version__
copyright = "the authors of Promptsheet"  # noqa: A001 - the name that Sphinx reads
extensions = ["myst_parser", "sphinx_copybutton", "docs.tools.site"]
root_doc = "README"
exclude_patterns = ["tools"]
nitpicky = True
# People copy options and quoted text out of sentences: `--adopt` must not become a dash.
smartquotes = False

# GitHub shows the same pages: plain Markdown, with links such as `page.md#heading`.
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Promptsheet"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0c6b45", "color-brand-content": "#0c6b45"},
    "dark_css_variables": {"color-brand-primary": "#62cf9b", "color-brand-content": "#62cf9b"},
}

linkcheck_timeout = 20
linkcheck_retries = 2


def setup(app: Sphinx) -> None:
    """What Sphinx calls; the work is in `docs.tools.site`."""
    app.add_css_file("wide-tables.css")


html_static_path = ["tools/static"]
