"""Discord: a message with embeds, posted to a webhook of a channel.

Limits (discord.com/developers/docs, Embed limits): a title 256 characters, a description 4,096,
10 embeds, and 6,000 characters over all embeds of a message.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.outlets.cards import REPEAT, Card, Tone, fitted
from pipeline.outlets.chat import Service, cut, said, units

Embed = dict[str, Any]

#: Most characters over all embeds.
_MOST: Final = 6_000
_COLOURS: Final = {Tone.GOOD: 0x2E7D32, Tone.ATTENTION: 0xC2410C, Tone.PLAIN: 0x475569}
#: Every character that can begin formatting, a link or a mention.
_MARKUP: Final = re.compile(r"([\\`*_~|<>\[\]()#:+\-@])")
_NUMBERED: Final = re.compile(r"(?m)^(\s*\d+)\.")
#: Discord's code for a failure -> what it means, and what to do.
_REASONS: Final = {
    10003: (
        Trouble.CLOSED,
        "The channel of this Discord webhook no longer exists. Make a webhook in another channel.",
    ),
    10015: (
        Trouble.CLOSED,
        "Discord does not know this webhook; it was deleted. Make a new one in the channel's "
        "Integrations and set its address.",
    ),
    50027: (
        Trouble.CLOSED,
        "Discord does not accept this address. Copy it again from the channel's Integrations.",
    ),
    220001: (
        Trouble.CLOSED,
        "The channel is a forum, where every message needs a thread. Add ?thread_id= and the "
        "thread's id to the address, or choose another channel.",
    ),
}


def render(card: Card) -> Embed:
    """The message as Discord wants it, within its limits."""
    return fitted(card, _message, _fits)


def judge(answer: Response) -> Undelivered | None:
    """What Discord's answer means; None if the message was posted."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    told = body if isinstance(body, dict) else {}
    code, wait = told.get("code"), told.get("retry_after")
    if answer.status >= 400 and isinstance(code, int) and code in _REASONS:
        return Undelivered(*_REASONS[code])
    # The body has fractions of a second; the header may have whole ones, rounded down.
    exact = float(wait) if isinstance(wait, int | float) and not isinstance(wait, bool) else 0.0
    why = f" (code {code})" if isinstance(code, int) and code else ""
    return said("Discord", answer, why, exact)


def _message(card: Card) -> Embed:
    lines = [f"⚠️ {_escaped(sentence)}" for sentence in card.alerts]
    if card.is_repeat:
        lines.append(f"*{_escaped(REPEAT)}*")
    if card.facts:
        # Not as fields: these stand below the rows.
        lines.append(" · ".join(f"**{label}:** {_escaped(value)}" for label, value in card.facts))
    lines += [f"**{label}:** {_escaped(text)}" for label, text in card.texts]
    if card.rows:
        lines.append(f"**{_escaped(card.rows_heading)}**")
        for head, note in card.rows:
            lines.append(f"**{_escaped(head)}**" + (f"\n{_escaped(note)}" if note else ""))
        lines += [_escaped(card.last_row)] if card.last_row else []
    lines += [_escaped(card.last_picture)] if card.last_picture else []
    lines += [f"[{_escaped(text)}]({_address(url)})" for text, url in card.links]
    main: Embed = {
        "title": cut(card.title, 256, _escaped),
        "description": "\n\n".join(lines),
        "color": _COLOURS[card.tone],
    }
    shown = card.pictures
    if shown and shown[0][1] == card.title:  # of a row: its name is already there
        main["image"] = {"url": shown[0][0]}
        shown = shown[1:]
    pictures = [
        {
            "description": cut(name, 256, _escaped),
            "image": {"url": address},
            "color": _COLOURS[card.tone],
        }
        for address, name in shown
    ]
    return {"embeds": [main, *pictures], "allowed_mentions": {"parse": []}}


def _fits(message: Embed) -> bool:
    embeds: list[Embed] = message["embeds"]
    texts = [text for embed in embeds for text in (embed.get("title", ""), embed["description"])]
    return units(embeds[0]["description"]) <= 4096 and sum(map(units, texts)) <= _MOST


def _escaped(text: str) -> str:
    """Text in which nothing is formatting, a link or a mention."""
    return _NUMBERED.sub(r"\1\\.", _MARKUP.sub(r"\\\1", text))


def _address(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29")


# About 30 messages a minute for one channel, by the reports of other projects. With `wait`, the
# answer comes after the message was stored.
DISCORD: Final = Service("discord", render, judge, every=2.0, query="wait=true", can_be_read=True)
