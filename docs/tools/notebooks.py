"""`python -m docs.tools.notebooks FOLDER`: the notebooks with their results, as pages of HTML.

They run in an empty folder, over the stand-in for the API and over a history of two weeks, so each
rendering shows the same figures. A page loads nothing from anywhere.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from rich.console import Console

from pipeline.cli.demo_history import demo_history

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
DAYS = 14


def render(to: Path) -> list[Path]:
    """Run each notebook, and write it into the folder `to`. Returns the files."""
    to.mkdir(parents=True, exist_ok=True)
    os.environ.pop("PROMPTSHEET_CONFIG", None)
    exporter = HTMLExporter(template_name="lab")  # type: ignore[no-untyped-call]
    written = []
    with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
        demo_history(Console(quiet=True), Path(folder, "demo"), "promptsheet", DAYS)
        for file in sorted(NOTEBOOKS.glob("*.ipynb")):
            read = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
            where = {"metadata": {"path": folder}}
            NotebookClient(read, timeout=120, kernel_name="python3", resources=where).execute()
            page, _ = exporter.from_notebook_node(read, {"metadata": {"name": file.stem}})
            written.append(to / f"{file.stem}.html")
            written[-1].write_text(still(page).replace(folder, "."), "utf-8")
    return written


def still(page: str) -> str:
    """The page without its scripts, which are for formulas and diagrams and load others.

    Links to another notebook lead to its page.
    """
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    return re.sub(r'(<a href="[\w-]+)\.ipynb"', r'\1.html"', page)


if __name__ == "__main__":
    for page in render(Path(sys.argv[1])):
        sys.stdout.write(f"{page}\n")
