"""Whatever an API answers, or does not answer: one note says what happened, and what to do."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from pipeline.config import Secret
from pipeline.core.api.protocol import verdict
from pipeline.core.api.provider import Account
from pipeline.core.language import Said
from pipeline.core.messages.reasons import told
from pipeline.core.messages.row_notes import write_take
from pipeline.core.model import Attempt, Response, State
from pipeline.core.planning.job_status import job_status
from pipeline.core.states import Accepted, Failed, Lost, Postponed
from pipeline.core.statuses import Status
from pipeline.provider.http import WORDS
from pipeline.provider.lazy import LazyApiClient
from pipeline.sync.balance import ask_balance
from tests.core.build import NOW, PROVIDER, RULES, attempt, job, wrote
from tests.fakes.cases import each
from tests.language.collected import ROOT
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


@each("body", BODIES.values())
@each("status", [201, 301, *range(400, 430), 451, *range(500, 512), 520, 599])
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


@each("words", sorted({words for _, words in WORDS}))
def test_each_broken_connection_ends_in_one_note_with_one_remedy(words: str) -> None:
    _check(Status.CHECK_NEEDED, attempt(State.UNKNOWN, reason=words))


@each("words", sorted({words for _, words in WORDS}))
def test_each_broken_connection_is_told_in_both_languages(words: str) -> None:
    assert GERMAN.text(told(words)) != words


def test_why_a_balance_is_not_known_is_told_in_both_languages() -> None:
    async def asked() -> str:
        provider = replace(PROVIDER, account=Account("/account"))
        async with AsyncExitStack() as stack:
            way = LazyApiClient(
                provider, Secret("key"), base_url="http://127.0.0.1:1", concurrency=1, stack=stack
            )
            return (await ask_balance(provider, way)).trouble

    trouble = asyncio.run(asked())

    assert ": no connection (connect" in trouble
    assert ": keine Verbindung (connect" in GERMAN.text(trouble)


def test_a_task_that_failed_without_a_reason_says_so_in_both_languages() -> None:
    failed = attempt(State.FAILED, task_id="t-1", reason="Apiframe gave no reason")
    note = job_status(job(failed), wrote("a fox"), RULES, NOW, write_take(2)).note

    assert note.startswith('Apiframe could not generate it: "Apiframe gave no reason". Change')
    assert GERMAN.text(note).startswith(
        'Apiframe konnte es nicht erzeugen: "Apiframe nannte keinen Grund". prompt ändern'
    )


#: What ends in the note of a row: why a picture is not saved, a file not sent, an answer lost.
_IN_NOTES = ("NotSaved", "DeadLink", "BadLink", "PartUnread", "NoAnswer", "Lost", "not_now")


def test_a_reason_that_comes_into_a_note_is_a_message() -> None:
    found = {}
    for file in sorted((ROOT / "pipeline").rglob("*.py")):
        if "sandbox" in file.parts:
            continue
        nodes = ast.walk(ast.parse(file.read_text("utf-8")))
        calls = [one for one in nodes if isinstance(one, ast.Call) and _called(one) in _IN_NOTES]
        for call in calls:
            if call.args and (words := _english_in(call.args[0])):
                found[f"{file.name}:{call.lineno}"] = words

    assert found == {}


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _english_in(argument: ast.expr) -> list[str]:
    """The words that stand in the code itself, without those that say how a value is shown."""
    forms = {
        id(one)
        for shown in ast.walk(argument)
        if isinstance(shown, ast.FormattedValue) and shown.format_spec
        for one in ast.walk(shown.format_spec)
    }
    texts = [
        one.value
        for one in ast.walk(argument)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in forms
    ]
    words = [word for text in texts for word in re.findall(r"[A-Za-z]{2,}", text)]
    return [word for word in words if word != "HTTP"]


def _check(status: str, one: Attempt) -> None:
    said = job_status(job(one), wrote("a fox"), RULES, NOW, write_take(2))
    german = GERMAN.text(said.note)
    cures = [cure for cure in CURES if cure in said.note]

    assert (said.status, isinstance(said.note, Said), len(cures)) == (status, True, 1), said.note
    assert CURES[cures[0]] in german
    assert said.note.startswith(("Apiframe ", "Sent, but no answer came ("))
    assert german != said.note
