"""What tasks cost: all attempts with what was listed and reported for them.

It reads only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from sys import intern
from typing import Any

from sqlalchemy import Connection, Text, case, func, literal_column, select, type_coerce

from pipeline.core.model import State
from pipeline.core.money.charges import Charged
from pipeline.core.money.receipt_lines import Sent
from pipeline.core.picture_findings import Findings
from pipeline.core.states import Paid
from pipeline.store.column_types import from_number, unescaped
from pipeline.store.schema import attempts, events, files, jobs, sheets
from pipeline.store.serialization import STATES, result_from
from pipeline.store.transactions import StorePart, chunks, number_of

#: So many lines are in memory at a time.
_AT_ONCE = 5_000
#: The columns of `Sent`, in its order; `_sent` reads their plain values.
_SENT = [
    attempts.c.job,
    sheets.c.key,
    jobs.c.row_id,
    jobs.c.take,
    jobs.c.part,
    attempts.c.number,
    attempts.c.state,
    attempts.c.endpoint,
    attempts.c.inputs,
    attempts.c.prompt,
    attempts.c.task_id,
    attempts.c.price,
    attempts.c.reported,
    attempts.c.sent_at,
    attempts.c.ended_at,
    attempts.c.reason,
    attempts.c.provider,
    attempts.c.base_url,
    attempts.c.api_key,
]
#: How many pictures an attempt has, and what is wrong with which of them.
WrongPictures = tuple[int, tuple[tuple[int, Findings], ...]]
#: Those that a receipt shows, and only of its own sheet.
_WORDS = ("row_id", "inputs", "prompt")


class Charges(StorePart):
    """The charges of every sheet in this store."""

    def other_than_listed(self, api_key: str) -> list[Charged]:
        """The tasks of an account that succeeded and cost other credits than were held for them.

        Tasks without a listed price, such as those of an adopted sheet, are left out.
        """
        asked = select(
            attempts.c.endpoint,
            attempts.c.inputs,
            attempts.c.price,
            attempts.c.reported,
            attempts.c.sent_at,
        ).where(
            attempts.c.api_key == api_key,
            attempts.c.state == State.SUCCEEDED.value,
            attempts.c.price > 0,
            attempts.c.reported != attempts.c.price,
        )
        with self._database.reading() as connection:
            return [Charged(*row) for row in connection.execute(asked)]

    def sent(self, sheet: str) -> list[Sent]:
        """Every attempt of every sheet, in the order of the jobs.

        Those of other sheets than this one have no words, which would fill the memory.
        """
        with self._database.reading() as connection:
            again, wrong = _sent_again(connection), _wrong_pictures(connection)
            is_own = jobs.c.sheet == number_of(connection, sheet)
            plain: list[Any] = [
                case((is_own, words), else_="") if column.key in _WORDS else words
                for column, words in ((one, type_coerce(one, Text)) for one in _SENT)
            ]
            asked = select(*plain).select_from(attempts.join(jobs).join(sheets))
            asked = asked.order_by(attempts.c.job, attempts.c.number)
            found = connection.execute(asked, execution_options={"yield_per": _AT_ONCE})
            return [_sent(again, wrong, *row) for row in found]

    def paid_since(self, sheet: str, moment: datetime) -> list[Paid]:
        """What was sent for a sheet at this moment or later, with its price."""
        asked = select(
            attempts.c.state,
            attempts.c.provider,
            attempts.c.base_url,
            attempts.c.api_key,
            attempts.c.task_id,
            attempts.c.reason,
            attempts.c.price,
            attempts.c.reported,
        ).select_from(attempts.join(jobs))
        with self._database.reading() as connection:
            # By the index of deadlines, which are later than that. The plus keeps the databases
            # from looking at all jobs of the sheet instead.
            here = literal_column("+jobs.sheet") == number_of(connection, sheet)
            late = attempts.c.state.in_(STATES), attempts.c.deadline >= moment
            found = connection.execute(asked.where(here, *late, attempts.c.sent_at >= moment))
            return [Paid(STATES[state], *its) for state, *its in found]

    def first_sent_at(self, api_key: str) -> datetime | None:
        """When the first attempt at an account was sent; None if there was none."""
        first = select(func.min(attempts.c.sent_at)).where(attempts.c.api_key == api_key)
        with self._database.reading() as connection:
            return connection.execute(first).scalar()

    def bodies(self, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], Any]:
        """What was asked of the API by these attempts: (job, number) -> body."""
        wanted = set(places)
        asked = select(attempts.c.job, attempts.c.number, attempts.c.body)
        found: dict[tuple[int, int], Any] = {}
        with self._database.reading() as connection:
            for chunk in chunks(sorted({job for job, _ in wanted})):
                for job, number, body in connection.execute(asked.where(attempts.c.job.in_(chunk))):
                    if (job, number) in wanted:
                        found[job, number] = json.loads(body)
        return found

    def saved_files(self, sheet: str) -> Mapping[tuple[int, int], list[str]]:
        """The saved files of each attempt of a sheet: (job, number) -> paths."""
        asked = select(files.c.job, files.c.number, files.c.path).select_from(files.join(jobs))
        saved: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        with self._database.reading() as connection:
            here = jobs.c.sheet == number_of(connection, sheet)
            asked = asked.where(here, files.c.path != "").order_by(files.c.path)
            for job, number, path in connection.execute(asked):
                saved[job, number].append(path)
        return saved


def _sent_again(connection: Connection) -> dict[tuple[int, int], int]:
    """When submissions whose answer was lost were heard of last: (job, number) -> moment."""
    lost = select(events.c.job).where(events.c.kind == "lost")
    heard = select(events.c.job, events.c.number, type_coerce(func.max(events.c.at), Text))
    heard = heard.where(events.c.job.in_(lost), events.c.kind.in_(("lost", "accepted")))
    rows = connection.execute(heard.group_by(events.c.job, events.c.number))
    return {(job, number): at for job, number, at in rows}


def _wrong_pictures(connection: Connection) -> dict[tuple[int, int], WrongPictures]:
    """(job, number) -> how many pictures the attempt has, and what is wrong with which of them."""
    its = (attempts.c.job == files.c.job) & (attempts.c.number == files.c.number)
    asked = select(files.c.job, files.c.number, files.c.url, files.c.findings, attempts.c.result)
    asked = asked.select_from(files.join(attempts, its)).where(files.c.findings != "")
    found: dict[tuple[int, int], tuple[int, dict[int, Findings]]] = {}
    for job, number, url, text, result in connection.execute(asked):
        urls = result_from(result).urls
        if url in urls:
            _, findings = found.setdefault((job, number), (len(urls), {}))
            findings[urls.index(url) + 1] = Findings.from_text(text)
    return {key: (of, tuple(sorted(its.items()))) for key, (of, its) in found.items()}


def _sent(
    again: Mapping[tuple[int, int], int],
    wrong: Mapping[tuple[int, int], WrongPictures],
    job: int,
    sheet: str,
    row_id: str,
    take: int,
    part: str,
    number: int,
    state: str,
    endpoint: str,
    inputs: str,
    prompt: str,
    task_id: str,
    price: int,
    reported: int | None,
    sent_at: int,
    ended_at: int | None,
    reason: str,
    provider: str,
    base_url: str,
    api_key: str,
) -> Sent:
    pictures, findings = wrong.get((job, number), (0, ()))
    return Sent(
        job,
        intern(unescaped(sheet)),
        unescaped(row_id),
        take,
        part,
        number,
        STATES[state],
        intern(unescaped(endpoint)),
        unescaped(inputs),
        unescaped(prompt),
        unescaped(task_id),
        price,
        reported,
        from_number(sent_at),
        from_number(ended_at),
        unescaped(reason),
        intern(provider),
        intern(base_url),
        intern(api_key),
        from_number(again.get((job, number))),
        findings,
        pictures,
    )
