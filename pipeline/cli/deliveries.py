"""The deliveries to outlets beside `run`, and what people see of them at a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress

from rich.console import Console

from pipeline import terminal, wiring
from pipeline.config import Settings
from pipeline.core.errors import PromptsheetError
from pipeline.core.messages.repeats import trouble_of
from pipeline.sync import outlet_states


@contextmanager
def delivering_for(
    settings: Sequence[Settings], console: Console | None, said: Collection[str]
) -> Iterator[None]:
    """Deliver messages to the outlets of these sheets until the end, and then what is due.

    The console, if there is one, then shows what the outlets got, and their problems, except those
    in `said`; a person is there, so digests do not wait for a later run. Without a console, the
    next run reports the problems.
    """
    having = [one for one in settings if one.outlets]
    if not having:
        yield
        return
    from pipeline.delivering import delivering

    with ExitStack() as stack:
        opened, deliveries = [], None
        # A store or a sheet that cannot be opened was reported by the pass.
        with suppress(PromptsheetError):
            opened = stack.enter_context(wiring.campaigns(having))
            deliveries = delivering(opened, at_once=console is not None)
        with deliveries or nullcontext():
            yield
        if console is None or deliveries is None:
            return
        for one in opened:
            title = one.store.sheets.get(one.key).title if len(settings) > 1 else ""
            states = outlet_states.own(one.store, one.key, one.settings)
            told = [its for its in deliveries.told if its.sheet == one.key]
            if words := outlet_states.told(told, states):
                _show(console, title, words)
            found = outlet_states.troubles(one.store, one.key, one.settings, wiring.now())
            for sentence in found:
                if trouble_of(sentence) not in said:
                    _show(console, title, sentence, style="yellow")


def deliver_due(settings: Sequence[Settings]) -> None:
    """Deliver the messages that are due to the outlets of these sheets, whose rows are unchanged.

    The next pass reports what went wrong.
    """
    with delivering_for(settings, None, ()):
        pass


def _show(console: Console, title: str, sentence: str, style: str = "") -> None:
    words = terminal.about(title, sentence)  # without a title, the sentence itself
    console.print(words, markup=False, style=style or None)
