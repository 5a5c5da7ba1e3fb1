"""The notes about the columns `pick` and `feedback`, as `row_notes` has the others."""

from __future__ import annotations

from pipeline.core.language import Said, say
from pipeline.core.messages.row_notes import or_ignore
from pipeline.core.text import quoted


def bad_pick(column: str, text: str, pictures: int) -> Said:
    """The cell `pick` names no picture of the row; it has so many."""
    if pictures == 1:
        return say(
            "{column} is {text}, and this row has one picture: {cure}.",
            column=column,
            text=quoted(text, 20),
            cure=or_ignore(say("write 1, or clear the cell"), column),
        )
    return say(
        "{column} is {text}, and this row has the pictures 1 to {pictures}: {cure}.",
        column=column,
        text=quoted(text, 20),
        pictures=pictures,
        cure=or_ignore(say("write numbers such as 2 or 1, {last}", last=pictures), column),
    )


def feedback_unused(column: str, redo: str) -> Said:
    """The row is finished, and its feedback is no part of what it was made with."""
    return say("To use the {column}, {redo}.", column=column, redo=redo)


def feedback_too_early(column: str) -> Said:
    """The row has feedback before its first take was made."""
    return say(
        "The {column} is not used in the first take of a row. Raise the take after it is done.",
        column=column,
    )


def old_feedback(column: str, take: int) -> Said:
    """The cell held its text before the program read that column, as a phrase."""
    cure = say("write it again to use it in take {take}, or clear the cell", take=take)
    return say(
        "{column} holds text from before Promptsheet used that column: {cure}",
        column=column,
        cure=or_ignore(cure, column),
    )


def takes_no_feedback(endpoint: str, column: str) -> Said:
    """The endpoint has no prompt that the feedback could go into, as a phrase."""
    return say(
        "{endpoint} has no prompt to add the {column} to: {cure}",
        endpoint=endpoint,
        column=column,
        cure=or_ignore(say("clear that cell"), column),
    )


def too_many_picked(endpoint: str, pictures: int) -> Said:
    """More pictures are picked than the endpoint can start from, as a phrase."""
    return say(
        "{pictures} pictures are picked, and {endpoint} can start from one: pick one of them",
        pictures=pictures,
        endpoint=endpoint,
    )


def pick_to_start_from(column: str, take: int) -> Said:
    """The take cannot start from what the cell `pick` says, as a phrase."""
    return say(
        "take {take} cannot start from {column}: correct or clear it", take=take, column=column
    )


def picked_is_gone(limit: str) -> Said:
    """The address of the picked picture does not work any more, as a phrase."""
    return say(
        "the address of the picked picture worked for {limit} only: clear the pick to use the "
        "feedback without it",
        limit=limit,
    )
