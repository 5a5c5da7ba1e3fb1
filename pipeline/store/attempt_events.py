"""Events as JSON: in a job's history, and in the rescue file while the disk is full."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from pipeline.core.language import Said, say, say_counted, together
from pipeline.core.messages.reasons import told
from pipeline.core.model import JobKey, Result
from pipeline.core.planning.causes import cause_again, person_again, sender_again
from pipeline.core.rows.forgetting import reason_left
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Progressed, Succeeded
from pipeline.core.text import in_credits

_KINDS: Final[dict[str, type[Event]]] = {
    kind.__name__.lower(): kind
    for kind in (Accepted, Progressed, Succeeded, Failed, Lost, Postponed)
}
# Made once: making it takes longer than its work.
_encoded = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Fact:
    """An event of one attempt of a job."""

    key: JobKey
    number: int
    event: Event


class TimedFact(NamedTuple):
    """A fact, and when it was reported."""

    fact: Fact
    at: datetime


def kind_of(event: Event) -> str:
    """The event's name as it is kept: `accepted`, `failed`, …"""
    return type(event).__name__.lower()


def to_body(event: Event) -> str:
    """The event's fields as JSON."""
    return _encoded(_fields(event))


def _fields(event: Event) -> dict[str, object]:
    fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
    if isinstance(event, Succeeded):
        fields["result"] = result_fields(event.result)
    return fields


def from_body(kind: str, body: Mapping[str, Any]) -> Event:
    """The event of these fields. Raises KeyError or TypeError if there is none."""
    fields = dict(body)
    if "result" in fields:
        fields["result"] = to_result(fields["result"])
    return _KINDS[kind](**fields)


def result_fields(result: Result) -> dict[str, object]:
    """A result as its JSON fields."""
    fields: dict[str, object] = {"urls": result.urls, "grid_url": result.grid_url}
    more = {"left_out": result.left_out, "text": result.text, "ids": result.ids}
    return fields | {name: value for name, value in more.items() if value}


def to_result(fields: Mapping[str, Any]) -> Result:
    """A result from its JSON fields."""
    return Result(
        tuple(fields["urls"]),
        fields["grid_url"],
        fields.get("left_out", 0),
        fields.get("text", ""),
        tuple(fields.get("ids", ())),
    )


def to_line(fact: Fact, at: datetime) -> str:
    """A fact, and when it was reported, as one line of JSON in ASCII."""
    return _encoded(
        {
            "key": fact.key,
            "number": fact.number,
            "at": at.isoformat(),
            "kind": kind_of(fact.event),
            "body": _fields(fact.event),
        }
    )


def from_line(line: bytes) -> TimedFact:
    """The fact of a line. Raises ValueError for a line that is not complete."""
    try:
        kept = json.loads(line)
        sheet, row_id, take, *part = kept["key"]
        event = from_body(kept["kind"], kept["body"])
        key = JobKey(str(sheet), str(row_id), int(take), *map(str, part[:1]))
        fact = Fact(key, int(kept["number"]), event)
        return TimedFact(fact, datetime.fromisoformat(kept["at"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a fact: {error}") from error


def body_left(kind: str, body: Mapping[str, Any]) -> dict[str, object]:
    """What stays of the fields of an event in the history when its words are forgotten.

    Amounts and the id of the task stay, and of a result the number of its addresses.
    """
    left = {name: value for name, value in body.items() if name in _STAY}
    if "result" in body:
        left["result"] = {"urls": [""] * len(body["result"]["urls"]), "grid_url": ""}
    if "reason" in body:
        left["reason"] = reason_left(body["reason"])
    return left | ({"by": ""} if kind in ("asked", "picked") else {})


_STAY: Final = frozenset(
    ("endpoint", "price", "task_id", "because", "percent", "refused", "reported", "pictures")
)


def event_text(kind: str, body: Mapping[str, Any]) -> Said:
    """The text for an event in the history, in a few words."""
    words: list[str]
    match kind:
        case "succeeded":
            words = [
                say_counted(len(body["result"]["urls"]), "{number} result", "{number} results")
            ]
        case "progressed":
            words = [] if body["percent"] is None else [f"{body['percent']} %"]
        case "sent" | "adopted":
            words = [body["endpoint"], in_credits(body["price"])]
        case "asked":
            words = [person_again(body["by"])]
        case "picked":
            numbers = ", ".join(map(str, body["pictures"]))
            picked = say("picture {number}", number=numbers) if numbers else say("none")
            words = [picked, person_again(body["by"])]
        case _:
            words = [told(body.get("reason", ""))]
    if body.get("reported") is not None:
        words.append(say("{price} reported", price=in_credits(body["reported"])))
    if body.get("task_id"):
        words.append(say("task {task}", task=body["task_id"]))
    if body.get("because"):
        words.append(say("because {cause}", cause=cause_again(body["because"])))
    if kind == "sent" and body.get("by"):
        words.append(say("by {who}", who=sender_again(body["by"])))
    return together(words, ", ")
