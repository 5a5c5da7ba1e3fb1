"""Charts as SVG elements of an HTML page.

A chart is as wide as a phone, or as half of a sheet of paper. Its title becomes text of the page.
The elements have no style attributes, which a strict
Content-Security-Policy forbids. Text has the colour of the text around it, and the class `blue` can
have a lighter colour on a dark page. Raises ConfigError if matplotlib is not installed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from pipeline.core.text import printable
from pipeline.reports.charts import BLUE, INK
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches across, at 72 points each.
_WIDTH: Final = 4.3
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
    """A chart: its finding as a sentence, and an `svg` element as HTML; empty for no drawing."""

    title: str
    svg: str


@contextmanager
def page_style() -> Iterator[None]:
    """Charts that are drawn and written meanwhile have the style of a page."""
    matplotlib = needed("matplotlib")
    # Without this, matplotlib opens the windows of the desktop on some machines.
    matplotlib.use("agg")
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The browser has the letters that the font of matplotlib lacks, such as Japanese ones.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def inline(figure: Figure, name: str) -> Chart:
    """The chart in a figure. `name` is a word that no other chart of the page has."""
    title = finding_of(figure)
    figure.axes[0].set_title("", loc="left")
    return Chart(title, _svg(figure, name))


def finding_of(figure: Figure) -> str:
    """What a chart says, on one line."""
    # drawing.py writes a dollar sign so that matplotlib does not read it as maths.
    return figure.axes[0].get_title("left").replace(r"\$", "$").replace("\n", " ")


def _svg(figure: Figure, name: str) -> str:
    out = BytesIO()
    figure.set_size_inches(_WIDTH, figure.get_size_inches()[1])
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
    for key, value in [*attributes.items()]:
        if value.lower() == INK.lower():
            attributes[key] = "currentColor"
        elif value.upper() == BLUE:
            attributes[key], attributes["class"] = "currentColor", "blue"
        elif "#" in value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            attributes[key] = re.sub(r"#([\w-]+)", rf"#{name}-\1", value)
    if element.tag == "text" and "fill" not in attributes:
        attributes["fill"] = "currentColor"
