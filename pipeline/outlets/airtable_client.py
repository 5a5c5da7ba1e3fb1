"""The requests of the outlet `airtable`, through pyairtable. It blocks.

Airtable takes ten records in a request, all or none of them, and copies pictures from their
addresses. It copies them again whenever they are sent, so they are sent only if they changed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import certifi
import requests
from pyairtable import Api
from pyairtable.models.schema import TableSchema
from requests import exceptions as failures

from pipeline.core.api.protocol import retry_after
from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Delivered, Message, Result, Trouble, Undelivered
from pipeline.outlets.airtable import EVERY, MOST
from pipeline.outlets.mapping import (
    Column,
    FieldMap,
    Kind,
    Line,
    Unfit,
    fingerprint,
    in_halves,
    in_order,
)

#: Seconds for a connection, and for an answer.
TIMEOUT: Final = (10, 60)
#: Seconds of rest after too many requests, where the answer names none.
REST: Final = 30.0
#: Seconds until the next try when the requests of the month are used up.
USED_UP: Final = 3600.0
#: Most characters of a text.
LONGEST: Final = 100_000

_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"), Kind.TEXT
    ),
    **dict.fromkeys(("number", "currency", "percent", "duration"), Kind.NUMBER),
    "rating": Kind.WHOLE,
    "singleSelect": Kind.TEXT,
    "multipleSelects": Kind.LIST,
    "checkbox": Kind.FLAG,
    "dateTime": Kind.MOMENT,
    "date": Kind.DAY,
    "multipleAttachments": Kind.PICTURES,
}
#: The letters that format a text with "rich text formatting".
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#~|!])")
#: What Airtable says of a key that several records have.
_SEVERAL: Final = re.compile(r"more than one|multiple records|duplicate", re.IGNORECASE)

_NO_ANSWER: Final = "Airtable did not answer, so the rows may have arrived."
_NOT_REACHED: Final = "Airtable cannot be reached. Check the connection to the internet."
_REFUSED: Final = (
    "Airtable refuses the token. Create a new one at airtable.com/create/tokens with the scopes "
    "data.records:read, data.records:write and schema.bases:read."
)
_ACCESS: Final = (
    "The token may not use this base or table. At airtable.com/create/tokens, add the base to the "
    "token, and the scopes data.records:read, data.records:write and schema.bases:read. Its owner "
    "needs the right to edit the base."
)
_NO_TABLE: Final = "There is no such table in the base. Correct table: its id begins with tbl."
_REDIRECTS: Final = (
    "The address redirects, and rows are not sent on. Correct base_url, or leave it out."
)
_STRANGE: Final = "The answer is none of Airtable's. Check base_url."
_USED_UP: Final = (
    "The requests of this month are used up in the Airtable workspace. They begin again with the "
    "next month, or with another plan."
)
_CHANGED: Final = "A column has changed. The table is read again before the next try."
_TWICE: Final = (
    "Several records of the table have the key of this row. Delete those that are too many."
)


@dataclass(frozen=True, slots=True)
class _Failed(Exception):
    """A request failed; all messages of it have this result."""

    result: Undelivered


class AirtableClient:
    """One table; see `AirtableOutlet` for the arguments."""

    def __init__(
        self, token: str, base: str, table: str, field_map: FieldMap, base_url: str = ""
    ) -> None:
        address = base_url.rstrip("/") or "https://api.airtable.com"
        self._api = Api(token, timeout=TIMEOUT, retry_strategy=None, endpoint_url=address)
        session = self._api.session
        # No password from .netrc in place of the token, and no redirect.
        session.trust_env, session.max_redirects = False, 0
        own = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        session.verify = own or certifi.where()
        self._base, self._table = base, self._api.table(base, table)
        #: When the next request may go, on the monotonic clock.
        self._next = 0.0
        self._map = field_map
        self._columns: tuple[Column, ...] = ()

    def close(self) -> None:
        """End the connections."""
        self._api.session.close()

    def check(self) -> Sequence[str]:
        """What is wrong with the table: a sentence each that says what to do."""
        try:
            self._ask(self._api.whoami)
            base = self._ask(lambda: self._api.base(self._base, validate=True, force=True), _ACCESS)
            if base.permission_level in ("none", "read", "comment"):
                return ["The owner of the token may only read the base. Let them edit it."]
            columns = self._read()
        except _Failed as failed:
            return failed.result.problems
        return self._map.problems(columns)

    def _read(self) -> tuple[Column, ...]:
        """The columns of the table. Raises _Failed."""
        schema: TableSchema = self._ask(lambda: self._table.schema(force=True), _NO_TABLE)
        return tuple(map(_column, schema.fields))

    def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """Write the records of these messages."""
        try:
            columns = self._columns or self._read()
        except _Failed as failed:
            return [failed.result] * len(messages)
        if not self._columns and (problems := self._map.problems(columns)):
            return [Undelivered(Trouble.CLOSED, " ".join(problems))] * len(messages)
        self._columns = columns
        lines, results = self._map.lines(columns, messages)
        # Airtable refuses two records with the same key; the later one counts.
        unique = list({line.key: line for line in lines}.values())
        sent: dict[tuple[object, ...], Result] = {}
        for start in range(0, len(unique), MOST):
            some = unique[start : start + MOST]
            sent |= zip((line.key for line in some), in_halves(self._send, some), strict=True)
        return in_order(messages, results, lines, sent)

    def _send(self, lines: Sequence[Line]) -> Sequence[Result]:
        """Write these records with one request. Raises Unfit if their values are refused."""
        try:
            created = self._upsert(lines, with_pictures=False)
            # A record that somebody deleted is new again, and has no pictures yet.
            bare = [line for line in lines if line.key in created and _is_unchanged(line)]
            if bare:
                self._upsert(bare, with_pictures=True)
        except _Failed as failed:
            self._columns = ()
            return [failed.result] * len(lines)
        return [Delivered(_pictures_of(line)) for line in lines]

    def _upsert(self, lines: Sequence[Line], *, with_pictures: bool) -> set[tuple[object, ...]]:
        """The keys of the records that were created. Pictures go only if they have changed."""
        keys = [column.ref for column in [*lines[0].cells][: len(lines[0].key)]]
        records = [
            {
                "fields": {
                    column.ref: _sent(column, value)
                    for column, value in line.cells.items()
                    if with_pictures or column.kind is not Kind.PICTURES or not _is_unchanged(line)
                }
            }
            for line in lines
        ]
        upsert = self._table.batch_upsert
        answer = self._ask(
            lambda: upsert(records, key_fields=keys, typecast=True, use_field_ids=True)
        )
        created = {*answer["createdRecords"]}
        made = [one["fields"] for one in answer["records"] if one["id"] in created]
        there = {tuple(str(one.get(key)) for key in keys) for one in made}
        return {line.key for line in lines if tuple(map(str, line.key)) in there}

    def _ask(self, request: Callable[[], Any], without: str = "") -> Any:
        """The answer to a request, in the pace that Airtable allows.

        `without` says what is wrong if the answer does not list what was looked for. Raises
        _Failed, and Unfit if values are refused.
        """
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + EVERY
        try:
            return request()
        except failures.HTTPError as error:
            raise _meaning(error) from None
        except failures.TooManyRedirects:
            result = Undelivered(Trouble.CLOSED, _REDIRECTS)
        except (failures.ConnectTimeout, failures.SSLError, failures.ProxyError):
            result = Undelivered(Trouble.LATER, _NOT_REACHED)
        except failures.ConnectionError as error:
            # urllib3 names a connection that was never made.
            never = re.search("NewConnectionError|NameResolutionError", repr(error))
            result = (
                Undelivered(Trouble.LATER, _NOT_REACHED)
                if never
                else Undelivered(Trouble.UNSURE, _NO_ANSWER)
            )
        except failures.JSONDecodeError:
            result = Undelivered(Trouble.UNSURE, _STRANGE)
        except failures.RequestException:
            result = Undelivered(Trouble.UNSURE, _NO_ANSWER)
        except (KeyError, ValueError, TypeError) as error:
            is_missing = without and type(error) is KeyError
            result = (
                Undelivered(Trouble.CLOSED, without)
                if is_missing
                else Undelivered(Trouble.UNSURE, _STRANGE)
            )
        raise _Failed(result)


def _column(field: Any) -> Column:
    spelled = str(getattr(field.type, "value", field.type))
    kind = _KINDS.get(spelled, Kind.OTHER)
    longest = LONGEST if kind is Kind.TEXT else None
    return Column(field.name, kind, spelled, ref=field.id, longest=longest)


def _sent(column: Column, value: object) -> object:
    """A value as Airtable's JSON has it."""
    if column.kind is Kind.PICTURES and isinstance(value, list):
        return [{"url": one} for one in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and column.type == "richText":
        return _MARKUP.sub(r"\\\1", value)
    return value


def _pictures_of(line: Line) -> str:
    """What is remembered of a row: which pictures its record has."""
    sent = [str(value) for column, value in line.cells.items() if column.kind is Kind.PICTURES]
    return fingerprint([*sent, *map(str, line.key)]) if sent else ""


def _is_unchanged(line: Line) -> bool:
    return bool(line.message.remote) and line.message.remote == _pictures_of(line)


def _meaning(error: requests.HTTPError) -> Exception:
    """What a status that is no success means."""
    answer = error.response
    said = answer.text[:2000]
    match answer.status_code:
        case 401:
            return _Failed(Undelivered(Trouble.CLOSED, _REFUSED))
        case 403:
            return _Failed(Undelivered(Trouble.CLOSED, _ACCESS))
        case 404:
            return _Failed(Undelivered(Trouble.CLOSED, _NO_TABLE))
        case 429 if "BILLING_LIMIT" in said:
            return _Failed(Undelivered(Trouble.LATER, _USED_UP, USED_UP))
        case 429:
            asked = Response(429, {k.lower(): v for k, v in answer.headers.items()}, b"")
            wait = retry_after(asked, datetime.now().astimezone()) or REST
            return _Failed(Undelivered(Trouble.LATER, "Airtable is receiving too much.", wait))
        case 422 if "UNKNOWN_FIELD" in said:
            return _Failed(Undelivered(Trouble.LATER, _CHANGED))
        case 422 if _SEVERAL.search(said):
            return Unfit(_TWICE)
        case 400 | 413 | 422:
            return Unfit(
                f"Airtable refuses a value of this row (HTTP {answer.status_code}). Compare the "
                "row with the types and choices of the columns."
            )
        case status if status in (408, 503):
            return _Failed(Undelivered(Trouble.LATER, f"Airtable is not ready (HTTP {status})."))
        case status:
            return _Failed(
                Undelivered(Trouble.UNSURE, f"Airtable failed (HTTP {status}). {_NO_ANSWER}")
            )
