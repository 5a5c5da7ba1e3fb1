"""Charts as SVG elements of an HTML page.

A chart is drawn twice: for a wide window or paper, and for a phone, with text of the same size. Its
title becomes text of the page. The elements have no style attributes, which a strict
Content-Security-Policy forbids, and text has the colour of the text around it, so that a chart can
be read on a dark page too. Raises ConfigError if matplotlib is not installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from pipeline.core.text import printable
from pipeline.reports.charts import INK
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches across, at 72 points each.
WIDE: Final = 8.0
NARROW: Final = 4.3
#: Columns of a legend that fit into a narrow chart.
_IN_A_LINE: Final = 2
_SVG: Final = "{http://www.w3.org/2000/svg}"
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_STYLE: Final = {
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 10.5,
}
#: The CSS property `font` as matplotlib writes it: an optional style and weight, size, families.
_FONT: Final = re.compile(r"(?:(?:italic|oblique) )?(?:(\w+) )?([\d.]+px) .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its finding as a sentence, and two `svg` elements as HTML."""

    title: str
    wide: str
    narrow: str


def inline(draw: Callable[[], Figure], name: str) -> Chart:
    """The chart that `draw` makes. `name` is a word that no other chart of the page has."""
    matplotlib = needed("matplotlib")
    # Without this, matplotlib opens the windows of the desktop on some machines.
    matplotlib.use("agg")
    with matplotlib.rc_context(_STYLE):
        figure = draw()
        axes = figure.axes[0]
        # charts.py writes a dollar sign so that matplotlib does not read it as maths.
        title = axes.get_title("left").replace(r"\$", "$").replace("\n", " ")
        axes.set_title("", loc="left")
        wide = _svg(figure, WIDE, f"{name}-wide")
        for legend in [*figure.legends]:
            legend.remove()
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(
                handles, labels, frameon=False, ncols=_IN_A_LINE, loc="outside lower left"
            )
        return Chart(title, wide, _svg(figure, NARROW, f"{name}-narrow"))


def _svg(figure: Figure, width: float, name: str) -> str:
    out = BytesIO()
    figure.set_size_inches(width, figure.get_size_inches()[1])
    # Ids are made from this word, so that those of two charts differ, and a report stays the same.
    with needed("matplotlib").rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    # A text may hold characters that XML does not know. This is the output of matplotlib, in which
    # no text is an entity.
    svg = printable(out.getvalue().decode())
    root = ElementTree.fromstring(svg)  # noqa: S314
    for parent in [*root.iter()]:
        for child in [*parent]:
            if child.tag.endswith("}metadata") or child.tag == f"{_SVG}style":
                parent.remove(child)
    used = set(re.findall(r"#([\w-]+)", svg))
    for element in root.iter():
        _adapt(element, used, name)
    _, _, across, up = root.attrib["viewBox"].split()
    root.attrib.clear()
    # What the removed style sheet of matplotlib says.
    root.attrib |= {
        "viewBox": f"0 0 {across} {up}",
        "aria-hidden": "true",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _adapt(element: ElementTree.Element, used: set[str], name: str) -> None:
    """Write an element as it can stand in a page."""
    element.tag = element.tag.removeprefix(_SVG)
    attributes = element.attrib
    for declaration in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if found := _FONT.fullmatch(value) if key == "font" else None:
            attributes["font-size"] = found[2]
            if found[1]:
                attributes["font-weight"] = found[1]
        else:
            attributes[key] = value
    if href := attributes.pop(_HREF, ""):
        attributes["href"] = href
    its = attributes.pop("id", "")
    if its in used:
        attributes["id"] = f"{name}-{its}"
    for key, value in attributes.items():
        if value.lower() == INK.lower():
            attributes[key] = "currentColor"
        elif "#" in value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            attributes[key] = re.sub(r"#([\w-]+)", rf"#{name}-\1", value)
    if element.tag == "text" and "fill" not in attributes:
        attributes["fill"] = "currentColor"
