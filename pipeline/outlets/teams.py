"""Microsoft Teams: an Adaptive Card, posted to a workflow of Power Automate.

A message has at most 28 KB (learn.microsoft.com/connectors/teams). The workflow answers before it
posts: what goes wrong after that is only in its own run history. Texts of rows are text runs,
which have no markdown (adaptivecards.io, TextRun), or escaped.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.outlets.cards import REPEAT, Card, Tone, fitted
from pipeline.outlets.chat import Service, cut, said

Element = dict[str, Any]

#: Most bytes of a message, with a margin to the limit: the workflow wraps it.
_MOST: Final = 20_000
_COLOURS: Final = {Tone.GOOD: "Good", Tone.ATTENTION: "Attention", Tone.PLAIN: "Default"}
_MARKUP: Final = re.compile(r"([\\`*_~|<>\[\]()#+\-!&])")
#: Words of a card that Teams replaces by a date.
_DATES: Final = re.compile(r"\{\{(?=(?:DATE|TIME)\()")
#: Power Automate's word for a failure -> what it means, and what to do.
_REASONS: Final = {
    "WorkflowTriggerIsNotEnabled": (
        Trouble.CLOSED,
        "The workflow in Teams is switched off. Switch it on in Power Automate.",
    ),
    "WorkflowNotFound": (
        Trouble.CLOSED,
        "This workflow no longer exists: it was deleted, or its owner's account was. Make a new "
        "one in Teams, with a second owner, and set its address.",
    ),
    "DirectApiAuthorizationRequired": (
        Trouble.CLOSED,
        'The workflow lets only people of your organisation start it. Set "Who can trigger the '
        'flow" to Anyone.',
    ),
    "DirectApiInvalidAuthorizationScheme": (
        Trouble.CLOSED,
        'The workflow lets only people of your organisation start it. Set "Who can trigger the '
        'flow" to Anyone.',
    ),
}


def render(card: Card) -> Element:
    """The message as the workflow wants it, within Teams' limits."""
    return fitted(card, _message, _fits)


def judge(answer: Response) -> Undelivered | None:
    """What the workflow's answer means; None if it has the message."""
    try:
        code = json.loads(answer.body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        code = ""
    if answer.status >= 400 and isinstance(code, str) and code in _REASONS:
        return Undelivered(*_REASONS[code])
    why = f" ({code})" if isinstance(code, str) and code.isascii() and code.isalnum() else ""
    return said("The workflow of Teams", answer, why)


def _message(card: Card) -> Element:
    body: list[Element] = [
        {
            "type": "RichTextBlock",
            "inlines": [
                {**_run(card.title), "size": "Large", "weight": "Bolder"}
                | {"color": _COLOURS[card.tone]}
            ],
        }
    ]
    body += [
        {"type": "Container", "style": "warning", "items": [_text(_run(sentence))]}
        for sentence in card.alerts
    ]
    if card.is_repeat:
        body.append(_text({**_run(REPEAT), "italic": True}))
    if card.facts:
        facts = [
            {"title": _escaped(label), "value": _escaped(value)} for label, value in card.facts
        ]
        body.append({"type": "FactSet", "facts": facts})
    body += [_text(_bold(f"{label}: "), _run(text)) for label, text in card.texts]
    if card.rows:
        body.append({**_text(_bold(card.rows_heading)), "separator": True, "spacing": "Medium"})
        for head, note in card.rows:
            body.append(_text(_bold(head)))
            body += [{**_text(_run(note)), "spacing": "None"}] if note else []
        body += [_text(_run(card.last_row))] if card.last_row else []
    body += _pictures(card)
    body += [_text(_run(card.last_picture))] if card.last_picture else []
    content: Element = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": _escaped(card.title),
        "msteams": {"width": "Full"},
        "body": body,
    }
    if card.links:
        content["actions"] = [
            {"type": "Action.OpenUrl", "title": cut(text, 60), "url": url}
            for text, url in card.links
        ]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def _pictures(card: Card) -> list[Element]:
    """Two pictures beside each other, each with its name."""
    columns = [
        {
            "type": "Column",
            "width": "stretch",
            "items": [
                {"type": "Image", "url": address, "altText": name, "size": "Stretch"},
                _text({**_run(name), "size": "Small", "isSubtle": True}),
            ],
        }
        for address, name in card.pictures
    ]
    return [
        {"type": "ColumnSet", "columns": columns[at : at + 2]} for at in range(0, len(columns), 2)
    ]


def _fits(message: Element) -> bool:
    return len(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")) <= _MOST


def _text(*runs: Element) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _bold(text: str) -> Element:
    return {**_run(text), "weight": "Bolder"}


def _run(text: str) -> Element:
    return {"type": "TextRun", "text": _undated(text)}


def _undated(text: str) -> str:
    return _DATES.sub("{\u200b{", text)


def _escaped(text: str) -> str:
    """Text in which nothing is markdown, for the elements that know it."""
    return _MARKUP.sub(r"\\\1", _undated(text))


# Four requests a second, the limit of the former connectors.
TEAMS: Final = Service("teams", render, judge, every=0.3)
