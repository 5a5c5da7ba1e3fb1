"""The sandbox answers as Apiframe's v1 documentation says, and its switches do what they say.

Payloads are written after the vendor's documentation; what it leaves open is marked in the sandbox.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest

from pipeline.sandbox import Sandbox, SettingsError
from tests.sandbox.calls import KEY, fetch, until


def imagine(api: httpx.Client, prompt: str = "a fox", **fields: object) -> httpx.Response:
    return api.post("/imagine", json={"prompt": prompt, **fields})


def take(api: httpx.Client, prompt: str = "a fox", **fields: object) -> str:
    task_id: str = imagine(api, prompt, **fields).raise_for_status().json()["task_id"]
    return task_id


# As documented


def test_a_prompt_becomes_a_grid_and_four_pictures(sandbox: Sandbox, api: httpx.Client) -> None:
    task_id = take(api)

    address = f"{sandbox.url}/pictures/{task_id}"
    assert fetch(api, task_id) == {
        "task_id": task_id,
        "task_type": "imagine",
        "status": "finished",
        "original_image_url": f"{address}-grid.png",
        "image_urls": [f"{address}-{n}.png" for n in (1, 2, 3, 4)],
    }


def test_a_task_walks_through_its_statuses_in_order(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(task_seconds=2.0)
    task_id = take(api)
    seen: dict[str, None] = {}
    percentages: list[str] = []

    def finished() -> bool:
        task = fetch(api, task_id)
        seen[task["status"]] = None
        percentages.extend([task["percentage"]] if "percentage" in task else [])
        return bool(task["status"] == "finished")

    until(finished)

    assert list(seen) == ["staged", "pending", "starting", "processing", "finished"]
    assert percentages == sorted(percentages, key=int)


@pytest.mark.parametrize("key", [KEY, f"Bearer {KEY}"])
def test_the_key_is_taken_raw_and_as_a_bearer(api: httpx.Client, key: str) -> None:
    answer = api.get("/account", headers={"Authorization": key})

    assert set(answer.json()) == {"email", "credits", "total_images", "plan"}


@pytest.mark.parametrize("key", ["", "wrong", "Bearer", "Bearer wrong"])
def test_a_wrong_key_is_answered_401_with_an_empty_object(
    sandbox: Sandbox, api: httpx.Client, key: str
) -> None:
    answer = api.post("/imagine", json={"prompt": "a fox"}, headers={"Authorization": key})

    assert (answer.status_code, answer.json()) == (401, {})
    assert sandbox.state()["tasks"] == {}


def test_the_answer_to_a_v2_key_names_the_v2_address(api: httpx.Client) -> None:
    answer = api.get("/account", headers={"Authorization": "afk_123"})

    assert answer.status_code == 400
    assert "https://api.apiframe.ai/v2" in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"prompt": " "}',
        b'{"prompt": 7}',
        b'{"prompt": "a", "aspect_ratio": "wide"}',
    ],
)
def test_a_bad_submission_is_answered_400_and_costs_nothing(
    sandbox: Sandbox, api: httpx.Client, body: bytes
) -> None:
    answer = api.post("/imagine", content=body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["msg"]
    assert sandbox.state()["credits_charged"] == 0


def test_an_unknown_task_is_answered_404_alone_and_left_out_among_others(api: httpx.Client) -> None:
    known = take(api)
    alone = api.post("/fetch", json={"task_id": "unknown"})
    among = api.post("/fetch-many", json={"task_ids": ["unknown", known, known]})

    assert (alone.status_code, list(alone.json())) == (404, ["errors"])
    assert [task["task_id"] for task in among.json()["tasks"]] == [known]


@pytest.mark.parametrize(("size", "status"), [(0, 400), (1, 400), (2, 200), (20, 200), (21, 400)])
def test_fetch_many_takes_2_to_20_ids(api: httpx.Client, size: int, status: int) -> None:
    answer = api.post("/fetch-many", json={"task_ids": [str(n) for n in range(size)]})

    assert answer.status_code == status


def test_pictures_are_there_once_the_task_is_finished(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(endless="next 1")
    running_task, finished_task = take(api), take(api)

    assert api.get(f"/pictures/{running_task}-1.png").status_code == 404
    assert api.get(f"/pictures/{finished_task}-5.png").status_code == 404
    picture = api.get(f"/pictures/{finished_task}-4.png")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")


# Words in a prompt


def test_a_prompt_can_ask_to_fail_to_be_refused_and_to_be_slow(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    failed = fetch(api, take(api, "a [fail] fox"))
    refused = imagine(api, "a [refuse] fox")
    sandbox.set(task_seconds=1000)
    take(api, "a [slow] fox")
    sandbox.set(task_seconds=1000, max_seconds=0.001)
    capped = take(api, "a very [slow] fox")

    assert (failed["status"], failed["message"]) == ("failed", "banned word")
    assert (refused.status_code, "banned word" in refused.text) == (400, True)
    until(lambda: bool(fetch(api, capped)["status"] == "finished"))
    assert sandbox.state()["tasks"] == {
        "a [fail] fox": 1,
        "a [slow] fox": 1,
        "a very [slow] fox": 1,
    }


# The counts


def test_every_task_is_counted_with_its_prompt_and_its_price(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(credits=100, cost=7)
    for prompt in ("a fox", "an owl", "a fox"):
        take(api, prompt)
    state = sandbox.state()

    assert state["tasks"] == {"a fox": 2, "an owl": 1}
    assert (state["tasks_taken"], state["credits_charged"], state["credits_left"]) == (3, 21, 79)
    account = api.get("/account").json()
    assert (account["credits"], account["total_images"]) == (79, 12)


def test_half_of_a_surrogate_pair_in_a_prompt_is_counted_as_it_is(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    answer = api.post("/imagine", content=rb'{"prompt": "a \ud83d fox"}')

    assert answer.status_code == 200
    assert sandbox.state()["tasks"] == {"a \ud83d fox": 1}


def test_without_credits_a_submission_is_answered_402_and_not_accepted(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(credits=7)

    assert [imagine(api).status_code for _ in range(3)] == [200, 402, 402]
    assert sandbox.state()["credits_left"] == 3
    sandbox.set(credits=4)
    assert imagine(api).status_code == 200


def test_the_counts_agree_after_many_requests_at_once(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(error=0.1, error_after=0.1, busy=0.1, html_after=0.1, garbled="0.1 any")
    sandbox.set(answer_seconds=0.005)
    with ThreadPoolExecutor(12) as crowd:
        statuses = list(crowd.map(lambda n: imagine(api, f"p{n % 50}").status_code, range(300)))
    state = sandbox.state(times=True, ids=True)
    outcomes = state["submissions"]
    taken = ("accepted", "error_after", "html_after", "garbled")

    assert sum(outcomes.values()) == state["requests"]["/imagine"] == len(statuses) == 300
    assert sum(outcomes[name] for name in taken) == state["tasks_taken"] == len(state["ids"])
    assert sum(state["tasks"].values()) == state["tasks_taken"]
    assert state["credits_charged"] == 4 * state["tasks_taken"]
    assert 1 < state["most_in_flight"] <= 12
    assert len(state["times"]["submissions"]) == 300 == state["most_submissions_per_minute"]
    assert statuses.count(429) == outcomes["busy"]


def test_a_reset_forgets_tasks_counts_and_switches(sandbox: Sandbox, api: httpx.Client) -> None:
    fresh = sandbox.state()
    sandbox.set(busy="next 9", credits=1000)
    imagine(api)

    assert sandbox.reset() == fresh == sandbox.state()


def test_a_wrong_switch_is_named_with_the_right_ones_and_sets_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(
        SettingsError, match=r"'buzy' \(did you mean 'busy'\?\).*task_seconds"
    ) as no:
        sandbox.set(buzy=1, lost="next 1 nowhere", cost=9)

    assert "'nowhere' is not one of its kinds (fin, rst, half, trickle, any)" in str(no.value)
    assert sandbox.state()["settings"]["cost"] == 4


# Switches


def test_an_answer_429_says_when_to_try_again_in_seconds_or_as_a_date(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(busy="next 2", retry_after=7)
    seconds = imagine(api)
    sandbox.set(retry_after_as="date")
    date = imagine(api)

    assert (seconds.status_code, seconds.headers["retry-after"]) == (429, "7")
    away = parsedate_to_datetime(date.headers["retry-after"]).timestamp() - time.time()
    assert 6 < away <= 8
    assert imagine(api).status_code == 200
    assert sandbox.state()["submissions"] == {"busy": 2, "accepted": 1}


def test_no_more_tasks_run_at_once_than_allowed(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(max_running=2, endless="next 2")
    statuses = [imagine(api, f"p{n}").status_code for n in range(3)]
    sandbox.finish()

    assert [*statuses, imagine(api).status_code] == [200, 200, 429, 200]
    assert sandbox.state()["most_running"] == 2


def test_no_more_requests_pass_in_a_minute_than_allowed(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(per_minute=3)

    assert [api.get("/account").status_code for _ in range(5)] == [200, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("switch", "status", "kind", "taken"),
    [
        ({"error": "next 1"}, 500, "application/json", 0),
        ({"error_after": "next 1"}, 500, "application/json", 1),
        ({"html": "next 1"}, 502, "text/html; charset=utf-8", 0),
        ({"html_after": "next 1"}, 502, "text/html; charset=utf-8", 1),
        ({"unavailable": "next 1"}, 503, "application/json", 0),
        ({"code": "next 1 403"}, 403, "text/plain; charset=utf-8", 0),
        ({"code": "next 1 409"}, 409, "application/json", 0),
        ({"redirect": "next 1 307"}, 307, None, 0),
        ({"garbled": "next 1 no_id"}, 200, "application/json", 1),
        ({"garbled": "next 1 text"}, 200, "text/plain; charset=utf-8", 1),
        ({"garbled": "next 1 empty"}, 200, "application/json", 1),
    ],
)
def test_a_switch_changes_only_the_next_answer(
    sandbox: Sandbox,
    api: httpx.Client,
    switch: dict[str, object],
    status: int,
    kind: str | None,
    taken: int,
) -> None:
    sandbox.set(**switch)
    spoilt = imagine(api)

    assert (spoilt.status_code, spoilt.headers.get("content-type")) == (status, kind)
    assert sandbox.state()["tasks_taken"] == taken
    assert b"task_id" not in spoilt.content
    assert "task_id" in imagine(api).json()


def test_an_answer_503_can_say_when_to_try_again(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(unavailable="next 1 retry", retry_after=3)

    assert imagine(api).headers["retry-after"] == "3"


def test_a_redirect_leads_to_the_address_that_was_set(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(redirect="next 1 /account", redirect_to="http://127.0.0.1:9/new/")
    moved = api.get("/account")

    assert (moved.status_code, moved.headers["location"]) == (301, "http://127.0.0.1:9/new/account")


def test_a_fault_happens_only_on_its_paths(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(error="1 /fetch*")
    statuses = [
        imagine(api).status_code,
        api.post("/fetch", json={}).status_code,
        api.post("/fetch-many", json={}).status_code,
        api.get("/account").status_code,
    ]

    assert statuses == [200, 500, 500, 200]


@pytest.mark.parametrize("key", ["message", "error"])
def test_the_reason_of_a_failure_is_in_either_key(
    sandbox: Sandbox, api: httpx.Client, key: str
) -> None:
    sandbox.set(fail=f"next 1 {key}")
    failed, fine = fetch(api, take(api)), fetch(api, take(api))

    assert (failed["status"], failed[key]) == ("failed", "generation failed")
    assert fine["status"] == "finished"
    assert sandbox.state()["credits_charged"] == 8


def test_a_final_answer_can_lack_its_status(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(bare_final=True)

    assert set(fetch(api, take(api))) == {
        "task_id",
        "task_type",
        "original_image_url",
        "image_urls",
    }
    assert fetch(api, take(api, "[fail]"))["status"] == "failed"


def test_fetch_many_can_answer_in_another_order(sandbox: Sandbox, api: httpx.Client) -> None:
    ids = [take(api, f"p{n}") for n in range(20)]

    def asked() -> list[str]:
        tasks = api.post("/fetch-many", json={"task_ids": ids}).json()["tasks"]
        return [task["task_id"] for task in tasks]

    assert asked() == ids
    sandbox.set(shuffle=True)
    assert asked() != ids
    assert sorted(asked()) == sorted(ids)


def test_a_task_can_show_an_odd_status_for_a_while(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(task_seconds=0.4, odd_status="next 1")
    task_id = take(api)
    seen: set[str] = set()

    def finished() -> bool:
        seen.add(fetch(api, task_id)["status"])
        return "finished" in seen

    until(finished)

    assert {"dreaming", "processing", "finished"} <= seen


def test_a_task_can_never_end(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(endless="next 1")
    task = fetch(api, take(api))

    assert (task["status"], task["percentage"]) == ("processing", "99")
    assert sandbox.state()["running"] == 1


def test_links_can_be_dead_from_the_start_and_stay_dead(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(dead_links=0.5)
    links = [link for n in range(10) for link in fetch(api, take(api, f"p{n}"))["image_urls"]]
    first = [api.get(link).status_code for link in links]

    assert [api.get(link).status_code for link in links] == first
    assert set(first) == {200, 404}


def test_links_can_die_after_a_time(sandbox: Sandbox, api: httpx.Client) -> None:
    link = fetch(api, take(api))["image_urls"][0]

    assert api.get(link).status_code == 200
    sandbox.set(link_seconds=0.001)
    until(lambda: api.get(link).status_code == 404)


def test_a_slow_answer_is_late_but_its_task_was_taken_at_once(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(answer_seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        api.post("/imagine", json={"prompt": "a fox"}, timeout=0.1)
    state = sandbox.state()

    assert (state["tasks"], state["in_flight"]) == ({"a fox": 1}, 1)


def test_slow_answers_take_different_times(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(answer_seconds=0.05, answer_spread=1)
    took = [api.get("/account").elapsed.total_seconds() for _ in range(10)]

    assert max(took) - min(took) > 0.02
