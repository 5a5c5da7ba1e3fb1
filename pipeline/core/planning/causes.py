"""Why an attempt is made, in words: what a person did, or what happened before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.language import message, said_again, say
from pipeline.core.messages.reasons import look_again
from pipeline.core.model import Attempt, State
from pipeline.core.planning.lines import Line
from pipeline.core.rows.chains import without_link

_BAD_PICTURES: Final = message("every picture was {why}")
_CHANGED: Final = message("the row was changed after it failed")
_AGAIN: Final = message("it was requested again")
_NEW: Final = message("the row was new")
_ON_THE_PAGE: Final = message("take {take} was requested on the page")
_IN_THE_SHEET: Final = message("take was raised to {take} in the sheet")
_CAUSES: Final = (_BAD_PICTURES, _CHANGED, _AGAIN, _NEW, _ON_THE_PAGE, _IN_THE_SHEET)
_NOTHING_BEFORE: Final = message("{cause}; nothing was accepted before")
_BY: Final = message("on the page by {person}")
_BY_ANYBODY: Final = message("on the page")
#: A person asked for an attempt with the command, or the rule `remake` did.
WITH_RETRY: Final = message("with the command retry")
WITH_REMAKE: Final = message("the rule remake, because every picture was {why}")
#: What sent an attempt.
BY_RUN: Final = message("the command run")
BY_CRON: Final = message("a run without a terminal, as by cron")
ON_SCHEDULE: Final = message("watch, on schedule")
BY_CALL: Final = message("a call of POST /run")
AFTER_EDIT: Final = message("watch, after an edit")
BY_NOTEBOOK: Final = message("a notebook")


def cause_of(line: Line, earlier: Sequence[Attempt]) -> str:
    """Why the next attempt of a take is made, as the end of a sentence with "because".

    `earlier` are the attempts of its job.
    """
    memory, take = line.memory, line.take
    counted = [one for one in earlier if one.state is not State.RETURNED]
    if counted:
        if counted[-1].remade:
            return _BAD_PICTURES.format(why=counted[-1].remade)
        if without_link(counted[-1].inputs) != line.inputs:
            return _CHANGED
        return _AGAIN
    if take is None or take <= memory.first_take:
        cause = _NEW
    else:
        cause = (_ON_THE_PAGE if memory.extra_takes else _IN_THE_SHEET).format(take=take)
    return _NOTHING_BEFORE.format(cause=cause) if earlier else cause


def on_the_page(person: str) -> str:
    """Where a button was pressed, and by whom if that is known; the store keeps it."""
    return _BY.format(person=person) if person else _BY_ANYBODY


def cause_again(kept: str) -> str:
    """What `cause_of` returned, as a message again; another text stays as it is."""
    cause = kept.removesuffix(_NOTHING_BEFORE.format(cause=""))
    said = said_again(cause, *_CAUSES, values=look_again)
    return said if cause == kept else say("{cause}; nothing was accepted before", cause=said)


def person_again(kept: str) -> str:
    """Who or what asked for an attempt, or picked, as a message; another text stays as it is."""
    return said_again(kept, _BY, _BY_ANYBODY, WITH_RETRY, WITH_REMAKE, values=look_again)


def sender_again(kept: str) -> str:
    """What sent an attempt, as a message; another text stays as it is."""
    return said_again(kept, BY_RUN, BY_CRON, ON_SCHEDULE, AFTER_EDIT, BY_CALL, BY_NOTEBOOK)
