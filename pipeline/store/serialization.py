"""An attempt as a line of its table, and back.

The values are plain ones: SQLAlchemy's types, applied to each value of each of many lines, cost
more than the statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from sqlalchemy import Text, insert, type_coerce

from pipeline.core.model import Attempt, Forgotten, Result, State
from pipeline.store.attempt_events import result_fields, to_result
from pipeline.store.column_types import escaped, from_number, to_number, unescaped
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts

#: The columns of an attempt, in the order of its fields.
ATTEMPT = [
    attempts.c["api_key" if name == "account" else name] for name in Attempt.__dataclass_fields__
]
#: The same for a SELECT of SQLAlchemy that is to return plain values.
ATTEMPT_PLAIN = [type_coerce(column, Text) for column in ATTEMPT]
#: Adds an attempt to a job: `to_plain`, between the job's number and what only the store knows.
NEW_ATTEMPT = Prepared(
    insert(attempts).inline(),
    "job",
    *(column.name for column in ATTEMPT),
    "body",
    "run",
    "day",
    "charged",
    "labels",
    "shares",
    "credit_price",
)
#: The text of a state in the store -> the state.
STATES = {str(state): state for state in State}
_NOTHING = Result()
_decoded = json.JSONDecoder().decode


def to_plain(attempt: Attempt) -> tuple[object, ...]:
    """An attempt as plain values, in the order of ATTEMPT."""
    return (
        attempt.number,
        attempt.state.value,
        escaped(attempt.inputs),
        _listed(attempt.columns),
        escaped(attempt.endpoint),
        attempt.price,
        to_number(attempt.sent_at),
        to_number(attempt.deadline),
        escaped(attempt.task_id),
        attempt.progress,
        to_text(attempt.result),
        escaped(attempt.reason),
        to_number(attempt.ended_at),
        attempt.reported,
        escaped(attempt.provider),
        escaped(attempt.base_url),
        escaped(attempt.account),
        attempt.resend_key,
        escaped(attempt.poll_at),
        to_number(attempt.asked_at),
        attempt.hook,
        escaped(attempt.prompt),
        to_number(attempt.early_poll),
        attempt.remade,
        to_forgotten(attempt.forgotten),
    )


def to_forgotten(forgotten: Forgotten | None) -> str:
    """That an attempt was forgotten, as its column in the store."""
    if forgotten is None:
        return ""
    return json.dumps({**asdict(forgotten), "at": to_number(forgotten.at)})


def from_forgotten(text: str) -> Forgotten | None:
    """The same from its column."""
    if not text:
        return None
    fields = json.loads(text)
    lists = {name: tuple(fields[name]) for name in ("urls", "links", "files")}
    return Forgotten(**{**fields, **lists, "at": from_number(fields["at"])})


def to_shares(shares: tuple[str, ...]) -> str:
    """What an attempt is counted under besides run and day, as its column in the store."""
    return json.dumps(shares, ensure_ascii=False) if shares else ""


def from_shares(text: str) -> tuple[str, ...]:
    """The same from its column."""
    return tuple(json.loads(text)) if text else ()


def to_text(result: Result) -> str:
    """A result as its column in the store."""
    return "" if result == _NOTHING else json.dumps(result_fields(result))


def from_plain(fields: Iterable[Any]) -> Attempt:
    """An attempt from plain values, in the order of ATTEMPT."""
    number, state, inputs, columns, endpoint, price, sent_at, deadline, task_id, *after = fields
    progress, result, reason, ended_at, reported, *sent_to, prompt, early_poll, remade, gone = after
    provider, base_url, account, resend_key, poll_at, asked_at, hook = sent_to
    return Attempt(
        number,
        STATES[state],
        unescaped(inputs),
        _columns(columns),
        unescaped(endpoint),
        price,
        from_number(sent_at),
        from_number(deadline),
        unescaped(task_id),
        progress,
        result_from(result),
        unescaped(reason),
        from_number(ended_at),
        reported,
        unescaped(provider),
        unescaped(base_url),
        unescaped(account),
        resend_key,
        unescaped(poll_at),
        from_number(asked_at),
        hook,
        unescaped(prompt),
        from_number(early_poll),
        remade,
        # What was delivered after that is there.
        None if result else from_forgotten(gone),
    )


def result_from(text: str) -> Result:
    """The result as `to_text` wrote it."""
    return to_result(_decoded(text)) if text else _NOTHING


@lru_cache(maxsize=256)
def _listed(columns: tuple[str, ...]) -> str:
    return json.dumps(columns)


@lru_cache(maxsize=256)
def _columns(text: str) -> tuple[str, ...]:
    # The same few headers, a hundred thousand times.
    return tuple(json.loads(text))
