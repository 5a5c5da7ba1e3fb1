"""The console that every command prints to: rich's Console, with the rules of `terminal`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pipeline import terminal
from pipeline.core.text import printable


class Screen(Console):
    """A console that removes control characters from text.

    Colours and cursor movements of rich itself are not text and stay. If the reader of the output
    is gone, the program continues: a run must record what it paid for.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments to show."""
        for segment in super().render(renderable, options):
            # Removed and not replaced, because rich has laid out the line without them.
            clean = segment.text if segment.control else printable(segment.text, "")
            yield segment if clean == segment.text else segment._replace(text=clean)

    def on_broken_pipe(self) -> None:
        """Called by rich when the other end of a pipe is closed."""
        self.quiet = True
        terminal.discard_output()


def screen(*, stderr: bool = False) -> Screen:
    """A console for standard output, or for standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Screen(
        stderr=stderr,
        highlight=False,
        soft_wrap=not stderr and not stream.isatty(),
    )
