"""What stays of a row whose old words and results are removed from the store.

The place of each text holds its *trace* (see `traces`). If the text is still in the sheet,
it has the same trace, so a reading of the sheet brings the text back (`Recalled`). From then on all
rules compare texts as usual. A trace whose text stands nowhere is different from every text of the
sheet, as the text itself would be. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.core.api.fields import INDEX
from pipeline.core.api.provider import Field
from pipeline.core.inputs import parsed
from pipeline.core.messages.reasons import FORGOTTEN as REASON_FORGOTTEN
from pipeline.core.model import Job, JobKey, KnownRow, State
from pipeline.core.prompts.revisions import PICTURES
from pipeline.core.rows.chains import LINK
from pipeline.core.rows.known import Memory
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import COUNT, RATIO, RATIOS, Marked
from pipeline.core.states import WHEN_SENT_AGAIN, state_of
from pipeline.core.traces import TRACE, Tracer, has_traces

#: Numbers, ratios, and lists of them.
_NUMBERS: Final = re.compile(r"[0-9][0-9:x.,;/\s-]{0,39}")
#: The names of pictures that an approval is for (see `feedback.wrote_for`).
_PICTURES: Final = re.compile(r"none|[0-9][\w/\n-]*")
_PLAIN: Final = (INDEX, COUNT, RATIO, RATIOS)
_COUNTED: Final = ("integer", "number", "boolean")

#: The names of those texts of inputs (canonical text) that stay.
Stays = Callable[[str], Collection[str]]


@dataclass(frozen=True, slots=True)
class Recalled:
    """The texts of a sheet by their traces; without a tracer, nothing was ever forgotten."""

    tracer: Tracer | None = None
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def reading(self, rows: Iterable[Marked]) -> Recalled:
        """The same with the texts of these rows; itself if there are no new ones."""
        if self.tracer is None:
            return self
        return self.with_texts(
            {text for row in rows for text in (*parsed(row.inputs).values(), row.feedback)}
        )

    def with_texts(self, found: Collection[str]) -> Recalled:
        """The same with these texts; itself if none is new."""
        if self.tracer is None:
            return self
        known = {*self.texts.values()}
        new = {self.tracer.trace(text): text for text in {*found} - known if text}
        return replace(self, texts={**self.texts, **new}) if new else self

    def text(self, kept: str) -> str:
        """A text of the store, with the texts that are known in the places of their traces."""
        if not has_traces(kept):
            return kept
        return TRACE.sub(lambda found: self.texts.get(found[0], found[0]), kept)

    def inputs(self, kept: str) -> str:
        """The same for inputs (canonical text), or a text that holds such."""
        if not has_traces(kept):
            return kept
        return TRACE.sub(lambda found: _within(self.texts.get(found[0], found[0])), kept)

    def row(self, known: KnownRow) -> KnownRow:
        """A known row with the texts that are in the sheet."""
        traced = (known.inputs, known.approved_for, known.approved_on_page)
        plain = (known.feedback, known.old_feedback or "", known.feedback_on_page)
        if not any(map(has_traces, (*traced, *plain))):
            return known
        return replace(
            known,
            inputs=self.inputs(known.inputs),
            approved_for=self.inputs(known.approved_for),
            approved_on_page=self.inputs(known.approved_on_page),
            feedback=self.text(known.feedback),
            old_feedback=known.old_feedback and self.text(known.old_feedback),
            feedback_on_page=self.text(known.feedback_on_page),
        )

    def rows(self, known: Mapping[str, KnownRow]) -> Mapping[str, KnownRow]:
        """Known rows with the texts that are in the sheet."""
        if self.tracer is None:
            return known
        return {row_id: self.row(row) for row_id, row in known.items()}

    def memory(self, memory: Memory) -> Memory:
        """What the store knows of a sheet, with the texts that are in the sheet."""
        if self.tracer is None:
            return memory
        return replace(
            memory,
            known=self.rows(memory.known),
            past={one: [*map(self.inputs, past)] for one, past in memory.past.items()},
            foreign={one: self.inputs(inputs) for one, inputs in memory.foreign.items()},
        )

    def jobs(self, jobs: Mapping[JobKey, Job]) -> dict[JobKey, Job]:
        """Jobs with the texts that are in the sheet."""
        if self.tracer is None:
            return dict(jobs)
        return {key: self.job(job) for key, job in jobs.items()}

    def job(self, job: Job) -> Job:
        """A job with the texts that are in the sheet."""
        if not any(has_traces(attempt.inputs) for attempt in job.attempts):
            return job
        return replace(
            job, attempts=tuple(replace(a, inputs=self.inputs(a.inputs)) for a in job.attempts)
        )


def _within(text: str) -> str:
    """The text as it stands within canonical text."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def stays_by(rules: Rules) -> Stays:
    """Which texts of inputs say nothing of their own: choices of an endpoint, numbers, ratios.

    Prices depend on them, so a receipt needs them.
    """

    def stay(inputs: str) -> Collection[str]:
        endpoint = rules.endpoint_of(rules.endpoint_name(inputs))
        fields: Mapping[str, Field] = endpoint.fields if endpoint else {}
        return {name for name, text in parsed(inputs).items() if _stays(name, text, fields)}

    def _stays(name: str, text: str, fields: Mapping[str, Field]) -> bool:
        if name in (LINK, "endpoint"):
            return name == LINK or rules.endpoint_of(text) is not None
        if name == PICTURES:
            return _PICTURES.fullmatch(text) is not None
        if (one := fields.get(name)) is None:
            return name in _PLAIN and _NUMBERS.fullmatch(text) is not None
        each = (one, *one.variants)
        chosen = {word.casefold() for its in each for word in its.one_of}
        is_number = any(its.type in _COUNTED for its in each) or bool(one.ratio) or name in _PLAIN
        return text.casefold() in chosen or (is_number and _NUMBERS.fullmatch(text) is not None)

    return stay


def reason_left(reason: str) -> str:
    """What stays of the reason of an attempt: only what decides about its price."""
    if not reason:
        return ""
    begins = WHEN_SENT_AGAIN if reason.startswith(WHEN_SENT_AGAIN) else ""
    return f"{begins}{REASON_FORGOTTEN}"


_OPEN: Final = (State.SUBMITTING, State.RUNNING, State.UNKNOWN)


def is_over(jobs: Collection[Job], *, is_in_sheet: bool) -> bool:
    """True if nothing more is to come of these jobs of one row: no run waits for them.

    A job that was never sent may go on, but not if its row is no longer in the sheet: if the row
    comes back, its cells say what to send.
    """
    if any(attempt.state in _OPEN for job in jobs for attempt in job.attempts):
        return False
    return not is_in_sheet or all(state_of(job) is not State.PENDING for job in jobs)
