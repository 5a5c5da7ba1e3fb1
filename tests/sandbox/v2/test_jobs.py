"""Version 2: submissions, keys, wrong fields, jobs and their parents."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipeline.sandbox import Sandbox, running
from pipeline.sandbox.pictures import code_of, read_code
from tests.sandbox.calls import KEY
from tests.sandbox.v2.calls import IMAGINE, JOBS, body_of, imagine, job, take


@pytest.mark.parametrize("name", JOBS)
def test_a_submission_becomes_a_job_with_its_result(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    path, _, keys, price = JOBS[name]
    body = body_of(api, name)
    before = sandbox.state()["credits_left"]
    answer = api.post(path, json=body)
    done = job(api, answer.json()["jobId"])
    paid = before - sandbox.state()["credits_left"]

    assert (answer.status_code, answer.json()["status"]) == (202, "QUEUED")
    assert (done["status"], done["progress"], done["error"]) == ("COMPLETED", 100, None)
    assert set(done["result"]) == keys
    assert done["creditCost"] == paid == (price or paid) > 0
    assert done["createdAt"] <= done["completedAt"]
    for urls in done["result"].values():
        for url in [urls] if isinstance(urls, str) else urls:
            link = url["audioUrl"] if isinstance(url, dict) else url
            assert api.get(link).status_code == 200


def test_a_picture_shows_the_prompt_and_an_upsampled_one_its_parents(api: httpx.Client) -> None:
    links = [job(api, take(api, n))["result"]["images"] for n in ("two of gpt-image-2", "upsample")]

    assert [len(found) for found in links] == [2, 1]
    for found in links:
        assert read_code(api.get(found[0]).content)[0] == code_of("a fox")


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, 401, "API key is required"),
        ({"X-API-Key": KEY}, 401, "Invalid API key"),
        ({"X-API-Key": "afk_other"}, 401, "Invalid API key"),
        ({"Authorization": f"afk_{KEY}"}, 401, "API key is required"),
        ({"X-API-Key": f"afk_{KEY}", "User-Agent": ""}, 403, "error code: 1010"),
    ],
)
def test_a_request_without_the_right_key_or_a_name_is_refused(
    sandbox: Sandbox, headers: dict[str, str], status: int, words: str
) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{sandbox.url}/v2/images/generate", json=IMAGINE, headers=headers)

    assert (answer.status_code, words in answer.text) == (status, True)
    assert sandbox.state()["tasks_taken"] == 0


def test_a_key_that_begins_with_afk_serves_both_versions() -> None:
    with running("afk_abc", task_seconds=0) as sandbox, httpx.Client(trust_env=False) as client:
        v2 = client.get(f"{sandbox.url}/v2/me", headers={"X-API-Key": "afk_abc"})
        v1 = client.get(f"{sandbox.url}/account", headers={"Authorization": "abc"})
        at_v1 = client.get(f"{sandbox.url}/account", headers={"Authorization": "afk_abc"})

    assert (v2.status_code, v1.status_code, at_v1.status_code) == (200, 200, 400)


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({**IMAGINE, "seed": 1}, "(root)", 'Unrecognized keys: "seed"'),
        ({**IMAGINE, "fluxParams": {}}, "(root)", "Unrecognized keys"),
        ({**IMAGINE, "midjourneyParams": {"ar": "1:1"}}, "midjourneyParams", "Unrecognized keys"),
        (
            {**IMAGINE, "midjourneyParams": {"aspect_ratio": "wide"}},
            "midjourneyParams.aspect_ratio",
            "",
        ),
        ({**IMAGINE, "prompt": ""}, "prompt", "at least 1"),
        ({**IMAGINE, "prompt": "x" * 2001}, "prompt", "at most 2000"),
        ({**IMAGINE, "prompt": "\U0001f600" * 1001}, "prompt", "at most 2000"),
        ({**IMAGINE, "prompt": None}, "prompt", "must be a text"),
        ({"model": "midjourney"}, "prompt", "is required"),
        ({**IMAGINE, "model": "midjourney-9"}, "model", "midjourney, "),
        ({"prompt": "a"}, "model", "is required"),
        ({**IMAGINE, "model": ["midjourney"]}, "model", "must be one of"),
        ({**IMAGINE, "webhookUrl": "here"}, "webhookUrl", "URL"),
        ({**IMAGINE, "webhookEvents": []}, "webhookEvents", "at least 1"),
        ({**IMAGINE, "webhookEvents": ["done"]}, "webhookEvents.0", "must be one of"),
        (
            {"model": "flux-2-pro", "prompt": "a", "fluxParams": {"width": 255}},
            "fluxParams.width",
            "at least 256",
        ),
    ],
)
def test_a_wrong_field_is_400_with_its_path_and_costs_nothing(
    sandbox: Sandbox, api: httpx.Client, body: dict[str, Any], path: str, says: str
) -> None:
    answer = api.post("images/generate", json=body)

    assert answer.status_code == 400
    assert says in answer.json()["details"][path][0]
    assert answer.json()["error"]
    assert sandbox.state()["credits_charged"] == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"no json", b"[" * 100_000])
def test_a_body_that_is_no_object_is_answered_400(api: httpx.Client, body: bytes) -> None:
    answer = api.post("images/generate", content=body)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


# Jobs


def test_a_job_walks_through_its_statuses(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(task_seconds=0.5, odd_status="next 1 dreaming")
    job_id = take(api)
    seen: dict[str, None] = {}
    while "COMPLETED" not in seen:
        found = job(api, job_id)
        seen[found["status"]] = None
        assert found["status"] != "QUEUED" or (found["progress"], found["result"]) == (0, None)

    assert list(dict.fromkeys(seen)) == ["QUEUED", "PROCESSING", "DREAMING", "COMPLETED"]


@pytest.mark.parametrize(
    ("switch", "status", "error"),
    [
        (
            {"no_capacity": "next 1"},
            "FAILED",
            "No available capacity — please retry shortly",
        ),
        (
            {"fail": "next 1 object"},
            "FAILED",
            {"message": "generation failed", "code": "provider_error"},
        ),
        ({"status_as": "lower"}, "completed", None),
    ],
)
def test_a_job_ends_as_the_switches_say(
    sandbox: Sandbox, api: httpx.Client, switch: dict[str, object], status: str, error: object
) -> None:
    sandbox.set(**switch)
    ended = job(api, take(api))

    assert (ended["status"], ended["error"]) == (status, error)


def test_a_result_can_be_one_address(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(result_as="url")

    assert job(api, take(api))["result"].endswith("-1.png")
    assert job(api, take(api, "video"))["result"].endswith(".mp4")
    assert job(api, take(api, "suno"))["result"].endswith(".wav")


def test_a_job_expires_with_its_links(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = take(api)
    fresh = job(api, job_id)
    sandbox.set(link_seconds=0.000001)

    assert (fresh["expired"], job(api, job_id)["expired"]) == (False, True)
    assert api.get(fresh["result"]["images"][0]).status_code == 404


def test_unknown_jobs_and_ids_of_version_1_are_not_found(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    v1 = {"Authorization": KEY}
    task_id = httpx.post(f"{sandbox.url}/imagine", json={"prompt": "a"}, headers=v1).json()[
        "task_id"
    ]
    fetched = httpx.post(f"{sandbox.url}/fetch", json={"task_id": take(api)}, headers=v1)

    assert [api.get(f"jobs/{i}").status_code for i in (uuid4(), task_id, "x")] == [404, 404, 400]
    assert fetched.status_code == 404


def test_jobs_are_listed_in_pages_the_latest_first(sandbox: Sandbox, api: httpx.Client) -> None:
    ids = [imagine(api, prompt=f"p{n}").json()["jobId"] for n in range(5)]
    song = take(api, "suno")
    seen, cursor = [], ""
    while True:
        page = api.get(
            "jobs", params={"limit": 2, "cursor": cursor} if cursor else {"limit": 2}
        ).json()
        seen += [found["id"] for found in page["jobs"]]
        if not page["hasMore"]:
            break
        cursor = page["nextCursor"]

    assert (seen, page["nextCursor"]) == ([song, *reversed(ids)], None)
    assert [j["id"] for j in api.get("jobs", params={"model": "suno"}).json()["jobs"]] == [song]
    assert [j["id"] for j in api.get("jobs", params={"search": ids[2]}).json()["jobs"]] == [ids[2]]
    assert api.get("jobs", params={"status": "FAILED"}).json()["jobs"] == []
    models = api.get("jobs", params={"include_models": "true"}).json()["models"]
    assert models == ["midjourney", "suno"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"scope": "all"},
        {"include_models": "1"},
        {"limit": "x"},
        {"status": "DONE"},
        {"cursor": "x"},
        {"search": "x"},
    ],
)
def test_a_wrong_query_is_answered_400(api: httpx.Client, query: dict[str, str]) -> None:
    answer = api.get("jobs", params=query)

    assert (answer.status_code, "error" in answer.json()) == (400, True)


# Parents


@pytest.mark.parametrize("name", ["upsample", "inpaint", "cover"])
def test_an_action_needs_a_completed_parent_of_its_kind(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    body = body_of(api, name)
    other = take(
        api, {"upsample": "upsample", "inpaint": "midjourney", "cover": "midjourney"}[name]
    )
    sandbox.set(endless="next 1")
    unfinished = take(api, "suno") if name == "cover" else take(api, "midjourney")
    statuses = [
        api.post(JOBS[name][0], json=body | {"parentJobId": parent}).status_code
        for parent in (str(uuid4()), other, unfinished, "x")
    ]

    assert statuses == [404, 400, 400 if name == "inpaint" else 409, 400]


def test_a_track_is_chosen_by_its_id(api: httpx.Client) -> None:
    parent = take(api, "suno")
    track = job(api, parent)["result"]["tracks"][1]["id"]
    body = {"action": "stems", "parentJobId": parent, "trackId": track}

    assert api.post("music/suno/action", json=body).status_code == 202
    assert api.post("music/suno/action", json=body | {"trackId": "x"}).status_code == 400
