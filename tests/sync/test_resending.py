"""Lost submissions under an idempotency key: sent again, paid once, and never left to a person."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import wiring
from pipeline.core.api.provider import Once, Provider
from pipeline.core.model import Request, Response
from pipeline.open_sheet import open_sheet
from pipeline.store import Store
from pipeline.store.rate_limit import RateLimit
from pipeline.sync.outcome import Asked
from tests.sync.bench import Api, ApiV2, Bench, reply

Made = Callable[..., Bench]

KEY = {"APIFRAME_API_KEY": "afk_test"}


def prompts(count: int) -> list[str]:
    return [f"a fox {number}" for number in range(count)]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches with so many rows, and closes them."""
    with ExitStack() as stack:

        def make(count: int, extra: str = "", **more: Any) -> Bench:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            given = {"environ": KEY, "kind": ApiV2, **more}
            bench = Bench(folder, prompts(count), extra, **given)
            stack.callback(bench.close)
            return bench

        yield make


def api_of(bench: Bench) -> ApiV2:
    assert isinstance(bench.api, ApiV2)
    return bench.api


def statuses(bench: Bench) -> set[str]:
    return {row["status"] for row in bench.rows()}


def test_a_row_of_version_2_is_sent_polled_and_done(made: Made) -> None:
    bench = made(3)

    outcome = bench.run()

    assert (outcome.counts.done, outcome.counts.credits) == (3, 48)
    assert api_of(bench).charged == dict.fromkeys(prompts(3), 1)
    assert bench.rows()[0]["image_urls"] == "https://cdn.example/1.png"
    with bench.store() as store:
        (attempt,) = next(iter(store.jobs.all(outcome.key).values())).attempts
    assert (attempt.provider, attempt.base_url) == ("apiframe-v2", "https://api.apiframe.ai/v2")
    assert (attempt.reported, len(attempt.resend_key)) == (16, 41)


@pytest.mark.parametrize(("at_once", "most"), [(3, 3), (None, 10), (200, 10)])
def test_the_account_says_how_many_tasks_it_may_have_at_once(
    made: Made, at_once: int | None, most: int
) -> None:
    bench = made(20, "[pace]\nin_flight = 10\n")
    api_of(bench).at_once = at_once
    seen: list[int] = []

    async def watches(bench: Bench, store: Store) -> None:
        while len(seen) < 200:
            now = bench.loop.time()
            seen.append(sum(ends > now for ends in api_of(bench)._tasks.values()))
            await asyncio.sleep(0.05)

    outcome = bench.run(during=watches)

    assert (outcome.counts.done, max(seen)) == (20, most)


def test_the_question_to_the_account_is_one_of_the_requests_of_its_minute(made: Made) -> None:
    bench = made(12, '[pace]\nper_minute = 6\npoll_every = "30s"\n')
    api = api_of(bench)

    bench.run()

    left = sorted([at for at, _ in api.received] + api.polled)
    most = max(sum(first <= at < first + 60 for at in left) for first in left)
    assert (most, statuses(bench)) == (6, {"done"})
    assert api.charged == dict.fromkeys(prompts(12), 1)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(lambda number: number == 1, id="the first"),
        pytest.param(lambda number: number % 2 == 1, id="every second"),
        pytest.param(lambda number: number <= 40, id="all for a while"),
    ],
)
def test_lost_answers_are_asked_for_again_and_paid_once(
    made: Made, lost: Callable[[int], bool]
) -> None:
    bench = made(20)
    api_of(bench).lost = lost

    outcome = bench.run()

    assert (outcome.code, outcome.counts.done, outcome.counts.credits) == (0, 20, 320)
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(20), 1)


def test_passes_that_do_not_wait_ask_again_until_an_answer_comes(made: Made) -> None:
    bench = made(5)
    api_of(bench).lost = lambda number: number <= 25

    seen: list[set[str]] = []
    for _ in range(8):
        bench.run(Asked())
        seen.append(statuses(bench))
        bench.sleep(60)

    assert seen[-1] == {"done"}
    assert not any("check needed" in one for one in seen)
    assert api_of(bench).charged == dict.fromkeys(prompts(5), 1)


@pytest.mark.parametrize(("waits", "tries"), [(False, 3), (True, 8)])
def test_a_pass_awaits_the_answer_to_the_last_time_that_it_sends_again(
    made: Made, waits: bool, tries: int
) -> None:
    bench = made(1)
    api_of(bench).answers_in = 2.0
    api_of(bench).lost = lambda number: number <= tries

    bench.run(Asked(wait=waits))

    assert len(api_of(bench).received) == 1 + tries
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_row_whose_answer_is_lost_says_that_it_is_sent_again(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True

    bench.run(Asked())

    (row,) = bench.rows()
    assert row["status"] == "sending"
    assert row["note"] == (
        "No answer came from Apiframe. It is sent again with the same key, which pays only once."
    )


def test_after_a_day_the_key_has_expired_and_a_person_decides(made: Made) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    received = len(api_of(bench).received)

    bench.sleep(timedelta(hours=23, minutes=51).total_seconds())
    bench.run(Asked())

    assert len(api_of(bench).received) == received
    assert statuses(bench) == {"check needed"}
    assert api_of(bench).charged == dict.fromkeys(prompts(2), 1)


def test_shortly_before_the_key_expires_a_row_is_still_sent_again(made: Made) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    bench.sleep(timedelta(hours=23, minutes=45).total_seconds())
    api_of(bench).lost = lambda number: False

    bench.run()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(2), 1)


def test_a_row_stays_as_it_is_if_its_key_belongs_to_another_request(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).made = {key: ("other words", job) for key, (_, job) in api_of(bench).made.items()}

    bench.run(Asked())

    (row,) = bench.rows()
    assert row["status"] == "sending"  # a person decides once the key is worth nothing
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_refusal_of_a_repeated_submission_does_not_give_its_price_back(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())

    async def refuses(request: Request, within: float) -> Response:
        return reply({"error": "This model has ended"}, 400)

    api_of(bench).submit = refuses  # type: ignore[method-assign]
    outcome = bench.run()

    assert statuses(bench) == {"failed"}
    with bench.store() as store:
        limits = wiring.limits(bench.settings, at=store.now())
        assert store.budget.spent(limits.api_key, limits.run, limits.day).day == 16
    assert outcome.counts.done == 0


def test_the_same_body_is_sent_again_although_the_row_was_edited(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    header, row = bench.lines()
    bench.write([header, [cell.replace("a fox 0", "an owl") for cell in row]])
    api_of(bench).lost = lambda number: False

    bench.run()

    assert {prompt for _, prompt in api_of(bench).received} == {"a fox 0"}
    assert statuses(bench) == {"edited"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_paused_sheet_sends_nothing_again(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    outcome = bench.run(Asked())
    received = len(api_of(bench).received)
    with bench.store() as store:
        store.sheets.update(outcome.key, paused=True)

    bench.run(Asked())

    assert len(api_of(bench).received) == received


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lost=st.sets(st.integers(1, 60), max_size=40),
    waits=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_whichever_answers_are_lost_every_row_is_paid_once_and_done(
    made: Made, lost: set[int], waits: list[bool]
) -> None:
    bench = made(12)
    api_of(bench).lost = lambda number: number in lost

    for wait in (*waits, True):
        bench.run(Asked(wait=wait))
        bench.sleep(70)

    assert api_of(bench).charged == dict.fromkeys(prompts(12), 1)
    assert statuses(bench) == {"done"}


def test_without_a_key_that_the_api_honours_nothing_is_sent_again(made: Made) -> None:
    bench = made(1, environ={}, kind=Api)  # version 1
    bench.api.replies["a fox 0"] = reply({}, 500)

    bench.run(Asked())
    bench.run(Asked())

    assert bench.api.prompts == {"a fox 0": 1}
    assert statuses(bench) == {"check needed"}


def test_open_tasks_stay_at_the_api_that_has_them_and_are_never_bought_at_another(
    made: Made,
) -> None:
    bench = made(2, environ={"APIFRAME_API_KEY": "an-old-key"}, kind=Api)
    bench.api.lasts = 600
    bench.run(Asked())
    old = bench.api
    new = ApiV2(bench.loop)

    bench.api = new
    bench.settings = replace_key(bench, "afk_new")
    bench.run(Asked())

    (first, _) = bench.rows()
    assert (first["status"], new.received, new.polled) == ("check needed", [], [])
    assert "is at apiframe-v1 (https://api.apiframe.pro)" in first["note"]
    assert "[provider.former]" in first["note"]

    bench.apis = {"apiframe-v1": old}
    former = '[provider.former]\nname = "apiframe-v1"\napi_key = "env:OLD"\n'
    bench.settings = replace_key(bench, "afk_new", former, OLD="an-old-key")
    bench.sleep(700)
    bench.run()

    assert statuses(bench) == {"done"}
    assert (new.received, new.polled) == ([], [])
    assert old.prompts == dict.fromkeys(prompts(2), 1)


def replace_key(bench: Bench, key: str, extra: str = "", **more: str) -> Any:
    return bench.loaded(extra, {"APIFRAME_API_KEY": key, **more})


def test_a_row_whose_task_is_polled_with_another_key_says_so_until_the_earlier_key_is_named(
    made: Made,
) -> None:
    bench = made(1)
    bench.api.lasts = 600
    bench.run(Asked())

    bench.settings = replace_key(bench, "afk_new")
    bench.run(Asked())
    (row,) = bench.rows()
    assert row["status"].startswith("in progress")
    assert "was sent with an earlier key" in row["note"]

    former = '[provider.former]\nname = "apiframe-v2"\napi_key = "env:OLD"\n'
    bench.settings = replace_key(bench, "afk_new", former, OLD="afk_test")
    bench.run(Asked())
    (row,) = bench.rows()
    assert (row["status"].startswith("in progress"), row["note"]) == (True, "")

    bench.sleep(700)
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(1), 1)


def test_a_broken_vendor_stops_its_own_rows_and_no_others(made: Made) -> None:
    extra = '[providers]\nv2 = { name = "apiframe-v2", api_key = "env:TWO" }\n'
    bench = made(0, extra, environ={"APIFRAME_API_KEY": "one", "TWO": "afk_two"}, kind=Api)
    bench.write(
        [
            ["prompt", "endpoint"],
            ["a fox", ""],
            ["an owl", "v2/imagine"],
            ["a cat", "imagine"],
            ["a dog", "v2/imagine"],
        ]
    )
    there = ApiV2(bench.loop)
    bench.apis = {"apiframe-v2": there}

    outcome = bench.run()

    assert (outcome.counts.done, [one.amount for one in outcome.counts.costs]) == (
        4,
        [2 * 4, 2 * 16],
    )
    assert bench.api.prompts == {"a fox": 1, "a cat": 1}
    assert there.charged == {"an owl": 1, "a dog": 1}

    bench.write([*bench.lines(), ["a hen", "v2/imagine"], ["a cow", "imagine"]])

    async def refuses(request: Request, within: float) -> Response:
        return reply({"error": "Invalid API key"}, 401)

    there.submit = refuses  # type: ignore[method-assign]
    outcome = bench.run(replace(Asked(), wait=True))

    assert bench.api.prompts["a cow"] == 1
    assert {row["prompt"]: row["status"] for row in bench.rows()}["a hen"] == "queued"
    assert any("401" in sentence for sentence in outcome.sentences)


def test_nothing_is_sent_again_under_the_key_of_another_account(made: Made) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    received = len(api_of(bench).received)

    bench.settings = replace_key(bench, "afk_of_another_account")
    api_of(bench).lost = lambda number: False
    bench.run(Asked())

    assert len(api_of(bench).received) == received
    assert statuses(bench) == {"check needed"}


def test_a_lost_row_is_sent_again_once_its_api_key_is_named_as_the_former_one(
    made: Made,
) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False

    former = '[provider.former]\nname = "apiframe-v2"\napi_key = "env:OLD"\n'
    bench.settings = replace_key(bench, "afk_new", former, OLD="afk_test")
    bench.run()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(2), 1)


def test_a_row_that_is_answered_at_the_last_moment_is_not_sent_again(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    permits = RateLimit.permits
    taken: list[int] = []

    def answered(self: RateLimit, *about: Any) -> int:
        (lane,) = bench.runner._lanes.all
        for key, number in [*lane.resender._queue._waiting]:
            taken.append(number)
            lane.resender.answered(key, number)
        return permits(self, *about)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RateLimit, "permits", answered)
        outcome = bench.run(Asked())

    assert taken
    assert outcome.code in (0, 1)
    assert len(api_of(bench).received) == 1


def test_a_lost_submission_is_not_sent_again_beside_another_attempt(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    outcome = bench.run(Asked())
    with bench.store() as store:
        (key,) = store.jobs.all(outcome.key)
        assert store.jobs.ask(key, 2)
    api_of(bench).lost = lambda number: False
    api_of(bench).made.clear()
    api_of(bench)._made_at.clear()  # The API never got the first request.

    bench.run()
    bench.run()

    assert statuses(bench) == {"done"}
    assert len(api_of(bench).made) == 1


def only(prompt: str) -> Asked:
    return Asked(only=lambda line: prompt in line.memory.inputs)


def test_a_run_of_one_row_sends_only_that_row_again(made: Made) -> None:
    bench = made(3)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    api_of(bench).received.clear()

    bench.run(only("a fox 1"))

    assert [prompt for _, prompt in api_of(bench).received] == ["a fox 1"]
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(3), 1)


def test_a_limit_of_rows_does_not_count_lost_ones_and_a_limit_of_zero_sends_nothing(
    made: Made,
) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    api_of(bench).received.clear()

    bench.run(Asked(limit=0))
    assert api_of(bench).received == []

    bench.write([*bench.lines(), ["an owl"], ["a cat"]])
    bench.run(Asked(limit=1))

    assert {prompt for _, prompt in api_of(bench).received} == {*prompts(2), "an owl"}
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys([*prompts(2), "an owl", "a cat"], 1)


def test_a_deleted_row_is_sent_again_once_it_is_back(made: Made) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    api_of(bench).received.clear()
    header, first, second = bench.lines()

    bench.write([header, second])
    bench.run()
    assert [prompt for _, prompt in api_of(bench).received] == ["a fox 1"]

    bench.write([header, first, second])
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == dict.fromkeys(prompts(2), 1)


def test_a_row_that_is_deleted_while_a_pass_waits_is_not_sent_again(made: Made) -> None:
    bench = made(2)
    api_of(bench).lost = lambda number: True

    async def deletes(bench: Bench, store: Store) -> None:
        await asyncio.sleep(30)
        header, first, _ = bench.lines()
        bench.write([header, first])
        bench.runner.look_again()
        await asyncio.sleep(5)
        api_of(bench).received.clear()

    bench.run(during=deletes)

    assert {prompt for _, prompt in api_of(bench).received} == {"a fox 0"}


def test_a_copy_of_a_row_whose_answer_was_lost_costs_nothing(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    header, row = bench.lines()
    bench.write([header, row, row])

    bench.run()

    assert [row["status"] for row in bench.rows()] == ["done", "copy"]
    assert api_of(bench).charged == {"a fox 0": 1}


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (reply({"error": "Insufficient credits"}, 402), 3, "out of credits"),
        (reply({"error": "Invalid API key"}, 401), 3, "refused the API key (401)"),
        (Response(403, {}, b"error code: 1010"), 3, "error code: 1010"),
        (reply({}, 429, Retry_After="90"), 1, "asked to wait 90 s"),
        (reply({}, 429, Retry_After="5"), 0, ""),
        (reply({}, 503, Retry_After="5"), 0, ""),
        (Response(502, {}, b"<html>Bad gateway</html>"), 0, ""),
    ],
    ids=["402", "401", "403", "429 long", "429", "503", "502"],
)
def test_a_row_stays_as_it_is_while_the_api_does_not_take_it_again(
    made: Made, answer: Response, code: int, words: str
) -> None:
    bench = made(2)
    api = api_of(bench)
    api.lost = lambda number: True
    bench.run(Asked())
    api.lost = lambda number: False
    submit, came = api.submit, []

    async def refuses(request: Request, within: float) -> Response:
        came.append(request.headers["Idempotency-Key"])
        return answer

    api.submit = refuses  # type: ignore[method-assign]
    outcome = bench.run(Asked())

    assert outcome.code == code
    assert words in " ".join(outcome.sentences)
    assert statuses(bench) == {"sending"}
    assert came
    api.submit = submit  # type: ignore[method-assign]
    bench.sleep(120)
    bench.run()
    assert statuses(bench) == {"done"}
    assert api.charged == dict.fromkeys(prompts(2), 1)


def test_two_tables_with_one_account_share_what_may_be_in_flight(made: Made) -> None:
    extra = (
        "[pace]\nin_flight = 6\n"
        '[providers]\nagain = { name = "apiframe-v2", api_key = "env:APIFRAME_API_KEY" }\n'
    )
    bench = made(0, extra)
    rows = [[prompt, "again/imagine" if at % 2 else ""] for at, prompt in enumerate(prompts(30))]
    bench.write([["prompt", "endpoint"], *rows])
    seen: list[int] = []

    async def watches(bench: Bench, store: Store) -> None:
        while len(seen) < 400:
            now = bench.loop.time()
            seen.append(sum(ends > now for ends in api_of(bench)._tasks.values()))
            await asyncio.sleep(0.05)

    outcome = bench.run(during=watches)

    assert (outcome.counts.done, max(seen)) == (30, 6)
    assert api_of(bench).charged == dict.fromkeys(prompts(30), 1)


def test_the_account_is_asked_before_the_first_row_even_if_that_row_comes_later(made: Made) -> None:
    bench = made(1)
    api_of(bench).lasts = 30.0
    api_of(bench).at_once = 3
    bench.run(Asked())
    seen: list[int] = []

    async def adds(bench: Bench, store: Store) -> None:
        await asyncio.sleep(5)
        bench.write([*bench.lines(), *([prompt] for prompt in prompts(12)[1:])])
        bench.runner.look_again()
        while len(seen) < 1000:
            now = bench.loop.time()
            seen.append(sum(ends > now for ends in api_of(bench)._tasks.values()))
            await asyncio.sleep(0.2)

    bench.run(during=adds)

    assert max(seen) == 3
    assert api_of(bench).charged == dict.fromkeys(prompts(12), 1)
    assert statuses(bench) == {"done"}


def test_a_lost_row_is_sent_again_once_its_key_is_back(
    made: Made,
) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    bench.settings = replace_key(bench, "afk_other")
    bench.run(Asked())
    assert statuses(bench) == {"check needed"}

    bench.settings = replace_key(bench, "afk_test")
    bench.run()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_lost_submission_is_sent_again_once_the_attempt_asked_for_instead_is_refused(
    made: Made,
) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    outcome = bench.run(Asked())
    with bench.store() as store:
        (key,) = store.jobs.all(outcome.key)
        assert store.jobs.ask(key, 2)
    api_of(bench).lost = lambda number: False
    submit = bench.api.submit

    async def takes_nothing_new(request: Request, within: float) -> Response:
        if request.headers["Idempotency-Key"] in api_of(bench).made:
            return await submit(request, within)
        return reply({"error": "this model is busy today"}, 400)

    api_of(bench).submit = takes_nothing_new  # type: ignore[method-assign]
    bench.run()
    bench.run()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


class SetBack(Bench):
    """A bench whose clock is wrong by so many seconds; the API's is right."""

    wrong_by = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.wrong_by)


@pytest.mark.parametrize("days", [1, 2, 3, 4])
def test_after_the_clock_was_set_back_a_key_is_not_worth_more_than_it_was(
    tmp_path: Path, days: int
) -> None:
    bench = SetBack(tmp_path, prompts(1), environ=KEY, kind=ApiV2)
    bench.wrong_by = timedelta(days=3).total_seconds()
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    bench.wrong_by = 0.0
    bench.run(Asked())
    api_of(bench).lost = lambda number: False

    bench.sleep(timedelta(days=days, minutes=1).total_seconds())
    bench.run()
    bench.close()

    assert api_of(bench).charged == {"a fox 0": 1}
    assert statuses(bench) == {"check needed"}


def test_a_clock_that_is_corrected_by_a_little_changes_nothing(tmp_path: Path) -> None:
    bench = SetBack(tmp_path, prompts(1), environ=KEY, kind=ApiV2)
    bench.wrong_by = 300.0
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    bench.wrong_by = 0.0
    api_of(bench).lost = lambda number: False

    bench.run()
    bench.close()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_sheet_that_is_paused_while_a_pass_waits_sends_nothing_again(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True

    async def pauses(bench: Bench, store: Store) -> None:
        await asyncio.sleep(6)
        store.sheets.update(open_sheet(bench.settings, store).key, paused=True)
        await asyncio.sleep(1)
        api_of(bench).received.clear()

    bench.run(during=pauses)

    assert api_of(bench).received == []


def test_while_the_sheet_cannot_be_read_nothing_is_sent_again_for_long(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True

    async def takes_away(bench: Bench, store: Store) -> None:
        await asyncio.sleep(6)
        bench.file.rename(bench.file.with_suffix(".away"))
        await asyncio.sleep(61)
        api_of(bench).received.clear()

    bench.run(during=takes_away)
    assert api_of(bench).received == []

    bench.file.with_suffix(".away").rename(bench.file)
    api_of(bench).lost = lambda number: False
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


def with_header(provider: Provider) -> Provider:
    return replace(provider, once=Once("X-Request-Id", 24))


def with_path(provider: Provider) -> Provider:
    endpoint = replace(provider.endpoints["imagine"], path="/v3/images")
    return replace(provider, endpoints={**provider.endpoints, "imagine": endpoint})


@pytest.mark.parametrize("changed", [with_header, with_path])
def test_where_the_api_would_not_recognise_the_key_nothing_is_sent_again(
    made: Made, changed: Callable[[Provider], Provider]
) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    api_of(bench).received.clear()
    before, settings = bench.settings.provider, bench.settings

    bench.settings = replace(settings, provider=changed(before))
    bench.run(Asked())

    assert api_of(bench).received == []
    assert statuses(bench) == {"check needed"}

    api_of(bench).lost = lambda number: False
    bench.settings = settings
    bench.run()
    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_submission_that_is_never_answered_is_sent_again_less_and_less_often(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True

    for _ in range(25):  # a run every hour, for 25 hours
        bench.run(Asked())
        bench.sleep(3600)
        assert len(api_of(bench).received) < 200
    assert statuses(bench) == {"check needed"}
    assert api_of(bench).charged == {"a fox 0": 1}


def test_a_run_that_waits_sends_a_lost_submission_again_at_once(made: Made) -> None:
    bench = made(1)
    api_of(bench).lost = lambda number: True
    bench.run(Asked())
    bench.sleep(3600)
    bench.run(Asked())
    api_of(bench).lost = lambda number: False
    api_of(bench).received.clear()

    bench.run(Asked())
    assert api_of(bench).received == []
    bench.run()

    assert statuses(bench) == {"done"}
    assert api_of(bench).charged == {"a fox 0": 1}
