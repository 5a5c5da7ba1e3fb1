"""The values that the rest of the program works with. All are frozen.

A sheet is a *grid* of text while it is read and patched. `sheet.header` tells what a column means,
`rows.matching` which row is which. A *job* (ours) is one take of one row; a *task*
(theirs) is what the API accepted for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pipeline.core.credits import Credits
from pipeline.core.picture_findings import Findings

#: A sheet as read in one moment: the header first, then the rows, cells as the text a person sees.
#: Rows may be ragged: a cell that is not there is an empty cell.
Grid = tuple[tuple[str, ...], ...]

#: Cells to write: (row, column) -> text, both counted from 0 within the grid (row 0 is the header).
Patch = Mapping[tuple[int, int], str]


def patched(grid: Grid, patch: Patch) -> Grid:
    """The grid with these cells changed; a row grows as far as its cells need."""
    rows: dict[int, list[str]] = {}
    for (place, at), text in patch.items():
        row = rows.setdefault(place, list(grid[place]) if place < len(grid) else [])
        row.extend([""] * (at + 1 - len(row)))
        row[at] = text
    return tuple(tuple(rows[at]) if at in rows else row for at, row in enumerate(grid))


class State(StrEnum):
    """Where one attempt is; `states.TABLE` says what moves it."""

    SUBMITTING = "submitting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETURNED = "returned"
    #: Only of a job: it may begin an attempt.
    PENDING = "pending"


class RowKind(StrEnum):
    """The kind of a row, apart from its inputs."""

    ROW = "row"
    #: A copy of a whole row: waits for a change or a higher `take`.
    COPY = "copy"
    #: Has results of another tool or a lost store: never sent until `take` is raised. The value is
    #: in stores of earlier versions.
    UNRECOGNIZED = "stranger"


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row as the store remembers it from the last accepted reading."""

    row_id: str
    #: Canonical text of what the person wrote (`sheet.header.Columns.inputs`).
    inputs: str
    #: The take cell of the first reading with a usable number in it; 0 until then.
    first_take: int
    standing: RowKind = RowKind.ROW
    #: When these inputs were first seen; they are sent once they have looked the same for `settle`.
    since: datetime | None = None
    #: What the `approved` cell held when it last counted, and the inputs and take that it covers.
    approved: str = ""
    approved_for: str = ""
    #: The text of people's other cells (`sheet.header.Marked.others`).
    others: str = ""
    #: How many more takes were requested on the page; they are added to the take cell.
    extra_takes: int = 0
    #: What was approved on the page (`rows.approval.covered_on_page`).
    approved_on_page: str = ""
    #: What its cells `pick` and `feedback` held.
    pick: str = ""
    feedback: str = ""
    #: What its cell `feedback` held before the program read that column; None: no program that
    #: reads it has seen the row yet. The same text never becomes a part of a prompt.
    old_feedback: str | None = ""
    #: Feedback that was written on the page, after the number of the take that it is for.
    feedback_on_page: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which store owns a sheet. Kept with the sheet; read again before anything is paid."""

    sheet: str
    store: str
    #: Raised by each pass, in the store first. A claim ahead of its store: a backup was restored.
    counter: int
    #: A random word of the pass that wrote it: it tells two copies of one store apart.
    word: str


class JobKey(NamedTuple):
    """What is paid once: one generation of one take of one row of one sheet."""

    sheet: str
    row_id: str
    take: int
    #: Which generation, where the row asks for several (see `rows.generations`); else empty.
    part: str = ""

    @property
    def generation(self) -> str:
        """The row id, with the part if there is one: it names what was generated everywhere."""
        return f"{self.row_id}-{self.part}" if self.part else self.row_id


#: So many addresses are kept of one task. No known endpoint delivers more than eight.
MOST_RESULTS: Final = 64


@dataclass(frozen=True, slots=True)
class Result:
    """The delivered results: addresses in the API's order."""

    urls: tuple[str, ...] = ()
    grid_url: str = ""
    #: How many further addresses there were; only the first `MOST_RESULTS` are kept.
    left_out: int = 0
    #: A result that is text, such as a description.
    text: str = ""
    #: The API's id of each result, where it gives any.
    ids: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if nothing was delivered."""
        return not (self.urls or self.text)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """When an attempt was forgotten, and traces (`traces`) of what its cells showed."""

    at: datetime
    #: Of each result: its address, the lasting address of its saved file, and the path of that.
    urls: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    grid_url: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission of a job, with everything that it was sent with, except secrets."""

    number: int
    state: State
    #: Canonical text of the inputs, and the input columns that the sheet then had.
    inputs: str
    columns: tuple[str, ...]
    endpoint: str
    #: Listed credits, held from the moment of sending.
    price: Credits
    sent_at: datetime
    #: After this moment others may record the answer as lost.
    deadline: datetime
    task_id: str = ""
    #: Per cent, if the API reports it.
    progress: int | None = None
    result: Result = Result()
    #: Why it failed, is unknown or came back: the API's words, or ours.
    reason: str = ""
    ended_at: datetime | None = None
    #: Credits that the API reported, where it reports any.
    reported: Credits | None = None
    #: The API that it was sent to: the provider file, the address, and a digest of the account.
    provider: str = ""
    base_url: str = ""
    account: str = ""
    #: The idempotency key that it was sent with; empty where the API knows none.
    resend_key: str = ""
    #: Where the API said that its task is to be polled; empty: at the usual place.
    poll_at: str = ""
    #: When an overdue task was last polled; this happens less and less often.
    asked_at: datetime | None = None
    #: The hook token: the last part of the address that the API calls back. Empty if it was not
    #: asked to call. A call also needs the secret that is derived from the token.
    hook: str = field(default="", repr=False)
    #: The prompt that was made of the row's columns; empty if the inputs have it, or none was sent.
    prompt: str = ""
    #: When to poll its task because of a call that proved nothing (`api.webhook.early_poll`). Of a
    #: lost submission: when it was last sent again. Its task is polled as soon as it is known.
    early_poll: datetime | None = None
    #: Why its result was set aside and made again, such as "blank"; empty if it was not.
    remade: str = ""
    #: Set if its words and its result were removed from the store (`promptsheet forget`).
    forgotten: Forgotten | None = None


@dataclass(frozen=True, slots=True)
class Unsaved:
    """Why a picture that the API delivered is not saved."""

    #: A sentence.
    reason: str
    #: How often it was tried.
    tries: int
    #: When it is tried again; None if it was given up.
    next_at: datetime | None
    #: True if the row needs attention because of it: the link is dead, or all tries failed.
    lost: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One generation of one take of one row, and all that is known of it."""

    key: JobKey
    #: Number of requested attempts: one at first, more by `retry` or a change after a failure.
    asked: int = 1
    attempts: tuple[Attempt, ...] = ()
    made_at: datetime | None = None
    #: Saved files of its pictures, relative to the media folder, in the order of the URLs.
    files: Mapping[str, str] = field(default_factory=dict)
    #: URL -> why that picture could not be saved when it was tried.
    unsaved: Mapping[str, Unsaved] = field(default_factory=dict)
    #: When a person dismissed it on the page.
    dismissed: datetime | None = None
    #: URL of an unsaved picture -> the id under which it is to be saved, where one is needed.
    reserved: Mapping[str, str] = field(default_factory=dict)
    #: URL -> the lasting address of its saved file, where there is one.
    links: Mapping[str, str] = field(default_factory=dict)
    #: URL -> what is wrong with that picture, for those with which something is.
    findings: Mapping[str, Findings] = field(default_factory=dict)
    #: The numbers of the pictures that were picked on the page.
    picked: tuple[int, ...] = ()

    def to_save(self, attempt: Attempt) -> tuple[str, ...]:
        """The URLs of an attempt's pictures that are neither saved nor given up."""
        return tuple(
            url
            for url in attempt.result.urls
            if url not in self.files
            and not ((missed := self.unsaved.get(url)) and missed.next_at is None)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a body that is read when the request is sent: a file, by its name or address."""

    #: Where it goes in the body.
    to: str
    text: str
    #: `base64`, `data_uri`, `upload` (an address), or `uploads` (a list of addresses).
    encode: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API, without host and key. Its repr shows no secrets."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    #: Headers of this request alone.
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    #: A whole address to use instead of the path, on a host that the provider file names.
    address: str = ""
    #: Fields of the body that are for the API alone: neither kept nor shown.
    hidden: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A response: header names in lower case, the body as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
