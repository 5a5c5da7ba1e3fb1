"""Version 2 of the API: every route that begins a job, keys, idempotency, money, jobs, webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pipeline.sandbox import Sandbox, running
from pipeline.sandbox.pictures import code_of, read_code
from tests.fakes.inbox import inbox

KEY = "k-123"
URL = "https://example.com/a.png"
IMAGINE = {"model": "midjourney", "prompt": "a fox"}
SUNO = {"model": "suno", "prompt": "a song"}
#: Path -> a body, keys of the result, credits. `@` stands for a completed parent of that body.
JOBS: dict[str, tuple[str, dict[str, Any], set[str], int | None]] = {
    "midjourney": ("images/generate", IMAGINE, {"images", "gridUrl"}, 16),
    "flux": (
        "images/generate",
        {"model": "flux-2-pro", "prompt": "a fox", "fluxParams": {"width": 512}},
        {"images"},
        None,
    ),
    "two of gpt-image-2": (
        "images/generate",
        {
            "model": "gpt-image-2",
            "prompt": "a fox",
            "gptImage2Params": {"quality": "low", "number_of_images": 2},
        },
        {"images"},
        8,
    ),
    "upscale": (
        "images/upscale",
        {"model": "clarity-upscale", "clarityUpscaleParams": {"image": URL}},
        {"images"},
        None,
    ),
    "edit": (
        "images/edit",
        {
            "model": "flux-fill-pro",
            "fluxFillParams": {"image": URL, "prompt": "a hat", "mode": "inpaint"},
        },
        {"images"},
        None,
    ),
    "background": (
        "images/background-remove",
        {"model": "851-bg-remove", "lab851BgRemoveParams": {"image": URL}},
        {"images"},
        None,
    ),
    "upsample": (
        "images/midjourney/action",
        {"action": "upsample", "index": 2, "parentJobId": "@midjourney"},
        {"images"},
        4,
    ),
    "variation": (
        "images/midjourney/action",
        {"action": "variation", "index": 4, "parentJobId": "@midjourney"},
        {"images", "gridUrl"},
        16,
    ),
    "inpaint": (
        "images/midjourney/action",
        {"action": "inpaint", "mask": "aa", "parentJobId": "@upsample"},
        {"images", "gridUrl"},
        16,
    ),
    "outpaint": (
        "images/midjourney/action",
        {"action": "outpaint", "zoomRatio": 1.5, "parentJobId": "@upsample"},
        {"images", "gridUrl"},
        16,
    ),
    "pan": (
        "images/midjourney/action",
        {"action": "pan", "direction": "left", "parentJobId": "@upsample"},
        {"images", "gridUrl"},
        16,
    ),
    "video": (
        "videos/generate",
        {"model": "kling-2.6", "prompt": "a fox", "klingParams": {"duration": 10}},
        {"videoUrl"},
        None,
    ),
    "midjourney video": (
        "videos/generate",
        {
            "model": "midjourney-video",
            "prompt": "a fox",
            "midjourneyVideoParams": {"start_image": URL},
        },
        {"videos"},
        None,
    ),
    "suno": ("music/generate", SUNO, {"tracks"}, 11),
    "cover": (
        "music/suno/action",
        {"action": "cover", "index": 1, "parentJobId": "@suno"},
        {"tracks"},
        11,
    ),
    "vocals": (
        "music/suno/action",
        {"action": "add_vocals", "prompt": "la", "parentJobId": "@suno"},
        {"tracks"},
        11,
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running(KEY, task_seconds=0, plain_pictures=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": sandbox.key_v2}
    with httpx.Client(base_url=f"{sandbox.url}/v2/", headers=headers, trust_env=False) as client:
        yield client


def body_of(api: httpx.Client, name: str) -> dict[str, Any]:
    body = dict(JOBS[name][1])
    if parent := body.get("parentJobId"):
        body["parentJobId"] = take(api, parent[1:])
    return body


def imagine(api: httpx.Client, key: str = "", **more: object) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("images/generate", json=IMAGINE | more, headers=headers)


def take(api: httpx.Client, name: str = "midjourney") -> str:
    answer = api.post(JOBS[name][0], json=body_of(api, name))
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["jobId"]
    return job_id


def job(api: httpx.Client, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"jobs/{job_id}").raise_for_status().json()
    return found


def until(look: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"


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
def test_what_is_no_object_is_400(api: httpx.Client, body: bytes) -> None:
    answer = api.post("images/generate", content=body)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


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


def test_a_key_is_forgotten_after_a_day_and_never_too_long(
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


def test_what_was_refused_is_not_remembered(sandbox: Sandbox, api: httpx.Client) -> None:
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


def test_too_few_credits_is_402_with_both_numbers(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(credits=20)
    statuses = [imagine(api).status_code, imagine(api).status_code]

    assert statuses == [202, 402]
    assert imagine(api).json() == {
        "error": "Insufficient credits",
        "creditsRequired": 16,
        "creditsAvailable": 4,
    }


def test_no_more_jobs_at_once_than_the_account_says(sandbox: Sandbox, api: httpx.Client) -> None:
    assert "maxConcurrentJobs" not in api.get("me").json()["team"]
    sandbox.set(max_concurrent_jobs=2, endless="next 2", retry_after=7)
    answers = [imagine(api) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert (answers[2].headers["retry-after"], "error" in answers[2].json()) == ("7", True)
    assert api.get("me").json()["team"]["maxConcurrentJobs"] == 2


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
    "query", [{"limit": "0"}, {"limit": "x"}, {"status": "DONE"}, {"cursor": "x"}, {"search": "x"}]
)
def test_a_wrong_query_is_400(api: httpx.Client, query: dict[str, str]) -> None:
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


# Models, uploads, LoRAs, assets


def test_models_have_prices_and_need_no_key(sandbox: Sandbox, api: httpx.Client) -> None:
    with httpx.Client(trust_env=False) as client:
        models = client.get(f"{sandbox.url}/v2/models").json()["models"]
    counted = {m: sum(x["modality"] == m for x in models) for m in ("image", "video", "music")}
    prices = {entry["id"]: (entry["costMin"], entry["costMax"]) for entry in models}

    assert counted == {"image": 51, "video": 41, "music": 7}
    assert (prices["midjourney"], prices["suno"], prices["gpt-image-2"]) == (
        (16, 16),
        (11, 11),
        (4, 23),
    )
    assert len(api.get("models", params={"modality": "music"}).json()["models"]) == 7
    assert api.get("models", params={"modality": "text"}).status_code == 400


@pytest.mark.parametrize(
    ("data", "kind", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n--a\r\n\r\nb\r\n", "image", "image/png"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio", "audio/wav"),
        (b"\0\0\0\x18ftypisom", "video", "video/mp4"),
    ],
)
def test_an_upload_is_kept_and_can_be_used(
    api: httpx.Client, data: bytes, kind: str, content_type: str
) -> None:
    answer = api.post("uploads", files={"file": ("a b.bin", data)})
    upload = answer.json()

    assert (answer.status_code, upload["kind"], upload["contentType"]) == (201, kind, content_type)
    assert (upload["byteSize"], api.get(upload["url"]).content) == (len(data), data)


@pytest.mark.parametrize("files", [{}, {"other": b"\x89PNG\r\n\x1a\n"}, {"file": b"<html>"}])
def test_what_is_no_upload_is_400(api: httpx.Client, files: dict[str, bytes]) -> None:
    assert api.post("uploads", files=files).status_code == 400


def lora(api: httpx.Client, count: int = 15, **fields: str) -> httpx.Response:
    images = [("images", (f"{n}.png", b"\x89PNG\r\n\x1a\n")) for n in range(count)]
    return api.post("loras", data={"name": "cat", "subjectKind": "object"} | fields, files=images)


def test_a_lora_is_trained_used_and_archived(sandbox: Sandbox, api: httpx.Client) -> None:
    created = lora(api, steps="700")
    lora_id = created.json()["id"]
    ready = api.get(f"loras/{lora_id}").json()
    body = {
        "model": "flux-lora",
        "prompt": "a cat",
        "fluxLoraParams": {"loraId": lora_id, "num_outputs": 3},
    }
    made = job(api, api.post("images/generate", json=body).json()["jobId"])

    assert (created.status_code, created.json()["imageCount"]) == (202, 15)
    assert (ready["status"], ready["isReady"], ready["steps"]) == ("READY", True, 700)
    assert (len(made["result"]["images"]), made["creditCost"]) == (3, 6)
    assert sandbox.state()["credits_charged"] == 257 + 6
    assert [x["id"] for x in api.get("loras").json()["items"]] == [lora_id]
    assert [api.delete(f"loras/{lora_id}").status_code for _ in range(2)] == [204, 204]
    assert api.get("loras").json()["items"] == []
    assert api.post("images/generate", json=body).status_code == 404


@pytest.mark.parametrize(
    ("count", "fields"),
    [
        (14, {}),
        (31, {}),
        (15, {"steps": "499"}),
        (15, {"steps": "many"}),
        (15, {"subjectKind": "person"}),
        (15, {"name": ""}),
        (15, {"webhookEvents": "done"}),
    ],
)
def test_a_lora_with_wrong_fields_is_400(
    sandbox: Sandbox, api: httpx.Client, count: int, fields: dict[str, str]
) -> None:
    assert lora(api, count, **fields).status_code == 400
    assert sandbox.state()["credits_charged"] == 0


def test_an_asset_is_registered_and_read(api: httpx.Client) -> None:
    created = api.post("assets/create", json={"url": URL, "type": "image"})
    found = api.get(f"assets/{created.json()['assetId']}")

    assert (created.status_code, found.json()["url"]) == (201, URL)
    assert api.get("assets/unknown").status_code == 404
    assert api.post("assets/create", json={"url": URL, "type": "text"}).status_code == 400


def test_unknown_paths_answer_in_json(api: httpx.Client) -> None:
    assert (api.get("nothing").status_code, "error" in api.get("nothing").json()) == (404, True)
    assert api.get("images/generate").status_code == 405


# Webhooks


@pytest.mark.parametrize("encoding", ["raw", "hex"])
def test_webhooks_are_signed_and_carry_what_the_job_is(
    sandbox: Sandbox, api: httpx.Client, encoding: str
) -> None:
    sandbox.set(webhook_key=encoding, webhook_progress=1, task_seconds=0.05)
    with inbox() as box:
        events = ["progress", "completed", "failed"]
        job_id = imagine(api, webhookUrl=box.url, webhookEvents=events).json()["jobId"]
        calls = [box.next(), box.next()]

    digest = hashlib.sha256(sandbox.key_v2.encode())
    key = digest.digest() if encoding == "raw" else digest.hexdigest().encode()
    said = [json.loads(call.body) for call in calls]
    for call in calls:
        signature = hmac.digest(key, call.body, "sha256").hex()
        assert call.headers["x-webhook-signature"] == f"sha256={signature}"
    assert [call.headers["x-webhook-event"] for call in calls] == ["progress", "completed"]
    assert set(said[0]) == {"event", "jobId", "status", "progress", "model"}
    until(lambda: bool(job(api, job_id)["webhookStatus"] == "delivered"))
    done = job(api, job_id)
    assert {k: said[1][k] for k in ("jobId", "status", "progress", "model", "creditCost")} == {
        "jobId": job_id,
        "status": "COMPLETED",
        "progress": 100,
        "model": "midjourney",
        "creditCost": 16,
    }
    assert said[1]["result"] == done["result"]


def test_only_the_events_that_were_asked_for_are_posted(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(fail="next 1")
    with inbox() as box:
        unwanted = imagine(api, webhookUrl=box.url, webhookEvents=["completed"]).json()["jobId"]
        imagine(api, webhookUrl=box.url)
        call = box.next()

    assert call.headers["x-webhook-event"] == "completed"
    assert sandbox.state()["webhooks"]["posted"] == 1
    assert job(api, unwanted)["webhookStatus"] is None
