"""Rows as a run, `status` and their JSON report them: one value for each row of the last look.

The numbers are defined here once. *Rows* are lines of the sheet, each counted once, whatever its
take. Rows that *need attention* are those of `core.rows.attention`. A row's *credits* are what all
attempts of its take cost: as the API reported, else as listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.cells.content import note_of
from pipeline.core.credits import Credits, total
from pipeline.core.inputs import parsed
from pipeline.core.messages import row_notes
from pipeline.core.model import Attempt, Job
from pipeline.core.picture_findings import Findings
from pipeline.core.planning.job_status import findings_of
from pipeline.core.planning.lines import Line
from pipeline.core.planning.samples import is_held
from pipeline.core.prompts.revisions import unrevised
from pipeline.core.rows.attention import is_dismissed, said_by
from pipeline.core.rows.rules import Rules
from pipeline.core.states import cost_of, shown
from pipeline.core.statuses import NEEDS_ATTENTION, Status
from pipeline.core.traces import readable
from pipeline.sync.sheet_sync import SheetSync


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the sheet as it is reported to people and programs."""

    #: Its row number as spreadsheets show it.
    number: int
    row_id: str
    name: str
    #: What it asks for: its prompt, or its other inputs.
    prompt: str
    status: str
    #: In English.
    note: str
    take: int | None
    task_id: str
    urls: tuple[str, ...]
    #: Its result, if that is text.
    text: str
    #: What all attempts of its take cost, in credits.
    credits: Credits
    #: True if it needs attention (see `core.rows.attention`).
    needs_attention: bool
    #: True if only a change to the sheet ends its waiting: an input cell shows an error.
    is_stuck: bool
    #: What is wrong with its pictures: number -> findings.
    findings: Mapping[int, Findings]
    #: The addresses of the pictures that a person picked.
    picked: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The row for programs."""
        return {
            "row": self.number,
            "row_id": self.row_id,
            "name": self.name,
            "status": self.status,
            "note": self.note,
            "take": self.take,
            "task_id": self.task_id,
            "urls": self.urls,
            "picked": self.picked,
            "text": self.text,
            "credits": self.credits,
            "needs_attention": self.needs_attention,
            "pictures": [
                {"picture": number, **one.as_json()} for number, one in self.findings.items()
            ],
        }


def needing(sync: SheetSync) -> list[Row]:
    """The rows that need attention, in the order of the sheet."""
    if not any(sync.last.plan.statuses[status] for status in NEEDS_ATTENTION):
        return []
    return [row for row in rows(sync, NEEDS_ATTENTION) if row.needs_attention]


def rows(
    sync: SheetSync, statuses: Collection[str] | None = None, ids: Collection[str] = ()
) -> list[Row]:
    """Rows of the last look, in the order of the sheet.

    All of them; or those with one of these statuses or ids.
    """
    wanted: Callable[[str, str], bool] = (
        (lambda status, row_id: True)
        if statuses is None
        else (lambda status, row_id: Status.of(status) in statuses or row_id in ids)
    )
    away = sync.store.rows.dismissed(sync.key)
    last = sync.last
    left_out = {
        place
        for row_id, place in last.unchanged.items()
        if wanted(last.cell(place, "status"), row_id)
    }
    lines = [line for line in last.plan.lines if wanted(line.status, line.seen.row_id)]
    lines += sync.planner.lines_at(last, left_out) if left_out else ()
    return sorted((_row_of(line, sync, away) for line in lines), key=lambda row: row.number)


def _row_of(line: Line, sync: SheetSync, away: dict[str, str]) -> Row:
    row_id, jobs = line.seen.row_id, [one.job for one in line.each if one.job]
    said = said_by(line.memory.since, line.status, note_of(line, sync.rules.catalogue))
    wrong = [one.job for one in line.each if Status.of(one.status) in NEEDS_ATTENTION]
    dismissed = _are_dismissed([job for job in wrong if job] or jobs, away.get(row_id) == said)
    waits = line.status == Status.WAITING and not all(
        _has_end(one, sync.rules) for one in line.each if one.status == Status.WAITING
    )
    tried = [attempt for job in jobs if (attempt := shown(job))]
    return Row(
        number=line.seen.place + 1,
        row_id=row_id,
        name=line.name,
        prompt=asked_for(line.memory.inputs if line.parts else line.inputs, line.take, sync.rules),
        status=line.status,
        note=line.note,
        take=line.take,
        task_id=_lines(one.task_id for one in tried),
        urls=tuple(dict.fromkeys(url for one in tried for url in one.result.urls)),
        text=_lines(one.result.text for one in tried),
        credits=total(map(cost_of, jobs)),
        needs_attention=Status.of(line.status) in NEEDS_ATTENTION and not dismissed,
        is_stuck=waits,
        findings=_findings([(job, sent) for job in jobs if (sent := shown(job))]),
        picked=tuple(one.url for one in line.picked),
    )


def _has_end(line: Line, rules: Rules) -> bool:
    """Whether the waiting of a line ends without a change of its cells."""
    settling = line.note.startswith(row_notes.settling(rules.settle))
    return settling or line.waits_for_parent or is_held(line)


def _are_dismissed(jobs: Sequence[Job], row: bool) -> bool:
    """Whether a person has dismissed all of these jobs; without any, whether the row was."""
    return all(map(is_dismissed, jobs)) if jobs else row


def _findings(made: Iterable[tuple[Job, Attempt]]) -> dict[int, Findings]:
    """What is wrong with the pictures of a row, numbered through all its generations."""
    found: dict[int, Findings] = {}
    before = 0
    for job, attempt in made:
        found |= {before + number: one for number, one in findings_of(job, attempt).items()}
        before += len(attempt.result.urls)
    return found


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(filter(None, texts))


def asked_for(inputs: str, take: int | None, rules: Rules) -> str:
    """The finished prompt of a row, or all its inputs by name if it has none."""
    wrote = {name: readable(text) for name, text in parsed(unrevised(inputs)).items()}
    finished = rules.finished(inputs, take or 1)
    prompt = (finished and finished.prompt) or wrote.get("prompt")
    return prompt or "; ".join(f"{name}: {text}" for name, text in wrote.items())
