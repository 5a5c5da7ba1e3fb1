"""Makes the messages to outlets from jobs: what is told of a row, and in which words."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pipeline.core.inputs import parsed
from pipeline.core.messages import row_notes
from pipeline.core.model import Attempt, Job
from pipeline.core.money.costs import OWN, account_of, accounts
from pipeline.core.money.currency import Money, of_budget
from pipeline.core.money.shares import in_words
from pipeline.core.outlets.outbox import (
    FIELDS,
    PICKED,
    TOLD,
    MessageKind,
    Notice,
    NoticeRow,
    RowMessage,
    Value,
)
from pipeline.core.pictures.cell_links import is_web
from pipeline.core.planning.job_status import job_status
from pipeline.core.rows.chains import as_written
from pipeline.core.rows.rules import Rules
from pipeline.core.states import cost_of_attempt
from pipeline.core.statuses import Status
from pipeline.core.text import counted, shortened
from pipeline.core.traces import prompt_sent

#: Characters of a prompt that stand for a row without a name.
_TITLE: Final = 80


def labels(filled: Mapping[str, str]) -> str:
    """A row's name and cells as the store keeps them; "" if there are none."""
    return json.dumps(filled, ensure_ascii=False) if filled else ""


def row_message(
    job: Job,
    number: int,
    kind: MessageKind,
    *,
    id: str,  # noqa: A002
    at: datetime,
    sheet: str,
    labels: Mapping[str, str],
    rules: Rules,
    now: datetime,
    path_of: Callable[[str], Path | None] = lambda path: None,
    is_repeat: bool = False,
    remote: str = "",
    line: int | None = None,
    picked: Collection[str] = (),
) -> RowMessage | None:
    """What is told of an attempt of a job; None if it is no longer true.

    A failed attempt may have succeeded after all, and a lost one may be sent again: other messages
    tell that. `at` is when the message was written. `labels` and `line` are those of its row,
    `path_of` gives the path of a saved file, `picked` are addresses of picked pictures.
    """
    attempt = next((one for one in job.attempts if one.number == number), None)
    if attempt is None or TOLD.get(attempt.state) is not kind:
        return None
    redo = row_notes.write_take(job.key.take + 1)
    status, note = job_status(job, attempt.inputs, rules, now, redo)
    if kind is MessageKind.CHECK_NEEDED and status != Status.CHECK_NEEDED:
        return None
    saved = tuple(job.files[url] for url in attempt.result.urls if url in job.files)
    urls = tuple(_link(job, url, rules) for url in attempt.result.urls)
    chosen = tuple(_link(job, url, rules) for url in attempt.result.urls if url in picked)
    return RowMessage(
        id=id,
        kind=kind,
        at=attempt.ended_at or at,
        sheet=sheet,
        row_id=job.key.generation,
        take=job.key.take,
        values=_values(job, attempt, sheet, (str(status), note), labels, urls, saved, chosen),
        urls=urls,
        files=tuple(path for path in map(path_of, saved) if path),
        credits=cost_of_attempt(attempt),
        unit=f"{account_of(rules, attempt).unit}s",
        vendor=rules.title_of(attempt),
        is_repeat=is_repeat,
        remote=remote,
        line=line,
    )


def _link(job: Job, url: str, rules: Rules) -> str:
    """The address of a result: with [media] links = "ours", the web address of its saved copy."""
    own = job.links.get(url, "") if rules.links.own else ""
    return own if is_web(own) else url


def _values(
    job: Job,
    attempt: Attempt,
    sheet: str,
    said: tuple[str, str],
    labels: Mapping[str, str],
    urls: tuple[str, ...],
    saved: tuple[str, ...],
    picked: tuple[str, ...],
) -> dict[str, Value]:
    """The fields of a message; `said` is the row's status and note."""
    inputs = parsed(as_written(attempt.inputs))
    known: dict[str, Value] = {
        "row_id": job.key.generation,
        "take": job.key.take,
        "sheet": sheet,
        "name": labels.get("name", ""),
        "prompt": prompt_sent(attempt),
        "endpoint": attempt.endpoint,
        "status": said[0],
        "note": row_notes.as_text(said[1]),
        "task_id": attempt.task_id,
        "image_urls": urls,
        "text": attempt.result.text,
        "files": saved,
        "credits": cost_of_attempt(attempt),
        "submitted_at": attempt.sent_at,
        "finished_at": attempt.ended_at or "",
    }
    assert known.keys() == set(FIELDS), "every field has a value"
    chosen = {PICKED: picked} if picked else {}
    return {**chosen, **inputs, **labels, **known}


def sample(now: datetime) -> RowMessage:
    """A message to try an outlet with. It names no row of any sheet."""
    values: dict[str, Value] = dict.fromkeys(FIELDS, "")
    values |= {
        "row_id": "r_sample",
        "take": 1,
        "sheet": "Promptsheet",
        "name": "A sample",
        "prompt": "A fox in the snow, to try this outlet",
        "status": Status.DONE.value,
        "note": "Sent by promptsheet outlets test.",
        "image_urls": (),
        "files": (),
        "credits": 0,
        "submitted_at": now,
        "finished_at": now,
    }
    return RowMessage(
        id=f"test-{now:%Y%m%dT%H%M%S%f}",
        kind=MessageKind.TEST,
        at=now,
        sheet="Promptsheet",
        row_id="r_sample",
        take=1,
        values=values,
    )


def notice(
    kind: MessageKind,
    body: Mapping[str, Any],
    *,
    id: str,  # noqa: A002
    at: datetime,
    sheet: str,
    rules: Rules,
    is_repeat: bool = False,
) -> Notice:
    """What is told of a sheet; `body` as the store keeps it, such as `attention_body`."""
    rows = tuple(NoticeRow(**row) for row in body.get("rows", ()))
    sentence = str(body.get("sentence") or "")
    match kind:
        case MessageKind.BUDGET if not sentence:
            sentence = _budget(body, rules)
        case MessageKind.ATTENTION:
            need = "needs" if len(rows) == 1 else "need"
            sentence = f"{counted(len(rows), 'row')} now {need} attention."
        case _:
            pass
    return Notice(id, kind, at, sheet, sentence, rows, is_repeat, bool(body.get("is_over")))


def attention_body(row: NoticeRow) -> dict[str, object]:
    """The body of a notice about a row that needs a person."""
    title = shortened(row.title, _TITLE)
    told = {"row_id": row.row_id, "title": title, "line": row.line}
    return {"rows": [{**told, "status": row.status, "note": row.note}]}


def _budget(body: Mapping[str, Any], rules: Rules) -> str:
    of, key, more = "the budget of this run", "per_run", "the next run sends more rows"
    if body["budget"] == "day":
        of, key, more = "today's budget", "per_day", "more rows are sent tomorrow"
    elif body["budget"] == "month":
        of, key, more = "this month's budget", "per_month", "more rows are sent next month"
    elif body["budget"] == "share":
        of, key = f"the budget of {in_words(body['share'])}", "per"
        more = "its rows are not sent"
    used, cap = body["used"], body["cap"]
    if currency := body.get("currency"):
        used, cap = Money(Decimal(used), currency), Money(Decimal(cap), currency)
    names = (one.account for one in rules.apis)
    known = dict(zip(names, accounts(rules.apis), strict=True))
    account = known.get(body.get("account", ""), OWN)
    where = f"[budget] {key}" if account.is_own else f"{key} of this account"
    share = used.amount / cap.amount if currency else used / cap
    amounts = of_budget(used, cap, account, ",")
    return (
        f"{100 * share:.0f} % of {of} is used: {amounts}. When all is used, {more}. "
        f"To send more before that, raise {where}."
    )
