"""Stand-ins for Slack, Teams and Discord, which check a message as the services do.

Each has one webhook, at `path`. `posted` holds what people would see in the channel. The limits are
those of the services' documentation, see `pipeline/outlets/`; written again here, on purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.web_service import Call, Reply, Service, serving

#: A text with which every service refuses a message.
POISON = "POISON"


class Channel:
    """One channel behind a webhook."""

    path: str

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        #: Addresses of pictures that the service cannot fetch.
        self.dead: set[str] = set()
        #: Answers "this webhook is gone" from now on.
        self.is_gone = False

    def accept(self, call: Call) -> Reply:
        if call.method not in ("POST", "GET") or urlsplit(call.path).path != self.path:
            return self.gone()
        if self.is_gone:
            return self.gone()
        if call.method == "GET":
            return self.read()
        if not call.headers.get("content-type", "").startswith("application/json"):
            return self.refused("no JSON")
        try:
            message = json.loads(call.body)
            self.check(message, call)
        except (Wrong, LookupError, TypeError, ValueError, AssertionError) as error:
            return self.refused(f"{type(error).__name__} {error}")
        return self.accepted(message, call)

    def accepted(self, message: dict[str, Any], call: Call) -> Reply:
        self.posted.append(message)
        return Reply(200, b"ok")

    def check(self, message: dict[str, Any], call: Call) -> None:
        raise NotImplementedError

    def gone(self) -> Reply:
        raise NotImplementedError

    def refused(self, why: str) -> Reply:
        raise NotImplementedError

    def read(self) -> Reply:
        return Reply(404)

    def shown(self) -> str:
        """All texts in the channel, as people see them."""
        return "\n".join(text for message in self.posted for text in self.texts(message))

    def texts(self, message: dict[str, Any]) -> Iterator[str]:
        raise NotImplementedError

    def pictures(self) -> list[str]:
        """The addresses of all pictures in the channel."""
        keys = ("image_url", "url")
        return [
            next(one[key] for key in keys if key in one)
            for message in self.posted
            for one in _dicts(message)
            if one.get("type") in ("image", "Image")
            or (set(one) == {"url"} and self.path.startswith("/api"))
        ]


class Wrong(Exception):
    """The message breaks a rule of the service."""


def _need(is_right: object, why: str) -> None:
    if not is_right:
        raise Wrong(why)


def _length(text: object, most: int, least: int = 1) -> None:
    assert isinstance(text, str)
    length = len(text.encode("utf-16-le")) // 2
    _need(least <= length <= most, f"{length} characters, {least} to {most} are allowed")


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _dicts(one)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for one in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _strings(one)


class SlackChannel(Channel):
    """An incoming webhook of Slack."""

    path = "/services/T0/B0/s3cr3t"

    def gone(self) -> Reply:
        return Reply(404, b"no_service")

    def refused(self, why: str) -> Reply:
        return Reply(400, b"invalid_blocks" if why.startswith("Wrong") else b"invalid_payload")

    def check(self, message: dict[str, Any], call: Call) -> None:
        _length(message["text"], 40_000)
        blocks = message["blocks"]
        _need(1 <= len(blocks) <= 50, f"{len(blocks)} blocks")
        _need(len(json.dumps(blocks, ensure_ascii=False)) <= 13_200, "msg_blocks_too_long")
        for block in blocks:
            self._block(block)
        _need(POISON not in call.body.decode(), "poison")

    def _block(self, block: dict[str, Any]) -> None:
        match block["type"]:
            case "header":
                self._text(block["text"], 150, "plain_text")
            case "section":
                _need(block.get("text") or block.get("fields"), "an empty section")
                if text := block.get("text"):
                    self._text(text, 3000)
                _need(len(block.get("fields", ())) <= 10, "too many fields")
                for one in block.get("fields", ()):
                    self._text(one, 2000)
            case "context":
                _need(1 <= len(block["elements"]) <= 10, "elements")
                for one in block["elements"]:
                    self._text(one, 3000)
            case "image":
                _length(block["image_url"], 3000)
                _length(block["alt_text"], 2000)
                self._text(block["title"], 2000, "plain_text")
                _need(block["image_url"] not in self.dead, "downloading image failed")
            case "divider":
                _need(set(block) == {"type"}, "a divider has nothing")
            case kind:
                raise Wrong(f"unknown block {kind}")

    @staticmethod
    def _text(text: dict[str, Any], most: int, kind: str = "") -> None:
        _need(
            text["type"] in ("plain_text", "mrkdwn") and text["type"] in (kind or text["type"]),
            "type",
        )
        _need("verbatim" not in text or text["type"] == "mrkdwn", "verbatim")
        _need("emoji" not in text or text["type"] == "plain_text", "emoji")
        _length(text["text"], most)

    def texts(self, message: dict[str, Any]) -> Iterator[str]:
        """The texts after Slack's own markup: what is still in < > is a link or a mention."""
        yield _unescaped(message["text"])
        for one in _dicts(message["blocks"]):
            if one.get("type") == "plain_text":
                yield _unescaped(one["text"])
            elif one.get("type") == "mrkdwn":
                yield _unescaped(re.sub(r"\*([^*\n]+)\*", r"\1", one["text"]))

    def mentions(self) -> list[str]:
        """What Slack would obey: mentions, and links that do not lead to the page or a picture."""
        return re.findall(r"<[!@#][^>]*>", "\n".join(_strings(self.posted)))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class DiscordChannel(Channel):
    """A webhook of Discord."""

    path = "/api/webhooks/1234/s3cr3t"

    def gone(self) -> Reply:
        return self._error(404, 10015, "Unknown Webhook")

    def refused(self, why: str) -> Reply:
        return self._error(400, 50035, "Invalid Form Body")

    def read(self) -> Reply:
        return Reply(200, json.dumps({"id": "1234", "type": 1}).encode())

    @staticmethod
    def _error(status: int, code: int, text: str) -> Reply:
        return Reply(status, json.dumps({"message": text, "code": code}).encode())

    def accepted(self, message: dict[str, Any], call: Call) -> Reply:
        self.posted.append(message)
        if parse_qs(urlsplit(call.path).query).get("wait") != ["true"]:
            return Reply(204)
        return Reply(200, json.dumps({"id": str(len(self.posted))}).encode())

    def check(self, message: dict[str, Any], call: Call) -> None:
        embeds = message.get("embeds", [])
        _need(message.get("content") or embeds, "empty")
        _length(message.get("content", ""), 2000, 0)
        _need(len(embeds) <= 10, "too many embeds")
        whole = 0
        for embed in embeds:
            _length(embed.get("title", ""), 256, 0)
            _length(embed.get("description", ""), 4096, 0)
            _need(isinstance(embed.get("color", 0), int), "colour")
            fields = embed.get("fields", [])
            _need(len(fields) <= 25, "too many fields")
            for one in fields:
                _length(one["name"], 256)
                _length(one["value"], 1024)
            if image := embed.get("image"):
                _length(image["url"], 2048)
                _need(re.match(r"https?://", image["url"]), "no address of a picture")
            texts = [embed.get("title", ""), embed.get("description", "")]
            texts += [text for one in fields for text in (one["name"], one["value"])]
            whole += sum(len(text.encode("utf-16-le")) // 2 for text in texts)
        _need(whole <= 6000, f"{whole} characters in embeds")
        _need(POISON not in call.body.decode(), "poison")

    def texts(self, message: dict[str, Any]) -> Iterator[str]:
        yield from filter(None, [message.get("content", "")])
        for embed in message["embeds"]:
            fields = [
                text for one in embed.get("fields", ()) for text in (one["name"], one["value"])
            ]
            for text in (embed.get("title", ""), embed.get("description", ""), *fields):
                yield re.sub(r"\\([^0-9A-Za-z\s])", r"\1", re.sub(r"(?<!\\)[*]", "", text))

    def pings(self) -> list[dict[str, Any]]:
        """The messages that could notify people of whom they speak."""
        return [one for one in self.posted if one.get("allowed_mentions") != {"parse": []}]

    def formatting(self) -> list[str]:
        """What Discord formats, beside the bold titles and the links of ours."""
        texts = [
            text
            for message in self.posted
            for embed in message["embeds"]
            for text in (embed.get("title", ""), embed.get("description", ""))
        ]
        plain = re.sub(r"\\[^0-9A-Za-z\s]", "", "\n".join(texts))
        plain = re.sub(r"\*\*[^*\n]*\*\*|\*[^*\n]*\*|\[[^\]\n]*\]\(https?://[^)\s]*\)", "", plain)
        return re.findall(
            r"[`*_~|<>\[\]()#@]|https?://|^\s*(?:-|\d+\.) ", plain, flags=re.MULTILINE
        )


#: Element of a card -> the properties that it must have.
ELEMENTS = {
    "TextBlock": {"text"},
    "RichTextBlock": {"inlines"},
    "TextRun": {"text"},
    "FactSet": {"facts"},
    "Container": {"items"},
    "ColumnSet": {"columns"},
    "Column": {"items"},
    "Image": {"url"},
    "Action.OpenUrl": {"url"},
    "AdaptiveCard": {"version", "body"},
}


class TeamsChannel(Channel):
    """A workflow of Teams: it answers 202 and posts afterwards, so a bad card fails unheard."""

    path = "/workflows/0/triggers/manual/paths/invoke"

    def __init__(self) -> None:
        super().__init__()
        #: The run history: why messages were not posted.
        self.failed_runs: list[str] = []

    def gone(self) -> Reply:
        return self._error(404, "WorkflowNotFound")

    def refused(self, why: str) -> Reply:
        return self._error(400, "TriggerInputSchemaMismatch")

    @staticmethod
    def _error(status: int, code: str) -> Reply:
        return Reply(status, json.dumps({"error": {"code": code, "message": "…"}}).encode())

    def check(self, message: dict[str, Any], call: Call) -> None:
        _need(POISON not in call.body.decode(), "poison")

    def accepted(self, message: dict[str, Any], call: Call) -> Reply:
        try:
            _need(len(call.body) <= 28 * 1024, "more than 28 KB")
            _need(message["type"] == "message" and len(message["attachments"]) == 1, "envelope")
            (attachment,) = message["attachments"]
            kind = "application/vnd.microsoft.card.adaptive"
            _need(attachment["contentType"] == kind, "not a card")
            self._card(attachment["content"])
            self.posted.append(message)
        except (Wrong, LookupError, TypeError, ValueError, AssertionError) as error:
            self.failed_runs.append(f"{type(error).__name__} {error}")
        return Reply(202)

    @staticmethod
    def _card(card: dict[str, Any]) -> None:
        _need(card["type"] == "AdaptiveCard", "no card")
        _need(tuple(map(int, card["version"].split("."))) <= (1, 5), "Teams knows versions to 1.5")
        for one in _dicts({**card, "msteams": {}}):
            if "type" in one:
                _need(one["type"] in ELEMENTS, f"unknown element {one['type']}")
                _need(ELEMENTS[one["type"]] <= one.keys(), f"incomplete {one['type']}")
                _need(all(one[key] for key in ELEMENTS[one["type"]]), f"empty {one['type']}")
            elif one:
                _need(set(one) == {"title", "value"}, f"unknown keys {set(one)}")
        for one in _dicts(card):
            if one.get("type") in ("Image", "Action.OpenUrl"):
                _need(re.match(r"https?://[^\s/]+", one["url"]), "no address")
                _need(one["type"] == "Image" or one.get("title"), "an action needs a title")

    def texts(self, message: dict[str, Any]) -> Iterator[str]:
        for one in _dicts(message):
            if one.get("type") == "TextRun":
                yield one["text"].replace("\u200b", "")
            elif set(one) == {"title", "value"}:
                for text in one.values():
                    yield re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text)

    def formatting(self) -> list[str]:
        """Dates and markdown that Teams would replace."""
        found: list[str] = []
        for one in _dicts(self.posted):
            for key in {"text", "title", "value", "fallbackText"} & one.keys():
                found += re.findall(r"\{\{(?:DATE|TIME)\(.*", one[key])
            markdown = [one["text"]] if one.get("type") == "TextBlock" else []
            if set(one) == {"title", "value"}:
                markdown += one.values()
            for text in [*markdown, *([one["fallbackText"]] if "fallbackText" in one else [])]:
                found += re.findall(r"[*_`\[\]<>~|#]", re.sub(r"\\[^0-9A-Za-z\s]", "", text))
        return found


CHANNELS: dict[str, Callable[[], Channel]] = {
    "slack": SlackChannel,
    "teams": TeamsChannel,
    "discord": DiscordChannel,
}


@contextmanager
def channel(kind: str) -> Iterator[tuple[Any, Service, str]]:
    """A channel of this kind, its server, and its secret address."""
    made = CHANNELS[kind]()
    with serving(made.accept) as service:
        yield made, service, service.url + made.path
