"""Why an attempt is made, in words: what a person did, or what happened before. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.chains import without_link
from pipeline.core.lines import Line
from pipeline.core.model import Attempt, State


def cause_of(line: Line, earlier: Sequence[Attempt]) -> str:
    """Why the next attempt of a take is made, as the end of a sentence with "because".

    `earlier` are the attempts of its job.
    """
    memory, take = line.memory, line.take
    counted = [one for one in earlier if one.state is not State.RETURNED]
    if counted:
        if counted[-1].remade:
            return f"every picture was {counted[-1].remade}"
        if without_link(counted[-1].inputs) != line.inputs:
            return "the row was changed after it failed"
        return "it was requested again"
    again = "; nothing was accepted before" if earlier else ""
    if take is None or take <= memory.first_take:
        return f"the row was new{again}"
    if memory.extra_takes:
        return f"take {take} was requested on the page{again}"
    return f"take was raised to {take} in the sheet{again}"
