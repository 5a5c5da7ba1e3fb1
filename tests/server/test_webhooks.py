"""The webhook receiver: which calls it accepts, and which it refuses without changing a job."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from pipeline import wiring
from pipeline.cli.doctor.case import Case
from pipeline.cli.doctor.webhook import reached
from pipeline.config import load
from pipeline.config.secrets import Secret
from pipeline.core.api.protocol import task_event
from pipeline.core.api.webhook import PATH, Proofs, Webhook
from pipeline.core.errors import ConfigError, StoreFull
from pipeline.core.model import Attempt, JobKey, Result, State
from pipeline.core.states import Accepted, Failed, Lost, Postponed, Succeeded
from pipeline.server.app import receiver as app
from pipeline.server.webhook_recorder import Call, CallCounts, CallResult, WebhookRecorder
from pipeline.store import Fact, Intent, Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.called_back import (
    FOUR,
    LIMITS,
    OLD_SECRET,
    SECRET,
    SHEET,
    Desk,
    desk_in,
    final,
    progress,
    proof,
    served,
    settings_in,
    to_bytes,
    token_of,
)


@dataclass
class Receiver(Desk):
    """A desk with a running receiver."""

    app: Starlette
    client: httpx.Client

    def call(self, token: str, said: object, *, secret: str = "", body: bytes = b"") -> int:
        """The status of the answer to a call, which is genuine unless a secret is given."""
        headers = {"x-webhook-secret": secret} if secret else proof(token)
        sent = body or to_bytes(said)
        return self.client.post(f"{PATH}{token}", content=sent, headers=headers).status_code

    @property
    def refused(self) -> dict[str, int]:
        return dict(self.app.state.tally.refused)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with desk_in(tmp_path, old=True) as desk:
        up = app([desk.campaign])
        with served(up) as url, httpx.Client(base_url=url) as client:
            yield Receiver(desk.campaign, up, client)


# -- accepted calls --------------------------------------------------------------------------------


def test_a_result_is_in_the_store_before_its_call_is_answered(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    receiver.store.attempts.record([Fact(key, 1, Accepted("t-1"))])

    assert receiver.call(token_of(key), final("t-1")) == 200
    attempt = receiver.attempt(key)
    assert (attempt.state, attempt.result.urls) == (State.SUCCEEDED, FOUR)


def test_a_call_before_the_answer_to_the_submission_gives_the_task_id(receiver: Receiver) -> None:
    (key,) = receiver.begin()

    assert receiver.call(token_of(key), progress(10, "t-1")) == 200
    receiver.store.attempts.record([Fact(key, 1, Accepted("t-1"))])

    attempt = receiver.attempt(key)
    assert (attempt.state, attempt.task_id, attempt.progress) == (State.RUNNING, "t-1", 10)


def test_a_repeated_call_gets_the_same_answer_and_is_recorded_once(receiver: Receiver) -> None:
    (key,) = receiver.begin()

    assert [receiver.call(token_of(key), final("t-1")) for _ in range(3)] == [200, 200, 200]
    assert [line.kind for line in receiver.store.jobs.history(key)] == ["sent", "succeeded"]


def test_progress_after_the_end_and_lower_progress_change_nothing(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    percents = []
    for percent in ("40", 70, "60%", "soon", None, 10**400, -(10**30)):
        assert receiver.call(token_of(key), progress(percent, "t-1")) == 200
        percents.append(receiver.attempt(key).progress)
    receiver.call(token_of(key), final("t-1"))

    assert receiver.call(token_of(key), progress(10, "t-1")) == 200
    assert percents == [40, 70, 70, 70, 70, 70, 70]
    assert receiver.attempt(key).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (Lost("read time-out"), State.UNKNOWN),
        (Postponed("it never left, as far as we knew"), State.RETURNED),
        (Failed("their mistake"), State.FAILED),
    ],
)
def test_a_result_completes_a_job_that_was_lost_returned_or_failed(
    receiver: Receiver, before: Any, state: State
) -> None:
    (key,) = receiver.begin()
    receiver.store.attempts.record([Fact(key, 1, before)])
    assert receiver.attempt(key).state is state

    assert receiver.call(token_of(key), final("t-1")) == 200
    assert receiver.attempt(key).state is State.SUCCEEDED


def test_a_call_without_a_task_or_a_status_is_about_the_attempt_of_its_token(
    receiver: Receiver,
) -> None:
    first, second = receiver.begin(2)

    assert receiver.call(token_of(first), final()) == 200
    assert receiver.call(token_of(second), {"status": "failed", "message": "no, thanks"}) == 200
    assert receiver.attempt(first).state is State.SUCCEEDED
    assert receiver.attempt(second).reason == "no, thanks"


def test_a_call_and_a_poll_lead_to_the_same_record(receiver: Receiver) -> None:
    called, asked = receiver.begin(2)
    provider = receiver.campaign.settings.provider
    event = task_event(provider, provider.endpoints["imagine"], final("t-1"), "t-1")

    receiver.call(token_of(called), final("t-1"))
    receiver.store.attempts.record([Fact(asked, 1, event)])

    ones = [receiver.attempt(key) for key in (called, asked)]
    assert ones[0].result == ones[1].result
    assert [
        [line.text for line in receiver.store.jobs.history(key)] for key in (called, asked)
    ] == [["imagine, 4 credits", "4 results, task t-1"]] * 2


def test_a_call_for_an_older_attempt_changes_that_attempt(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    receiver.store.attempts.record([Fact(key, 1, Failed("busy"))])
    receiver.store.jobs.ask(key, 2)
    again = Intent(key, 2, "{}", (), "imagine", 4, 60, hook="another-token")
    assert isinstance(receiver.store.attempts.begin([again], LIMITS)[0], Attempt)

    assert receiver.call(token_of(key), final("t-1")) == 200
    job = receiver.store.jobs.get(key)
    assert job is not None
    assert [one.state for one in job.attempts] == [State.SUCCEEDED, State.SUBMITTING]


def test_calls_for_submissions_with_the_previous_secret_are_still_accepted(
    receiver: Receiver,
) -> None:
    (key,) = receiver.begin()
    token = token_of(key)

    assert receiver.call(token, final(), secret=proof(token, OLD_SECRET)["x-webhook-secret"]) == 200
    assert receiver.attempt(key).state is State.SUCCEEDED


# -- refused calls ---------------------------------------------------------------------------------


def test_a_wrong_secret_an_unknown_token_and_a_missing_page_get_the_same_answer(
    receiver: Receiver,
) -> None:
    (key,) = receiver.begin()
    token, before = token_of(key), receiver.all_states()
    said = to_bytes(final())
    calls: list[tuple[str, Any]] = [
        (PATH + token, {"x-webhook-secret": "0" * 64}),
        (PATH + token, {}),
        (PATH + token, [(b"x-webhook-secret", "schön".encode("latin-1"))]),
        (PATH + token, proof(token, "another secret that we do not have")),
        (PATH + "unknown", {"x-webhook-secret": "0" * 64}),
        (PATH + "unknown", proof("unknown")),
        (PATH + token, proof("unknown")),
        ("/no/such/page", {}),
    ]

    answers = [receiver.client.post(to, content=said, headers=given) for to, given in calls]

    shown = {(a.status_code, a.text, tuple(sorted(a.headers.keys()))) for a in answers}
    assert len(shown) == 1
    assert answers[0].status_code == 404
    assert receiver.all_states() == before
    assert receiver.refused == {"proof": 6, "no token": 1}


def test_a_wrong_secret_and_an_unknown_token_cause_no_store_query(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    receiver.store.close()
    with closing(Path(receiver.store._database.place).open("r+b")) as file:
        file.truncate(0)  # a query would now fail

    statuses = [
        receiver.call(token, final(), secret="0" * 64) for token in (token_of(key), "unknown")
    ]

    assert statuses == [404, 404]
    assert receiver.call(token_of(key), final()) == 503


def test_every_secret_is_compared_for_every_token() -> None:
    compared: list[str] = []

    class Noted(str):
        def encode(self, *args: Any, **kwargs: Any) -> bytes:
            compared.append(str(self))
            return super().encode(*args, **kwargs)

    proofs = Proofs(Webhook("webhook_url", "x-webhook-secret"), [Noted("a" * 32), Noted("b" * 32)])
    for token in ("known", "unknown"):
        assert not proofs.are_met(token, {"x-webhook-secret": "0" * 64}, b"")

    assert compared == ["a" * 32, "b" * 32] * 2


def test_a_call_about_another_task_is_refused_and_changes_nothing(
    receiver: Receiver,
) -> None:
    known, early = receiver.begin(2)
    receiver.store.attempts.record([Fact(known, 1, Accepted("t-1"))])
    before = receiver.attempt(known)

    assert receiver.call(token_of(known), final("t-2")) == 404
    assert receiver.attempt(known) == before
    assert receiver.call(token_of(early), progress(1, "t-8")) == 200
    assert receiver.call(token_of(early), final("t-9")) == 404
    assert receiver.attempt(early).state is State.RUNNING
    assert receiver.refused == {"other task": 2}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe\xfd", b"[" * 100_000, b"<html></html>"],
)
def test_a_body_that_is_not_a_json_object_is_refused(receiver: Receiver, body: bytes) -> None:
    (key,) = receiver.begin()

    answer = receiver.client.post(PATH + token_of(key), content=body, headers=proof(token_of(key)))
    assert answer.status_code == 400
    assert receiver.attempt(key).state is State.SUBMITTING


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post_is_accepted_for_known_and_unknown_tokens_alike(
    receiver: Receiver, method: str
) -> None:
    (key,) = receiver.begin()
    asked = [PATH + token for token in (token_of(key), "unknown")]

    answers = [
        receiver.client.request(method, path, headers=proof(token_of(key))) for path in asked
    ]
    assert [(a.status_code, a.text) for a in answers] == [(405, "Method Not Allowed")] * 2


def _exchange(receiver: Receiver, *parts: bytes) -> bytes:
    """The answer to bytes on a plain connection, until it is closed."""
    url = receiver.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def _head(token: str, *lines: str) -> bytes:
    said = "".join(f"{line}\r\n" for line in lines)
    header = f"x-webhook-secret: {proof(token)['x-webhook-secret']}\r\n"
    return f"POST {PATH}{token} HTTP/1.1\r\nhost: x\r\n{header}{said}\r\n".encode()


def test_a_wrong_secret_is_refused_before_the_body_arrives(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    head = (
        f"POST {PATH}{token_of(key)} HTTP/1.1\r\nhost: x\r\nx-webhook-secret: wrong\r\n"
        "connection: close\r\ncontent-length: 900000\r\n\r\n"
    )

    answer = _exchange(receiver, head.encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert receiver.refused == {"proof": 1}


def test_a_body_with_a_too_large_content_length_is_refused_at_once(receiver: Receiver) -> None:
    (key,) = receiver.begin()

    answer = _exchange(receiver, _head(token_of(key), "content-length: 1000001"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert receiver.refused == {"too long": 1}


def test_a_body_without_a_length_is_cut_off_at_a_megabyte(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    chunk = b"7a120\r\n" + b" " * 500_000 + b"\r\n"

    answer = _exchange(
        receiver, _head(token_of(key), "transfer-encoding: chunked"), chunk, chunk, b"1\r\n \r\n"
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert receiver.attempt(key).state is State.SUBMITTING


def test_a_body_of_nearly_a_megabyte_is_accepted(receiver: Receiver) -> None:
    (key,) = receiver.begin()

    assert receiver.call(token_of(key), {**final(), "more": "x" * 900_000}) == 200


def test_a_request_that_is_not_complete_within_seconds_is_cut_off(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.server.webhooks.BODY_WITHIN", 0.2)
    (key,) = receiver.begin()

    answer = _exchange(receiver, _head(token_of(key), "content-length: 100"), b'{"status": ')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert receiver.refused == {"too slow": 1}
    assert receiver.attempt(key).state is State.SUBMITTING


def test_an_aborted_call_changes_nothing(receiver: Receiver) -> None:
    (key,) = receiver.begin()
    url = receiver.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(_head(token_of(key), "content-length: 100") + to_bytes(final()))

    assert receiver.call(token_of(key), "no object") == 400  # the server still runs
    assert receiver.attempt(key).state is State.SUBMITTING


def test_logs_and_answers_show_no_token_no_secret_and_no_body(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.callers.MINUTE", 0)
    (key,) = receiver.begin()
    token = token_of(key)
    caplog.set_level("DEBUG", "promptsheet")
    receiver.call(token, {"image_urls": ["https://hidden.example"]}, secret="wrong" * 8)
    receiver.call(token, final("t-1"))
    receiver.call(token, final("t-hidden"))

    said = caplog.text
    assert said.count("was refused") == 2
    wrong = [*proof(token).values(), token, "wrong", "hidden", "sss"]
    assert not [word for word in wrong if word in said]


# -- the address of the caller ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "who"), [('["127.0.0.0/8"]', "203.0.113.9"), ('["192.0.2.1"]', "127.0.0.1")]
)
def test_the_callers_address_is_taken_only_from_our_own_proxies(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str,
    who: str,
) -> None:
    monkeypatch.setattr("pipeline.callers.MINUTE", 0)
    caplog.set_level("INFO", "promptsheet")
    with (
        desk_in(tmp_path, more=f"trusted_proxies = {trusted}") as desk,
        served(app([desk.campaign])) as url,
    ):
        httpx.post(f"{url}{PATH}unknown", headers={"x-forwarded-for": "203.0.113.9"})

    assert f"promptsheet doctor says why; the caller was {who}" in caplog.text


def test_refused_calls_add_one_log_line_a_minute_without_outside_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG", "promptsheet")
    with (
        desk_in(tmp_path, more='trusted_proxies = ["127.0.0.0/8"]') as desk,
        served(app([desk.campaign])) as url,
        httpx.Client(base_url=url) as client,
    ):
        monkeypatch.setattr("pipeline.callers.MINUTE", 0)
        client.post(f"{PATH}first", headers={"x-forwarded-for": "forged text"})
        monkeypatch.setattr("pipeline.callers.MINUTE", 60)
        for number in range(20):
            client.post(f"{PATH}{number}", headers={"x-forwarded-for": f"forged {number}"})
        assert len(caplog.messages) == 1
        monkeypatch.setattr("pipeline.callers.MINUTE", 0)
        client.post(f"{PATH}last")

    first, last = caplog.messages
    assert first == (
        "a call was refused (proof): if the API made it, promptsheet doctor says why; "
        "the caller was unknown"
    )
    assert last.endswith("(and 20 more since the last such line)")


# -- errors of the store ---------------------------------------------------------------------------


def test_an_unavailable_store_is_reported_and_the_retry_is_recorded(
    receiver: Receiver, tmp_path: Path
) -> None:
    (key,) = receiver.begin()
    receiver.store.close()
    file = tmp_path / "promptsheet.db"
    away = file.rename(tmp_path / "away.db")
    file.mkdir()

    answer = receiver.client.post(PATH + token_of(key), json=final(), headers=proof(token_of(key)))
    health = receiver.client.get("/healthz")
    file.rmdir()
    away.rename(file)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (health.status_code, health.json()) == (503, {"store": "out of reach"})
    assert receiver.call(token_of(key), final()) == 200
    assert receiver.attempt(key).state is State.SUCCEEDED
    assert receiver.app.state.tally.refused == {"store away": 1}


# -- a monitor, and the start ----------------------------------------------------------------------


def test_health_shows_the_end_of_the_last_pass_and_nothing_about_the_sheet(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.server.app.HEALTH_KEPT", 0)
    receiver.begin()
    before = receiver.client.get("/healthz").json()
    lease = receiver.store.leases.take(SHEET, "host:1", 10)
    assert lease is not None
    receiver.store.leases.release(lease)

    after = receiver.client.get("/healthz").json()
    passed = receiver.store.sheets.get(SHEET).passed_at
    assert passed is not None
    assert before == {"store": "ok", "last_pass": None}
    assert after == {"store": "ok", "last_pass": passed.isoformat()}


def test_without_its_secret_nothing_is_served(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    unset = load(settings.path, environ={})
    with (
        Store(unset.store_url) as store,
        pytest.raises(ConfigError, match=r"webhook\.secret: is not set, missing or empty"),
    ):
        app([Campaign(unset, store, SHEET)])


def test_one_receiver_serves_two_sheets_of_one_store(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        (key,) = desk.begin()
        (tmp_path / "b").mkdir()
        other = settings_in(tmp_path / "b")
        with served(app([Campaign(other, desk.store, "other"), desk.campaign])) as url:
            token = token_of(key)
            answer = httpx.post(f"{url}{PATH}{token}", json=final(), headers=proof(token))

        assert answer.status_code == 200
        assert desk.attempt(key).state is State.SUCCEEDED


def test_two_stores_with_the_same_secret_each_get_their_own_calls(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with desk_in(folders[0]) as first, desk_in(folders[1]) as second:
        (one,), (two,) = first.begin(), second.begin(start=1)
        up = app([first.campaign, second.campaign])
        with served(up) as url, httpx.Client(base_url=url) as client:
            for key in (one, two):
                token = token_of(key)
                sent = client.post(f"{PATH}{token}", json=final(), headers=proof(token))
                assert sent.status_code == 200

        assert first.attempt(one).state is State.SUCCEEDED
        assert second.attempt(two).state is State.SUCCEEDED
        assert up.state.tally.refused == {}


def test_the_secret_of_one_sheet_is_not_accepted_for_another_of_the_same_store(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        (key,) = desk.begin()
        (tmp_path / "b").mkdir()
        path = settings_in(tmp_path / "b").path
        theirs = load(path, environ={"APIFRAME_API_KEY": "key", "HOOKS": "t" * 32})
        with served(app([Campaign(theirs, desk.store, "other"), desk.campaign])) as url:
            token = token_of(key)
            for secret, status in (("t" * 32, 404), (SECRET, 200)):
                headers = proof(token, secret)
                sent = httpx.post(f"{url}{PATH}{token}", json=final(), headers=headers)
                assert sent.status_code == status
                assert (desk.attempt(key).state is State.SUCCEEDED) is (status == 200)


# -- many calls in one commit ----------------------------------------------------------------------


def call_of(desk: Desk, key: JobKey, said: dict[str, Any]) -> Call:
    """A proved call about a job."""
    rules, webhook = wiring.rules(desk.campaign.settings, SHEET), desk.provider.webhook
    assert webhook
    return Call(token_of(key), said, webhook, {SHEET: [(rules, rules.api)]})


def calls_at_once(desk: Desk, *calls: tuple[JobKey, dict[str, Any]]) -> list[CallResult]:
    """The answers to calls that arrive at the same moment."""

    async def take() -> list[CallResult]:
        recorder = WebhookRecorder(desk.store, CallCounts())
        results = await asyncio.gather(
            *(recorder.take(call_of(desk, key, said)) for key, said in calls)
        )
        await recorder.close()
        assert recorder._tally.commits <= 1
        return results

    return asyncio.run(take())


def test_each_of_many_calls_in_one_commit_gets_its_own_answer_and_its_own_result(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        known, first, second = desk.begin(3)
        desk.store.attempts.record([Fact(known, 1, Succeeded(Result(("https://x/0.png",)), "t-0"))])

        results = calls_at_once(
            desk,
            (known, final("t-0", ["https://x/0.png"])),
            (first, final("t-1", ["https://x/1.png"])),
            (second, final("t-2", ["https://x/2.png"])),
        )

        assert results == [CallResult.KNOWN, CallResult.RECORDED, CallResult.RECORDED]
        for number, key in enumerate((known, first, second)):
            attempt = desk.attempt(key)
            assert (attempt.task_id, attempt.result.urls) == (
                f"t-{number}",
                (f"https://x/{number}.png",),
            )


def test_of_two_calls_in_one_commit_for_one_attempt_the_first_counts(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        (key,) = desk.begin()

        results = calls_at_once(desk, (key, progress(10, "t-1")), (key, final("t-2")))

        assert results == [CallResult.RECORDED, CallResult.OTHER_TASK]
        attempt = desk.attempt(key)
        assert (attempt.task_id, attempt.state) == ("t-1", State.RUNNING)


def test_calls_rejected_by_a_full_store_are_recorded_once_it_has_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk_in(tmp_path) as desk:
        full, later = desk.begin(2)
        record = desk.store.attempts.record
        is_full = True

        def recorded(facts: Sequence[Fact]) -> list[bool]:
            if is_full:
                raise StoreFull("No space is left.")
            return record(facts)

        monkeypatch.setattr(desk.store.attempts, "record", recorded)

        async def take() -> list[CallResult]:
            nonlocal is_full
            recorder = WebhookRecorder(desk.store, CallCounts())
            results = [await recorder.take(call_of(desk, full, final("t-1")))]
            assert desk.attempt(full).state is State.SUBMITTING
            is_full = False
            results.append(await recorder.take(call_of(desk, later, final("t-2"))))
            await recorder.close()
            return results

        assert asyncio.run(take()) == [CallResult.RECORDED, CallResult.RECORDED]
        assert [desk.attempt(key).state for key in (full, later)] == [State.SUCCEEDED] * 2
        assert desk.store.attempts.rescued() == 0


# -- what doctor says of it ------------------------------------------------------------------------


@pytest.mark.parametrize(("is_same", "sign"), [(True, "ok"), (False, "person")])
def test_doctor_tells_whether_the_receiver_has_the_secret_of_the_configuration(
    receiver: Receiver, is_same: bool, sign: str
) -> None:
    ours = receiver.campaign.settings
    secret = ours.webhook.secret if is_same else Secret("of tomorrow, while serve has todays")
    webhook = replace(ours.webhook, public_url=str(receiver.client.base_url), secret=secret)
    settings = replace(ours, webhook=webhook)
    rules: Any = SimpleNamespace(rules=wiring.rules(settings, receiver.campaign.key))

    (found,) = reached(Case(settings, sync=rules))

    assert (found.sign, "has another secret or key" in found.sentence) == (sign, not is_same)
    assert receiver.store.jobs.version(receiver.campaign.key) == 0
