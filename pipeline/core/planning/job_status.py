"""The status and note of a job that was sent.

`plan` decides what they say of rows that were not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pipeline.core.cell_errors import is_value
from pipeline.core.inputs import parsed
from pipeline.core.language import NOTHING, Said, figures, of_units, together
from pipeline.core.messages import picture_notes, row_notes, sent_notes
from pipeline.core.model import Attempt, Job, State
from pipeline.core.money.costs import CREDIT
from pipeline.core.picture_findings import Findings
from pipeline.core.prompts.checks import is_missing
from pipeline.core.prompts.reference_images import named_row
from pipeline.core.rows.chains import LINK, Link, changeable, changes, link_in
from pipeline.core.rows.rules import Rules
from pipeline.core.states import WHEN_SENT_AGAIN, is_open, shown
from pipeline.core.statuses import Status, StatusAndNote, in_progress
from pipeline.core.text import joined

#: The reason of an attempt that another store may have made.
TAKEN_OVER = "another store may have sent it"


def is_overdue(attempt: Attempt, give_up_after: timedelta, now: datetime) -> bool:
    """Returns whether the API has had the task for longer than `give_up_after`."""
    return is_open(attempt) and now - attempt.sent_at > give_up_after


def job_status(
    job: Job, inputs: str, rules: Rules, now: datetime, redo: str, link: Link | None = None
) -> StatusAndNote:
    """Status and note of a job that has been sent; `redo` says how to ask for the next take.

    `link` is the row and take that the row follows now; None if it follows none, or it is not known
    which.
    """
    attempt = shown(job)
    assert attempt is not None, "only a pending job has no attempt"
    news = changes(attempt, inputs, link)
    change = _edited(attempt, news, link, redo) if news else ""
    emptied = _emptied(attempt, news, inputs, rules) if news else ""
    warning = row_notes.warning(rules.doubts(attempt.inputs))
    if attempt.state is State.SUCCEEDED:
        gone = _lost(job, attempt, redo) if rules.saves_files else ""
        note = joined(
            emptied or change,
            _made_again(job, attempt),
            _second_success(job, attempt, rules),
            _left_out(attempt),
            gone or _unsaved(job, attempt, rules, now),
            _wrong_pictures(job, attempt, rules, redo),
            "" if news else warning,
        )
        status = Status.WAITING if emptied else Status.EDITED if news else Status.DONE
        return StatusAndNote(Status.CHECK_NEEDED if gone else status, note)
    api = rules.title_of(attempt)
    match attempt.state:
        case State.RUNNING if rules.api_of(attempt) is None:
            away = sent_notes.api_away(attempt.provider, attempt.base_url, attempt.task_id, redo)
            return StatusAndNote(Status.CHECK_NEEDED, joined(away, emptied or change))
        case State.RUNNING:
            key = sent_notes.other_key(attempt.task_id) if rules.has_other_key(attempt) else ""
            doubt = joined(_endpoint_gone(attempt, rules), key)
            if is_overdue(attempt, rules.give_up_after, now):
                late = sent_notes.overdue(api, attempt.task_id, rules.give_up_after, redo)
                return StatusAndNote(Status.CHECK_NEEDED, joined(doubt, late, emptied or change))
            if news and not emptied:
                return StatusAndNote(Status.EDITED, joined(doubt, change))
            note = joined(doubt, _made_again(job, attempt), emptied or warning)
            return StatusAndNote(in_progress(attempt.progress), note)
        case State.SUBMITTING:
            return StatusAndNote(Status.SENDING, warning)
        case State.UNKNOWN if rules.may_be_resent(attempt, now):
            return StatusAndNote(
                Status.SENDING, joined(sent_notes.sent_again(api), emptied or change)
            )
        case State.UNKNOWN:
            if attempt.reason == TAKEN_OVER:
                note = joined(sent_notes.taken_over(api, redo), emptied or change)
                return StatusAndNote(Status.CHECK_NEEDED, note)
            why = sent_notes.lost(api, attempt.reason, _price(attempt, rules), redo)
            gone = _endpoint_gone(attempt, rules)
            return StatusAndNote(Status.CHECK_NEEDED, joined(why, gone, emptied or change))
        case _:
            what = changeable(attempt.inputs)
            if attempt.task_id:
                price = _price(attempt, rules) if attempt.price else NOTHING
                note = sent_notes.failed(api, attempt.reason, price, what)
            elif attempt.reason.startswith(WHEN_SENT_AGAIN):
                reason = attempt.reason.removeprefix(WHEN_SENT_AGAIN)
                price = _price(attempt, rules)
                note = sent_notes.refused_when_sent_again(api, reason, price, what)
            elif attempt.reason.startswith(sent_notes.UNREAD):
                note = sent_notes.unread(attempt.reason)
            else:
                note = sent_notes.refused(api, attempt.reason, what)
            return StatusAndNote(Status.FAILED, note)


def _endpoint_gone(attempt: Attempt, rules: Rules) -> str:
    if not rules.is_endpoint_gone(attempt):
        return ""
    return sent_notes.endpoint_gone(rules.title_of(attempt), attempt.endpoint)


def _edited(attempt: Attempt, news: dict[str, str], link: Link | None, redo: str) -> str:
    """The note for a row that is not as it was sent. `news` as `changes` gives it."""
    was, name = link_in(attempt.inputs), named_row(parsed(attempt.inputs))
    if list(news) == [LINK] and was and link:
        is_same = (link.row_id, link.part) == (was.row_id, was.part)
        take = link.take if is_same else None
        return row_notes.parent_changed(name, was.take, take, attempt.state, redo)
    words = {name: text for name, text in news.items() if name != LINK}
    return row_notes.edited(words, attempt.state, redo) if words else ""


def _emptied(attempt: Attempt, news: Mapping[str, str], inputs: str, rules: Rules) -> str:
    """The note for a row in which a value that was sent is gone and no new value took its place.

    A formula that is broken or not computed is no new value, nor is an empty cell where a value is
    required. "" if the row has new values.
    """
    wrote, endpoint = parsed(inputs), rules.endpoint_of(attempt.endpoint)
    made = row_notes.made_from(news, attempt.state)
    for name in news:
        text, field = wrote.get(name, ""), endpoint.fields.get(name) if endpoint else None
        if not is_value(text):
            return joined(row_notes.not_a_value(name, text), made)
        if field and ((not text and field.required) or (field.type == "text" and is_missing(text))):
            return joined(row_notes.lost_cell(name, text), made)
    return ""


def _made_again(job: Job, attempt: Attempt) -> str:
    if attempt.remade:
        failed = [one for one in job.attempts if one.state is State.FAILED]
        return picture_notes.not_better(attempt.remade, failed[-1].reason) if failed else ""
    remade = [one.remade for one in job.attempts if one.remade]
    return picture_notes.to_be_made_again(remade[-1]) if remade else ""


def _second_success(job: Job, first: Attempt, rules: Rules) -> str:
    if len(job.attempts) == 1:
        return ""
    others = [
        a
        for a in job.attempts
        if a.state is State.SUCCEEDED and a.number != first.number and not a.remade
    ]
    return together(
        sent_notes.second_success(one.task_id, _price(one, rules), _has_files(job, one))
        for one in others
    )


def _price(attempt: Attempt, rules: Rules) -> Said:
    """The listed price of an attempt in the unit of its account."""
    api = rules.api_of(attempt)
    price, unit = attempt.price, api.provider.unit if api else CREDIT
    return of_units(price, unit, figures(f"{price}"))


def _has_files(job: Job, attempt: Attempt) -> bool:
    return any(url in job.files for url in attempt.result.urls)


def _left_out(attempt: Attempt) -> str:
    kept, more = len(attempt.result.urls), attempt.result.left_out
    return sent_notes.left_out(kept, more) if more else ""


def _lost(job: Job, attempt: Attempt, redo: str) -> str:
    """The note about pictures that could not be saved; "" if there are none."""
    urls, unsaved = attempt.result.urls, job.unsaved
    lost = [n for n, url in enumerate(urls, start=1) if url in unsaved and unsaved[url].lost]
    if not lost:
        return ""
    why = unsaved[urls[lost[0] - 1]]
    return sent_notes.files_lost(lost, len(urls), why.reason, why.next_at is not None, redo)


def _wrong_pictures(job: Job, attempt: Attempt, rules: Rules, redo: str) -> str:
    """The note about saved pictures with which something is wrong; "" if there are none."""
    if not (found := findings_of(job, attempt)):
        return ""
    return picture_notes.about(found, len(attempt.result.urls), rules.title_of(attempt), redo)


def findings_of(job: Job, attempt: Attempt) -> dict[int, Findings]:
    """What is wrong with the saved pictures of an attempt: number -> findings."""
    if not job.findings:
        return {}
    urls = enumerate(attempt.result.urls, start=1)
    return {number: job.findings[url] for number, url in urls if url in job.findings}


def _unsaved(job: Job, attempt: Attempt, rules: Rules, now: datetime) -> str:
    if not rules.saves_files:
        return ""
    # Not in the first minutes: they are being saved then.
    missing = [url for url in attempt.result.urls if url not in job.files]
    late = now - (attempt.ended_at or now) > timedelta(minutes=5)
    if not (missing and late):
        return ""
    why = job.unsaved.get(missing[0])
    return sent_notes.files_missing(len(missing), why.reason if why else "")


def what_it_was_made_from(job: Job, inputs: str) -> str:
    """The sentence about what the shown attempt was made from, if the row is different now."""
    attempt = shown(job)
    assert attempt is not None, "only what can be shown is asked about"
    return row_notes.made_from(changes(attempt, inputs), attempt.state)
