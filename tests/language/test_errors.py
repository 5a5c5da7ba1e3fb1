"""Whatever an API answers, or does not answer: one note says what happened, and what to do."""

from __future__ import annotations

import json

import pytest

from pipeline.core.job_status import job_status
from pipeline.core.language import Said
from pipeline.core.messages import write_take
from pipeline.core.model import Attempt, Response, State
from pipeline.core.protocol import verdict
from pipeline.core.states import Accepted, Failed, Lost, Postponed
from pipeline.core.statuses import Status
from pipeline.provider.http import WORDS
from tests.core.build import NOW, PROVIDER, RULES, attempt, job, wrote
from tests.language.test_messages import GERMAN

#: What a note can ask for, in English and in German.
CURES = {
    "Change the prompt to send the row again.": "ändern, um die Zeile noch einmal zu senden.",
    "promptsheet retry then sends the row again.": "promptsheet retry sendet die Zeile danach",
    "To pay for it again, put 2 in the take column": "Um noch einmal dafür zu bezahlen: 2 in die",
}
BODIES = {
    "with words": json.dumps({"message": "no bears"}).encode(),
    "with none": b"",
    "with a page": b"<html><title>Bad gateway</title>",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [201, 301, *range(400, 430), 451, *range(500, 512), 520, 599])
def test_each_answer_to_a_submission_ends_in_one_note_with_one_remedy(
    status: int, body: bytes
) -> None:
    answer = verdict(PROVIDER, PROVIDER.endpoints["imagine"], Response(status, {}, body), NOW)

    match answer.event:
        case Failed(reason):
            _check(Status.FAILED, attempt(State.FAILED, reason=reason))
        case Lost(reason):
            _check(Status.CHECK_NEEDED, attempt(State.UNKNOWN, reason=reason))
        case Postponed():  # The row stays queued: the run says why, or tries again by itself.
            assert answer.pause or answer.stop.endswith(".")
        case Accepted():
            pytest.fail("there was no task id")


@pytest.mark.parametrize("words", sorted({words for _, words in WORDS}))
def test_each_broken_connection_ends_in_one_note_with_one_remedy(words: str) -> None:
    _check(Status.CHECK_NEEDED, attempt(State.UNKNOWN, reason=words))


def test_a_task_that_failed_without_a_reason_says_so_in_both_languages() -> None:
    failed = attempt(State.FAILED, task_id="t-1", reason="Apiframe gave no reason")
    note = job_status(job(failed), wrote("a fox"), RULES, NOW, write_take(2)).note

    assert note.startswith('Apiframe could not generate it: "Apiframe gave no reason". Change')
    assert GERMAN.text(note).startswith(
        'Apiframe konnte es nicht erzeugen: "Apiframe nannte keinen Grund". prompt ändern'
    )


def _check(status: str, one: Attempt) -> None:
    said = job_status(job(one), wrote("a fox"), RULES, NOW, write_take(2))
    german = GERMAN.text(said.note)
    cures = [cure for cure in CURES if cure in said.note]

    assert (said.status, isinstance(said.note, Said), len(cures)) == (status, True, 1), said.note
    assert CURES[cures[0]] in german
    assert said.note.startswith(("Apiframe ", "Sent, but no answer came ("))
    assert german != said.note
