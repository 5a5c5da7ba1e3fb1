"""Version 2: models, uploads, LoRAs, assets and webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.inbox import inbox
from tests.sandbox.calls import until
from tests.sandbox.v2.calls import URL, imagine, job

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
def test_a_request_without_a_file_is_answered_400(
    api: httpx.Client, files: dict[str, bytes]
) -> None:
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


def test_webhooks_are_dropped_and_doubled_as_in_version_1(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(webhook_drop="next 1", webhook_double="next 1")
    with inbox() as box:
        dropped, doubled = (imagine(api, webhookUrl=box.url).json()["jobId"] for _ in range(2))
        posted = [json.loads(box.next().body)["jobId"] for _ in range(2)]
        until(lambda: bool(sandbox.state()["webhooks"].get("accepted") == 2))

    assert posted == [doubled] * 2
    assert sandbox.state(hooks=True)["hooks"][dropped]["dropped"] == 1
