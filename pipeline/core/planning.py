"""Plans a pass: rows + jobs -> Plan, and jobs + rows -> the cells to write.

A `Line` is what the program decides about one row of one reading: its status and note, and whether
it may be sent. A `Plan` holds all lines of a reading. It is only a value, which can be printed and
priced; `sync` carries it out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.core import messages, messages_pictures
from pipeline.core.approval import Tick, approved, box, is_copied
from pipeline.core.approval_missing import approval_missing
from pipeline.core.cell_errors import is_value
from pipeline.core.chains import (
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
from pipeline.core.credits import Credits
from pipeline.core.earlier_lines import Basis, Made, Terms, deciding_cells, is_kept
from pipeline.core.fields import IMAGE, INDEX, PARENT, problems_with
from pipeline.core.following import (
    Followed,
    can_follow,
    held_by_parent,
    problems_of_parent,
    waiting,
)
from pipeline.core.header import Columns
from pipeline.core.inputs import normalise, parsed
from pipeline.core.job_status import job_status, what_it_was_made_from
from pipeline.core.known_rows import Seen, remembered
from pipeline.core.model import Grid, Job, JobKey, KnownRow, RowKind, State
from pipeline.core.prompt_templates import PROMPT
from pipeline.core.provider import Endpoint, is_over
from pipeline.core.reference_images import Titled, contradictions, field_for, named_row
from pipeline.core.remakes import cause, remakes_in
from pipeline.core.rules import Rules
from pipeline.core.shares import shares_of
from pipeline.core.states import shown, state_of
from pipeline.core.statuses import Status, StatusAndNote
from pipeline.core.takes import how_to_ask, latest_shown, mistake_in_take, take_of
from pipeline.core.text import joined
from pipeline.core.wrong_endpoints import no_endpoint


@dataclass(frozen=True, slots=True)
class Line:
    """The decision about one row of one reading."""

    seen: Seen
    #: What the store should remember of the row.
    memory: KnownRow
    status: str
    note: str = ""
    #: The take that the row asks for, and the job that answers for it, if there is one. Where the
    #: take is a mistake, the latest job whose results can be shown.
    take: int | None = None
    job: Job | None = None
    #: Which endpoint it is for, if it may be sent once its turn comes.
    endpoint: str = ""
    #: Listed credits, if it may be sent.
    price: Credits = 0
    #: What its price is counted under besides run, day and month (see `shares`).
    shares: tuple[str, ...] = ()
    #: Number of attempts that must be requested before the job may be sent.
    asked: int = 0
    name: str = ""
    #: What looks like a mistake in its prompt, as a sentence; it is a part of the note.
    warning: str = ""
    #: Why its result is set aside and made again, such as "blank"; empty if it is not.
    remake: str = ""
    #: How many results of the row's other takes were made again.
    remade: int = 0
    #: The job of the row that it follows, if it may be sent, or waits for nothing but that job.
    parent: JobKey | None = None

    @property
    def waits_for_parent(self) -> bool:
        """True if it is sent as soon as the row that it follows is done."""
        return self.parent is not None and self.status == Status.WAITING

    @property
    def is_unsent(self) -> bool:
        """True if it is sent now or later, unless its cells change."""
        return bool(self.endpoint) or Status.of(self.status) in _LATER

    @property
    def confirmed(self) -> bool:
        """True if the reading shows the row's id in its row."""
        return self.seen.marked.mark == self.seen.row_id

    def with_its_id(self) -> Line:
        """The line as it is once the row's id is written."""
        marked = replace(self.seen.marked, mark=self.seen.row_id)
        return replace(self, seen=replace(self.seen, marked=marked, origin=None))

    @property
    def foreign(self) -> bool:
        """True if the row has an id or results that we did not write; its cells stay unchanged."""
        return self.is_unrecognized and self.seen.marked.is_filled

    @property
    def is_unrecognized(self) -> bool:
        """True for a foreign row, also after the foreign id and results were removed from it."""
        return self.seen.standing is RowKind.UNRECOGNIZED and self.job is None


_LATER = (Status.WAITING, Status.NEEDS_APPROVAL, Status.OVER_BUDGET)


@dataclass(frozen=True, slots=True)
class Plan:
    """All lines of a reading, in its order, without unchanged rows (see `unchanged_rows`)."""

    lines: tuple[Line, ...] = ()
    #: How many unchanged rows there are besides, by their status.
    unchanged: Counter[str] = field(default_factory=Counter)
    #: What it was made from; a later plan of the same pass may use its lines.
    made: Made = field(default_factory=Made, repr=False, compare=False)

    @property
    def to_send(self) -> tuple[Line, ...]:
        """The lines that may be sent, in the order of the sheet."""
        return tuple(line for line in self.lines if line.endpoint)

    @property
    def statuses(self) -> Counter[str]:
        """How many rows there are of each status."""
        return Counter(Status.of(line.status) for line in self.lines) + self.unchanged


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
    jobs_of: dict[str, dict[int, Job]] = defaultdict(dict)
    for key, job in jobs.items():
        jobs_of[key.row_id][key.take] = job
    terms, deciding = Terms.of(columns, rules, now), deciding_cells(columns, rules.budgeted)
    usable = earlier.under(terms) if earlier else Made()
    made: dict[str, tuple[Basis, Line]] = {}

    def judge(one: Seen, followed: Followed | None = None) -> Line:
        row, its = grid[one.place], jobs_of.get(one.row_id, {})
        basis = Basis.of(one, deciding(row), its.values(), followed)
        line = usable.repeated(one, basis, now)
        if line is None:
            line = _judge(one, row, columns, its, rules, now, followed)
        if is_kept(line, followed):
            made[one.row_id] = basis, line
        return line

    if not any(may_follow(one.marked.inputs) for one in seen):
        return Plan(tuple(judge(one) for one in seen), made=Made(terms, made))
    by_id = {one.row_id: one for one in seen}
    found = chains([_member(one, grid[one.place], columns, rules) for one in seen])
    lines: dict[str, Line] = {}
    for row_id in found.order:
        parent = lines.get(found.parents.get(row_id, ""))
        followed = followed_line(parent) if parent else Followed(found.problems.get(row_id, ""))
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
    latest: dict[str, Job] = {}
    for key in sorted(jobs, key=lambda key: key.take):
        latest[key.row_id] = jobs[key]
    lines = []
    for one in seen:
        cell = columns.cell(grid[one.place], "take")
        extra = one.known.extra_takes if one.known else 0
        asked = JobKey(rules.sheet, one.row_id, take_of(cell, extra) or 1 + extra)
        job = jobs.get(asked) or latest.get(one.row_id)
        if one.known and job and state_of(job) is not State.PENDING:
            redo = how_to_ask(columns, job.key.take)
            # Parents cannot be read now: each is the one that was followed.
            link = link_in(sent.inputs) if (sent := shown(job)) else None
            status, note = job_status(job, one.known.inputs, rules, now, redo, link)
            lines.append(Line(one, one.known, status, note, job.key.take, job))
    return Plan(tuple(lines))


def followed_line(parent: Line) -> Followed:
    """What a row that follows this line knows of it."""
    row_id, inputs = parent.seen.row_id, parent.memory.inputs
    return Followed("", row_id, inputs, parent.take, parent.job, parent.status, parent.remade)


def with_waits(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with true notes about the rows that they wait for.

    For lines of which some are not sent after all, because the budget does not cover them.
    """
    by_id = {line.seen.row_id: line for line in lines}
    return tuple(
        replace(line, note=joined(waiting(line.memory.inputs, parent.status), line.warning))
        if line.waits_for_parent
        and line.parent
        and (parent := by_id.get(line.parent.row_id))
        and parent.status == Status.OVER_BUDGET
        else line
        for line in lines
    )


def _judge(
    seen: Seen,
    row: Sequence[str],
    columns: Columns,
    jobs: Mapping[int, Job],
    rules: Rules,
    now: datetime,
    followed: Followed | None,
) -> Line:
    """The line of one row; `jobs` are its jobs by take."""
    extra = seen.known.extra_takes if seen.known else 0
    take = take_of(seen.marked.take, extra)
    memory = remembered(seen, take, now)
    cell = columns.control(row, "approved")
    if is_value(cell):
        came = is_copied(seen, cell)
        memory = approved(memory, cell, take, rules.approved_words, is_copied=came)
    if seen.standing is not memory.standing:
        seen = replace(seen, standing=memory.standing)
    job = jobs.get(take) if take else None
    name = normalise(columns.cell(row, "name"))
    state = state_of(job) if job else State.PENDING
    compared = comparable(job, columns) if job else None
    failed = compared.attempts[-1] if compared and state is State.FAILED else None
    link = followed.link if followed else None
    # A parent that was made again does not send a failed row again: no person asked to pay for it.
    is_new = failed is not None and bool(changes(failed, memory.inputs, link).keys() - {LINK})
    remade = remakes_in(one for one in jobs.values() if one is not job) if rules.remake else 0
    done, remake = None, ""
    if compared is not None and state is not State.PENDING and not is_new:
        # The cell value that, plus the takes requested on the page, gives the next take.
        redo = how_to_ask(columns, max(max(jobs, default=0) + 1 - extra, 1))
        status, note = job_status(compared, memory.inputs, rules, now, redo, link)
        note = joined(note, _on_page(take, extra))
        done = Line(seen, memory, status, note, take, job, name=name, remade=remade)
        if status == Status.DONE and take == max(jobs):
            remake = cause(job, remade, rules.remake)
        if not remake:
            return done
    line = Line(seen, memory, Status.QUEUED, _on_page(take, extra), take, job, name=name)
    line = replace(line, remake=remake, remade=remade)
    if rules.budgeted:
        line = replace(line, shares=shares_of(columns, row, rules.budgeted))
    mistake = mistake_in_take(seen, memory, take, jobs, columns)
    made_from = ""
    if mistake and (earlier := latest_shown(jobs.values())):
        line = replace(line, job=earlier)
        made_from = what_it_was_made_from(earlier, memory.inputs)
    held = _held_back(line, mistake, row, columns, rules, now, followed)
    parent = None
    if held is None and followed and followed.row_id:
        held = held_by_parent(memory.inputs, followed, rules, now)
        if held is None or held.status == Status.WAITING:
            parent = JobKey(rules.sheet, followed.row_id, followed.take or 0)
    unsent = held is None or held.status in (Status.NEEDS_APPROVAL, Status.WAITING)
    warning = messages.warning(rules.doubts(memory.inputs, take or 1)) if unsent else ""
    if held is not None:
        if done:
            return done
        note = joined(held.note, made_from, warning)
        price = rules.price(memory.inputs) or 0 if parent else 0
        line = replace(line, status=held.status, note=note, warning=warning)
        return replace(line, price=price, parent=parent)
    line = replace(line, warning=warning, parent=parent)
    return to_send(line, rules, job.asked + (is_new or bool(done)) if job else 1)


def to_send(line: Line, rules: Rules, asked: int) -> Line:
    """The line as one that may be sent; `asked` as in `Line`."""
    inputs, extra = line.memory.inputs, line.memory.extra_takes
    again = messages_pictures.to_be_made_again(line.remake)
    return replace(
        line,
        status=Status.QUEUED,
        endpoint=rules.endpoint_name(inputs),
        price=rules.price(inputs) or 0,
        asked=asked,
        note=joined(again, _on_page(line.take, extra), line.warning),
    )


def _held_back(
    line: Line,
    mistake: StatusAndNote | None,
    row: Sequence[str],
    columns: Columns,
    rules: Rules,
    now: datetime,
    followed: Followed | None,
) -> StatusAndNote | None:
    """Why a row is not sent, as status and note; None if it may be once its parent is done.

    `mistake` is the same for what is wrong with its take.
    """
    memory = line.memory
    if not is_value(skip := columns.control(row, "skip")):
        return StatusAndNote(Status.WAITING, messages.not_a_value(columns.title("skip"), skip))
    if box(skip) is not Tick.NO:
        return StatusAndNote(Status.SKIPPED, messages.skipped(columns.title("skip")))
    # Before any cell is read: each may be in the place of another one.
    if rules.delimiter and columns.surplus(row):
        return StatusAndNote(Status.INVALID, messages.too_many_cells(rules.delimiter))
    if mistake:
        return mistake
    if line.seen.standing is not RowKind.ROW:
        redo = how_to_ask(columns, memory.first_take - memory.extra_takes + 1)
        if line.seen.standing is RowKind.UNRECOGNIZED:
            if not line.seen.marked.is_filled:
                return StatusAndNote(Status.WAITING, messages.no_longer_filled(redo))
            return StatusAndNote(Status.UNRECOGNIZED, messages.unrecognized(redo))
        return StatusAndNote(Status.COPY, messages.copy(changeable(memory.inputs), redo))
    wrote = parsed(memory.inputs)
    for column, text in (*wrote.items(), ("approved", columns.control(row, "approved"))):
        if not is_value(text):
            return StatusAndNote(Status.WAITING, messages.not_a_value(columns.title(column), text))
    name = rules.endpoint_name(memory.inputs)
    endpoint = rules.endpoint_of(name)
    problems = _problems(line, endpoint, wrote, columns, rules, followed, now)
    if rules.strict_prompts:
        problems += rules.doubts(memory.inputs, line.take or 1)
    if problems:
        return StatusAndNote(Status.INVALID, messages.incomplete(problems))
    if rules.awaits_prices(memory.inputs):
        title = rules.api_named(name).title
        model = rules.model(memory.inputs)
        return StatusAndNote(Status.WAITING, messages.price_unread(name, title, model))
    if endpoint is None or rules.price(memory.inputs) is None:
        return StatusAndNote(Status.INVALID, messages.no_price(name, rules.model(memory.inputs)))
    if note := approval_missing(line, row, columns, rules):
        return StatusAndNote(Status.NEEDS_APPROVAL, note)
    if rules.settle and now - (memory.since or now) < rules.settle:
        return StatusAndNote(Status.WAITING, messages.settling(rules.settle))
    return None


def _problems(
    line: Line,
    endpoint: Endpoint | None,
    wrote: dict[str, str],
    columns: Columns,
    rules: Rules,
    followed: Followed | None,
    now: datetime,
) -> list[str]:
    if endpoint is None:
        return [no_endpoint(wrote["endpoint"], columns.title("endpoint"), rules)]
    name = wrote.get("endpoint") or rules.endpoint
    if is_over(endpoint.ended, now.date()):
        return [f"{name} ended on {endpoint.ended}: choose another endpoint"]
    finished = rules.finished(line.memory.inputs, line.take or 1, columns)
    problems = list(finished.problems) if finished else []
    # Half a prompt is never sent, and its length says nothing.
    made = {PROMPT: finished.prompt or PROMPT} if finished else {}
    cells = rules.cells(line.memory.inputs)
    given = {**cells.defaults, **cells.wrote}
    image = field_for(endpoint, {**given, **wrote})
    picture = image if IMAGE in wrote else ""
    problems += contradictions(wrote, image, columns)
    problems += problems_with(
        endpoint,
        {**cells.wrote, **made},
        cells.defaults,
        has_parent=PARENT in cells.wrote,
        files=rules.files,
        takes_uploads=rules.api_named(name).provider.upload is not None,
        columns=Titled(columns, image),
        today=now.date(),
        picture=picture,
        allowed=rules.base_urls,
    )
    usable = {*endpoint.fields, "endpoint", *[IMAGE] * bool(picture)}
    usable |= {*rules.prompt_columns}
    if can_follow(endpoint, given):
        usable |= {PARENT, INDEX}
        problems += problems_of_parent(name, given, rules, followed)
    for column in wrote:
        if column not in usable:
            title = columns.title(column)
            ignore = messages.or_ignore(title)
            problems.append(f"{name} has no input {title}: clear that cell{ignore}")
    return problems


def _on_page(take: int | None, extra_takes: int) -> str:
    return messages.asked_on_the_page(take) if take and extra_takes else ""
