"""A channel of a chat, by a secret address: Slack, Teams or Discord.

None of them knows a message again, so a second delivery is a second message. It says so itself:
"Possibly a repeat".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pipeline.core.model import Response
from pipeline.core.outlets.chat_addresses import has_moved, is_local, problem_with
from pipeline.core.outlets.outbox import Delivered, Message, Result, Trouble, Undelivered
from pipeline.outlets import MOST_IN_DIGEST, Pace
from pipeline.outlets.cards import Card, card_of, digest_card, without_pictures
from pipeline.outlets.http import Poster, verdict

_MOVED: Final = (
    "Power Automate no longer listens at addresses on logic.azure.com: open the workflow in Teams "
    "and copy its new address."
)


@dataclass(frozen=True, slots=True)
class Service:
    """How one service wants its messages, and what its answers mean."""

    kind: str
    render: Callable[[Card], dict[str, Any]]
    #: What an answer means; None if the message was accepted.
    judge: Callable[[Response], Undelivered | None]
    #: Seconds between two messages, at least.
    every: float
    #: What is added to the address's query.
    query: str = ""
    #: True if a GET of the address says whether it is right, and posts nothing.
    can_be_read: bool = False


class Chat:
    """One channel. `url` is its secret address, and `link` leads to the page.

    `send` says whether a batch is one message ("digest"), or each row has its own ("rows"), with
    `pictures` at most in each.
    """

    def __init__(
        self,
        service: Service,
        url: str,
        *,
        send: Literal["digest", "rows"] = "digest",
        pictures: int = 4,
        link: str = "",
    ) -> None:
        self._service = service
        self._problem = problem_with(service.kind, url)
        self._may_have_moved = service.kind == "teams" and not self._problem and has_moved(url)
        # A stand-in on this machine can be used; no other private address is one of a chat.
        self._poster = Poster(_with(service.query, url.strip()), allow_private=is_local(url))
        self._is_digest = send == "digest"
        self._pictures = pictures
        self._link = link
        self.pace = Pace(MOST_IN_DIGEST if self._is_digest else 1, service.every)

    def __repr__(self) -> str:
        return f"Chat({self._service.kind})"

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """See `Outlet`. A digest has one result for all its messages."""
        if not messages:
            return []
        if self._is_digest:
            card = digest_card(messages, self._pictures, self._link)
            return [await self._post(card)] * len(messages)
        results: list[Result] = []
        for message in messages:
            results.append(await self._post(card_of(message, self._pictures, self._link)))
            if isinstance(results[-1], Undelivered) and results[-1].trouble is not Trouble.REFUSED:
                break
        return [*results, *(not_tried(results[-1]) for _ in messages[len(results) :])]

    async def check(self) -> Sequence[str]:
        """See `Outlet`. Nothing is posted."""
        if self._problem:
            return [sentence_of(self._problem)]
        if self._service.can_be_read:
            trouble = self._judged(await self._poster.read())
        else:
            trouble = self._judged(await self._poster.reach())
        return trouble.problems if trouble else []

    async def close(self) -> None:
        """See `Outlet`."""
        await self._poster.close()

    async def _post(self, card: Card) -> Result:
        """Post the card once. If it is refused for certain, post it with links for its pictures.

        Slack refuses a whole message because of one picture that it cannot fetch.
        """
        if self._problem:
            return Undelivered(Trouble.CLOSED, sentence_of(self._problem))
        trouble = await self._posted(card)
        if trouble and trouble.trouble is Trouble.REFUSED and card.pictures:
            trouble = await self._posted(without_pictures(card))
        return trouble or Delivered()

    async def _posted(self, card: Card) -> Undelivered | None:
        text = json.dumps(self._service.render(card), ensure_ascii=False)
        # Half a surrogate pair, which a text may hold, has no UTF-8.
        return self._judged(await self._poster.post(text.encode("utf-8", "replace")))

    def _judged(self, answer: Response | Undelivered | None) -> Undelivered | None:
        trouble = self._service.judge(answer) if isinstance(answer, Response) else answer
        if trouble and trouble.trouble in (Trouble.CLOSED, Trouble.LATER) and self._may_have_moved:
            return replace(trouble, reason=f"{trouble.reason} {_MOVED}")
        return trouble


def said(who: str, answer: Response, why: str = "", wait: float = 0.0) -> Undelivered | None:
    """What an answer means by its status, in a sentence that names who answered.

    `why` is the service's own word, with a space before it. `wait` is in seconds, as the service
    itself asked; otherwise its header Retry-After counts.
    """
    trouble = verdict(answer)
    if trouble is None:
        return None
    status, what = answer.status, trouble.trouble
    if 300 <= status < 400:
        sentence = "answered with a redirect, so the message was not posted. Copy the address again"
    elif status == 429:
        sentence = "asks for fewer messages, so this one is sent later. Raise `every` if this lasts"
    elif status in (401, 403):
        sentence = f"refuses the access{why}. Copy the address again, or make a new one"
    elif status in (404, 410):
        sentence = f"no longer knows this address{why}. Make a new one and set it"
    elif what is Trouble.REFUSED:
        sentence = f"refused the message (HTTP {status}{why and ',' + why}). It is not sent again"
    elif what is Trouble.LATER:
        sentence = f"cannot take messages now (HTTP {status}). They are sent later"
    else:
        sentence = f"failed (HTTP {status}{why and ',' + why}). The message may have arrived"
    return replace(trouble, reason=f"{who} {sentence}.", wait=max(wait, trouble.wait))


def units(text: str) -> int:
    """How long a text is in UTF-16, as these services count."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, most: int, escape: Callable[[str], str] = str) -> str:
    """The text escaped, cut with an ellipsis so that it has at most `most` characters.

    A text is never empty, because the services refuse empty texts.
    """
    whole = escape(text) or "–"
    if units(whole) <= most:
        return whole
    least, greatest = 0, min(len(text), most)
    while least < greatest:
        middle = (least + greatest + 1) // 2
        if units(escape(text[:middle])) < most:
            least = middle
        else:
            greatest = middle - 1
    return escape(text[:least]) + "…"


def not_tried(last: Result) -> Result:
    """The result of a message that was not sent because the one before it had no success."""
    assert isinstance(last, Undelivered)
    unsure = last.trouble is Trouble.UNSURE
    return replace(last, trouble=Trouble.LATER) if unsure else last


def _with(query: str, url: str) -> str:
    """The address with this in its query."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def sentence_of(problem: str) -> str:
    """What is wrong with an address, as a sentence of its own."""
    return problem[0].upper() + problem[1:] + "."
