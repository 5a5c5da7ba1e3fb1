"""What Apiframe's answers mean, for every kind of result, by the answers in tests/replies.

Version 1 and pro: tests/replies/apiframe. Version 2: tests/replies/apiframe-v2.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.api.paths import first_text
from pipeline.core.api.protocol import poll_answer, verdict, webhook_event
from pipeline.core.model import Response, Result
from pipeline.core.states import Accepted, Failed, Postponed, Progressed, Succeeded
from tests.fakes.cases import each

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
V1, V2 = (
    read_provider(name, None, ROOT / "configs/providers", ROOT / "configs/providers")
    for name in ("apiframe-v1", "apiframe-v2")
)
TASK = "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"
JOB = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
#: Where version 1 keeps pictures, and version 2 all files.
SHOP, CDN = "https://cdn.apiframe.pro", "https://cdn2.apiframe.ai"
GRID = Result(
    tuple(f"{SHOP}/images/40312345-{n}.png" for n in range(1, 5)), f"{SHOP}/images/40312345-0.png"
)
ONE = Result((f"{SHOP}/images/40312345-1.png",))
VIDEO = Result((f"{SHOP}/videos/1.mp4",))
SONGS = Result(
    tuple(f"{SHOP}/songs/{n}.mp3" for n in (1, 2)),
    ids=tuple(f"ea6813ad-03ce-4a0b-a616-00000000000{n}" for n in (1, 2)),
)
PROMPTS = "1️⃣ a red fox in snow\n2️⃣ a fox, oil painting\n3️⃣ winter, one fox\n4️⃣ an animal in white"
PICTURES = tuple(f"{CDN}/images/{JOB}-{n}.png" for n in range(1, 5))
GRID_2 = Result(PICTURES, f"{CDN}/images/{JOB}-grid.png")
Told = Progressed | Succeeded | Failed


def reply(name: str) -> Response:
    text = (ROOT / f"tests/replies/{name}.txt").read_text("utf-8")
    head, _, body = text.partition("\n\n")
    status, *headers = [line for line in head.splitlines() if not line.startswith("#")]
    named = dict(line.lower().split(": ", 1) for line in headers)
    return Response(int(status), named, body.encode())


@each(
    ("endpoint", "name", "event"),
    [
        ("upscale-1x", "upscale_finished", Succeeded(ONE)),
        ("upscale-highres", "highres_finished", Succeeded(ONE)),
        ("describe", "describe_running", Progressed(80)),
        ("describe", "describe_finished", Succeeded(Result(text=PROMPTS))),
        ("shorten", "shorten_running", Progressed(None)),
        ("shorten", "shorten_finished", Succeeded(Result(text="1️⃣ fox, snow\n2️⃣ fox"))),
        ("seed", "seed_finished", Succeeded(Result(text="993456789123"))),
        ("flux-imagine", "flux_running", Progressed(40)),
        ("flux-imagine", "flux_finished", Succeeded(ONE)),
        ("luma-imagine", "luma_finished", Succeeded(VIDEO)),
        ("runway-imagine", "runway_finished", Succeeded(VIDEO)),
        ("seedance-imagine", "seedance_running", Progressed(40)),
        ("seedance-imagine", "seedance_finished", Succeeded(VIDEO)),
        ("suno-imagine", "suno_running", Progressed(56)),
        ("suno-imagine", "suno_finished", Succeeded(SONGS)),
        ("udio-generate", "udio_running", Progressed(56)),
        ("suno-lyrics", "lyrics_finished", Succeeded(Result(text="Snow is falling\non the fox"))),
        ("nano-banana-pro", "nano_banana_pro_finished", Succeeded(Result((GRID.grid_url,)))),
        ("ai-photo-train", "train_running", Progressed(40)),
        ("ai-photo-train", "train_finished", Succeeded(Result(text="TOKIKD", ids=(TASK,)))),
        ("pro-imagine", "pro_finished", Succeeded(GRID)),
        ("describe", "failed_message", Failed("Banned prompt: blood")),
    ],
)
def test_a_poll_of_version_1_tells_where_a_task_is(endpoint: str, name: str, event: Told) -> None:
    said = poll_answer(V1, {TASK: V1.endpoints[endpoint]}, reply(f"apiframe/{name}"), NOW)

    assert said.events == {TASK: replace(event, task_id=TASK)}


@each(
    ("endpoint", "name", "result"),
    [
        ("ideogram-imagine", "ideogram_at_once", ONE),
        (
            "ideogram-describe",
            "ideogram_describe_at_once",
            Result(text="A red fox in the snow."),
        ),
    ],
)
def test_an_endpoint_that_answers_at_once_is_done_with_the_submission(
    endpoint: str, name: str, result: Result
) -> None:
    said = verdict(V1, V1.endpoints[endpoint], reply(f"apiframe/{name}"), NOW)

    assert said.event == Succeeded(result, TASK)


@each("endpoint", V1.endpoints)
def test_a_submission_that_only_gives_an_id_was_taken_and_is_polled(endpoint: str) -> None:
    said = verdict(V1, V1.endpoints[endpoint], reply("apiframe/accepted"), NOW)

    assert said.event == Accepted(TASK)


def test_an_answer_of_pro_without_a_body_stops_all_and_fails_nothing() -> None:
    said = verdict(V1, V1.endpoints["pro-imagine"], reply("apiframe/pro_unauthorized"), NOW)

    assert isinstance(said.event, Postponed)
    assert said.stop.startswith("Apiframe refused the API key (401)")


@each("name", ["accepted", "accepted_again"])
def test_a_submission_to_version_2_is_accepted_under_its_id(name: str) -> None:
    said = verdict(V2, V2.endpoints["imagine"], reply(f"apiframe-v2/{name}"), NOW)

    assert said.event == Accepted(JOB)


@each(
    ("name", "words"),
    [
        ("refused", "Validation error"),
        ("parent_unfit", "This action is not available for the parent job"),
    ],
)
def test_a_refusal_of_version_2_costs_nothing(name: str, words: str) -> None:
    said = verdict(V2, V2.endpoints["imagine"], reply(f"apiframe-v2/{name}"), NOW).event

    assert isinstance(said, Failed)
    assert said.refused
    assert said.reason.startswith(words)


@each(
    ("name", "words"),
    [
        ("unauthorized", "Invalid API key"),
        ("inactive", "API key is inactive"),
        ("no_credits", "Insufficient credits"),
    ],
)
def test_a_wrong_key_or_an_empty_account_of_version_2_stops_all(name: str, words: str) -> None:
    said = verdict(V2, V2.endpoints["imagine"], reply(f"apiframe-v2/{name}"), NOW)

    assert isinstance(said.event, Postponed)
    assert words in said.stop


@each(("name", "seconds"), [("throttled", 7.0), ("unavailable", 20.0)])
def test_version_2_says_how_long_to_wait(name: str, seconds: float) -> None:
    said = verdict(V2, V2.endpoints["imagine"], reply(f"apiframe-v2/{name}"), NOW)

    assert isinstance(said.event, Postponed)
    assert (said.stop, said.pause) == ("", seconds)


JOBS: list[tuple[str, str, Told]] = [
    ("imagine", "queued", Progressed(0)),
    ("imagine", "running", Progressed(65)),
    ("imagine", "running_silent", Progressed(None)),
    ("imagine", "unknown_status", Progressed(10)),
    ("imagine", "finished_grid", Succeeded(GRID_2, reported=16)),
    ("upscale", "finished_one", Succeeded(Result(PICTURES[:1]), reported=4)),
    ("image", "finished_grid", Succeeded(GRID_2, reported=16)),
    ("flux", "finished_one", Succeeded(Result(PICTURES[:1]), reported=4)),
    ("kling", "finished_video", Succeeded(Result((f"{CDN}/videos/{JOB}.mp4",)), reported=80)),
    (
        *("video", "finished_videos"),
        Succeeded(Result(tuple(f"{CDN}/videos/{JOB}-{n}.mp4" for n in (1, 2))), reported=48),
    ),
    (
        *("suno", "finished_music"),
        Succeeded(
            Result(tuple(f"{CDN}/audio/{JOB}-{n}.mp3" for n in (0, 1)), ids=("track_0", "track_1")),
            reported=11,
        ),
    ),
    ("imagine", "finished_text", Succeeded(Result(PICTURES[:1]), reported=16)),
    ("imagine", "failed", Failed("No available capacity — please retry shortly", reported=16)),
    ("imagine", "failed_object", Failed("provider_timeout", reported=16)),
    ("imagine", "failed_silent", Failed("Apiframe gave no reason", reported=16)),
    ("imagine", "cancelled", Failed("Apiframe gave no reason", reported=16)),
]


@each(("endpoint", "name", "event"), JOBS)
def test_a_poll_of_version_2_tells_where_a_job_is(endpoint: str, name: str, event: Told) -> None:
    said = poll_answer(V2, {JOB: V2.endpoints[endpoint]}, reply(f"apiframe-v2/{name}"), NOW)

    assert said.events == {JOB: replace(event, task_id=JOB)}


def test_a_job_of_version_2_without_a_result_is_no_success() -> None:
    said = poll_answer(V2, {JOB: V2.endpoints["imagine"]}, reply("apiframe-v2/finished_empty"), NOW)

    assert isinstance(said.events[JOB], Failed)


@each(
    ("name", "event"),
    [
        ("called_running", Progressed(45)),
        ("called_finished", Succeeded(GRID_2, reported=16)),
        ("called_failed", Failed("Content policy violation")),
    ],
)
def test_a_call_of_version_2_describes_the_job_as_a_poll_does(name: str, event: Told) -> None:
    body = json.loads(reply(f"apiframe-v2/{name}").body)

    assert webhook_event(V2, V2.endpoints["imagine"], body) == (JOB, replace(event, task_id=JOB))


def test_the_account_of_version_2_says_what_is_left_and_how_much_may_run_at_once() -> None:
    body = json.loads(reply("apiframe-v2/account").body)
    assert V2.account

    assert first_text(body, V2.account.credits) == "1000"
    assert first_text(body, V2.account.at_once) == "10"
