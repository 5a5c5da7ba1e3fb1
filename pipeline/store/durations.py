"""How long tasks took: what passes learnt for their polls, and what the attempts of a sheet show.

What passes learnt is kept as one value for each API key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import and_, select

from pipeline.core.model import State
from pipeline.store.schema import attempts, events, jobs
from pipeline.store.transactions import StorePart, keep_value, number_of, value_of

#: How many of the latest jobs of a sheet show how long its tasks take.
LATEST: Final = 1_000

#: The two ages, in seconds, between which a task ended.
Span = tuple[float, float]


class EndedTask(NamedTuple):
    """A task that succeeded: seconds from its submission to the answer, and to its known end."""

    endpoint: str
    account: str
    seconds: float
    #: None if the answer was never recorded.
    answered: float | None


class Durations(StorePart):
    """How long tasks took at each API, as earlier passes found out."""

    def get(self, api_key: str) -> dict[str, tuple[Span, ...]]:
        """Endpoint -> the spans that the last pass kept; only endpoints with at least one."""
        with self._database.reading() as connection:
            text = value_of(connection, _name(api_key))
        try:
            return {
                str(endpoint): usable
                for endpoint, spans in json.loads(text or "{}").items()
                if (usable := tuple((float(a), float(b)) for a, b in spans if 0 <= a < b))
            }
        except (ValueError, TypeError, AttributeError):
            return {}

    def of_sheet(self, sheet: str) -> list[EndedTask]:
        """The tasks that succeeded, of the latest jobs of a sheet."""
        with self._database.reading() as connection:
            latest = (
                select(jobs.c.id)
                .where(jobs.c.sheet == number_of(connection, sheet))
                .order_by(jobs.c.version.desc())
                .limit(LATEST)
                .subquery()
            )
            answer = and_(
                events.c.job == attempts.c.job,
                events.c.number == attempts.c.number,
                events.c.kind == "accepted",
            )
            asked = (
                select(
                    attempts.c.endpoint,
                    attempts.c.api_key,
                    attempts.c.sent_at,
                    attempts.c.ended_at,
                    events.c.at,
                )
                .join_from(latest, attempts, attempts.c.job == latest.c.id)
                .join(events, answer, isouter=True)
                .where(
                    attempts.c.state == State.SUCCEEDED.value,
                    attempts.c.ended_at > attempts.c.sent_at,
                )
            )
            return [
                EndedTask(
                    endpoint,
                    account,
                    (ended_at - sent_at).total_seconds(),
                    (at - sent_at).total_seconds() if at else None,
                )
                for endpoint, account, sent_at, ended_at, at in connection.execute(asked)
            ]

    def keep(self, api_key: str, spans: Mapping[str, Sequence[Span]]) -> None:
        """Keep these instead of the earlier ones."""
        kept = {name: [(round(a, 4), round(b, 4)) for a, b in of] for name, of in spans.items()}
        with self._database.writing() as connection:
            keep_value(connection, _name(api_key), json.dumps(kept))


def _name(api_key: str) -> str:
    return f"durations {api_key}"
