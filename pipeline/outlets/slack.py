"""Slack: a message of Block Kit, posted to an incoming webhook.

Limits (docs.slack.dev, Block Kit reference): a header 150 characters, a text 3,000, 50 blocks,
alt text 2,000, an address 3,000. All blocks together: about 13,200 characters, undocumented
(slackapi/bolt-js#2509). A text of a row that could be formatting is `plain_text`, which has none.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.outlets.cards import REPEAT, Card, fitted
from pipeline.outlets.chat import Service, cut, said

Block = dict[str, Any]

#: Most characters of all blocks as JSON, with a margin to the limit.
_MOST: Final = 12_000
#: What could be formatting, an emoji or a quotation in `mrkdwn`.
_FORMATTING: Final = re.compile(r"[*~`]|_.*_|:[\w+'-]+:|^\s*>|[\n]")
#: Slack's word for a failure -> what it means, and what to do.
_REASONS: Final = {
    "no_service": (
        Trouble.CLOSED,
        "Slack does not know this webhook; it was removed, or its app was. "
        "Make a new incoming webhook and set its address.",
    ),
    "invalid_token": (
        Trouble.CLOSED,
        "Slack does not accept this address. Copy it again from Incoming Webhooks.",
    ),
    "no_team": (Trouble.CLOSED, "This Slack workspace no longer exists. Make a new webhook."),
    "team_disabled": (Trouble.CLOSED, "This Slack workspace is switched off. Make a new webhook."),
    "channel_not_found": (
        Trouble.CLOSED,
        "The channel of this Slack webhook no longer exists. Make a webhook for another channel.",
    ),
    "channel_is_archived": (
        Trouble.CLOSED,
        "The channel of this Slack webhook is archived. Restore it, or make a webhook for "
        "another channel.",
    ),
    "action_prohibited": (
        Trouble.CLOSED,
        "An administrator does not allow this Slack webhook to post. Ask the administrator of "
        "the workspace.",
    ),
    "posting_to_general_channel_denied": (
        Trouble.CLOSED,
        "This Slack webhook may not post to the channel #general. Choose another channel.",
    ),
}


def render(card: Card) -> Block:
    """The message as Slack wants it, within its limits."""
    return fitted(card, _message, _fits)


def judge(answer: Response) -> Undelivered | None:
    """What Slack's answer means; None if the message was posted."""
    word = answer.body[:60].decode("utf-8", "replace").strip()
    if answer.status == 200 and word != "ok":
        return Undelivered(
            Trouble.UNSURE,
            "The answer is not one of Slack, so the message may not have arrived. Check the "
            "address and the network.",
        )
    if found := _REASONS.get(word):
        return Undelivered(*found)
    why = f' ("{word}")' if word.replace("_", "").isalnum() and word.isascii() else ""
    return said("Slack", answer, why)


def _message(card: Card) -> Block:
    blocks: list[Block] = [{"type": "header", "text": _plain(card.title, 150)}]
    blocks += [_section(f"⚠️ {sentence}") for sentence in card.alerts]
    if card.is_repeat:
        blocks.append({"type": "context", "elements": [_plain(REPEAT, 3000)]})
    if card.facts:
        fields = [_titled(label, value, 2000) for label, value in card.facts[:10]]
        blocks.append({"type": "section", "fields": fields})
    blocks += [{"type": "section", "text": _titled(*text, 3000)} for text in card.texts]
    if card.rows:
        blocks.append({"type": "divider"})
        blocks.append({"type": "section", "text": _titled(card.rows_heading, "", 3000)})
        blocks += [{"type": "section", "text": _titled(*row, 3000)} for row in card.rows]
        blocks += [_section(card.last_row)] if card.last_row else []
    for address, name in card.pictures:
        blocks.append(
            {
                "type": "image",
                "image_url": address,
                "alt_text": cut(name, 2000, _escaped),
                "title": _plain(name, 2000),
            }
        )
    if card.last_picture:
        blocks.append({"type": "context", "elements": [_plain(card.last_picture, 3000)]})
    if card.links:
        links = "   ".join(f"<{_address(url)}|{_escaped(text)}>" for text, url in card.links)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links}})
    return {
        "text": cut(card.title, 1000, _escaped),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _fits(message: Block) -> bool:
    blocks: list[Block] = message["blocks"]
    links = (
        block["text"]["text"] for block in blocks if block["type"] == "section" and "text" in block
    )
    whole = json.dumps(blocks, ensure_ascii=False)
    return len(blocks) <= 50 and len(whole) <= _MOST and all(len(one) <= 3000 for one in links)


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text, 3000)}


def _titled(title: str, text: str, most: int) -> Block:
    """A title with a text below it; the title is bold if Slack formats nothing else."""
    if _FORMATTING.search(title) or _FORMATTING.search(text):
        return _plain(f"{title}\n{text}".rstrip(), most)
    whole = f"*{_escaped(title)}*\n{cut(text, most - 700, _escaped) if text else ''}".rstrip()
    # `verbatim`: no word becomes a link.
    return {"type": "mrkdwn", "text": whole, "verbatim": True}


def _plain(text: str, most: int) -> Block:
    # Without `emoji: false`, ":tada:" in a prompt becomes a picture.
    return {"type": "plain_text", "text": cut(text, most, _escaped), "emoji": False}


def _escaped(text: str) -> str:
    """Text in which nothing is a mention or a link (docs.slack.dev, Formatting message text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _address(url: str) -> str:
    return _escaped(url.replace("|", "%7C"))


SLACK: Final = Service("slack", render, judge, every=1.0)
