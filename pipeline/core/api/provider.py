"""An API as a table of values: its endpoints, their fields, and how it describes a task.

The values come from `configs/providers/*.toml`, so that an API is added by writing text
(docs/reference/provider-files.md explains each key). `fields` checks rows by these tables,
`protocol` makes requests of them and reads answers by them. A *path* leads into JSON (see
`paths`); of several paths, the first that leads to a usable value counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from pipeline.core.api.webhook import Webhook
from pipeline.core.credits import Credits

#: What the status code of an answer to a submission means. After `taken`, the body decides.
Meaning = Literal["taken", "refused", "busy", "stop", "lost"]
Kind = Literal["image", "video", "audio", "text"]
FieldType = Literal[
    "text", "integer", "number", "boolean", "list", "address", "addresses", "file", "objects"
]


def is_over(end: date | None, today: date) -> bool:
    """True if what ends on this day, if at all, has ended today."""
    return end is not None and end <= today


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an endpoint, and what its cell may hold."""

    type: FieldType = "text"
    #: Where it goes in the body; empty: under its own name.
    to: str = ""
    required: bool = False
    #: The values that are allowed, compared without regard to case and sent as they are here.
    one_of: tuple[str, ...] = ()
    #: The whole text must match it; `says` tells people what to write.
    pattern: str = ""
    says: str = ""
    #: How the API writes a ratio such as 16:9, with `{width}` and `{height}`; empty: like that.
    ratio: str = ""
    #: The range of a number.
    least: float | None = None
    most: float | None = None
    #: The most characters of a text.
    longest: int | None = None
    #: How many elements a list may have, at least and at most.
    items: tuple[int, int] | None = None
    #: True if the API wants the number, the boolean or the list of objects (as JSON) as text.
    as_text: bool = False
    #: How a file is sent: as text, or as the address that it gets by an upload.
    encode: Literal["base64", "data_uri", "upload"] = "base64"
    #: What a row with a parent sends here if its cell is empty: the parent's task id, or the
    #: address or id of one of its results. A task id is never a column.
    parent: Literal["", "task", "url", "id"] = ""
    #: True if it is sent; an `index` may only choose one of the parent's results.
    send: bool = True
    #: For which values of the endpoint's `select` field it exists; empty: for all.
    only: tuple[str, ...] = ()
    #: The field for some values of `select`, instead of this one.
    variants: tuple[Field, ...] = ()
    #: Values that end, or have ended: the first day on which they do not work any more.
    ended: Mapping[str, date] = field(default_factory=dict)
    #: A list of objects: how each line of the cell is written, such as "{seconds}s: {prompt}", and
    #: the fields of the object that are named there.
    line: str = ""
    parts: Mapping[str, Field] = field(default_factory=dict)

    @property
    def is_column(self) -> bool:
        """True if people can fill it in."""
        return self.parent != "task"

    def end_of(self, word: str) -> date | None:
        """The first day on which this value does not work any more, in any case; None: no end."""
        ends = {each.casefold(): day for each, day in self.ended.items()} if self.ended else {}
        return ends.get(word.casefold())

    def choices(self, today: date) -> list[str]:
        """The allowed values that have not ended on this day."""
        return [word for word in self.one_of if not is_over(self.ended.get(word), today)]


@dataclass(frozen=True, slots=True)
class Price:
    """The credits of rows in which these fields have these values."""

    when: Mapping[str, str]
    credits: Credits


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to request one kind of result from one API."""

    path: str
    fields: Mapping[str, Field]
    #: Paths to the addresses of the results in a finished task.
    urls: tuple[str, ...] = ()
    grid_url: tuple[str, ...] = ()
    #: Paths to a result that is text; paths to the ids of the results.
    text: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    kind: Kind = "image"
    #: In a few words, what people get.
    about: str = ""
    #: Constants in the body: path -> value.
    send: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    #: Listed credits of one submission; without a price nothing is sent.
    credits: Credits | None = None
    #: The first of these that agrees with the row counts instead.
    prices: tuple[Price, ...] = ()
    #: A field by whose number the price is multiplied.
    credits_times: str = ""
    #: The field that `Field.only` refers to.
    select: str = ""
    #: The fields that the column `image` fills: the first of them that the row has. A field of that
    #: name comes first.
    image: tuple[str, ...] = ()
    #: Of each of these groups of fields, at least one must be filled.
    one_of: tuple[tuple[str, ...], ...] = ()
    #: The endpoints whose tasks a parent may be; empty: all of this API.
    parents: tuple[str, ...] = ()
    #: Seconds that a submission may take in all, before its answer counts as lost.
    deadline: float = 60.0
    #: True if the API can be asked to call back.
    webhook: bool = True
    #: The first day on which it does not work any more, past or future; None: no end is known.
    ended: date | None = None

    @property
    def is_known(self) -> bool:
        """False for what reads the results of endpoints that the file does not have any more."""
        return bool(self.path)

    @property
    def columns(self) -> frozenset[str]:
        """The fields that a column can be named after."""
        return frozenset(name for name, one in self.fields.items() if one.is_column)

    @property
    def takes_parent(self) -> bool:
        """True if a row for it can refer to another row."""
        return any(
            one.parent or any(v.parent for v in one.variants) for one in self.fields.values()
        )


@dataclass(frozen=True, slots=True)
class Key:
    """How a request carries the API key, and which keys belong to another API."""

    header: str = "Authorization"
    value: str = "{key}"
    #: The environment variable in which the vendor's own programs look for it; `init` names it.
    variable: str = ""
    #: Beginning of a key -> a sentence that says what to do with it.
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskFields:
    """How a task is described in any answer. Words are compared without regard to case."""

    id: tuple[str, ...]
    status: tuple[str, ...]
    finished: tuple[str, ...]
    failed: tuple[str, ...]
    percent: tuple[str, ...] = ()
    #: 1 where the progress runs from 0 to 1.
    percent_of: int = 100
    reason: tuple[str, ...] = ("message", "error")
    #: Credits that it really cost, where the API says so.
    credits: tuple[str, ...] = ()
    #: True if the vendor's rules say that a task that fails is refunded in full.
    failed_is_free: bool = False


#: The parameter of a list's path that names a page, with what separates it from the text before it.
CURSOR = re.compile(r"[?&][\w.-]+=\{cursor\}$")


@dataclass(frozen=True, slots=True)
class Poll:
    """How to poll tasks: one by one, and many at once."""

    #: A path of the API. With GET, `{id}` in it is replaced by the task id.
    one: str
    #: With POST: the field of the body that takes the id.
    one_field: str = ""
    many: str = ""
    many_field: str = ""
    many_tasks: str = ""
    least: int = 2
    most: int = 20
    #: A path that lists the account's tasks, the newest first; `{cursor}` in it names a page.
    list: str = ""
    #: Paths in its answer: to the tasks, and to the cursor of the next page.
    list_tasks: str = ""
    list_next: str = ""
    #: Path to the moment at which a task of the list was made, as ISO 8601.
    list_made: str = ""
    method: Literal["GET", "POST"] = "POST"
    #: Paths to the address to poll, in the answer to a submission.
    address: tuple[str, ...] = ()
    #: The hosts on which such an address is used; `*.` stands for any host below.
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key that the API honours for some hours."""

    header: str
    hours: float

    @property
    def life(self) -> timedelta:
        """How long a lost submission may be sent again: less than the key's life."""
        return timedelta(hours=self.hours) - min(MARGIN, timedelta(hours=self.hours) / 4)

    def is_alive(self, sent_at: datetime, now: datetime) -> bool:
        """True if the key of a submission that was sent then still counts.

        False also for a moment ahead of now: the clock was set back since, so the age is not known.
        """
        return -MARGIN <= now - sent_at < self.life


#: Two clocks may differ, and a request takes its time.
MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Account:
    """Where the API says what is left, and what it allows."""

    path: str
    credits: tuple[str, ...] = ("credits",)
    #: Paths to how many tasks may run at once.
    at_once: tuple[str, ...] = ()
    #: A public list of prices: its path, its entries, and the model and highest price in each.
    prices: str = ""
    price_items: str = ""
    price_id: str = ""
    price_most: str = ""
    #: What each price is for, in the list's word; word -> the fields by whose number such a price
    #: is multiplied.
    price_mode: str = ""
    price_times: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """How a local file gets an address at the API."""

    path: str
    field: str
    url: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """One API."""

    title: str
    base_url: str
    key: Key
    task: TaskFields
    poll: Poll
    endpoints: Mapping[str, Endpoint]
    #: The name of its file, which is kept with each attempt.
    name: str = ""
    #: What is added to a base_url of the configuration that has no path.
    base_path: str = ""
    #: True if the key would choose between this API and others, and no key is set yet.
    assumed: bool = False
    #: Which API of several with this title, in a few words.
    about: str = ""
    #: How it calls back, if it does.
    webhook: Webhook | None = None
    #: The idempotency key that it honours, if it does.
    once: Once | None = None
    account: Account | None = None
    upload: Upload | None = None
    user_agent: str = "promptsheet"
    #: Constant headers of each request.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: How long addresses of results live; None: not known.
    links: timedelta | None = None
    #: What its prices are in, for one of them, such as "US cent".
    unit: str = "credit"
    #: The price of one of them in a currency, such as "0.01 USD"; empty where it is not known.
    credit_price: str = ""
    #: The day on which the listed credits were read.
    credits_read: date | None = None
    #: Status code -> meaning, where this API differs from MEANINGS.
    meanings: Mapping[str, Meaning] = field(default_factory=dict)

    @property
    def full_title(self) -> str:
        """Its name for people, with what distinguishes it from others of the same title."""
        return f"{self.title} ({self.about})" if self.about else self.title


#: What the answers to a submission mean by default. Codes that are not listed: lost.
MEANINGS: Mapping[str, Meaning] = {
    "2xx": "taken",
    "3xx": "stop",
    "400": "refused",
    "401": "stop",
    "402": "stop",
    "403": "stop",
    "404": "refused",
    "413": "refused",
    "422": "refused",
    "429": "busy",
}
