"""Signed pushes: what a receiver with the reference library gets, and what failures mean."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from threading import Event
from typing import TypeVar

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Result,
    Trouble,
    Undelivered,
)
from pipeline.outlets.push import AT_ONCE, FAST, SLOW, Push
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.outlets.messages import POISON, notice, repeated, row, rows
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.web_service import LOST, Call, Reply, answers, serving

T = TypeVar("T")
OTHER_SECRET = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGVzdHMsIDI0IGJ5dGVzIGFuZCBtb3Jl"


def with_push(url: str, use: Callable[[Push], Awaitable[T]], secret: str = SECRET) -> T:
    """What `use` makes of a push to this address."""

    async def run() -> T:
        push = Push(url, secret=secret, headers={"X-Key": "fixed"}, allow_private=True)
        try:
            return await use(push)
        finally:
            await push.close()

    return event_loop.run(run())


def pushed(url: str, messages: Sequence[Message], secret: str = SECRET) -> Sequence[Result]:
    """The results of pushing these messages in one call."""
    return with_push(url, lambda push: push.deliver(messages), secret)


def troubles(results: Sequence[Result]) -> list[Trouble | None]:
    """The trouble of each result; None for a delivered one."""
    return [one.trouble if isinstance(one, Undelivered) else None for one in results]


def test_the_reference_library_verifies_each_push() -> None:
    receiver = Receiver()
    with serving(receiver) as service:
        results = pushed(service.url, rows(3))

    assert results == [Delivered()] * 3
    assert receiver.accepted["store-2-1"]["type"] == "row.done"
    assert receiver.accepted["store-2-1"]["data"]["prompt"] == "a fox, number 2"
    assert {call.headers["x-key"] for call in service.calls} == {"fixed"}


def test_a_changed_byte_or_another_secret_is_found_by_the_receiver() -> None:
    with serving(lambda call: Reply(200)) as service:
        pushed(service.url, [row()])
    (call,) = service.calls

    assert Webhook(SECRET).verify(call.body, dict(call.headers))
    for secret, body in ((SECRET, call.body.replace(b"fox", b"fux", 1)), (OTHER_SECRET, call.body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, dict(call.headers))


def test_while_a_secret_is_changed_both_verify() -> None:
    with serving(lambda call: Reply(200)) as service:
        pushed(service.url, [row()], secret=f"{OTHER_SECRET} {SECRET}")
    (call,) = service.calls

    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(call.body, dict(call.headers))


def test_without_a_secret_a_push_has_an_id_and_no_signature() -> None:
    with serving(lambda call: Reply(200)) as service:
        pushed(service.url, [row()], secret="")

    assert service.calls[0].headers["webhook-id"] == "store-1-1"
    assert "webhook-signature" not in service.calls[0].headers


def test_every_try_has_the_same_id_and_its_own_time() -> None:
    times = iter((1_700_000_000.9, 1_700_000_777.1))

    async def twice(url: str) -> None:
        push = Push(url, secret=SECRET, allow_private=True, now=lambda: next(times))
        await push.deliver([row()])
        await push.deliver([repeated(row())])
        await push.close()

    with serving(lambda call: Reply(200)) as service:
        event_loop.run(twice(service.url))

    first, second = (call.headers for call in service.calls)
    assert first["webhook-id"] == second["webhook-id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1700000000", "1700000777")
    assert first["webhook-signature"] != second["webhook-signature"]
    assert [json.loads(call.body)["data"]["is_repeat"] for call in service.calls] == [False, True]


def test_a_lost_answer_and_a_second_try_are_one_delivery() -> None:
    receiver = Receiver()
    with serving(receiver) as service:
        service.fail(LOST)
        first = pushed(service.url, [row()])
        second = pushed(service.url, [repeated(row())])

    assert troubles([*first, *second]) == [Trouble.UNSURE, None]
    assert (len(receiver.accepted), receiver.repeats) == (1, 1)


def test_a_poison_message_is_refused_alone() -> None:
    receiver = Receiver()
    messages = [row(1), row(2, prompt=POISON), row(3)]
    with serving(receiver) as service:
        results = pushed(service.url, messages)

    assert troubles(results) == [None, Trouble.REFUSED, None]
    assert sorted(receiver.accepted) == ["store-1-1", "store-3-1"]


@each("status", [404, 410, 429, 503])
def test_after_an_answer_that_concerns_all_no_further_post_begins(status: int) -> None:
    count = AT_ONCE * 4
    with serving(lambda call: Reply(status, headers={"retry-after": "9"})) as service:
        results = pushed(service.url, rows(count))

    closed = Trouble.CLOSED if status < 420 else Trouble.LATER
    assert troubles(results) == [closed] * count
    assert len(service.calls) <= AT_ONCE
    if closed is Trouble.LATER:
        assert {one.wait for one in results if isinstance(one, Undelivered)} == {9.0}


def test_what_was_not_sent_after_a_lost_answer_is_no_possible_repeat() -> None:
    count = AT_ONCE * 3
    with serving(Receiver()) as service:
        service.fail(*[LOST] * AT_ONCE)
        found = troubles(pushed(service.url, rows(count)))

    assert found.count(Trouble.UNSURE) <= AT_ONCE
    assert found.count(Trouble.LATER) == count - len(service.calls)


def test_a_server_that_fails_with_one_message_gets_the_others() -> None:
    count = AT_ONCE * 2
    with serving(Receiver()) as service:
        service.fail(answers(500))
        found = troubles(pushed(service.url, rows(count)))

    assert sorted(map(str, found)) == sorted(["None"] * (count - 1) + ["unsure"])


def test_a_full_queue_at_make_is_no_refusal() -> None:
    with serving(lambda call: Reply(400, b"Queue is full.")) as service:
        (result,) = pushed(service.url, [row()])

    assert isinstance(result, Undelivered)
    assert (result.trouble, result.wait) == (Trouble.LATER, 60.0)


def test_at_most_fifty_posts_run_at_one_time() -> None:
    def slowly(call: Call) -> Reply:
        Event().wait(0.002)  # one call after the other, so that the others queue
        return Reply(204)

    with serving(slowly) as service:
        results = pushed(service.url, rows(AT_ONCE * 4))

    assert troubles(results) == [None] * (AT_ONCE * 4)
    assert 1 < service.most_at_once <= AT_ONCE


def test_one_at_a_time_is_one_at_a_time() -> None:
    def slowly(call: Call) -> Reply:
        Event().wait(0.002)
        return Reply(204)

    async def run(url: str) -> Sequence[Result]:
        push = Push(url, at_once=1, allow_private=True)
        assert push.pace.most == 5  # so that a call ends in time, even if each of them is slow
        try:
            return await push.deliver(rows(5))
        finally:
            await push.close()

    with serving(slowly) as service:
        assert troubles(event_loop.run(run(service.url))) == [None] * 5

    assert service.most_at_once == 1
    assert [call.headers["webhook-id"] for call in service.calls] == [one.id for one in rows(5)]


@each(
    ("url", "is_slow"),
    [
        ("https://hooks.zapier.com/hooks/catch/1/abc/", True),
        ("https://hook.eu2.make.com/abc", True),
        ("https://shop.example/hook", False),
        ("https://notmake.com.example/hook", False),
    ],
)
def test_services_with_a_published_limit_get_no_more_than_that(url: str, is_slow: bool) -> None:
    assert Push(url).pace == (SLOW if is_slow else FAST)
    assert SLOW.most / SLOW.every <= 30


def checked(url: str, *, allow_private: bool = True) -> Sequence[str]:
    """What `check` finds wrong with this address."""
    return event_loop.run(Push(url, allow_private=allow_private).check())


def test_the_test_address_of_n8n_is_reported_before_the_first_message() -> None:
    with serving(Receiver()) as service:
        (problem,) = checked(f"{service.url}/webhook-test/4f7e")
        assert checked(f"{service.url}/webhook/4f7e") == []

    assert "test address of n8n" in problem
    assert "4f7e" not in problem
    assert service.calls == []


def test_a_private_address_is_reported_before_the_first_message() -> None:
    with serving(Receiver()) as service:
        (problem,) = checked(service.url, allow_private=False)

    assert "allow_private = true" in problem
    assert service.calls == []


@each(
    "secret",
    ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!", SECRET[6:], "whsec_é"],
)
def test_a_secret_that_signs_nothing_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"no base64|no secret"):
        Push("https://shop.example/hook", secret=secret)


def test_notices_are_pushed_with_their_own_types() -> None:

    kinds = (MessageKind.ATTENTION, MessageKind.BUDGET, MessageKind.STOPPED, MessageKind.SILENT)
    receiver = Receiver()
    with serving(receiver) as service:
        results = pushed(service.url, [notice(kind) for kind in kinds])

    assert troubles(results) == [None] * 4
    assert {body["type"] for body in receiver.accepted.values()} == {
        *("rows.attention", "budget.used", "sending.stopped", "passes.missing")
    }
