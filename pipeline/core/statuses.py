"""The words of the status column, and the groups that other rules are made of.

The text of a status cell is one of these words. Only `in progress` may be followed by a percentage:
`in_progress` writes that text, `Status.of` reads it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from pipeline.core.language import Said


class Status(StrEnum):
    """A status, in the order in which people see lists of them: what needs attention comes first.

    The values are in sheets, in JSON and in links to the page.
    """

    INVALID = "invalid"
    FAILED = "failed"
    CHECK_NEEDED = "check needed"
    #: The row has results that we did not write; its cells never say this word.
    UNRECOGNIZED = "unrecognized"
    OVER_BUDGET = "over budget"
    NEEDS_APPROVAL = "needs approval"
    EDITED = "edited"
    COPY = "copy"
    WAITING = "waiting"
    SKIPPED = "skipped"
    QUEUED = "queued"
    SENDING = "sending"
    IN_PROGRESS = "in progress"
    DONE = "done"

    @classmethod
    def of(cls, text: str) -> Status:
        """The status in the text of a status cell. Raises ValueError for any other text."""
        return cls.IN_PROGRESS if text.startswith(f"{cls.IN_PROGRESS} ") else cls(text)


class StatusAndNote(NamedTuple):
    """The texts of a row's status cell and note cell."""

    status: str
    note: Said


#: The row needs the attention of a person, unless it was dismissed.
NEEDS_ATTENTION: Final = frozenset({Status.INVALID, Status.FAILED, Status.CHECK_NEEDED})
#: The pictures are there, or none will come.
FINISHED: Final = frozenset({Status.DONE, Status.EDITED, Status.FAILED})
#: The row is sent, or will be sent as soon as there is room.
ON_THE_WAY: Final = frozenset({Status.QUEUED, Status.SENDING, Status.IN_PROGRESS})
#: The row was not sent, or its next attempt was not. Only its cells say why.
NOT_SENT: Final = frozenset(
    {
        Status.QUEUED,
        Status.OVER_BUDGET,
        Status.INVALID,
        Status.NEEDS_APPROVAL,
        Status.SKIPPED,
        Status.WAITING,
        Status.COPY,
        Status.UNRECOGNIZED,
    }
)
#: The status changes only when the row's own cells or jobs change.
INDEPENDENT: Final = frozenset(
    {
        Status.DONE,
        Status.EDITED,
        Status.FAILED,
        Status.INVALID,
        Status.NEEDS_APPROVAL,
        Status.SKIPPED,
    }
)
#: The status does not change with time, but only when a person or the API does something.
UNCHANGING: Final = INDEPENDENT | {Status.CHECK_NEEDED, Status.COPY, Status.UNRECOGNIZED}
#: The statuses that our cells can say.
IN_CELLS: Final = frozenset(Status) - {Status.UNRECOGNIZED}


def in_progress(percent: int | None) -> str:
    """The text of the status cell of a row that the API is working on."""
    return f"{Status.IN_PROGRESS} {percent}%" if percent else Status.IN_PROGRESS


def is_ours(text: str) -> bool:
    """Returns whether we may have written this text into a status cell."""
    return text in IN_CELLS or text.startswith(f"{Status.IN_PROGRESS} ")
