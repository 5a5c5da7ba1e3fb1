"""Decides if a row can be sent after the row that it follows, its *parent* (see `chains`).

In: the parent as it was planned, and its attempt. Out: statuses and notes. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.core.api.accounts import Api
from pipeline.core.api.fields import INDEX, PARENT, Parent, fields_of, from_parent
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.inputs import parsed
from pipeline.core.language import Said, say, say_counted
from pipeline.core.messages import picture_notes, row_notes
from pipeline.core.model import Attempt, Job, State
from pipeline.core.pictures.remakes import is_awaited
from pipeline.core.prompts.reference_images import named_row
from pipeline.core.prompts.revisions import is_revised
from pipeline.core.rows.chains import Link
from pipeline.core.rows.rules import Rules
from pipeline.core.states import shown, state_of
from pipeline.core.statuses import Status, StatusAndNote
from pipeline.core.text import quoted, time_limit


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of the row that a row names as its parent."""

    #: Why it is not known which row it is, as a phrase; the rest is empty then.
    problem: str = ""
    row_id: str = ""
    inputs: str = ""
    #: The take that it asks for, the job that answers for it, and its status.
    take: int | None = None
    job: Job | None = None
    status: str = ""
    #: How many results of its other takes were made again.
    remade: int = 0
    #: Which part of the row it is (see `generations`); empty for the whole row.
    part: str = ""

    @property
    def link(self) -> Link | None:
        """The row and the take that it shows, or asks for."""
        take = self.job.key.take if self.job else self.take
        return Link(self.row_id, take, self.part) if take else None

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that the row shows."""
        return shown(self.job) if self.job else None

    @property
    def is_done(self) -> bool:
        """True if the take that the row asks for has succeeded."""
        job = self.job
        return job is not None and job.key.take == self.take and state_of(job) is State.SUCCEEDED


def held_by_parent(
    inputs: str, followed: Followed, rules: Rules, now: datetime
) -> StatusAndNote | None:
    """Why a row cannot be sent after its parent now, as status and note; None if it can."""
    if not followed.is_done or followed.attempt is None:
        return StatusAndNote(Status.WAITING, waiting(inputs, followed.status))
    if is_awaited(followed.job, followed.remade, rules.remake, now):
        name = named_row(parsed(inputs))
        return StatusAndNote(Status.WAITING, picture_notes.waiting_for_check(name))
    given = rules.values(inputs)
    name, endpoint = given[PARENT], rules.endpoint_name(inputs)
    if problem := unusable(name, endpoint, given, followed.attempt, rules, now):
        return StatusAndNote(Status.INVALID, row_notes.incomplete([problem]))
    return None


def names_parent(inputs: str, rules: Rules) -> bool:
    """True if a row is sent with something of the row that it names.

    A take that starts from a picked picture is not, where the row names the other one in `image`.
    """
    return not is_revised(inputs) or PARENT in rules.values(inputs)


def waiting(inputs: str, status: str) -> Said:
    """The note of a row that waits for its parent, which has this status."""
    return row_notes.waiting_for(named_row(parsed(inputs)), Status.of(status))


def problems_of_parent(
    name: str, given: Mapping[str, str], rules: Rules, followed: Followed | None
) -> list[str]:
    """What is wrong with the parent of a row for the endpoint `name`, phrases; empty if nothing is.

    The parent need not be done.
    """
    if followed is None or PARENT not in given:
        return []
    found = [followed.problem, bad_index(_endpoint(name, rules), given)]
    if followed.row_id:
        attempt = followed.attempt
        its = attempt.endpoint if attempt else rules.endpoint_name(followed.inputs)
        found.append(unfit(given[PARENT], name, given, its, rules))
    return [problem for problem in found if problem]


def can_follow(endpoint: Endpoint, given: Mapping[str, str]) -> bool:
    """True if a row with these values has a field that takes something of a parent."""
    return any(one.parent for one in fields_of(endpoint, given).values())


def bad_index(endpoint: Endpoint, given: Mapping[str, str]) -> str:
    """What is wrong with `index` where it is no field of the endpoint, as a phrase; else ""."""
    text = given.get(INDEX, "")
    if not text or INDEX in endpoint.fields or (text.isdecimal() and int(text[:9]) >= 1):
        return ""
    return say("index is {text}; it must be a whole number, 1 or more", text=quoted(text, 20))


def unfit(name: str, endpoint: str, given: Mapping[str, str], followed: str, rules: Rules) -> str:
    """Why no result of the endpoint `followed` can be used, as a phrase; "" if one can.

    `name` is what the child calls its parent; `endpoint` and `given` are of the child.
    """
    child, api, other = (
        _endpoint(endpoint, rules),
        rules.api_named(endpoint),
        rules.api_named(followed),
    )
    row = quoted(name, 40)
    is_own = _is_same_account(api, other)
    if not is_own and _needs_task(child, given):
        return say(
            "the row {row} is for {followed}, and {endpoint} needs a task of {api}: name a row of "
            "{api} in parent",
            row=row,
            followed=followed,
            endpoint=endpoint,
            api=api.title,
        )
    if child.parents and is_own:
        allowed = ", ".join(f"{api.prefix}{one}" for one in child.parents)
        if followed.removeprefix(other.prefix) in child.parents:
            return ""
        return say(
            "the row {row} is for {followed}, and {endpoint} can follow {endpoints}: name another "
            "row",
            row=row,
            followed=followed,
            endpoint=endpoint,
            endpoints=allowed,
        )
    made, kinds = rules.endpoint_of(followed), _kinds(child, api)
    wants = {one.parent for one in fields_of(child, given).values()}
    if "url" in wants and made is not None and made.kind not in kinds:
        return _gives_none(row, followed, kinds)
    return ""


def _gives_none(row: str, followed: str, kinds: Collection[str]) -> Said:
    match sorted(kinds):
        case ["image"]:
            return say(
                "the row {row} is for {followed}, which gives no picture: name another row",
                row=row,
                followed=followed,
            )
        case ["video"]:
            return say(
                "the row {row} is for {followed}, which gives no video: name another row",
                row=row,
                followed=followed,
            )
        case ["audio"]:
            return say(
                "the row {row} is for {followed}, which gives no sound: name another row",
                row=row,
                followed=followed,
            )
    return say(
        "the row {row} is for {followed}, which gives no result of the kinds {kinds}: name "
        "another row",
        row=row,
        followed=followed,
        kinds=", ".join(sorted(kinds)),
    )


def _is_same_account(one: Api, other: Api) -> bool:
    """Whether both have the same tasks; one account may be configured twice."""
    is_one_vendor = one.provider.name == other.provider.name
    return one == other or (is_one_vendor and bool(one.account) and one.account == other.account)


def _takes(endpoint: Endpoint, given: Mapping[str, str]) -> dict[str, Field]:
    """The fields that take something of the parent, because their cells are empty."""
    fields = fields_of(endpoint, given).items()
    return {name: one for name, one in fields if one.parent and not given.get(name)}


def _needs_task(endpoint: Endpoint, given: Mapping[str, str]) -> bool:
    """Whether a row needs a task or an id of its parent, which only the same account knows.

    The address of a result is known to everyone: it may come from any API.
    """
    takes = _takes(endpoint, given).values()
    has_address = any(one.parent == "url" for one in takes)
    return any(one.required or not has_address for one in takes if one.parent != "url")


def _needs_only_task(endpoint: Endpoint, given: Mapping[str, str]) -> bool:
    """Whether a row takes nothing of its parent but the id of its task."""
    return all(one.parent == "task" for one in _takes(endpoint, given).values())


def _kinds(endpoint: Endpoint, api: Api) -> Collection[str]:
    """The kinds of result whose addresses the endpoint takes."""
    its = api.provider.endpoints
    return {its[name].kind for name in endpoint.parents} or {"image"}


def unusable(
    name: str,
    endpoint: str,
    given: Mapping[str, str],
    attempt: Attempt,
    rules: Rules,
    now: datetime,
) -> str:
    """Why this success of the parent cannot be used, as a phrase; "" if it can.

    `name` is what the child calls its parent; `endpoint` and `given` are of the child.
    """
    row, api = quoted(name, 40), rules.api_named(endpoint)
    if attempt.forgotten and not _needs_only_task(_endpoint(endpoint, rules), given):
        return say(
            "the result of the row {row} was forgotten on {day}: raise take in that row to "
            "generate it again",
            row=row,
            day=f"{attempt.forgotten.at.astimezone():%Y-%m-%d}",
        )
    child = _endpoint(endpoint, rules)
    if not _is_at(api, attempt, rules) and _needs_task(child, given):
        its = api.provider.name
        if attempt.provider == its:
            return say(
                "the row {row} was made with another account of {api}, and {endpoint} needs a task "
                "of the present one: raise take in that row to generate it again",
                row=row,
                api=api.title,
                endpoint=endpoint,
            )
        return say(
            "the row {row} was made with {provider}, and {endpoint} needs a task of {api}: name a "
            "row that was made with {api}",
            row=row,
            provider=attempt.provider,
            endpoint=endpoint,
            api=its,
        )
    parent, takes = parent_of(attempt, api, rules), _takes(child, given)
    missing = [one for one in takes.values() if not from_parent(one, given, parent)]
    if missing and (
        given.get(INDEX) or len(missing) == len(takes) or any(one.required for one in missing)
    ):
        return _no_result(row, given, parent, missing[0])
    owner = rules.api_of(attempt)
    life, ended = owner.provider.links if owner else None, attempt.ended_at
    if life and ended and now - ended >= life and any(o.parent == "url" for o in takes.values()):
        return say(
            "the addresses of the results of the row {row} worked for {time} only: raise take in "
            "that row to generate it again",
            row=row,
            time=time_limit(life),
        )
    return ""


def _endpoint(name: str, rules: Rules) -> Endpoint:
    endpoint = rules.endpoint_of(name)
    assert endpoint is not None, "a row of an unknown endpoint is refused before"
    return endpoint


def _no_result(row: str, given: Mapping[str, str], parent: Parent, missing: Field) -> Said:
    results = parent.urls if missing.parent == "url" else parent.ids
    if missing.parent == "task":
        return say("the row {row} has no task id: name another row", row=row)
    if not results and missing.parent == "url":
        return say("the row {row} has no picture: name another row", row=row)
    if not results:
        return say("the row {row} has no id of a result: name another row", row=row)
    return say_counted(
        len(results),
        "index is {index}, and the row {row} has {number} result: write {number}",
        "index is {index}, and the row {row} has {number} results: write 1 to {number}",
        index=quoted(given.get(INDEX, ""), 20),
        row=row,
    )


def parent_of(attempt: Attempt, api: Api, rules: Rules) -> Parent:
    """What a child at this API can use of an attempt of its parent.

    Of a parent at another API or account, that is only the addresses of its results.
    """
    if not _is_at(api, attempt, rules):
        return Parent("", attempt.result.urls)
    return Parent(attempt.task_id, attempt.result.urls, attempt.result.ids)


def _is_at(api: Api, attempt: Attempt, rules: Rules) -> bool:
    """Whether the account of this API has the attempt's task."""
    owner = rules.api_of(attempt)
    return owner is not None and _is_same_account(api, owner)
