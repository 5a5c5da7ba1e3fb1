"""The console that every command prints to: rich's, with the rules of `terminal`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pipeline import terminal
from pipeline.core.text import printable


class Screen(Console):
    """A console that passes no control character of a text on to the terminal.

    Colours and cursor movements of rich itself are not text and stay. A reader that is gone does
    not end the program: a run records what it paid for, whether or not anybody reads about it.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of what is to be shown."""
        for segment in super().render(renderable, options):
            # Left out rather than replaced: rich has laid out the line already, without them.
            clean = segment.text if segment.control else printable(segment.text, "")
            yield segment if clean == segment.text else segment._replace(text=clean)

    def on_broken_pipe(self) -> None:
        """Called by rich where the other end of a pipe is closed."""
        self.quiet = True
        terminal.abandon()


def screen(*, stderr: bool = False, quiet: bool = False) -> Screen:
    """A console for standard output, or for standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Screen(
        stderr=stderr,
        quiet=quiet,
        highlight=False,
        soft_wrap=not stderr and not stream.isatty(),
    )
