"""What a message to people says, before a service's own markup.

Slack, Teams, Discord and apprise show the same card, each in its own way. All texts of a card are
one line, without control characters and not long; a service escapes them and cuts them to its own
limits. Pictures are addresses that the service can fetch, so they are public.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from ipaddress import ip_address
from typing import Final, TypedDict, TypeVar
from urllib.parse import urlsplit

from pipeline.core.credits import Credits, exact
from pipeline.core.money.costs import Account, Cost
from pipeline.core.outlets.outbox import (
    Digest,
    Message,
    MessageKind,
    Notice,
    NoticeRow,
    RowMessage,
    digest_of,
    title_of,
)
from pipeline.core.text import counted, one_line, shortened

REPEAT: Final = "Possibly a repeat: the first try may have arrived."
#: What leads to the page.
LINK: Final = "Open the page"
#: Most characters: of a title, a name, a note or a prompt, and an address that a service takes.
TITLE: Final = 120
NAME: Final = 80
TEXT: Final = 600
ADDRESS: Final = 2000
#: Most numbers of rows with the same note.
NUMBERS: Final = 8
#: Most notices, and most rows that need attention, in one message.
ALERTS: Final = 5
ROWS: Final = 10
#: What a notice is about, for its title.
_ABOUT: Final = {
    MessageKind.ATTENTION: "rows need attention",
    MessageKind.BUDGET: "credits need attention",
    MessageKind.STOPPED: "sending stopped",
    MessageKind.SILENT: "no run for some time",
    MessageKind.TEST: "a test message",
}
#: The same, once the problem is over.
_OVER: Final = {
    MessageKind.BUDGET: "enough credits again",
    MessageKind.SILENT: "runs take place again",
}
#: Types of results that people look at as pictures. Slack and Teams do not show all of them.
_NO_PICTURES: Final = ("image/svg+xml", "image/tiff")


class Tone(Enum):
    """What colour a card has, where a service has colours."""

    GOOD = auto()
    #: A person has something to do.
    ATTENTION = auto()
    PLAIN = auto()


#: The tones of messages that need no person.
_TONES: Final = {MessageKind.DONE: Tone.GOOD, MessageKind.TEST: Tone.PLAIN}


@dataclass(frozen=True, slots=True)
class Card:
    """One message to people."""

    title: str
    tone: Tone = Tone.PLAIN
    #: Sentences that stand first: what happened and what to do.
    alerts: tuple[str, ...] = ()
    #: Short names with their values: how many rows are done, what they cost.
    facts: tuple[tuple[str, str], ...] = ()
    #: Longer texts of one row under their names: its prompt, its note.
    texts: tuple[tuple[str, str], ...] = ()
    #: Rows that need attention: which ones, and their note. Rows with one note are one entry.
    rows: tuple[tuple[str, str], ...] = ()
    #: How many rows each entry has, and how many have none.
    sizes: tuple[int, ...] = ()
    more_rows: int = 0
    #: Addresses with the names of their rows.
    pictures: tuple[tuple[str, str], ...] = ()
    more_pictures: int = 0
    #: What can be opened: a text and its address.
    links: tuple[tuple[str, str], ...] = ()
    is_repeat: bool = False

    @property
    def rows_heading(self) -> str:
        """What stands above the rows."""
        number = sum(self.sizes) + self.more_rows
        return f"{counted(number, 'row')} {_need(number)}"

    @property
    def last_row(self) -> str:
        """What stands below the rows; empty if all are shown."""
        return f"and {counted(self.more_rows, 'more row')}" if self.more_rows else ""

    @property
    def last_picture(self) -> str:
        """What stands below the pictures; empty if all are shown."""
        return f"and {counted(self.more_pictures, 'more picture')}" if self.more_pictures else ""


def digest_card(messages: Sequence[Message], pictures: int, link: str = "") -> Card:
    """One card that tells of all these messages, with this number of pictures at most."""
    if len(messages) == 1 and messages[0].kind is MessageKind.TEST:
        return card_of(messages[0], pictures, link)
    shown = [
        replace(one, urls=tuple(filter(is_picture, one.urls)))
        if isinstance(one, RowMessage)
        else one
        for one in messages
    ]
    digest = digest_of(shown, pictures)
    notices = [one for one in messages if isinstance(one, Notice)]
    needs = f"{len(digest.rows)} {_need(len(digest.rows))}" if digest.rows else ""
    news = dict.fromkeys(_about(one) for one in notices if one.kind is not MessageKind.ATTENTION)
    words = [*news, *filter(None, (f"{digest.done} done" if digest.done else "", needs))]
    words = words or [_ABOUT[one.kind] for one in notices[:1]]
    is_good = not digest.rows and all(one.is_over for one in notices)
    return Card(
        title=_title(digest.sheets, ", ".join(words)),
        tone=Tone.GOOD if is_good else Tone.ATTENTION,
        alerts=_alerts(digest.sentences),
        facts=tuple(_counts(digest)),
        **_entries(digest.rows),
        pictures=tuple((url, shortened(name, NAME) or "–") for name, url in digest.pictures),
        more_pictures=digest.more_pictures if pictures else 0,
        links=_links(link),
        is_repeat=digest.is_repeat,
    )


def card_of(message: Message, pictures: int, link: str = "") -> Card:
    """The card of one message."""
    if isinstance(message, Notice):
        return Card(
            title=_title((message.sheet,), _about(message)),
            tone=Tone.GOOD if message.is_over else _TONES.get(message.kind, Tone.ATTENTION),
            alerts=_alerts((message.sentence,)),
            **_entries(message.rows),
            links=_links(link),
            is_repeat=message.is_repeat,
        )
    return _row_card(message, pictures, link)


def _about(message: Notice) -> str:
    """What a notice is about, in a few words."""
    return (_OVER if message.is_over else _ABOUT).get(message.kind, message.kind.value)


def _row_card(message: RowMessage, most: int, link: str) -> Card:
    values = message.values
    name, status = title_of(message), str(values.get("status", "") or message.kind.value)
    texts = [("Prompt", values.get("prompt")), ("Result", values.get("text"))]
    pictures = [url for url in message.urls if is_picture(url)]
    others = [url for url in message.urls if is_public(url) and url not in pictures]
    facts = [("Status", status), ("Sheet", message.sheet)]
    if message.take > 1:
        facts.append(("Take", str(message.take)))
    if message.credits:
        facts.append(("Cost", _cost(message.vendor, message.unit, message.credits)))
    about = "Test: " if message.kind is MessageKind.TEST else ""
    return Card(
        title=shortened(about + (one_line(name) or message.row_id), TITLE),
        tone=_TONES.get(message.kind, Tone.ATTENTION),
        facts=tuple((label, shortened(value, NAME)) for label, value in facts if one_line(value)),
        texts=tuple(
            (label, shortened(str(text), TEXT))
            for label, text in (*texts, ("Note", values.get("note")))
            # A name that is the prompt itself is not told twice.
            if text and one_line(str(text)) not in ("", shortened(name, TITLE))
        ),
        pictures=tuple((url, shortened(name, NAME) or "–") for url in pictures[:most]),
        more_pictures=max(0, len(pictures) - most) if most else 0,
        links=(*(("Open the result", url) for url in others[:2]), *_links(link)),
        is_repeat=message.is_repeat,
    )


def without_pictures(card: Card) -> Card:
    """The same card with links instead of pictures, for a service that cannot show them."""
    links = tuple((f"Picture: {name}", url) for url, name in card.pictures)
    return replace(card, pictures=(), links=(*links, *card.links))


def _bare(card: Card) -> Card:
    """What is left where nothing else fits: the numbers and the link."""
    words = card.title.rpartition(": ")[2] if card.facts else "news"
    return Card(
        title=f"Promptsheet: {words}",
        tone=card.tone,
        alerts=("The details of this message cannot be shown here. Look into the sheet.",),
        facts=card.facts,
        links=tuple(one for one in card.links if one[0] == LINK),
        is_repeat=card.is_repeat,
    )


Payload = TypeVar("Payload")


def fitted(
    card: Card, render: Callable[[Card], Payload], fits: Callable[[Payload], bool]
) -> Payload:
    """The card as the service writes it, with as many details as fit."""
    made = render(card)
    for smaller in _smaller(card):
        if fits(made):
            break
        made = render(smaller)
    return made


def _smaller(card: Card) -> Iterator[Card]:
    """The card with shorter texts, with fewer rows, without pictures, and at last bare."""
    for rows, most in ((10, 200), (10, 100), (6, 80), (3, 60)):
        hidden = sum(card.sizes[rows:])
        card = replace(
            card,
            alerts=tuple(shortened(one, 2 * most) for one in card.alerts),
            texts=tuple((label, shortened(text, 2 * most)) for label, text in card.texts),
            rows=tuple((head, shortened(note, most)) for head, note in card.rows[:rows]),
            sizes=card.sizes[:rows],
            more_rows=card.more_rows + hidden,
        )
        yield card
    yield replace(card, pictures=(), more_pictures=card.more_pictures + len(card.pictures))
    yield _bare(card)


def is_public(address: str) -> bool:
    """True for an https address on the internet, which a chat can show or open for everyone."""
    if len(address) > ADDRESS or not address.isprintable() or set(address) & set(' <>"\\|'):
        return False
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme != "https" or "@" in parts.netloc or not host:
            return False
    except ValueError:
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost", ".test"))


def is_picture(address: str) -> bool:
    """True if the address is public and does not end like a video, a sound or another file."""
    kind, _ = mimetypes.guess_type(urlsplit(address).path) if is_public(address) else ("no", None)
    return kind is None or (kind.startswith("image/") and kind not in _NO_PICTURES)


def _need(number: int) -> str:
    return "needs attention" if number == 1 else "need attention"


def _cost(vendor: str, unit: str, amount: Credits) -> str:
    """Such as 1,234 Apiframe credits, or 25 US cents at Luma."""
    account = Account(shortened(vendor, 30), shortened(unit, 20).removesuffix("s"))
    return Cost(exact(amount), account).in_words(",")


def _counts(digest: Digest) -> Iterator[tuple[str, str]]:
    if digest.done:
        yield "Done", str(digest.done)
    if digest.failed:
        yield "Failed", str(digest.failed)
    if len(digest.rows) > digest.failed and (digest.done or digest.failed):
        yield "Need attention", str(len(digest.rows))
    if digest.costs:
        costs = [_cost(vendor, unit, amount) for (vendor, unit), amount in digest.costs.items()]
        yield "Cost", ", ".join(costs[:8])


def _title(sheets: Iterable[str], words: str) -> str:
    names = list(filter(None, (shortened(sheet, 60) for sheet in sheets)))
    told = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    return shortened(": ".join(filter(None, (told, words))), TITLE) or "Promptsheet"


def _alerts(sentences: Sequence[str]) -> tuple[str, ...]:
    sentences = [one for one in sentences if one_line(one)]
    told = [shortened(sentence, TEXT) for sentence in sentences[:ALERTS]]
    left = len(sentences) - len(told)
    return (*told, f"and {counted(left, 'more notice')}") if left else tuple(told)


class _Entries(TypedDict):
    """The part of a card about rows that need attention."""

    rows: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...]
    more_rows: int


def _entries(rows: Sequence[NoticeRow]) -> _Entries:
    """Rows with the same status and note as one entry, in the order of the first of each."""
    groups: dict[tuple[str, str], list[NoticeRow]] = {}
    for row in rows:
        groups.setdefault((row.status, row.note), []).append(row)
    shown, others = list(groups.values())[:ROWS], list(groups.values())[ROWS:]
    return {
        "rows": tuple((_which(group), shortened(group[0].note, 300)) for group in shown),
        "sizes": tuple(map(len, shown)),
        "more_rows": sum(map(len, others)),
    }


def _which(rows: Sequence[NoticeRow]) -> str:
    """Which rows an entry is about, with their status: Row 2 · red fox and rows 3, 7 (failed)."""
    first, *others = rows
    name = shortened(first.title, NAME) or first.row_id
    place = f"Row {first.line} · {name}" if first.line else name
    if others:
        lines = [str(row.line) for row in others[:NUMBERS] if row.line]
        more = len(others) - len(lines)
        named = f"rows {', '.join(lines)}" if len(lines) > 1 else f"row {''.join(lines)}"
        rest = [named] if lines else []
        rest += [counted(more, "more row")] if more else []
        place = " and ".join((place, *rest))
    status = shortened(first.status, 40)
    return f"{place} ({status})" if status else place


def _links(page: str) -> tuple[tuple[str, str], ...]:
    return ((LINK, page),) if page else ()
