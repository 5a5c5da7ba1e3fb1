"""Requests to version 2: one body for every kind of job, and what becomes of them."""

from __future__ import annotations

from typing import Any

import httpx

URL = "https://example.com/a.png"
IMAGINE = {"model": "midjourney", "prompt": "a fox"}
SUNO = {"model": "suno", "prompt": "a song"}
#: Name -> path, a body, keys of the result, credits. `@NAME` is a completed job of that name.
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
