"""E-mail, Telegram and more than 100 other services, through the library apprise.

Slack, Teams and Discord have renderers of their own: apprise shows them no pictures.

The library tries once here, follows no redirect, and waits 20 s for an answer; by itself it gives
up after 4 s, although the message arrived. It blocks, so it runs in a thread. All that it logs
stays inside this module, because its log lines hold addresses and tokens.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pipeline.core.outlets.chat_addresses import problem_with
from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Result,
    RowMessage,
    Trouble,
    Undelivered,
)
from pipeline.outlets import MOST_IN_DIGEST, Pace
from pipeline.outlets.apprise_failures import Failures
from pipeline.outlets.cards import REPEAT, Card, Tone, card_of, digest_card, fitted
from pipeline.outlets.chat import not_tried, sentence_of

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase
    from apprise.attachment.base import AttachBase

#: Seconds between two messages: a group of Telegram takes 20 a minute.
_EVERY: Final = 3.0
#: Seconds for a connection, until the answer must begin, and for all requests of one message.
_CONNECT, _ANSWER, _WHOLE = 10.0, 20.0, 90.0
#: Most bytes of all attached files: mail servers refuse messages of more than 10 to 20 MB.
_ATTACHED: Final = 7_000_000
#: Share of a service's length that is used: signs become longer when they are escaped.
_SHARE: Final = 0.8
#: Words that call people in one service or another; they are broken up.
_CALLS: Final = re.compile(r"@(?=(?:everyone|here|channel|all|team)\b)|(?<=<)(?=[!@#]|users/)")
_UNKNOWN: Final = (
    "The library apprise does not understand this address. Compare it with the page of the "
    "service at https://appriseit.com."
)


@dataclass(frozen=True, slots=True)
class _Address:
    #: The only password of the place; no repr shows it.
    url: str = field(repr=False)


class AppriseOutlet:
    """One place that apprise can notify. `url` is its secret address, and `link` leads to the page.

    `send` says whether a batch is one message ("digest"), or each row has its own ("rows"), with
    `pictures` at most in each. With `attach`, saved pictures are attached.
    """

    def __init__(
        self,
        url: str,
        *,
        send: Literal["digest", "rows"] = "digest",
        pictures: int = 4,
        attach: bool = False,
        link: str = "",
    ) -> None:
        self._address = _Address(url)
        self._is_digest = send == "digest"
        self._pictures = pictures
        self._attach = attach
        self._link = link
        self.pace = Pace(MOST_IN_DIGEST if self._is_digest else 1, _EVERY)

    def __repr__(self) -> str:
        return "AppriseOutlet(…)"

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """See `Outlet`. A digest has one result for all its messages."""
        if not messages:
            return []
        if self._is_digest:
            card = digest_card(messages, self._pictures, self._link)
            return [await self._notify(card, messages)] * len(messages)
        results: list[Result] = []
        for message in messages:
            card = card_of(message, self._pictures, self._link)
            results.append(await self._notify(card, [message]))
            if isinstance(results[-1], Undelivered) and results[-1].trouble is not Trouble.REFUSED:
                break
        return [*results, *(not_tried(results[-1]) for _ in messages[len(results) :])]

    async def check(self) -> Sequence[str]:
        """See `Outlet`. No connection is made: few of these services can be asked."""
        if problem := problem_with("apprise", self._address.url):
            return [sentence_of(problem)]
        return await asyncio.to_thread(_problems, self._address.url)

    async def close(self) -> None:
        """See `Outlet`. There are no lasting connections."""

    async def _notify(self, card: Card, messages: Sequence[Message]) -> Result:
        if problem := problem_with("apprise", self._address.url):
            return Undelivered(Trouble.CLOSED, sentence_of(problem))
        files = _files(messages, self._pictures) if self._attach else []
        return await asyncio.to_thread(_notified, self._address.url, card, files)


def _notified(url: str, card: Card, files: Sequence[Path]) -> Result:
    """What comes of one notification. It blocks."""
    import apprise

    service = _service(url)
    if service is None:
        return Undelivered(Trouble.CLOSED, _UNKNOWN)
    title, body = fitted(card, text_of, lambda text: _length(*text) <= _room(service))
    kinds = {Tone.GOOD: apprise.NotifyType.SUCCESS, Tone.ATTENTION: apprise.NotifyType.WARNING}
    attached = _attachments(files) if service.attachment_support else []
    failures = Failures(str(service.service_name), parts=len(service) + len(attached))
    place = apprise.Apprise(asset=_asset())
    place.add(service)
    result = place.notify(
        body=body,
        title=title,
        notify_type=kinds.get(card.tone, apprise.NotifyType.INFO),
        body_format=apprise.NotifyFormat.TEXT,
        attach=attached or None,
        timeout=_WHOLE,
        log_callback=failures.heard,
        log_level=logging.DEBUG,
    )
    return Delivered() if result else failures.meaning()


def _attachments(files: Sequence[Path]) -> list[AttachBase]:
    from apprise.attachment.file import AttachFile

    # Not by name alone: in that, apprise reads what follows a "?" as options.
    return [AttachFile(str(file)) for file in files]  # type: ignore[no-untyped-call]


def _problems(url: str) -> list[str]:
    service = _service(url)
    if service is None:
        return [_UNKNOWN]
    if not service.enabled:
        return [f"apprise needs one more library for {service.service_name}. Its page names it."]
    return []


def _service(url: str) -> NotifyBase | None:
    """The service of this address, set up to try once; None if apprise does not know it."""
    import apprise

    service = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        return None
    service.retry = 0
    service.redirects = False
    service.overflow_mode = apprise.OverflowMode.SPLIT
    service.socket_read_timeout = max(service.socket_read_timeout, _ANSWER)
    service.socket_connect_timeout = max(service.socket_connect_timeout, _CONNECT)
    return service


@cache
def _asset() -> AppriseAsset:
    """How apprise behaves, for all services."""
    import apprise

    log = logging.getLogger("apprise")
    # Its lines hold addresses and tokens. Everything is captured, because only the lines of the
    # lowest level say why something failed; nothing reaches a handler of the program.
    log.propagate = False
    log.addHandler(logging.NullHandler())
    log.setLevel(logging.DEBUG)
    return apprise.AppriseAsset(
        app_id="Promptsheet",
        app_desc="Promptsheet",
        app_url="",
        http_redirects=False,
        service_timeout=_WHOLE,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        allow_templates=False,
        interpret_escapes=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        # Otherwise icons are loaded from a public web server.
        image_url_mask="",
        image_url_logo="",
    )


def text_of(card: Card) -> tuple[str, str]:
    """The title and the body of a card as plain text."""
    parts = ["\n".join(card.alerts), REPEAT if card.is_repeat else ""]
    parts.append("\n".join(f"{label}: {value}" for label, value in card.facts))
    parts += [f"{label}: {text}" for label, text in card.texts]
    if card.rows:
        lines = [f"- {head}: {note}" if note else f"- {head}" for head, note in card.rows]
        parts.append("\n".join([f"{card.rows_heading}:", *lines, *filter(None, [card.last_row])]))
    pictures = [f"- {name}: {url}" for url, name in card.pictures]
    if pictures or card.last_picture:
        parts.append("\n".join(["Pictures:", *pictures, *filter(None, [card.last_picture])]))
    parts.append("\n".join(f"{text}: {url}" for text, url in card.links))
    body = "\n\n".join(filter(None, parts)) or card.title
    return _called_nobody(card.title), _called_nobody(body)


def _called_nobody(text: str) -> str:
    return _CALLS.sub(lambda found: f"{found[0]}\u200b", text)


def _length(title: str, body: str) -> int:
    return len(title) + 2 + len(body)


def _room(service: NotifyBase) -> float:
    return service.body_maxlen * _SHARE if service.body_maxlen > 0 else float("inf")


def _files(messages: Sequence[Message], most: int) -> list[Path]:
    """Saved pictures of these messages, the newest first, one per row of a digest."""
    found: list[Path] = []
    whole = 0
    told = [one for one in messages if isinstance(one, RowMessage)]
    for message in reversed([one for one in told if one.kind is not MessageKind.FAILED]):
        pictures = [file for file in message.files if _is_picture(file)]
        for file in pictures[: most if len(messages) == 1 else 1]:
            size = file.stat().st_size
            if len(found) < most and whole + size <= _ATTACHED:
                found.append(file)
                whole += size
    return found


def _is_picture(file: Path) -> bool:
    kind, _ = mimetypes.guess_type(file.name)
    try:
        return (kind or "image/").startswith("image/") and file.is_file()
    except OSError:
        return False
