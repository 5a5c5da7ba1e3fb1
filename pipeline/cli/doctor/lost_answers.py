"""What `doctor` says about submissions whose answer was lost: whether the API has a task for them.

Only APIs with a list of tasks can be asked. The list has tasks of other programs, too, which are no
damage: `promptsheet receipt` names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from pipeline import wiring
from pipeline.cli.doctor.case import Case, Finding, numbered
from pipeline.config import Settings
from pipeline.core.api.accounts import Api
from pipeline.core.model import JobKey, State
from pipeline.core.money.lost_answers import Answered, answered
from pipeline.core.money.receipt_lines import Sent
from pipeline.core.rows.rules import Rules
from pipeline.core.states import Accepted
from pipeline.core.text import counted, shortened
from pipeline.reports.task_lists import Unread, contents, listed
from pipeline.server import event_loop
from pipeline.store import Fact, Store
from pipeline.sync.ports import Wire
from pipeline.sync.sheet_sync import SheetSync

#: So many pages of a list are read at most, of 100 tasks each at Apiframe.
MOST_PAGES: Final = 50
#: So many tasks that no row has are read one by one.
MOST_READ: Final = 100
_ELSEWHERE: Final = "An earlier key was used, and its list cannot be read with the present one."
_AGAIN: Final = "promptsheet retry --unknown sends {them} again, and asks before."


@dataclass(slots=True)
class _Asked:
    """What one API was asked, and what came out."""

    api: Api
    lost: list[Sent]
    found: Answered = field(default_factory=Answered)
    #: Why its list says nothing; empty if it was read.
    trouble: str = ""


def lost(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """Submissions without an answer, and what the API's list says about each."""
    asked = event_loop.run(_look(case.settings, sync.store, sync.rules))
    place_of = {line.seen.row_id: line.seen.place + 1 for line in sync.last.plan.lines}
    for one in asked:
        for sign_of in (_without_a_list, _with_a_task, _unsure, _without_a_task):
            yield from sign_of(one, place_of)


def collect(settings: Settings, store: Store, sheet: str) -> int:
    """Note the tasks that certainly belong to lost submissions. Returns their number."""
    rules = wiring.rules(settings, sheet, store)
    asked = event_loop.run(_look(settings, store, rules))
    facts = [
        Fact(_key(sent), sent.number, Accepted(task))
        for one in asked
        for sent, task in one.found.tasks.items()
    ]
    return sum(store.attempts.record(facts))


# Sentences ---------------------------------------------------------------------------------------

_Places = dict[str, int]


def _without_a_list(one: _Asked, places: _Places) -> Iterator[Finding]:
    if one.trouble:
        yield Finding(
            "person",
            f"{_were_lost(one.lost, places)}. {one.trouble} Look in your account for "
            f"{'its task' if len(one.lost) == 1 else 'their tasks'}. {_again(one.lost)}",
        )


def _with_a_task(one: _Asked, places: _Places) -> Iterator[Finding]:
    if found := one.found.tasks:
        were, them = ("was", "it") if len(found) == 1 else ("were", "them")
        tasks = shortened(", ".join(found.values()), 200)
        yield Finding(
            "person",
            f"{counted(len(found), 'submission')} whose answer was lost {were} taken after all: "
            f"{_rows(found, places)}, task {tasks}. promptsheet doctor --repair "
            f"collects {them}; nothing is paid again.",
        )


def _unsure(one: _Asked, places: _Places) -> Iterator[Finding]:
    for sent, tasks in one.found.unsure.items():
        yield Finding(
            "person",
            f"{_were_lost([sent], places)}, and {one.api.title} lists "
            f"{counted(len(tasks), 'task')} that may be for it: "
            f"{shortened(', '.join(tasks), 200)}. Another program may have made them. Look in your "
            f"account. {_again([sent])}",
        )


def _without_a_task(one: _Asked, places: _Places) -> Iterator[Finding]:
    without = one.found.without
    if its := [sent for sent, near in without.items() if not near]:
        was = "It was" if len(its) == 1 else "They were"
        yield Finding(
            "person",
            f"{_were_lost(its, places)}, and {one.api.title} lists no task of that time that no "
            f"row has. {was} probably not taken. {_again(its)}",
        )
    if its := [sent for sent, near in without.items() if near]:
        tasks = list(dict.fromkeys(task for sent in its for task in without[sent]))
        yield Finding(
            "person",
            f"{_were_lost(its, places)}. Of that time, {one.api.title} lists "
            f"{counted(len(tasks), 'task')} that no row has, and none that certainly asks for the "
            f"same: {shortened(', '.join(tasks), 200)}. Look at them in your account. "
            f"{_again(its)}",
        )


def _were_lost(its: Sequence[Sent], places: _Places) -> str:
    rows = _rows(its, places)
    if len(its) == 1:
        return f"The answer to a submission was lost ({rows})"
    return f"The answers to {len(its)} submissions were lost ({rows})"


def _again(its: Sequence[Sent]) -> str:
    return _AGAIN.format(them="it" if len(its) == 1 else "them")


def _rows(its: Iterable[Sent], places: _Places) -> str:
    """Their rows by their numbers; those that are not in the sheet any more by their ids."""
    ids = {one.row_id for one in its}
    here = [places[one] for one in ids if one in places]
    names = [numbered(here).lower()] if here else []
    return ", ".join((*names, *sorted(ids - places.keys())))


# The lists ---------------------------------------------------------------------------------------


async def _look(settings: Settings, store: Store, rules: Rules) -> list[_Asked]:
    """Ask each API that has the lost submissions of a sheet."""
    now = wiring.now()
    unknown = {
        (key, one.number): one
        for key, job in store.jobs.all(rules.sheet).items()
        for one in job.attempts
        if one.state is State.UNKNOWN and not one.task_id
    }
    attempts = store.charges.sent(rules.sheet) if unknown else []
    hooks: dict[Sent, str] = {}
    of_api: dict[int, list[Sent]] = {}
    elsewhere: dict[int, list[Sent]] = {}
    for sent in attempts:
        attempt = unknown.get((_key(sent), sent.number))
        if attempt is None:
            continue
        api = rules.api_of(attempt)
        if api is None or rules.may_be_resent(attempt, now):
            continue  # The note says what to do; or the next run learns what became of it.
        if rules.has_other_key(attempt):
            elsewhere.setdefault(rules.apis.index(api), []).append(sent)
            continue
        hooks[sent] = attempt.hook
        of_api.setdefault(rules.apis.index(api), []).append(sent)
    others = [_Asked(rules.apis[at], its, trouble=_ELSEWHERE) for at, its in elsewhere.items()]
    asked = [_Asked(rules.apis[at], its) for at, its in of_api.items()]
    per_minute = [one.pace.per_minute for one in settings.apis]
    async with AsyncExitStack() as stack:
        ways = wiring.wires(settings, stack)
        for at, one in zip(of_api, asked, strict=True):
            pause = 60 / per_minute[at] if per_minute[at] else 0.0
            try:
                one.found = await _matched(store, one, attempts, hooks, ways[at], pause)
            except Unread as e:
                one.trouble = str(e)
    return [*asked, *others]


async def _matched(
    store: Store,
    asked: _Asked,
    attempts: Sequence[Sent],
    hooks: dict[Sent, str],
    way: Wire,
    pause: float,
) -> Answered:
    """Read the list back to the first lost submission, and match it. Raises Unread."""
    provider = asked.api.provider
    if not provider.poll.list:
        raise Unread(f"{provider.full_title} has no list of tasks that could be searched.")
    kept = store.charges.bodies([(one.job, one.number) for one in asked.lost])
    # What `doctor --adopt` took over was asked by another store: nothing here says what.
    its = [one for one in asked.lost if isinstance(kept.get((one.job, one.number)), dict)]
    if not its:
        return Answered()
    first = min(one.sent_at for one in its)
    try:
        charges = await listed(way, provider, first, pause, MOST_PAGES)
    except Unread as e:
        raise Unread(f"The list of tasks of {provider.title} could not be searched: {e}.") from e
    known = {one.task_id for one in attempts}
    unknown = [one for one in charges if one.task_id not in known]
    full, bodies = await contents(way, asked.api, store, its, unknown, pause, MOST_READ)
    hook_field = provider.webhook.url_field if provider.webhook else ""
    return answered(its, full, bodies, hooks, hook_field)


def _key(sent: Sent) -> JobKey:
    return JobKey(sent.sheet, sent.row_id, sent.take, sent.part)
