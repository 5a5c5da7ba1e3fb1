"""The summary of a pass: the closing line, the rows that need attention, the JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.core.api.fields import PARENT
from pipeline.core.api.provider import Endpoint
from pipeline.core.money.currency import in_credits_and_money
from pipeline.core.statuses import Status
from pipeline.core.text import counted, one_line, shortened
from pipeline.sync.outcome import Outcome

#: Most rows that need attention and are named at the end of a run.
LISTED = 10
#: Most characters of a prompt that names a row.
SHORT = 40


def here(path: Path) -> str:
    """A path for display: relative to the current folder if it is inside it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def no_rows(title: str, endpoint: Endpoint, parts: Sequence[str] = ()) -> str:
    """The message about a sheet that has only a header; its rows are for this endpoint.

    `parts` are the columns that prompts are made of.
    """
    fields = endpoint.fields
    if parts and "prompt" in fields:
        how = f"Fill in the column{'s' * (len(parts) != 1)} {', '.join(parts)}"
    elif "prompt" in fields:
        how = "Write a prompt into the column prompt"
    else:
        follows = any(one.parent and one.required for one in fields.values())
        needed = [PARENT] * follows
        needed += [name for name, one in fields.items() if one.required and not one.parent]
        how = f"Fill in the column{'s' * (len(needed) != 1)} {', '.join(needed)}"
    return f"{title} has no rows yet. {how}."


def unrecognized(number: int) -> str:
    """The message about rows with results that this store did not write."""
    have = "has" if number == 1 else "have"
    new = "If it is a new row, clear its" if number == 1 else "If they are new rows, clear their"
    return (
        f"{counted(number, 'row')} {have} results that Promptsheet did not write here. "
        f"Run promptsheet doctor --adopt to take them over. {new} task_id and image_urls."
    )


def closing(outcome: Outcome) -> str:
    """The closing line, such as: 12 new, 11 done, 1 refused, 44 credits."""
    counts = outcome.counts
    again = f" ({counts.made_again} made again)" if counts.made_again else ""
    parts = [f"{counts.new} new{again}", f"{counts.done} done"]
    for number, word in ((counts.refused, "refused"), (counts.failed, "failed")):
        if number:
            parts.append(f"{number} {word}")
    if counts.lost:
        parts.append(f"{counts.lost} without an answer")
    waiting = outcome.statuses[Status.IN_PROGRESS] + outcome.statuses[Status.SENDING]
    if waiting:
        parts.append(f"{waiting} in progress")
    still = {
        Status.WAITING: "waiting",
        Status.QUEUED: "still to send",
        Status.OVER_BUDGET: "over budget",
    }
    for status, words in still.items():
        if number := outcome.statuses[status]:
            parts.append(f"{number} {words}")
    return ", ".join([*parts, in_credits_and_money(counts.costs)])


def as_json(outcome: Outcome, code: int) -> dict[str, object]:
    """The result of a run, for programs.

    `new` to `costs` count what happened in this run (see `PassCounts`): `credits` is paid at the
    sheet's own account, and `costs` has the amount and the unit of every account. `rows` counts the
    rows of the sheet by status. `outlets` are as the pass left them: messages are delivered
    beside `run --wait`, and after a plain `run`. `details` lists rows that changed in this run or
    need attention.
    """
    counts = outcome.counts
    listed = {row.row_id: row for row in (*outcome.changed, *outcome.attention)}
    return {
        "sheet": outcome.title,
        "new": counts.new,
        "made_again": counts.made_again,
        "done": counts.done,
        "refused": counts.refused,
        "failed": counts.failed,
        "without_answer": counts.lost,
        "saved": counts.saved,
        "credits": counts.credits,
        "costs": [cost.as_json() for cost in counts.costs],
        "quote": outcome.quote,
        "rows": dict(sorted(outcome.statuses.items())),
        "newly_need_a_person": outcome.newly,
        "need_a_person": outcome.needing,
        "messages": [*outcome.notices, *outcome.sentences],
        "outlets": [
            {
                "name": one.name,
                "delivered": one.sent,
                "waiting": one.waiting,
                "set_aside": one.parked,
                "trouble": one.closed or one.reason,
            }
            for one in outcome.outlets
        ],
        "details": [row.as_json() for row in sorted(listed.values(), key=lambda row: row.number)],
        "exit_code": code,
    }


def attention(outcome: Outcome, config: Path) -> Iterator[str]:
    """Lines about the rows that need attention, at most `LISTED` rows."""
    if not outcome.attention:
        return
    need = "needs" if outcome.needing == 1 else "need"
    yield f"{counted(outcome.needing, 'row')} {need} your attention:"
    for row in outcome.attention[:LISTED]:
        what = row.name or shortened(row.prompt, SHORT)
        yield f"  row {row.number}, {one_line(what)}: {one_line(row.note) or row.status}"
    if (more := outcome.needing - LISTED) > 0:
        yield f"  and {more} more: promptsheet status {shlex.quote(str(here(config)))}"
