"""Version 2: idempotency keys, charges, refunds, limits and faults."""

from __future__ import annotations

import httpx
import pytest

from pipeline.sandbox import Sandbox
from tests.sandbox.v2.calls import imagine, job

# Idempotency


def test_the_same_key_returns_the_original_job_and_charges_once(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(endless="next 1")
    first, again = imagine(api, "k1").json(), imagine(api, "k1")
    sandbox.finish()
    last, other = imagine(api, "k1").json(), imagine(api, "k2").json()
    state = sandbox.state()

    assert (again.status_code, again.json()["jobId"]) == (202, first["jobId"])
    assert again.json()["status"] == "PROCESSING"
    assert last == {"jobId": first["jobId"], "status": "COMPLETED"}
    assert other["jobId"] != first["jobId"]
    assert (state["credits_charged"], state["tasks_taken"]) == (32, 2)
    assert (state["idempotent_replays"], state["submissions"]["replayed"]) == (2, 2)


def test_the_same_key_with_another_body_is_409(sandbox: Sandbox, api: httpx.Client) -> None:
    imagine(api, "k1")

    assert imagine(api, "k1", prompt="an owl").status_code == 409
    assert imagine(api, "k1", webhookUrl="http://127.0.0.1:9/").status_code == 409
    assert sandbox.state()["tasks_taken"] == 1


def test_a_key_is_forgotten_after_a_day_and_a_longer_one_is_refused(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    first = imagine(api, "k1").json()["jobId"]
    sandbox.set(idempotency_seconds=0)

    assert imagine(api, "k1").json()["jobId"] != first
    assert (imagine(api, "k" * 255).status_code, imagine(api, "k" * 256).status_code) == (202, 400)


def test_a_lost_answer_is_found_again_by_its_key(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(lost="next 1 rst")
    with pytest.raises(httpx.TransportError):
        imagine(api, "k1")

    assert imagine(api, "k1").status_code == 202
    assert sandbox.state()["tasks"] == {"a fox": 1}


def test_a_refused_submission_is_not_remembered(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(error="next 1", credits=0)
    statuses = [imagine(api, "k1").status_code for _ in range(2)]
    sandbox.set(credits=16)

    assert [*statuses, imagine(api, "k1").status_code] == [500, 402, 202]


# Money and limits


def test_a_failed_job_is_refunded_in_full(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(credits=100, fail="next 1")
    failed = job(api, imagine(api).json()["jobId"])
    state = sandbox.state()

    assert (failed["status"], failed["result"], failed["error"]) == (
        "FAILED",
        None,
        "generation failed",
    )
    assert (state["credits_charged"], state["credits_refunded"]) == (16, 16)
    assert api.get("me").json()["team"]["credits"] == state["credits_left"] == 100


def test_a_refund_comes_with_the_failure_not_before(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(credits=100, fail="next 1", endless="next 1")
    imagine(api)
    before = sandbox.state()["credits_left"]

    assert (before, sandbox.finish()["credits_left"]) == (84, 100)


def test_refunds_can_be_left_out(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(credits=100, refunds="none", fail="next 1")
    imagine(api)

    assert sandbox.state()["credits_left"] == 84


def test_with_too_few_credits_the_answer_is_402_with_both_numbers(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(credits=20)
    statuses = [imagine(api).status_code, imagine(api).status_code]

    assert statuses == [202, 402]
    assert imagine(api).json() == {
        "error": "Insufficient credits",
        "creditsRequired": 16,
        "creditsAvailable": 4,
    }


def test_no_more_jobs_run_at_once_than_the_account_allows(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    assert "maxConcurrentJobs" not in api.get("me").json()["team"]
    sandbox.set(max_concurrent_jobs=2, endless="next 2", retry_after=7)
    answers = [imagine(api) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert (answers[2].headers["retry-after"], "error" in answers[2].json()) == ("7", True)
    assert api.get("me").json()["team"]["maxConcurrentJobs"] == 2


def test_a_fault_can_be_on_the_path_of_one_job(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(redirect="next 1 307 /v2/jobs/*", redirect_to="http://127.0.0.1:9/new")
    job_id = imagine(api).json()["jobId"]
    moved = api.get(f"jobs/{job_id}")

    assert (moved.status_code, moved.headers["location"]) == (
        307,
        f"http://127.0.0.1:9/new/v2/jobs/{job_id}",
    )
    assert job(api, job_id)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("switch", "status", "taken"),
    [
        ({"error": "next 1"}, 500, 0),
        ({"busy": "next 1"}, 429, 0),
        ({"unavailable": "next 1 retry"}, 503, 0),
        ({"html": "next 1"}, 502, 0),
        ({"code": "next 1 403"}, 403, 0),
        ({"error_after": "next 1"}, 500, 1),
        ({"garbled": "next 1 no_id"}, 202, 1),
        ({"error": "next 1 /v2/images/*"}, 500, 0),
    ],
)
def test_faults_apply_to_version_2(
    sandbox: Sandbox, api: httpx.Client, switch: dict[str, object], status: int, taken: int
) -> None:
    sandbox.set(**switch)
    spoilt = imagine(api)

    assert (spoilt.status_code, "jobId" in spoilt.text) == (status, False)
    assert sandbox.state()["tasks_taken"] == taken
    if status in (429, 500, 503):
        assert list(spoilt.json()) == ["error"]
