"""A grid of saved pictures, drawn with matplotlib.

Raises ConfigError if matplotlib is not installed.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ConfigError, NotRead
from pipeline.core.text import shortened
from pipeline.images import NoPicture, opened_picture
from pipeline.open_pictures import Pictures, is_elsewhere, kind_of
from pipeline.reports.extras import as_sentence, needed

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


def gallery(jobs: pandas.DataFrame, n: int, pictures: Pictures | None) -> Figure:
    """See `Results.gallery`. `pictures` opens those on another machine."""
    chosen = _chosen(jobs, n)
    across = min(4, len(chosen)) or 1
    down = -(-len(chosen) // across) or 1
    plt = needed("matplotlib.pyplot")
    figure: Figure
    figure, grid = plt.subplots(
        down, across, figsize=(3 * across, 3.3 * down), squeeze=False, layout="constrained"
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, (label, file) in zip(grid.flat, chosen, strict=False):
        axes.set_title(label, fontsize=9)
        try:
            axes.imshow(_opened(_on_this_machine(file, pictures)))
        except (NotRead, NoPicture) as error:
            why = textwrap.fill(str(error), 36).replace("$", r"\$")
            axes.text(0.5, 0.5, why, ha="center", va="center", fontsize=8)
    if not chosen:
        grid[0][0].text(0.5, 0.5, "No saved pictures yet", ha="center")
    plt.close(figure)
    return figure


def _on_this_machine(file: str, pictures: Pictures | None) -> Path:
    """The file, or the small version of one on another machine. Raises NotRead."""
    if not is_elsewhere(file):
        return Path(file)
    if (small := pictures.preview(file) if pictures else None) is None:
        raise NotRead("This file is no picture.")
    return small


def _chosen(jobs: pandas.DataFrame, n: int) -> list[tuple[str, str]]:
    """The label and the file of each picture to show. Raises ConfigError."""
    named = ["name", "prompt", "take", "urls", "picked", "files"]
    if not set(named) <= set(getattr(jobs, "columns", ())):
        raise as_sentence(ConfigError("gallery() needs rows of jobs() with all of their columns."))
    # One picture of each job first, so that the grid shows as many rows as possible.
    found: list[tuple[int, str, str]] = []
    for name, prompt, take, urls, picked, files in jobs[named].itertuples(index=False):
        # Results without a saved file are left out of `files`; then it is not known which is which.
        known = len(files) == len(urls)
        its = [f for url, f in zip(urls, files, strict=True) if url in picked] if known else []
        kind = urls[0] if len(urls) else ""
        drawable = [f for f in its or files if _is_picture(f, kind)]
        found += [(at, _label(name or prompt, take), file) for at, file in enumerate(drawable)]
    found.sort(key=lambda one: one[0])
    return [(label, file) for _, label, file in found[:n]]


def _is_picture(file: str, url: str) -> bool:
    return kind_of(file, url if is_elsewhere(file) else "").startswith("image/")


def _opened(file: Path) -> Any:
    with opened_picture(file) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((640, 640))
    return picture


def _label(text: str, take: int) -> str:
    # matplotlib would read text between dollar signs as a formula.
    words = shortened(text, 40).replace("$", r"\$")
    return words if take == 1 else f"{words} (take {take})"
