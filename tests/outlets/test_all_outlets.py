"""What every outlet promises, whatever its kind: the suite that all of them pass."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence

import pytest

from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    Result,
    RowMessage,
    Trouble,
    Undelivered,
)
from pipeline.outlets import Outlet
from tests.fakes.outlets.messages import NASTY, POISON, repeated, row, rows
from tests.fakes.outlets.use import using
from tests.fakes.web_service import DROPPED, LOST, Failure, answers
from tests.outlets.trials import TRIALS, Trial


@pytest.fixture(params=list(TRIALS))
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """An outlet of each kind, with a server of its own."""
    with TRIALS[request.param]() as made:
        yield made


@pytest.fixture(params=[kind for kind in TRIALS if kind != "sql"])
def served(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """An outlet of each kind that calls a service. SQLite is a file: it has no answers to lose."""
    with TRIALS[request.param]() as made:
        yield made


async def in_calls(outlet: Outlet, messages: Sequence[Message]) -> list[Result]:
    """The results of as many calls as the outlet's pace needs; its pauses are left out."""
    results: list[Result] = []
    for start in range(0, len(messages), outlet.pace.most):
        results += await outlet.deliver(messages[start : start + outlet.pace.most])
    return results


def delivered(trial: Trial, messages: Sequence[Message]) -> list[Result]:
    """The results of delivering these messages."""
    return using(trial.open, lambda outlet: in_calls(outlet, messages))


def with_failures(served: Trial, *failures: Failure) -> None:
    """The next calls fail in this way."""
    assert served.service is not None
    served.service.fail(*failures)


def test_each_message_arrives_once_and_has_one_result(trial: Trial) -> None:
    results = delivered(trial, rows(12))

    assert len(results) == 12
    assert all(isinstance(one, Delivered) for one in results)
    assert trial.count() == 12


def test_a_call_without_messages_does_nothing(trial: Trial) -> None:
    async def none(outlet: Outlet) -> Sequence[Result]:
        return await outlet.deliver([])

    if using(trial.open, lambda outlet: _most(outlet)) > 1:
        assert list(using(trial.open, none)) == []
        assert trial.count() == 0


async def _most(outlet: Outlet) -> int:
    return outlet.pace.most


def test_a_poison_message_is_refused_and_the_others_arrive(trial: Trial) -> None:
    messages = [row(1), row(2, prompt=POISON, name=POISON), row(3)]
    results = delivered(trial, messages)
    # One of several may bring down its whole call; then each is tried alone.
    if isinstance(results[0], Undelivered):
        assert {one.trouble for one in results if isinstance(one, Undelivered)} == {Trouble.REFUSED}
        results = [result for one in messages for result in delivered(trial, [one])]

    first, poison, last = results
    assert isinstance(first, Delivered)
    assert isinstance(last, Delivered)
    assert isinstance(poison, Undelivered)
    assert poison.trouble is Trouble.REFUSED
    assert POISON not in trial.texts()


@pytest.mark.parametrize(
    ("failure", "troubles"),
    [
        (answers(301, location="/elsewhere"), {Trouble.CLOSED}),
        (answers(302, location="/elsewhere"), {Trouble.CLOSED}),
        (answers(307, location="/elsewhere"), {Trouble.CLOSED}),
        (answers(401), {Trouble.CLOSED}),
        (answers(403), {Trouble.CLOSED}),
        (answers(404), {Trouble.CLOSED}),
        (answers(429), {Trouble.LATER}),
        (answers(503), {Trouble.LATER, Trouble.UNSURE}),
        (answers(500), {Trouble.UNSURE}),
        (LOST, {Trouble.UNSURE}),
        (DROPPED, {Trouble.UNSURE}),
    ],
)
def test_each_failure_is_one_try_a_result_and_no_exception(
    served: Trial, failure: Failure, troubles: set[Trouble], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with_failures(served, *[failure] * 3)
    (result,) = delivered(served, [row()])

    assert isinstance(result, Undelivered)
    assert served.service is not None
    if served.service.calls[-1].method == "GET":
        troubles = {*troubles, Trouble.LATER}  # it read the columns, and nothing was written
    assert result.trouble in troubles
    assert len(served.service.calls) <= 2  # one to find the row, one to write it
    shown = f"{result!r} {caplog.text}"
    assert [one for one in served.secrets if one in shown] == []
    assert result.reason[0].isupper()
    assert result.reason.endswith(".")


def test_the_wait_that_a_busy_service_asks_for_is_passed_on(served: Trial) -> None:
    with_failures(served, answers(429, b'{"retry_after": 7}', retry_after="7"))
    (result,) = delivered(served, [row()])

    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.LATER
    assert result.wait >= 7.0


def test_a_second_delivery_is_harmless_where_the_outlet_says_so(served: Trial) -> None:
    with_failures(served, LOST)
    (first,) = delivered(served, [row()])
    assert isinstance(first, Undelivered)
    (second,) = delivered(served, [repeated(row())])
    assert isinstance(second, Delivered)
    (third,) = delivered(served, [repeated(row(), second.remote)])

    assert isinstance(third, Delivered)
    assert served.count() == (1 if using(served.open, _repeatable) else 3)


async def _repeatable(outlet: Outlet) -> bool:
    return outlet.pace.is_repeatable


def test_two_takes_of_a_row_have_one_place_where_the_outlet_says_so(trial: Trial) -> None:
    for take in (1, 2):
        (result,) = delivered(trial, [row(1, take=take)])
        assert isinstance(result, Delivered)
    assert trial.count() == (1 if using(trial.open, _one_take) else 2)


async def _one_take(outlet: Outlet) -> bool:
    return outlet.pace.has_one_take


def test_the_text_of_a_row_is_text(trial: Trial) -> None:
    (result,) = delivered(trial, [row(prompt=NASTY, name=NASTY)])

    assert isinstance(result, Delivered)
    words = ("<!channel>", "@everyone", "**bold**", "[x](https://evil.test)", "<b>b</b>", "`code`")
    shown = trial.texts().replace("\u200b", "")
    assert [word for word in words if word not in shown] == []


def test_a_check_finds_nothing_wrong_and_delivers_nothing(trial: Trial) -> None:
    async def check(outlet: Outlet) -> Sequence[str]:
        return await outlet.check()

    assert list(using(trial.open, check)) == []
    assert trial.count() == 0


@pytest.mark.parametrize("failure", [answers(429), answers(503), LOST, DROPPED])
def test_a_check_finds_nothing_wrong_with_a_place_that_is_away(
    served: Trial, failure: Failure
) -> None:
    async def check(outlet: Outlet) -> Sequence[str]:
        return await outlet.check()

    with_failures(served, *[failure] * 9)
    assert list(using(served.open, check)) == []


def test_no_repr_shows_a_secret(trial: Trial) -> None:
    async def shown(outlet: Outlet) -> str:
        await outlet.deliver([row()])
        inner = " ".join(map(repr, vars(outlet).values()))
        return f"{outlet!r} {inner if type(outlet).__repr__ is not object.__repr__ else ''}"

    text = using(trial.open, shown)
    assert [one for one in trial.secrets if one in text] == []


def test_an_outlet_keeps_no_message_that_it_has_delivered(trial: Trial) -> None:
    async def kept(outlet: Outlet) -> int:
        gc.freeze()  # What there is already takes no part.
        await in_calls(outlet, rows(30))
        gc.collect()
        return sum(isinstance(one, RowMessage) for one in gc.get_objects())

    # One call may still be held by a finished task.
    assert using(trial.open, kept) <= 1
