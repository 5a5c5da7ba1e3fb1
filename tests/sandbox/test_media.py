"""Videos play in a browser, and results of all kinds outlive the sandbox that made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Sandbox, running
from tests.fakes.browser import browser
from tests.fakes.program import until

KEY = "k-123"
PLAYS = """async url => {
    const video = document.createElement("video");
    video.muted = true;
    video.src = url;
    await video.play();
    return [video.videoWidth, video.videoHeight, video.duration];
}"""


def made(sandbox: Sandbox, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The finished task of a submission to version 1."""
    headers = {"Authorization": KEY}
    with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as api:
        task = api.post(path, json=body).raise_for_status().json()
        found: dict[str, Any] = api.post("/fetch", json=task).raise_for_status().json()
        return found


def test_a_video_plays_in_a_browser() -> None:
    with running(KEY, task_seconds=0) as sandbox, browser() as chromium:
        url = made(sandbox, "/luma-imagine", {"prompt": "a fox"})["video_url"]
        page = chromium.new_page()
        page.goto(f"{sandbox.url}/_sandbox")
        width, height, seconds = page.evaluate(PLAYS, url)

    assert (width > height > 0, 0.5 < seconds < 5) == (True, True)


def test_results_of_an_earlier_sandbox_can_be_loaded(tmp_path: Path) -> None:
    memory = tmp_path / "tasks.json"
    with running(KEY, remember=memory, task_seconds=0) as sandbox:
        song = made(sandbox, "/udio-generate", {"prompt": "a song"})["songs"][1]
        headers = {"X-API-Key": sandbox.key_v2}
        with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as api:
            body = {"model": "midjourney", "prompt": "a fox", "webhookUrl": "http://127.0.0.1:9/s"}
            job_id = api.post("/v2/images/generate", json=body).json()["jobId"]
            job = api.get(f"/v2/jobs/{job_id}").json()
            sound = api.get(song["audio_url"]).content
    with (
        running(KEY, remember=memory) as sandbox,
        httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as api,
    ):
        again = api.get(f"/v2/jobs/{job_id}").json()
        statuses = [api.get(url).status_code for url in again["result"]["images"]]
        assert api.get(song["audio_url"]).content == sound

    assert (again["result"], again["creditCost"], statuses) == (job["result"], 16, [200] * 4)
    assert "127.0.0.1:9" not in memory.read_text()


def test_tasks_are_kept_while_the_sandbox_runs_for_a_process_that_is_killed(
    tmp_path: Path,
) -> None:
    memory = tmp_path / "tasks.json"
    with running(KEY, remember=memory) as sandbox:
        with httpx.Client(base_url=sandbox.url, trust_env=False) as api:
            headers = {"Authorization": KEY}
            api.post("/imagine", json={"prompt": "a fox"}, headers=headers).raise_for_status()
        until(lambda: memory.exists() and "a fox" in memory.read_text(), "the task is kept")


def test_a_synchronous_endpoint_can_take_its_time() -> None:
    with running(KEY, task_seconds=0, sync_seconds=30) as sandbox:
        body = {"prompt": "a fox", "images": ["https://example.com/a.png"]}
        headers = {"Authorization": KEY}
        with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as api:
            with pytest.raises(httpx.ReadTimeout):
                api.post("/nano-banana", json=body, timeout=0.2)
            refused = api.post("/nano-banana", json={}, timeout=5)
        state = sandbox.state()

    assert (refused.status_code, state["tasks"]) == (400, {"a fox": 1})


def test_an_answer_that_is_cut_off_begins_like_the_whole_one() -> None:
    with running(KEY, task_seconds=0, trickle_seconds=0) as sandbox:
        sandbox.set(lost="next 1 trickle")
        body = {"model": "midjourney", "prompt": "a fox"}
        headers = {"X-API-Key": sandbox.key_v2}
        url = f"{sandbox.url}/v2/images/generate"
        with httpx.Client(headers=headers, trust_env=False) as api:
            answer = api.post(url, json=body)

    assert (answer.status_code, answer.json()["status"]) == (202, "QUEUED")
