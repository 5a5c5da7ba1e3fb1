"""A chart in the making: an empty figure of matplotlib whose words are in one language.

`charts` draws into it. Raises ConfigError if matplotlib is not installed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.credits import exact
from pipeline.core.language import NOTHING, Catalogue, Said, figures, say, together
from pipeline.core.messages.dates import month_of
from pipeline.core.text import shortened
from pipeline.reports.extras import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import Series

#: Characters in a line of the title, and of a name at an axis.
_LINE: Final = 66
_NAME: Final = 24
#: Inches up of a chart without bars for names, and of each of several panels.
_HEIGHT: Final = 3.0
_PANEL: Final = 1.8
#: The longest time that an axis shows in seconds, and in minutes.
_MOST_SECONDS: Final = 300
_MOST_MINUTES: Final = 3 * 3600


class Chart:
    """An empty chart with a title. pyplot forgets it, so that a notebook shows it only once.

    It has `panels` below each other that share the axis across. `axes` is the lowest of them.
    """

    def __init__(self, catalogue: Catalogue, title: Said, bars: int = 0, panels: int = 1) -> None:
        plt = needed("matplotlib.pyplot")
        #: Says a text in the language of the chart.
        self.text: Callable[[str], str] = catalogue.text
        height = 1.3 + 0.36 * bars if bars else max(_HEIGHT, _PANEL * panels)
        figure, grid = plt.subplots(
            panels, figsize=(8, height), layout="constrained", sharex=True, squeeze=False
        )
        self.figure: Figure = figure
        self.panels: list[Any] = [*grid[:, 0]]
        self.axes: Any = self.panels[-1]
        # The title is one line again in a report, so no word may be divided at its hyphen.
        lines = textwrap.fill(self.text(title), _LINE, break_on_hyphens=False)
        self.panels[0].set_title(lines, loc="left", fontweight="bold")
        for axes in self.panels:
            axes.spines[["top", "right"]].set_visible(False)
        plt.close(figure)

    def name_axes(self, across: Said = NOTHING, up: Said = NOTHING) -> None:
        """Say what the axes show."""
        # At the right end: a long text would be cut beside short bars with long names.
        self.axes.set_xlabel(self.text(across), loc="right")
        self.axes.set_ylabel(self.text(up))

    def name_bars(self, names: Iterable[object], all_of_them: int) -> None:
        """Name the bars, the first one at the top, and say how many others there are."""
        words = [self.text(in_short(name)) for name in names]
        self.axes.set_yticks(range(len(words)), words)
        self.axes.set_ylim(len(words) - 0.4, -0.6)
        if all_of_them > len(words):
            shown = say("{some} of {number}", some=len(words), number=figures(f"{all_of_them:,}"))
            self.axes.set_ylabel(self.text(shown))

    def legend(self, columns: int = 2) -> None:
        """Explain the marks below the chart, where they cover nothing."""
        self.figure.legend(frameon=False, ncols=columns, loc="outside lower left")

    def amount(self, number: float) -> str:
        """A number as the language writes it, beside a bar."""
        return self.text(in_figures(number))

    def tick(self, number: float, _: object = None) -> str:
        """The same at an axis, without zeros at its end."""
        return self.text(figures(f"{exact(number):,}"))

    def count(self, axis: Any) -> None:
        """Let an axis count things: only whole numbers."""
        axis.set_major_locator(needed("matplotlib.ticker").MaxNLocator(nbins="auto", integer=True))
        axis.set_major_formatter(self.tick)

    def time_axis(self, seconds: Series[float]) -> int:
        """Let the axis across show times such as these. Returns the seconds of its unit."""
        longest = max(seconds, default=0)
        if longest <= _MOST_SECONDS:
            unit, words = 1, say("seconds until the result")
        elif longest <= _MOST_MINUTES:
            unit, words = 60, say("minutes until the result")
        else:
            unit, words = 3600, say("hours until the result")
        self.name_axes(words)
        self.axes.xaxis.set_major_formatter(self.tick)
        return unit

    def date_axis(self, start: datetime, end: datetime, zone: tzinfo) -> None:
        """Let the axis across go from one moment to another, in UTC, and name the times there.

        Both are without a time zone, as matplotlib keeps times. `zone` is that of the names.
        """
        dates = needed("matplotlib.dates")
        self.axes.set_xlim(start, end)
        locator = dates.AutoDateLocator(tz=zone, minticks=2, maxticks=7)
        moments = locator.tick_values(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
        first, last = dates.date2num([start, end])
        places = [one for one in moments if first <= one <= last]
        ticks = [dates.num2date(one, zone) for one in places]
        self.axes.set_xticks(places, [self.text(words) for words in _of_ticks(ticks)])


def in_figures(number: float) -> Said:
    """A number with at most two digits after the point; below 1, with its first two digits."""
    if abs(number) < 1:
        return figures(f"{exact(float(f'{number:.2g}')):,}")
    rounded = exact(round(float(number), 2))
    return figures(f"{rounded:,}" if isinstance(rounded, int) else f"{rounded:,.2f}")


def in_short(text: object) -> Said | str:
    """A text for one line of a chart. matplotlib would read text between dollar signs as maths."""
    return shortened(str(text), _NAME).replace("$", r"\$") or say("(empty)")


def _of_ticks(ticks: Sequence[datetime]) -> list[Said]:
    """The words of these moments: the time, the day or the month, and below it what it is part of.

    The second line is only there where it differs from that of the tick before.
    """
    are_days = all(not (at.hour or at.minute or at.second) for at in ticks)
    are_months = are_days and all(at.day == 1 for at in ticks)
    words, last = [], NOTHING
    for at in ticks:
        year = figures(f"{at.year}")
        day = say("{day} {month}", day=at.day, month=month_of(at))
        if are_months:
            small, large = month_of(at), year
        elif are_days:
            small, large = day, year
        else:
            small, large = figures(f"{at:%H:%M}"), day
        words.append(together([small, large if large != last else ""], "\n"))
        last = large
    return words
