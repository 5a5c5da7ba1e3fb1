"""Several generations of one row: the columns `count` and `ratios`.

`ratios` holds a list such as "1:1, 9:16": one generation for each. `count` says how many of each.
What a generation is sent with, its *inputs*, are those of its row, with one ratio. So each is
compared, priced, paid and shown by itself, and the order of a list means nothing.

A generation is named by its *part* of the row: `9x16` for a ratio, `9x16_2` for the second one with
it, `_2` for the second one of a row without ratios. The first one of such a row has the empty part,
as all rows have that ask for one only. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.core.inputs import canonical, parsed, ratio, without_decimals
from pipeline.core.language import Said, say, together
from pipeline.core.messages.row_notes import or_ignore
from pipeline.core.model import Attempt, Job, State
from pipeline.core.sheet.header import COUNT, RATIO, RATIOS
from pipeline.core.states import counted, state_of
from pipeline.core.text import quoted

#: So many of one kind, and so many in all, may one row ask for.
MOST_COUNT: Final = 10
MOST: Final = 20

#: How canonical text names the filled cells; within a text each quotation mark has a backslash
#: before it.
_HAS = (f'"{COUNT}":', f'"{RATIOS}":')
_BETWEEN = re.compile(r"[\s,;|]+")
_SPACED_COLON = re.compile(r"\s*:\s*")
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_NUMBERED_PART = re.compile(r"(.*?)(?:_| *\()([1-9][0-9]?)\)?")
#: The longest ratio; the part of a job is at most 40 letters long.
_LONGEST = 30


class Generation(NamedTuple):
    """One generation that a row asks for."""

    part: str
    #: Canonical text of what it is sent with.
    inputs: str
    #: Which one it is of those with the same inputs, counted from 1.
    copy: int = 1


@dataclass(frozen=True, slots=True)
class Several:
    """What the cells `count` and `ratios` of a row ask for."""

    #: In the order of the list; none if there is a problem.
    generations: tuple[Generation, ...]
    #: What is wrong with the cells, a phrase each.
    problems: tuple[str, ...] = ()


def has_several(inputs: str) -> bool:
    """True if a row (canonical text) has a filled cell `count` or `ratios`."""
    return _HAS[0] in inputs or _HAS[1] in inputs


def several(inputs: str) -> Several:
    """The generations that a row (canonical text of its inputs) asks for."""
    wrote = parsed(inputs)
    how_many, ratios = wrote.pop(COUNT, ""), wrote.pop(RATIOS, "")
    problems: list[str] = []
    count = _count(how_many)
    if count is None:
        problems.append(
            say(
                "count is {text}: {cure}",
                text=quoted(how_many, 20),
                cure=or_ignore(
                    say("write a whole number from 1 to {most}", most=MOST_COUNT), COUNT
                ),
            )
        )
    found = {_slug(one): one for one in _listed(ratios)}
    if ratios and wrote.get(RATIO):
        problems.append(say("aspect_ratio and ratios are both filled: clear one of them"))
    if ratios and not found:
        such = or_ignore(say("write ratios such as 1:1, 9:16"), RATIOS)
        problems.append(say("ratios is {text}: {cure}", text=quoted(ratios, 20), cure=such))
    if long := [one for one in found.values() if len(one) > _LONGEST]:
        problems.append(say("{text} in ratios is too long for a ratio", text=quoted(long[0], 20)))
    if (many := max(len(found), 1) * (count or 1)) > MOST:
        problems.append(
            say(
                "it asks for {many} generations; a row may ask for {most} at most",
                many=many,
                most=MOST,
            )
        )
    if problems or count is None:
        return Several((), tuple(problems))
    return Several(tuple(_made(wrote, found, count)))


class AskedGenerations(NamedTuple):
    """The generations of one take of a row that are planned."""

    #: None: the row as it is, without `count` and `ratios`.
    generations: tuple[Generation | None, ...]
    #: True if these were made, and the row asks for others now: then nothing more is sent.
    is_changed: bool = False
    #: What is wrong with the cells, a phrase each.
    problems: tuple[str, ...] = ()


_WHOLE: Final = AskedGenerations((None,))


def generations_of(inputs: str, jobs: Sequence[Job]) -> AskedGenerations:
    """The generations that are planned for a row (canonical text of its inputs).

    `jobs` are those of the take that it asks for. A row may ask for more than was sent: only what
    is new is sent. If it does not ask any more for something that was sent, all stays as it was
    sent, like in a row that was edited, unless only failed ones are missing: a person corrects what
    failed by asking for something else. The same holds if the sheet had no such column then. But if
    that column holds something else, it is the team's own, and was there before it had a meaning.
    """
    is_several = has_several(inputs)
    if not is_several and not any(job.key.part for job in jobs):
        return _WHOLE
    found = several(inputs)
    sent = {job.key.part: _sent(job) for job in jobs if counted(job)}
    named = {one.part for one in found.generations}
    is_same = sent.keys() == named
    filled = {COUNT, RATIOS} & parsed(inputs).keys()
    was_there = all(filled <= {*attempt.columns} for attempt in sent.values())
    if sent.keys() == {""} and found.problems and not was_there:
        return AskedGenerations(tuple(as_sent(inputs, job) for job in jobs if counted(job)))
    kept = {job.key.part for job in jobs if counted(job) and state_of(job) is not State.FAILED}
    if sent and not is_same and not (kept <= named and was_there):
        made = sorted((job for job in jobs if counted(job)), key=_order)
        if [job.key.part for job in made] == [""]:
            return AskedGenerations((as_sent(inputs, made[0]),), is_changed=True)
        return AskedGenerations(tuple(_with_part(inputs, job) for job in made), is_changed=True)
    if found.problems:
        return AskedGenerations((None,), problems=found.problems)
    return AskedGenerations(found.generations)


def _sent(job: Job) -> Attempt:
    return next(one for one in reversed(job.attempts) if one.state is not State.RETURNED)


def as_sent(inputs: str, job: Job) -> Generation | None:
    """A generation as it was sent, for its row as it is now (canonical text of its inputs).

    None for the only one of a row without `count` and `ratios`. The job must have been sent.
    """
    if not job.key.part and not has_several(inputs):
        return None
    return _with_part(inputs, job)


def _with_part(inputs: str, job: Job) -> Generation:
    part = job.key.part
    return Generation(part, made_with(inputs, _sent(job).inputs), copy_of(part))


def _order(job: Job) -> tuple[int, str, int]:
    """The order of the generations of one row: the second one comes before the tenth."""
    part = job.key.part
    return job.key.take, part.partition("_")[0], copy_of(part)


def cannot_be_followed(row: str, one: str) -> Said:
    """The phrase about a row that asks for several, of which another row does not say which.

    `one` names one of them as a cell does.
    """
    return say(
        "the row {row} asks for several generations in count or ratios, and only one can be "
        "followed: say which, as in {one}",
        row=quoted(row, 40),
        one=one,
    )


def asks_for_others(job: Job, redo: str) -> Said:
    """The note of a row that does not ask any more for all that was sent, such as this job."""
    sent = _sent(job)
    # What another store sent has no API of its own; these columns are left out where it is not
    # known which generation it is (see `cells.taken_over`).
    if not sent.provider and not {COUNT, RATIOS} & {*sent.columns}:
        return say(
            "This row was taken over from another store, and its cells do not say which results "
            "are of which entry of ratios or count. All of them stay. To generate what the row "
            "asks for again, {redo}.",
            redo=redo,
        )
    return say(
        "count or ratios was changed after this row was sent. These pictures stay. To generate "
        "what the row asks for now, {redo}; or put the old text back.",
        redo=redo,
    )


def made_with(inputs: str, sent: str) -> str:
    """The inputs of a row (canonical text) with the ratio that a generation of it was sent with.

    For a generation that the row does not ask for any more; `sent` are its own inputs.
    """
    wrote, was = parsed(inputs), parsed(sent)
    for name in (COUNT, RATIOS, RATIO):
        wrote.pop(name, "")
    return canonical({**wrote, RATIO: was[RATIO]} if RATIO in was else wrote)


def _made(wrote: dict[str, str], ratios: dict[str, str], count: int) -> Iterator[Generation]:
    for slug, one in (ratios or {"": ""}).items():
        inputs = canonical({**wrote, RATIO: one} if one else wrote)
        for copy in range(1, count + 1):
            yield Generation(f"{slug}_{copy}" if copy > 1 else slug, inputs, copy)


def _count(text: str) -> int | None:
    text = without_decimals(text.strip())
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal()) or len(text) > 3:
        return None
    return int(text) if 1 <= int(text) <= MOST_COUNT else None


def _listed(text: str) -> list[str]:
    whole = ratio(text)  # one ratio alone may be shown as a time
    text = whole if whole != text else _SPACED_COLON.sub(":", text)
    return [one for each in _BETWEEN.split(text) if (one := ratio(each))]


def _slug(one: str) -> str:
    return _NO_LETTER.sub("-", one.casefold().replace(":", "x")).strip("-")


def part_named(text: str) -> str:
    """The part that a person names, such as `9:16`, `9x16_2` or `9:16 (2)`; `_1` is the first."""
    found = _NUMBERED_PART.fullmatch(text.strip())
    slug, number = (found[1], int(found[2])) if found else (text, 1)
    return f"{_slug(slug)}_{number}" if number > 1 else _slug(slug)


def copy_of(part: str) -> int:
    """Which one of several with the same inputs a part is, counted from 1."""
    return int(part.rpartition("_")[2]) if "_" in part else 1


def label(part: str) -> str:
    """A part as people name it, such as `9:16 (2)` or `number 2`."""
    slug, _, copy = part.partition("_")
    if not slug:
        return say("number {number}", number=copy or 1)
    shown = slug.replace("x", ":") if slug[:1].isdigit() else slug
    return f"{shown} ({copy})" if copy else shown


def labels(parts: Iterable[str]) -> Said:
    """Some parts as people name them."""
    return together(map(label, parts), ", ")
