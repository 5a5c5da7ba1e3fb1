"""Messages to outlets, and what can come of their delivery.

An outlet is a place outside that is told of results: a chat, a table, another program. A message is
made from the store when it is delivered, so a late one tells the state of that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.core.credits import Credits, exact
from pipeline.core.model import State

#: The value of a field of a message.
Value = str | int | float | datetime | tuple[str, ...]
#: The fields that every message about a row has. Columns of the sheet come in addition.
FIELDS: Final = (
    *("row_id", "take", "sheet", "name", "prompt", "endpoint", "status", "note", "task_id"),
    *("image_urls", "text", "files", "credits", "submitted_at", "finished_at"),
)
#: The pictures that a person picked. An outlet gets them only if its `fields` name them: a
#: table may have a column of this name that people tick.
PICKED: Final = "picked"


class MessageKind(StrEnum):
    """What a message tells. The value is what people write in `[[outlets]] when`."""

    DONE = "done"
    FAILED = "failed"
    #: The answer to a submission was lost, so nobody knows whether the row was paid for.
    CHECK_NEEDED = "check needed"
    #: Rows newly need a person, with the notes that say why.
    ATTENTION = "attention"
    #: 80 % of a budget is used.
    BUDGET = "budget"
    #: The sending stopped: a hold, a refused key, too many failures.
    STOPPED = "stopped"
    #: No pass has run for too long.
    SILENT = "silent"
    #: A sample that a person asked for.
    TEST = "test"


#: State of an attempt -> the message about its row.
TOLD: Final = {
    State.SUCCEEDED: MessageKind.DONE,
    State.FAILED: MessageKind.FAILED,
    State.UNKNOWN: MessageKind.CHECK_NEEDED,
}
#: The messages about one row each.
ROW_KINDS: Final = tuple(TOLD.values())


@dataclass(frozen=True, slots=True)
class RowMessage:
    """A take of a row has ended, or needs a check."""

    #: The same for every try to deliver this message.
    id: str
    kind: MessageKind
    #: When it happened.
    at: datetime
    #: The sheet's title, for people.
    sheet: str
    row_id: str
    take: int
    #: Field -> value: those of `FIELDS`, and the row's other columns under their titles.
    values: Mapping[str, Value]
    #: Addresses of the results, of saved copies where these have lasting links.
    urls: tuple[str, ...] = ()
    #: Saved files on this machine. The value `files` has them as the sheet does: paths in the
    #: folder for files, or whole addresses.
    files: tuple[Path, ...] = ()
    credits: Credits = 0
    #: What they count: "credits", or "US cents" at other vendors.
    unit: str = "credits"
    #: The account's vendor, for people.
    vendor: str = ""
    #: True if an earlier try may have arrived.
    is_repeat: bool = False
    #: What the outlet noted when it last delivered a message about this row: an id of theirs.
    remote: str = ""
    #: The row's number in the sheet at the last reading; None if it was not there, or is not told.
    line: int | None = None


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A row that a notice mentions."""

    row_id: str
    #: The row's name, else the start of its prompt.
    title: str
    #: Its number in the sheet; None if it is not there.
    line: int | None
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a whole sheet."""

    id: str
    kind: MessageKind
    at: datetime
    sheet: str
    #: What happened and what to do.
    sentence: str
    rows: tuple[NoticeRow, ...] = ()
    is_repeat: bool = False
    #: True if it tells of the end of a problem that was told before.
    is_over: bool = False


Message = RowMessage | Notice


class LineState(StrEnum):
    """Where a message is."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    #: It was refused, or given up; a person may have it tried again.
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outlet has it. `remote` is what the outlet wants to remember about this row."""

    remote: str = ""


class Trouble(StrEnum):
    """What a failed delivery means for the next try."""

    #: It did not arrive: try again later.
    LATER = "later"
    #: It may have arrived: tried again too, marked as a possible repeat.
    UNSURE = "unsure"
    #: This message is never accepted; others are.
    REFUSED = "refused"
    #: No message is accepted before a person acts: the address is wrong, a column is missing.
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The outlet does not have it, or it is not certain.

    `reason` is a sentence for people that says what to do. It holds no secret and no address.
    """

    trouble: Trouble
    reason: str
    #: Seconds that the outlet asks us to wait.
    wait: float = 0.0

    @property
    def problems(self) -> list[str]:
        """The reason, if a person must act before anything is delivered."""
        return [self.reason] if self.trouble is Trouble.CLOSED else []


Result = Delivered | Undelivered


@dataclass(frozen=True, slots=True)
class Digest:
    """Several messages as one, for people."""

    sheets: tuple[str, ...]
    done: int = 0
    failed: int = 0
    #: Rows that need a person: from notices, and failed or unclear ones.
    rows: tuple[NoticeRow, ...] = ()
    #: Vendor and unit -> what the rows have cost there.
    costs: Mapping[tuple[str, str], Credits] = field(default_factory=dict)
    #: Addresses of results with the names of their rows, the newest first.
    pictures: tuple[tuple[str, str], ...] = ()
    #: How many further pictures there are.
    more_pictures: int = 0
    #: Sentences of notices.
    sentences: tuple[str, ...] = ()
    is_repeat: bool = False


def digest_of(messages: Sequence[Message], most_pictures: int = 4) -> Digest:
    """One digest of these messages, with this number of pictures at most, one per row."""
    costs: dict[tuple[str, str], Credits] = {}
    rows: dict[tuple[str, str], NoticeRow] = {}
    pictures: list[tuple[str, str]] = []
    told = [one for one in messages if isinstance(one, RowMessage)]
    for one in told:
        account = one.vendor, one.unit
        costs[account] = exact(costs.get(account, 0) + one.credits)
        if one.kind is not MessageKind.DONE:
            rows[one.sheet, one.row_id] = _row_of(one)
        elif one.urls:
            pictures.append((title_of(one), one.urls[0]))
    notices = [one for one in messages if isinstance(one, Notice)]
    for notice in notices:
        rows |= {(notice.sheet, row.row_id): row for row in notice.rows}
    return Digest(
        sheets=tuple(dict.fromkeys(one.sheet for one in messages)),
        done=sum(one.kind is MessageKind.DONE for one in told),
        failed=sum(one.kind is MessageKind.FAILED for one in told),
        rows=tuple(rows.values()),
        costs={account: cost for account, cost in costs.items() if cost},
        pictures=tuple(pictures[::-1][:most_pictures]),
        more_pictures=max(0, len(pictures) - most_pictures),
        # That rows need attention is said above the list of them.
        sentences=tuple(dict.fromkeys(one.sentence for one in notices if not one.rows)),
        is_repeat=any(one.is_repeat for one in messages),
    )


def title_of(message: RowMessage) -> str:
    """The row's name for people; else its prompt, else its id."""
    values = message.values
    return str(values.get("name") or values.get("prompt") or message.row_id)


def _row_of(message: RowMessage) -> NoticeRow:
    status, note = (str(message.values.get(name, "")) for name in ("status", "note"))
    return NoticeRow(message.row_id, title_of(message), message.line, status, note)
