"""A plan as a value that can be kept in a file, and how a later reading differs from it. Pure.

A plan in a file is run as a whole or not at all. Rows are found by their row_id; a new row, which
has none yet, by its place and its inputs. A row of the plan that was sent already is done with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pipeline.core.credits import Credits
from pipeline.core.inputs import PROMPT, canonical, parsed
from pipeline.core.model import Job, JobKey, State
from pipeline.core.planning.lines import Line, each
from pipeline.core.rows.chains import without_link
from pipeline.core.rows.rules import Rules
from pipeline.core.statuses import Status
from pipeline.core.text import counted, shortened

#: The version of the file's form; a plan of another version is refused.
VERSION: Final = 1
#: Most rows that are named if a plan does not fit.
NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan: what is sent for it, and how it is found again."""

    #: The number of its line in the sheet, as people count.
    row: int
    #: Empty for a row that had no id when the plan was made.
    row_id: str
    #: What its cells say, as canonical text.
    inputs: str
    take: int
    #: Which generation of the row, where it asks for several.
    part: str
    #: Which attempt at this take it is: 1, or more after a failure.
    attempt: int
    endpoint: str
    credits: Credits
    #: The prompt as it is sent.
    prompt: str

    @property
    def label(self) -> str:
        """The row for people."""
        words = f" ({shortened(self.prompt, 40)})" if self.prompt else ""
        return f"Row {self.row}{words}"


@dataclass(frozen=True, slots=True)
class PlannedSheet:
    """The plan of one sheet."""

    #: The sheet's key in the store, and its title.
    key: str
    title: str
    made_at: str
    #: What the requests depend on besides the rows: name for people -> a text or a digest.
    terms: Mapping[str, str]
    rows: tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What of a plan may be sent now, by row_id and part; or why nothing of it may."""

    rows: Mapping[tuple[str, str], PlannedRow]
    #: How many rows of the plan were sent already.
    sent: int = 0
    #: Why the plan does not fit, as sentences; empty if it fits.
    problems: tuple[str, ...] = ()


def terms_of(rules: Rules) -> dict[str, str]:
    """What the requests of a plan depend on besides its rows. Holds no key: only digests."""
    terms = {"[defaults]": _digest(sorted((k, str(v)) for k, v in rules.defaults.items()))}
    for api in rules.apis:
        if api.sends:
            name = f"[providers.{api.prefix.rstrip('/')}]" if api.prefix else "[provider]"
            terms[f"{name} name"] = api.provider.name
            terms[f"{name} base_url"] = api.base_url
            terms[f"{name} api_key"] = _digest(api.account)
            terms[f"the provider file {api.provider.name}"] = _digest(api.provider.endpoints)
    return terms


def planned_rows(lines: Sequence[Line], rules: Rules) -> tuple[PlannedRow, ...]:
    """These lines as they are sent."""
    return tuple(_planned(line, rules) for line in lines)


def _planned(line: Line, rules: Rules) -> PlannedRow:
    inputs = line.inputs
    return PlannedRow(
        row=line.seen.place + 1,
        row_id=line.seen.row_id if line.confirmed else "",
        inputs=inputs,
        take=line.take or 1,
        part=line.part,
        attempt=1 + _attempts(line.job),
        endpoint=line.endpoint or rules.endpoint_name(inputs),
        credits=line.price or rules.price(inputs) or 0,
        prompt=rules.given(inputs, line.turn).get(PROMPT, ""),
    )


def is_as_planned(line: Line, row: PlannedRow, rules: Rules) -> bool:
    """True if sending this line is what the plan says of the row."""
    now = _planned(line, rules)
    return _deciding(now) == _deciding(row)


def _deciding(row: PlannedRow) -> tuple[object, ...]:
    return row.inputs, row.take, row.part, row.attempt, row.endpoint, row.credits, row.prompt


def agreed(
    plan: PlannedSheet,
    lines: Sequence[Line],
    places: Mapping[str, int],
    jobs: Mapping[JobKey, Job],
    rules: Rules,
    coming: Collection[tuple[str, str]],
) -> Agreed:
    """Compare a plan with a reading of the sheet.

    `places` has the place of every row by its id, `jobs` at least the jobs of the plan's rows, and
    `coming` the identities of lines that are sent once something else has happened.
    """
    now = terms_of(rules)
    changed = [name for name in plan.terms if plan.terms[name] != now.get(name)]
    changed += [name for name in now if name not in plan.terms]
    if changed:
        names = ", ".join(dict.fromkeys(changed))
        return Agreed({}, problems=(f"The configuration has changed: {names}.",))
    by_identity = {one.identity: one for one in each(lines)}
    at = {place: row_id for row_id, place in places.items()}
    rows: dict[tuple[str, str], PlannedRow] = {}
    problems: list[str] = []
    sent, ids = 0, {row.row: row.row_id or at.get(row.row - 1, "") for row in plan.rows}
    planned = {*ids.values()}
    for row in plan.rows:
        row_id = ids[row.row]
        if row_id not in places:
            problems.append(f"{row.label} is gone.")
        elif _was_sent(row, jobs.get(JobKey(rules.sheet, row_id, row.take, row.part))):
            sent += 1
        elif why := _difference(row, by_identity.get((row_id, row.part)), rules, coming, planned):
            problems.append(f"{row.label} {why}.")
        else:
            rows[row_id, row.part] = row
    return Agreed({}, sent, tuple(problems)) if problems else Agreed(rows, sent)


def _difference(
    row: PlannedRow,
    line: Line | None,
    rules: Rules,
    coming: Collection[tuple[str, str]],
    planned: Collection[str],
) -> str:
    """How a row differs from its plan, as the end of a sentence; empty if it does not."""
    if line is None:
        return "is not to be sent any more"
    now = _planned(line, rules)
    if now.inputs != row.inputs:
        return "has other cells now"
    if line.take != row.take:
        return f"asks for take {line.take or '?'} now, and not for {row.take}"
    if now.credits != row.credits:
        return f"costs {now.credits} now, and not {row.credits}"
    if now.prompt != row.prompt:
        return "gets another prompt now"
    # A row whose parent is in the plan and was sent waits for it, whatever became of it.
    waits = line.parent is not None and line.parent.row_id in planned
    if not (line.endpoint or line.identity in coming or waits):
        status = Status.of(line.status)
        return f"is {status} now{': ' + line.note.rstrip('.') if line.note else ''}"
    if is_as_planned(line, row, rules):
        return ""
    return "was sent in the meantime, and not by this plan"


def _was_sent(row: PlannedRow, job: Job | None) -> bool:
    """True if the attempt that the plan is about was made, with the same inputs."""
    made = [one for one in job.attempts if one.state is not State.RETURNED] if job else []
    if len(made) < row.attempt:
        return False
    return without_link(made[row.attempt - 1].inputs) == row.inputs


def _attempts(job: Job | None) -> int:
    """How many attempts were made; one that came back unsent is none."""
    return sum(one.state is not State.RETURNED for one in job.attempts) if job else 0


def refusal(problems: Sequence[str]) -> str:
    """Why a plan is not run, and what to do."""
    more = len(problems) - NAMED
    named = " ".join(problems[:NAMED]) + (f" And {counted(more, 'more row')}." if more > 0 else "")
    return (
        f"Nothing was sent: the sheet or the configuration has changed since the plan was made. "
        f"{named} Make a new plan with run --plan -o FILE."
    )


# -- the file --------------------------------------------------------------------------------------


def to_text(sheets: Sequence[PlannedSheet]) -> str:
    """The plans of some sheets as JSON, one line for each row."""
    said = []
    for sheet in sheets:
        rows = ",\n    ".join(
            json.dumps({**asdict(row), "inputs": parsed(row.inputs)}, ensure_ascii=False)
            for row in sheet.rows
        )
        head = json.dumps(
            {
                "key": sheet.key,
                "title": sheet.title,
                "made_at": sheet.made_at,
                "terms": dict(sheet.terms),
            },
            ensure_ascii=False,
        )
        body = f"[\n    {rows}\n  ]" if rows else "[]"
        said.append(f'{head[:-1]}, "rows": {body}}}')
    inner = ",\n  ".join(said)
    return f'{{"promptsheet_plan": {VERSION}, "sheets": [\n  {inner}\n]}}\n'


def of_text(text: str) -> tuple[PlannedSheet, ...]:
    """The plans behind such a text. Raises ValueError with a sentence if it is not one."""
    try:
        whole = json.loads(text)
        version = whole["promptsheet_plan"]
        if version != VERSION:
            raise ValueError(f"it is a plan of another version ({shortened(str(version), 20)})")
        return tuple(_sheet(one) for one in whole["sheets"])
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as e:
        raise ValueError("it is not a plan that run --plan -o wrote") from e


def _sheet(one: Mapping[str, Any]) -> PlannedSheet:
    rows = tuple(_row(row) for row in one["rows"])
    terms = {str(name): str(text) for name, text in one["terms"].items()}
    return PlannedSheet(str(one["key"]), str(one["title"]), str(one["made_at"]), terms, rows)


def _row(row: Mapping[str, Any]) -> PlannedRow:
    inputs = canonical({str(name): str(text) for name, text in row["inputs"].items()})
    price = row["credits"]
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise TypeError("credits are a number")
    return PlannedRow(
        row=_whole(row["row"]),
        row_id=str(row["row_id"]),
        inputs=inputs,
        take=_whole(row["take"]),
        part=str(row.get("part", "")),
        attempt=_whole(row["attempt"]),
        endpoint=str(row["endpoint"]),
        credits=price,
        prompt=str(row["prompt"]),
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number is expected")
    return value


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]
