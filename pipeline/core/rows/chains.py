"""Rows that follow another row: which row a `parent` cell names, and which rows form a circle.

A *child* names its *parent* by the parent's name or row_id. It is sent once the parent is done (see
`following`). An attempt of a child keeps, with its inputs, which row and take it followed: the
*link*. So it is noticed when the parent is made again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline.core.api.fields import IMAGE, PARENT
from pipeline.core.cell_errors import input_text
from pipeline.core.inputs import canonical, changed, normalise, over, parsed
from pipeline.core.invisible import visible
from pipeline.core.language import Said, say, together
from pipeline.core.model import Attempt, Grid, Job
from pipeline.core.prompts.reference_images import HAS_IMAGE, named_row, picture_in
from pipeline.core.prompts.revisions import ADDED, unrevised
from pipeline.core.rows.named_takes import NamedTake, named_take
from pipeline.core.sheet.header import Columns
from pipeline.core.text import one_of, quoted

#: The name under which the inputs of an attempt hold the parent's row_id and take. It has a space,
#: so that no field has this name.
LINK = "parent row"
#: How canonical text names a filled parent cell; within a text each quotation mark
#: has a backslash before it.
HAS_PARENT = f'"{PARENT}":'
_HAS_LINK = f'"{LINK}":'
#: The most rows of a circle that a note names.
MOST_NAMED = 100


class Link(NamedTuple):
    """Which result a child follows: a take of a row, or of one of its parts."""

    row_id: str
    take: int
    #: Which part of the row (see `generations`); empty for the whole row.
    part: str = ""


class Member(NamedTuple):
    """A row as other rows can name it, and what its own parent cell says."""

    row_id: str
    #: Its number in the sheet, for notes.
    number: int
    name: str
    #: Empty if it names no row, or cannot follow one.
    parent: str
    is_copy: bool = False
    #: The column in which it names the row.
    column: str = PARENT


@dataclass(frozen=True, slots=True)
class Chains:
    """Which row follows which."""

    #: Child -> parent, by row_id.
    parents: Mapping[str, str] = field(default_factory=dict)
    #: Child -> why its parent is not known, as a phrase that says what to do.
    problems: Mapping[str, str] = field(default_factory=dict)
    #: Child -> the take or part of its parent that it names, where it names one.
    takes: Mapping[str, NamedTake] = field(default_factory=dict)
    #: All row ids, each after the one of its parent.
    order: Sequence[str] = ()


def label(cell: str) -> str:
    """The text of a cell that names a row, as it is compared."""
    return visible(normalise(input_text(cell)))


def chains(members: Sequence[Member]) -> Chains:
    """Which row follows which. The order of the members does not matter, except in phrases.

    A parent cell is compared with the names exactly, then without regard to case, then with the
    row ids; if it is none of these, it may name a take of a row (see `named_takes`). A copy of a
    whole row gives way to its original.
    """
    exact, folded = _by(members, lambda one: one.name), _by(members, lambda one: _folded(one.name))
    ids = {one.row_id: [one] for one in members}
    parents: dict[str, str] = {}
    problems: dict[str, str] = {}
    takes: dict[str, NamedTake] = {}

    def called(text: str) -> list[Member]:
        return exact.get(text) or folded.get(_folded(text)) or ids.get(text.lower()) or []

    for one in members:
        text = one.parent
        if not text:
            continue
        found = called(text)
        if not found and (named := named_take(text)):
            found, takes[one.row_id] = called(named.row), named
        found = [each for each in found if not each.is_copy] or found
        if len(found) == 1:
            parents[one.row_id] = found[0].row_id
        elif found:
            problems[one.row_id] = _ambiguous(text, found, one.column)
        else:
            problems[one.row_id] = _unknown(text, one.column)
    by_id = {one.row_id: one for one in members}
    order, circles = _walked(by_id, parents)
    for circle in circles:
        said = _circle([by_id[row_id] for row_id in circle])
        problems.update(dict.fromkeys(circle, said))
    parents = {child: parent for child, parent in parents.items() if child not in problems}
    return Chains(parents, problems, takes, order)


def _by(members: Iterable[Member], key: Callable[[Member], str]) -> dict[str, list[Member]]:
    found = defaultdict(list)
    for one in members:
        if named := key(one):
            found[named].append(one)
    return found


def _folded(text: str) -> str:
    return text.casefold()


def _walked(ids: Iterable[str], parents: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """All ids, parents first, and the circles among them. Chains may be long: no recursion."""
    order: list[str] = []
    circles: list[list[str]] = []
    walk_of: dict[str, int] = {}
    for number, start in enumerate(ids):
        path: list[str] = []
        at: str | None = start
        while at is not None and at not in walk_of:
            walk_of[at] = number
            path.append(at)
            at = parents.get(at)
        if at is not None and walk_of[at] == number:
            circles.append(path[path.index(at) :])
        order.extend(reversed(path))
    return order, circles


def _unknown(text: str, column: str) -> Said:
    if column == IMAGE:
        return say(
            "there is no row named {name}: write in {column} the name of another row, a file with "
            "its ending, such as fox.png, or an address",
            name=quoted(text, 40),
            column=column,
        )
    return say(
        "there is no row named {name}: write the name of another row, or its row_id, in {column}",
        name=quoted(text, 40),
        column=column,
    )


def _ambiguous(text: str, found: Sequence[Member], column: str) -> Said:
    numbers = [str(number) for number in sorted(one.number for one in found)[:MOST_NAMED]]
    first, last, name = ", ".join(numbers[:-1]), numbers[-1], quoted(text, 40)
    if len(found) == 2:
        return say(
            "rows {first} and {last} are both named {name}: give each another name, or write a "
            "row_id in {column}",
            first=first,
            last=last,
            name=name,
            column=column,
        )
    return say(
        "rows {first} and {last} are all named {name}: give each another name, or write a row_id "
        "in {column}",
        first=first,
        last=last,
        name=name,
        column=column,
    )


def _circle(circle: Sequence[Member]) -> Said:
    """The phrase for rows that wait for one another; each is named."""
    if len(circle) == 1:
        return say(
            "{row} names itself in {column}: name another row there",
            row=_called(circle[0]),
            column=circle[0].column,
        )
    first = min(range(len(circle)), key=lambda at: circle[at].number)
    named = [_called(one) for one in (*circle[first:], *circle[:first])]
    rows = together(named[:MOST_NAMED], ", ")
    if (more := len(named) - MOST_NAMED) > 0:
        rows = say("{some} and {more} more", some=rows, more=more)
    return say(
        "these rows wait for one another: {rows}; change {columns} in one of them",
        rows=rows,
        columns=one_of([*dict.fromkeys(one.column for one in circle)]),
    )


def _called(one: Member) -> Said:
    if not one.name:
        return say("row {number}", number=one.number)
    return say("row {number} ({name})", number=one.number, name=quoted(one.name, 40))


# -- what a child was made from -------------------------------------------------------------------


def with_link(inputs: str, link: Link | None) -> str:
    """Inputs (canonical text) as an attempt keeps them: with the row and take that it follows."""
    if link is None:
        return inputs
    return canonical({**parsed(inputs), LINK: " ".join(map(str, link)).strip()})


def link_in(inputs: str) -> Link | None:
    """The row and take that an attempt with these inputs followed; None if it followed none."""
    row_id, _, rest = _wrote(inputs).get(LINK, "").partition(" ")
    take, _, part = rest.partition(" ")
    return Link(row_id, int(take), part) if take.isdecimal() else None


def without_link(inputs: str) -> str:
    """The inputs of an attempt (canonical text) without the row and take that it follows."""
    if _HAS_LINK not in inputs:
        return inputs
    return canonical({name: text for name, text in parsed(inputs).items() if name != LINK})


def as_written(inputs: str) -> str:
    """The inputs of an attempt as the person wrote them in its row, also without feedback."""
    return unrevised(without_link(inputs))


def _wrote(inputs: str) -> dict[str, str]:
    return parsed(inputs) if _HAS_LINK in inputs else {}


def changes(attempt: Attempt, inputs: str, link: Link | None = None) -> dict[str, str]:
    """The earlier texts of the cells that were changed after the row was sent: name -> text, the
    prompt first.

    `link` is the row and take that it follows now, None if that is not known. Another name of the
    same row is no change. If the text of the parent cell is the same and the link is another one,
    LINK is among the names.
    """
    was = link_in(attempt.inputs)
    if was is None:
        return changed(unrevised(attempt.inputs), inputs, attempt.columns)
    sent, now = as_written(attempt.inputs), inputs
    if link and link.row_id == was.row_id and may_follow(sent) and may_follow(now):
        now = _with_the_same_name(parsed(sent), parsed(now))
    found = changed(sent, now, attempt.columns)
    if link and link != was and found.keys().isdisjoint((PARENT, IMAGE)):
        found[LINK] = f"{was.row_id} {was.take}"
    return found


def _with_the_same_name(sent: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The inputs now (canonical text), with the name that the row that is followed had then."""
    same = {name: sent[name] for name in (PARENT,) if name in sent and name in now}
    was, is_ = picture_in(sent.get(IMAGE, "")), picture_in(now.get(IMAGE, ""))
    if was and is_ and was.number == is_.number:
        same[IMAGE] = sent[IMAGE]
    return canonical({**now, **same})


def may_follow(inputs: str) -> bool:
    """False if a row with these inputs (canonical text) certainly names no other row."""
    return HAS_PARENT in inputs or HAS_IMAGE in inputs


def comparable(job: Job, columns: Columns) -> Job:
    """The job without the columns that are in the sheet, but are no inputs any more.

    A column stops being an input when its endpoint is removed from the provider file. What its
    cells say is then not read, so nothing can have changed there.
    """
    if all(one.columns == columns.inputs for one in job.attempts):
        return job
    unread = {
        name
        for one in job.attempts
        for name in {*one.columns}.difference(columns.inputs)
        if columns.has(name)
    }
    if not unread:
        return job
    return replace(job, attempts=tuple(_without(one, unread) for one in job.attempts))


def _without(attempt: Attempt, names: Collection[str]) -> Attempt:
    left = tuple(name for name in attempt.columns if name not in names)
    return replace(attempt, columns=left, inputs=over({*left, LINK}, attempt.inputs))


# -- which rows of a reading belong together ------------------------------------------------------


def relatives(grid: Grid, columns: Columns, changed_lines: Collection[int]) -> set[int]:
    """Places of the rows whose status may depend on these lines, through names and parents.

    All rows that are connected by names count, also those that name the same row, and rows whose
    parent is not there. Empty if no row names another one.
    """
    places = {name: columns.index[name] for name in (PARENT, IMAGE) if name in columns.index}
    if not any(at < len(row) and row[at] for row in grid[1:] for at in places.values()):
        return set()
    own: dict[str, list[int]] = defaultdict(list)
    naming: dict[str, list[int]] = defaultdict(list)
    keys: dict[int, tuple[str, ...]] = {}
    follows: dict[int, tuple[str, ...]] = {}
    for place in range(1, len(grid)):
        row = grid[place]
        named = (_folded(label(columns.cell(row, name))) for name in ("name", "row_id"))
        keys[place] = tuple(key for key in named if key)
        for key in keys[place]:
            own[key].append(place)
        wrote = {n: label(row[at]) for n, at in places.items() if at < len(row) and row[at]}
        if wrote and (parent := named_row(wrote)):
            take = named_take(parent)
            names = {_folded(parent), _folded(take.row if take else parent)}
            follows[place] = tuple(names)
            for name in names:
                naming[name].append(place)
    orphans = (place for place, names in follows.items() if own.keys().isdisjoint(names))
    left = [*changed_lines, *orphans]
    found: set[int] = set()
    while left:
        place = left.pop()
        if place in found:
            continue
        found.add(place)
        for key in keys.get(place, ()):
            left += naming.pop(key, ())
        for name in follows.get(place, ()):
            left += own.pop(name, ())
    return found.difference(changed_lines)


def changeable(inputs: str) -> str:
    """The cells that a person can change to get something else, such as "index or parent".

    The prompt, if the row (canonical text of its inputs) has one.
    """
    names = [name for name in parsed(inputs) if name not in ("endpoint", LINK, *ADDED)]
    if "prompt" in names or not names:
        return "prompt"
    return one_of(names)
