"""`make reference`: write the parts of the reference that are made from the code."""

from __future__ import annotations

from docs.tools.pages import BLOCKS, ROOT, made

for _page in BLOCKS:
    (ROOT / _page).write_text(made(_page), "utf-8")
