"""An API as a table of values: its endpoints, their fields, and how it describes a task.

The values come from `configs/providers/*.toml`, so that an API is added by writing text. `protocol`
makes requests of them and reads answers by them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.core.text import quoted
from pipeline.core.webhook import Webhook

#: What the status code of an answer to a submission means. After `taken`, the body decides.
Meaning = Literal["taken", "refused", "busy", "stop", "lost"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an endpoint, and what may stand in its cell."""

    type: Literal["text", "integer", "number", "boolean"] = "text"
    required: bool = False
    one_of: tuple[str, ...] = ()
    #: The whole text must match it; `says` tells people what is wanted.
    pattern: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to ask one thing of one API."""

    path: str
    fields: Mapping[str, Field]
    #: Where the results are in a finished task.
    urls: tuple[str, ...]
    grid_url: str = ""
    #: Listed credits for one submission; without a price nothing is sent.
    credits: int | None = None
    #: Seconds that a submission may take in all, before its answer counts as lost.
    deadline: float = 60.0
    #: Whether it can be asked to call back; one that answers with the finished thing need not be.
    webhook: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """How a request carries the API key, and which keys belong to another API."""

    header: str = "Authorization"
    value: str = "{key}"
    #: Beginning of a key -> a sentence that says what to do with it.
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskFields:
    """How a task is described in any answer. Of several names the first one found counts."""

    id: tuple[str, ...]
    status: str
    finished: tuple[str, ...]
    failed: tuple[str, ...]
    percent: str = ""
    reason: tuple[str, ...] = ("message", "error")
    #: Credits that it really cost, where the API says so.
    credits: str = ""


@dataclass(frozen=True, slots=True)
class Poll:
    """How to poll tasks: one by one, and many at once."""

    one: str
    one_field: str
    many: str = ""
    many_field: str = ""
    many_tasks: str = ""
    least: int = 2
    most: int = 20


@dataclass(frozen=True, slots=True)
class Provider:
    """One API."""

    title: str
    base_url: str
    key: Key
    task: TaskFields
    poll: Poll
    endpoints: Mapping[str, Endpoint]
    #: How it calls back, if it does.
    webhook: Webhook | None = None
    #: The credits that are left: a path, and the name of the number in its answer.
    account: str = ""
    account_credits: str = "credits"
    user_agent: str = "promptsheet"
    #: Status code -> meaning, where this API differs from MEANINGS.
    meanings: Mapping[str, Meaning] = field(default_factory=dict)


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


def problems_with(endpoint: Endpoint, inputs: Mapping[str, str]) -> list[str]:
    """What is wrong with a row's inputs, a sentence each; empty if they can be sent."""
    return [
        problem
        for name, asked in endpoint.fields.items()
        if (problem := _problem_with(name, asked, inputs.get(name, "")))
    ]


def _problem_with(name: str, asked: Field, text: str) -> str:
    if not text:
        return f"{name} is empty: write one" if asked.required else ""
    if asked.one_of and text not in asked.one_of:
        return f"{name} is {quoted(text, 40)}; it can be {', '.join(asked.one_of)}"
    if asked.pattern and not re.fullmatch(asked.pattern, text):
        return f"{name} is {quoted(text, 40)}; it must be {asked.says or asked.pattern}"
    try:
        typed_value(asked, text)
    except ValueError:
        wanted = {"integer": "a whole number", "number": "a number", "boolean": "yes or no"}
        return f"{name} is {quoted(text, 40)}; it must be {wanted[asked.type]}"
    return ""


def typed_value(asked: Field, text: str) -> object:
    match asked.type:
        case "text":
            return text
        case "integer":
            return int(text)
        case "number":
            if not math.isfinite(number := float(text)):
                raise ValueError(text)  # JSON has no word for it
            return number
        case "boolean":
            if (word := text.casefold()) in ("yes", "true", "1", "no", "false", "0"):
                return word in ("yes", "true", "1")
            raise ValueError(text)
