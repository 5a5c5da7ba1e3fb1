"""Which tasks of an account's list belong to submissions whose answer was lost. Pure.

A task belongs to one if it was made in its time, for exactly what was asked, and no row has it. If
the API keeps where it is to call back, that must be the address of the submission, too. Other
programs with the same key may ask for the same. So if more tasks than submissions fit, nothing is
certain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.api.task_list import ListedCharge
from pipeline.core.money.receipt_lines import Bodies, Sent


@dataclass(slots=True)
class Answered:
    """What the list says about lost submissions."""

    #: Submission -> its task.
    tasks: dict[Sent, str] = field(default_factory=dict)
    #: Submission -> the tasks that may be its own.
    unsure: dict[Sent, list[str]] = field(default_factory=dict)
    #: Submission without a task that fits -> the tasks of its time that no row has.
    without: dict[Sent, list[str]] = field(default_factory=dict)


def answered(
    lost: Sequence[Sent],
    charges: Iterable[ListedCharge],
    bodies: Bodies,
    hooks: Mapping[Sent, str],
    hook_field: str,
) -> Answered:
    """Match lost submissions with tasks that no row has. A task without content may be for any.

    `hooks` are the hook tokens of submissions, `hook_field` is the field for the webhook's address.
    """

    def is_for(sent: Sent, content: Mapping[str, Any]) -> bool:
        is_called = _calls(content, hook_field, hooks.get(sent, ""))
        return is_called and bodies.agrees(sent, content)

    unknown = sorted(charges, key=lambda one: (one.at is None, one.at, one.task_id))
    same: defaultdict[tuple[str, ...], list[Sent]] = defaultdict(list)
    for sent in sorted(lost, key=lambda one: one.sent_at):
        fits = (
            one.task_id
            for one in unknown
            if sent.may_be_of(one.at) and (one.content is None or is_for(sent, one.content))
        )
        same[tuple(fits)].append(sent)
    found, without = Answered(), same.pop((), [])
    unread = {one.task_id for one in unknown if one.content is None}
    for tasks, its in same.items():
        is_alone = not any({*tasks} & {*others} for others in same if others != tasks)
        if is_alone and len(tasks) <= len(its) and not unread.intersection(tasks):
            found.tasks.update(zip(its, tasks, strict=False))
            without += its[len(tasks) :]
        else:
            found.unsure.update({sent: [*tasks] for sent in its})
    for sent in without:
        near = [one.task_id for one in unknown if sent.may_be_of(one.at)]
        found.without[sent] = [task for task in near if task not in found.tasks.values()]
    return found


def _calls(content: object, hook_field: str, hook: str) -> bool:
    """False if the API is to call another address than that of this submission."""
    addresses = list(_values(content, hook_field)) if hook_field else []
    return not addresses or (bool(hook) and all(one.endswith(hook) for one in addresses))


def _values(content: object, name: str) -> Iterator[str]:
    """The texts under a name, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == name and isinstance(value, str) and value:
                yield value
            else:
                yield from _values(value, name)
