"""Plans a pass: rows + jobs -> Plan (see `lines`). `sync` carries it out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from pipeline.core.api.cell_files import names_saved
from pipeline.core.api.fields import IMAGE, INDEX, PARENT, problems_with
from pipeline.core.api.provider import is_over
from pipeline.core.cell_errors import is_value
from pipeline.core.inputs import PROMPT, normalise, parsed
from pipeline.core.language import NOTHING, Said, say
from pipeline.core.messages import picture_notes, row_notes
from pipeline.core.model import Grid, Job, JobKey, KnownRow, RowKind, State
from pipeline.core.money.shares import shares_of
from pipeline.core.pictures.picks import Picked
from pipeline.core.pictures.remakes import cause, remakes_in
from pipeline.core.planning.approval_missing import approval_missing
from pipeline.core.planning.choosing import (
    early_feedback,
    picked_before,
    unused_feedback,
    with_pick,
)
from pipeline.core.planning.earlier_lines import LineBasis, Made, Terms, deciding_cells, is_kept
from pipeline.core.planning.followed_rows import followed_row
from pipeline.core.planning.job_status import job_status, what_it_was_made_from
from pipeline.core.planning.lines import Line, Plan, gathered
from pipeline.core.prompts.reference_images import Titled, contradictions, field_for, named_row
from pipeline.core.rows.approval import approved, is_copied
from pipeline.core.rows.chains import (
    HAS_PARENT,
    LINK,
    Member,
    chains,
    changeable,
    changes,
    comparable,
    label,
    link_in,
    may_follow,
)
from pipeline.core.rows.feedback import NAME as FEEDBACK
from pipeline.core.rows.feedback import as_made, feedback_for, revision_of
from pipeline.core.rows.following import (
    Followed,
    can_follow,
    held_by_parent,
    names_parent,
    problems_of_parent,
)
from pipeline.core.rows.generations import (
    AskedGenerations,
    Generation,
    as_sent,
    asks_for_others,
    generations_of,
)
from pipeline.core.rows.known import Seen, remembered
from pipeline.core.rows.rules import Rules
from pipeline.core.rows.takes import how_to_ask, latest_shown, mistake_in_take, take_of
from pipeline.core.rows.wrong_endpoints import no_endpoint
from pipeline.core.sheet.header import COUNT, RATIOS, Columns
from pipeline.core.sheet.ticks import Tick, box
from pipeline.core.states import shown, state_of
from pipeline.core.statuses import Status, StatusAndNote
from pipeline.core.text import joined


def plan(
    seen: Sequence[Seen],
    grid: Grid,
    columns: Columns,
    jobs: Mapping[JobKey, Job],
    rules: Rules,
    now: datetime,
    earlier: Made | None = None,
) -> Plan:
    """The plan for a reading that is accepted.

    `earlier` is what an earlier plan of the same pass was made from. It saves time, and changes
    nothing else.
    """
    jobs_of: dict[str, list[Job]] = defaultdict(list)
    for key, job in jobs.items():
        jobs_of[key.row_id].append(job)
    terms, deciding = Terms.of(columns, rules, now), deciding_cells(columns, rules.budgeted)
    usable = earlier.under(terms) if earlier else Made()
    made: dict[str, tuple[LineBasis, Line]] = {}

    def judge(one: Seen, followed: Followed | None = None) -> Line:
        row, its = grid[one.place], jobs_of.get(one.row_id, ())
        basis = line = None
        if one.row_id in usable.lines:
            basis = LineBasis.of(one, deciding(row), its, followed)
            line = usable.repeated(one, basis, now)
        if line is None:
            line = _judge(one, row, columns, its, rules, now, followed)
        if is_kept(line, followed):
            made[one.row_id] = basis or LineBasis.of(one, deciding(row), its, followed), line
        return line

    if not any(may_follow(one.marked.inputs) for one in seen):
        return Plan(tuple(judge(one) for one in seen), made=Made(terms, made))
    by_id = {one.row_id: one for one in seen}
    found = chains([_member(one, grid[one.place], columns, rules) for one in seen])
    lines: dict[str, Line] = {}
    for row_id in found.order:
        parent = lines.get(found.parents.get(row_id, ""))
        followed = (
            followed_row(parent, found.takes.get(row_id), jobs_of.get(parent.seen.row_id, ()))
            if parent
            else Followed(found.problems.get(row_id, ""))
        )
        lines[row_id] = judge(by_id[row_id], followed)
    return Plan(tuple(lines[one.row_id] for one in seen), made=Made(terms, made))


def _member(seen: Seen, row: Sequence[str], columns: Columns, rules: Rules) -> Member:
    inputs, name, parent = seen.marked.inputs, label(columns.cell(row, "name")), ""
    column = PARENT
    if may_follow(inputs) and named_row(parsed(inputs)):
        endpoint = rules.endpoint_of(rules.endpoint_name(inputs))
        wrote = rules.cells(inputs).wrote
        parent = wrote.get(PARENT, "") if endpoint and endpoint.takes_parent else ""
        column = PARENT if HAS_PARENT in inputs else IMAGE
    is_copy = seen.standing is RowKind.COPY
    return Member(seen.row_id, seen.place + 1, name, parent, is_copy, column)


def plan_held(
    seen: Sequence[Seen],
    grid: Grid,
    columns: Columns,
    jobs: Mapping[JobKey, Job],
    rules: Rules,
    now: datetime,
) -> Plan:
    """The plan for a reading that is not accepted: the statuses of jobs, nothing to send."""
    jobs_of: dict[str, list[Job]] = defaultdict(list)
    for key in sorted(jobs):
        jobs_of[key.row_id].append(jobs[key])
    lines = []
    for one in seen:
        if one.known and (its := jobs_of.get(one.row_id)):
            cell, extra = columns.cell(grid[one.place], "take"), one.known.extra_takes
            asked = take_of(cell, extra) or 1 + extra
            its = [job for job in its if job.key.take == asked] or its
            last = [job for job in its if job.key.take == its[-1].key.take]
            lines += [
                _held_line(one, one.known, job, columns, rules, now)
                for job in last
                if state_of(job) is not State.PENDING
            ]
    return Plan(gathered(lines))


def _held_line(
    seen: Seen, known: KnownRow, job: Job, columns: Columns, rules: Rules, now: datetime
) -> Line:
    generation = as_sent(known.inputs, job)
    inputs = generation.inputs if generation else known.inputs
    redo = how_to_ask(columns, job.key.take)
    # Parents cannot be read now: each is the one that was followed.
    link = link_in(sent.inputs) if (sent := shown(job)) else None
    status, note = job_status(job, inputs, rules, now, redo, link)
    return Line(seen, known, status, note, job.key.take, job, generation=generation)


class _Row(NamedTuple):
    """A row that is judged."""

    seen: Seen
    memory: KnownRow
    take: int | None
    cells: Sequence[str]
    columns: Columns
    rules: Rules
    now: datetime
    followed: Followed | None
    #: All its jobs.
    jobs: Sequence[Job]
    #: The generations of this take that are planned.
    asked: AskedGenerations
    #: What is picked of the pictures of the take before.
    before: Picked

    @property
    def takes(self) -> Collection[int]:
        """The takes of its jobs."""
        return {job.key.take for job in self.jobs}


def _judge(
    seen: Seen,
    cells: Sequence[str],
    columns: Columns,
    jobs: Sequence[Job],
    rules: Rules,
    now: datetime,
    followed: Followed | None,
) -> Line:
    """The line of one row; `jobs` are all its jobs."""
    extra = seen.known.extra_takes if seen.known else 0
    take = take_of(seen.marked.take, extra)
    memory = remembered(seen, take, now)
    cell = columns.control(cells, "approved")
    before = picked_before(memory, take, jobs)
    if is_value(cell):
        came = is_copied(seen, cell)
        memory = approved(memory, cell, take, before, rules.approved_words, is_copied=came)
    if seen.standing is not memory.standing:
        seen = replace(seen, standing=memory.standing)
    asked = generations_of(memory.inputs, [job for job in jobs if job.key.take == take])
    row = _Row(seen, memory, take, cells, columns, rules, now, followed, jobs, asked, before)
    if asked.generations == (None,):
        its = {job.key.take: job for job in jobs if not job.key.part}
        return with_pick([_judge_one(row, None, its)], jobs, asked, columns)
    lines = [
        _judge_one(row, one, {job.key.take: job for job in jobs if job.key.part == one.part})
        for one in asked.generations
        if one is not None
    ]
    return with_pick(_unless_wrong(lines), jobs, asked, columns)


def _unless_wrong(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines of one row; nothing of it is sent if a part of what it asks for cannot be."""
    unsent = (line for line in lines if line.job is None and line.status == Status.INVALID)
    if (wrong := next(unsent, None)) is None:
        return lines
    status, note = wrong.status, wrong.note
    return [
        replace(one, status=status, note=note, endpoint="", parent=None)
        if one.endpoint or one.parent
        else one
        for one in lines
    ]


def _judge_one(row: _Row, generation: Generation | None, jobs: Mapping[int, Job]) -> Line:
    """The line of one generation; `jobs` are its jobs by take."""
    seen, memory, take, rules = row.seen, row.memory, row.take, row.rules
    columns, followed = row.columns, row.followed
    inputs = generation.inputs if generation else memory.inputs
    job = jobs.get(take) if take else None
    state = state_of(job) if job else State.PENDING
    compared = comparable(job, columns) if job else None
    failed = compared.attempts[-1] if compared and state is State.FAILED else None
    link = followed.link if followed else None
    # A parent that was made again does not send a failed row again: no person asked to pay for it.
    is_new = failed is not None and bool(changes(failed, inputs, link).keys() - {LINK})
    name, on_page = normalise(columns.cell(row.cells, "name")), _on_page(take, memory.extra_takes)
    remade = remakes_in(one for one in row.jobs if one is not job) if rules.remake else 0
    about = partial(Line, seen, memory, take=take, job=job, name=name)
    line_with = partial(about, remade=remade, generation=generation, before=row.before)
    done, why = None, ""
    if compared is not None and (row.asked.is_changed or not (state is State.PENDING or is_new)):
        # The cell value that, plus the takes requested on the page, gives the next take.
        newest = max(row.takes, default=0)
        redo = how_to_ask(columns, max(newest + 1 - memory.extra_takes, 1))
        status, note = job_status(compared, inputs, rules, row.now, redo, link)
        if row.asked.is_changed:
            status = Status.EDITED if Status.of(status) in _UNTOUCHED else status
            note = joined(asks_for_others(compared, redo), note)
        if status in (Status.DONE, Status.FAILED) and take == newest:
            note = joined(note, unused_feedback(memory, compared, status, columns, redo))
        done = line_with(status=status, note=joined(note, on_page))
        if status != Status.DONE or take != newest:
            return done
        if not (why := cause(job, remade, rules.remake)):
            return done
    line = line_with(status=Status.QUEUED, note=on_page, remake=why)
    if rules.budgeted:
        line = replace(line, shares=shares_of(columns, row.cells, rules.budgeted))
    mistake = mistake_in_take(seen, memory, take, row.takes, columns)
    made_from = ""
    if mistake and (earlier := latest_shown(jobs.values())):
        line = replace(line, job=earlier)
        made_from = what_it_was_made_from(earlier, inputs)
    given = (memory, inputs, take, line.part, row.before, rules, columns, row.now)
    revised = as_made(inputs, job) if job and line.remake else revision_of(*given)
    line = replace(line, revised=revised.inputs)
    inputs = line.inputs
    held = _held_back(line, mistake, row, revised.problems)
    parent = None
    if held is None and followed and followed.row_id and names_parent(inputs, rules):
        held = held_by_parent(inputs, followed, rules, row.now)
        if held is None or held.status == Status.WAITING:
            take_of_it = followed.take or 0
            parent = JobKey(rules.sheet, followed.row_id, take_of_it, followed.part)
    unsent = held is None or held.status in (Status.NEEDS_APPROVAL, Status.WAITING)
    early = early_feedback(memory, take, columns)
    doubts = row_notes.warning(rules.doubts(inputs, line.turn))
    warning = joined(doubts, early) if unsent else NOTHING
    if held is not None:
        if done:
            return done
        note = joined(held.note, made_from, warning)
        price = rules.price(inputs) or 0 if parent else 0
        line = replace(line, status=held.status, note=note, warning=warning)
        return replace(line, price=price, parent=parent)
    line = replace(line, warning=warning, parent=parent)
    return to_send(line, rules, job.asked + (is_new or bool(done)) if job else 1)


#: What becomes `edited` if the row does not ask for a generation any more.
_UNTOUCHED = (Status.DONE, Status.IN_PROGRESS, Status.WAITING)


def to_send(line: Line, rules: Rules, asked: int) -> Line:
    """The line as one that may be sent; `asked` as in `Line`."""
    again = picture_notes.to_be_made_again(line.remake)
    return replace(
        line,
        status=Status.QUEUED,
        endpoint=rules.endpoint_name(line.inputs),
        price=rules.price(line.inputs) or 0,
        asked=asked,
        note=joined(again, _on_page(line.take, line.memory.extra_takes), line.warning),
    )


def _held_back(
    line: Line, mistake: StatusAndNote | None, row: _Row, of_feedback: Sequence[str]
) -> StatusAndNote | None:
    """Why a generation is not sent, as status and note; None if it may be once its parent is done.

    `mistake` is the same for what is wrong with its take, `of_feedback` what is wrong with its
    feedback, a phrase each.
    """
    memory, inputs, cells, columns, rules = (
        line.memory,
        line.inputs,
        row.cells,
        row.columns,
        row.rules,
    )
    if not is_value(skip := columns.control(cells, "skip")):
        return StatusAndNote(Status.WAITING, row_notes.not_a_value(columns.title("skip"), skip))
    if box(skip) is not Tick.NO:
        return StatusAndNote(Status.SKIPPED, row_notes.skipped(columns.title("skip")))
    # Before any cell is read: each may be in the place of another one.
    if rules.delimiter and columns.surplus(cells):
        return StatusAndNote(Status.INVALID, row_notes.too_many_cells(rules.delimiter))
    if mistake:
        return mistake
    if line.seen.standing is not RowKind.ROW:
        redo = how_to_ask(columns, memory.first_take - memory.extra_takes + 1)
        if line.seen.standing is RowKind.UNRECOGNIZED:
            if not line.seen.marked.is_filled:
                return StatusAndNote(Status.WAITING, row_notes.no_longer_filled(redo))
            return StatusAndNote(Status.UNRECOGNIZED, row_notes.unrecognized(redo))
        return StatusAndNote(Status.COPY, row_notes.copy(changeable(memory.inputs), redo))
    more = {"approved": columns.control(cells, "approved")}
    more |= {FEEDBACK: feedback_for(memory, line.take)}
    for column, text in (*parsed(memory.inputs).items(), *more.items()):
        if not is_value(text):
            return StatusAndNote(Status.WAITING, row_notes.not_a_value(columns.title(column), text))
    name = rules.endpoint_name(inputs)
    problems = [*_problems(line, row), *of_feedback]
    if rules.strict_prompts:
        problems += rules.doubts(inputs, line.turn)
    if problems:
        return StatusAndNote(Status.INVALID, row_notes.incomplete(problems))
    if rules.awaits_prices(inputs):
        title = rules.api_named(name).title
        model = rules.model(inputs)
        return StatusAndNote(Status.WAITING, row_notes.price_unread(name, title, model))
    if rules.price(inputs) is None:
        return StatusAndNote(Status.INVALID, row_notes.no_price(name, rules.model(inputs)))
    if note := approval_missing(line, cells, columns, rules):
        return StatusAndNote(Status.NEEDS_APPROVAL, note)
    if rules.settle and row.now - (memory.since or row.now) < rules.settle:
        return StatusAndNote(Status.WAITING, row_notes.settling(rules.settle))
    return None


def _problems(line: Line, row: _Row) -> list[str]:
    rules, followed, today = row.rules, row.followed, row.now.date()
    wrote = rules.written(line.inputs)
    columns = row.columns.with_ratios() if line.generation else row.columns
    endpoint = rules.endpoint_of(rules.endpoint_name(line.inputs))
    if endpoint is None:
        return [no_endpoint(wrote["endpoint"], columns.title("endpoint"), rules)]
    name = wrote.get("endpoint") or rules.endpoint
    if is_over(endpoint.ended, today):
        ended = say(
            "{endpoint} ended on {day}: choose another endpoint", endpoint=name, day=endpoint.ended
        )
        return [ended]
    finished = rules.finished(line.inputs, line.turn, columns)
    problems = [*row.asked.problems, *(finished.problems if finished else ())]
    # Half a prompt is never sent, and its length says nothing.
    made = {PROMPT: finished.prompt or PROMPT} if finished else {}
    cells = rules.cells(line.inputs)
    given = {**cells.defaults, **cells.wrote}
    image = field_for(endpoint, {**given, **wrote})
    picture = image if IMAGE in wrote else ""
    problems += contradictions(wrote, image, columns)
    own = parsed(row.memory.inputs)
    said = (names_saved(columns.title(n), text) for n, text in own.items() if n != PROMPT)
    problems += filter(None, said)
    problems += problems_with(
        endpoint,
        {**cells.wrote, **made},
        cells.defaults,
        has_parent=PARENT in cells.wrote,
        files=rules.files,
        takes_uploads=rules.api_named(name).provider.upload is not None,
        columns=Titled(columns, image),
        today=today,
        picture=picture,
        allowed=rules.base_urls,
    )
    usable = {*endpoint.fields, "endpoint", *[IMAGE] * bool(picture)}
    usable |= {*rules.prompt_columns}
    if row.asked.problems:
        usable |= {COUNT, RATIOS}
    if can_follow(endpoint, given):
        usable |= {PARENT, INDEX}
        problems += problems_of_parent(name, given, rules, followed)
    for column in wrote:
        if column not in usable:
            title = columns.title(column)
            clear = row_notes.or_ignore(say("clear that cell"), title)
            problems.append(
                say(
                    "{endpoint} has no input {column}: {cure}",
                    endpoint=name,
                    column=title,
                    cure=clear,
                )
            )
    return problems


def _on_page(take: int | None, extra_takes: int) -> Said:
    return row_notes.asked_on_the_page(take) if take and extra_takes else NOTHING
