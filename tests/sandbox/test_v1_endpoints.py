"""Every endpoint of versions 1 and pro: fields, parents, prices, and the shape of its results.

The expectations are written after the vendor's pages, not after the sandbox's table.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import code_of, read_code
from tests.sandbox.calls import fetch

URL = "https://example.com/a.png"
GRID = {"original_image_url", "image_urls"}
#: Endpoint -> a body, task_type, result keys, whether a finished task has a status, how a running
#: one shows its percentage (None: not at all), credits. `@NAME` is a finished task of NAME.
ENDPOINTS: dict[str, tuple[dict[str, Any], str, set[str], bool, type | None, int]] = {
    "imagine": ({"prompt": "a fox"}, "imagine", GRID, True, str, 4),
    "reroll": ({"parent_task_id": "@imagine"}, "reroll", GRID, False, str, 4),
    "upscale-1x": (
        {"parent_task_id": "@imagine", "index": "2"},
        *("upscale#2", {"image_url"}, False, str, 2),
    ),
    "upscale-alt": (
        {"parent_task_id": "@upscale-1x", "type": "subtle"},
        *("upscale-subtle", {"image_url"}, False, str, 4),
    ),
    "upscale-highres": (
        {"parent_task_id": "@upscale-1x", "type": "4x"},
        *("upscale-highres", {"image_url"}, True, str, 2),
    ),
    "variations": (
        {"parent_task_id": "@imagine", "index": "1"},
        *("variation-1", GRID, False, str, 4),
    ),
    "faceswap": (
        {"target_image_url": URL, "swap_image_url": URL},
        *("faceswap", {"image_url"}, False, str, 2),
    ),
    "inpaint": ({"parent_task_id": "@upscale-1x", "mask": "aa"}, "inpaint", GRID, False, str, 4),
    "outpaint": (
        {"parent_task_id": "@upscale-1x", "zoom_ratio": 2},
        *("outpaint-2", GRID, False, str, 4),
    ),
    "pan": ({"parent_task_id": "@upscale-1x", "direction": "up"}, "pan-up", GRID, False, str, 4),
    "blend": ({"image_urls": [URL, URL]}, "blend", GRID, False, str, 4),
    "describe": ({"image_url": URL}, "describe", {"image_url", "content"}, False, str, 2),
    "shorten": ({"prompt": "a b c"}, "shorten", {"content", "full_content"}, False, None, 2),
    "seed": ({"task_id": "@imagine"}, "seed", {"seed"}, False, None, 2),
    "flux-imagine": (
        {"model": "flux-pro", "prompt": "a fox", "width": 512},
        *("flux-imagine", {"original_image_url", "image_url"}, False, int, 1),
    ),
    "luma-imagine": ({"prompt": "a fox"}, "luma", {"video_url"}, False, str, 6),
    "luma-extend": (
        {"parent_task_id": "@luma-imagine", "prompt": "more"},
        *("luma-ext", {"video_url"}, False, str, 6),
    ),
    "suno-imagine": ({"prompt": "a song"}, "suno", {"songs"}, True, int, 2),
    "suno-extend": ({"parent_task_id": "@suno-imagine"}, "suno", {"songs"}, True, int, 2),
    "udio-generate": ({"prompt": "a song"}, "udio-generate", {"songs"}, True, int, 1),
    "runway-imagine": (
        {"prompt": "a fox", "generation_type": "text2video"},
        *("runway", {"video_url", "percentage"}, True, str, 4),
    ),
    "kling-imagine-2-6": (
        {"prompt": "a fox", "duration": 10, "generate_audio": True},
        *("kling-2.6-video", {"video_url", "percentage"}, True, str, 40),
    ),
    "seedance-imagine": (
        {"prompt": "a fox", "model": "seedance-2-fast", "duration": 4},
        *("seedance-video", {"video_url", "percentage"}, True, str, 30),
    ),
    "nano-banana-pro": ({"prompt": "a fox"}, "nano-banana-pro", {"image_urls"}, True, str, 4),
}
SYNC: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ideogram-imagine": ({"prompt": "a fox"}, {"image_urls", "seed"}),
    "ideogram-remix": (
        {"image_url": URL, "prompt": "a fox", "image_weight": 50},
        {"image_urls", "seed"},
    ),
    "ideogram-upscale": (
        {"image_url": URL, "prompt": "a fox", "resemblance": 50},
        {"image_urls", "seed"},
    ),
    "ideogram-describe": ({"image_url": URL}, {"description"}),
    "nano-banana": ({"prompt": "a fox", "images": [URL]}, {"image_urls"}),
}
PRO: dict[str, tuple[dict[str, Any], set[str], int]] = {
    "pro/imagine": ({"prompt": "a fox", "mode": "turbo"}, GRID, 10),
    "pro/vary": ({"parent_task_id": "@pro/imagine", "index": "1", "type": "strong"}, GRID, 6),
    "pro/variations": ({"parent_task_id": "@pro/imagine", "index": "1"}, GRID, 6),
    "pro/upscale": (
        {"parent_task_id": "@pro/imagine", "index": "1", "type": "subtle"},
        {"image_url"},
        6,
    ),
    "pro/zoom": ({"parent_task_id": "@pro/imagine", "index": "1", "type": "1.5"}, GRID, 6),
    "pro/pan": ({"parent_task_id": "@pro/imagine", "index": "1", "type": "up"}, GRID, 6),
    "pro/seed": ({"task_id": "@pro/imagine"}, {"seed"}, 2),
}
BODIES = {name: row[0] for table in (ENDPOINTS, SYNC, PRO) for name, row in table.items()}
PARENTED = [name for name in BODIES if any(_ in BODIES[name] for _ in ("parent_task_id",))]


def body_of(api: httpx.Client, name: str) -> dict[str, Any]:
    """The body of the endpoint, with the parent that it needs."""
    return {
        field: take(api, value[1:]) if str(value).startswith("@") else value
        for field, value in BODIES[name].items()
    }


def send(api: httpx.Client, name: str, body: dict[str, Any]) -> httpx.Response:
    return api.post(f"/{name}", json=body)


def take(api: httpx.Client, name: str, **more: object) -> str:
    answer = send(api, name, body_of(api, name) | more)
    assert answer.status_code == 200, answer.text
    task_id: str = answer.json()["task_id"]
    return task_id


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_has_its_result_its_type_and_its_price(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    _, kind, keys, has_status, _, price = ENDPOINTS[name]
    body = body_of(api, name)
    before = sandbox.state()["credits_left"]
    answer = send(api, name, body)
    task = fetch(api, answer.json()["task_id"])

    spelled = "taskId" if name == "reroll" else "task_id"
    assert set(answer.json()) == {"task_id"}
    assert set(task) == {spelled, "task_type", *keys, *(["status"] if has_status else [])}
    assert (task["task_type"], task.get("status", "finished")) == (kind, "finished")
    assert before - sandbox.state()["credits_left"] == price


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_running_task_shows_its_percentage_as_its_page_does(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    body = body_of(api, name)
    sandbox.set(endless="next 1")
    task = fetch(api, send(api, name, body).json()["task_id"])

    percent = ENDPOINTS[name][4]
    assert (task["status"], "percentage" in task) == ("processing", percent is not None)
    assert percent is None or isinstance(task["percentage"], percent)


@pytest.mark.parametrize("name", SYNC)
def test_a_synchronous_endpoint_answers_with_the_result(api: httpx.Client, name: str) -> None:
    body, keys = SYNC[name]
    answer = send(api, name, body).raise_for_status().json()

    assert set(answer) == {"task_id", "task_type", "status", *keys}
    assert (answer["status"], answer["task_type"]) == ("finished", name)
    assert fetch(api, answer["task_id"]) == answer


@pytest.mark.parametrize("name", PRO)
def test_version_pro_has_its_own_paths_and_is_read_by_fetch(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    _, keys, price = PRO[name]
    body = body_of(api, name)
    before = sandbox.state()["credits_left"]
    task_id = send(api, name, body).raise_for_status().json()["task_id"]

    assert set(fetch(api, task_id)) == {"task_id", "status", *keys}
    assert before - sandbox.state()["credits_left"] == price
    assert api.get(f"/pro/generation/{task_id}").json() == fetch(api, task_id)


def test_version_pro_answers_a_wrong_key_without_json(api: httpx.Client) -> None:
    answer = api.post("/pro/imagine", json={"prompt": "a"}, headers={"Authorization": "x"})

    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize("name", BODIES)
def test_every_required_field_is_required(api: httpx.Client, name: str) -> None:
    body = body_of(api, name)
    optional = {"width", "mode", "duration", "generate_audio"}
    if name == "nano-banana-pro":
        optional |= {"images"}
    for field in set(body) - optional:
        answer = send(api, name, {k: v for k, v in body.items() if k != field})
        assert answer.status_code == 400, field
        assert field in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("upscale-1x", {"index": "5"}),
        ("upscale-1x", {"index": 1}),
        ("upscale-alt", {"type": "soft"}),
        ("outpaint", {"zoom_ratio": 2.5}),
        ("blend", {"image_urls": [URL]}),
        ("blend", {"image_urls": [URL] * 6}),
        ("describe", {"image_url": "no address"}),
        ("flux-imagine", {"width": 255}),
        ("flux-imagine", {"width": 256.5}),
        ("flux-imagine", {"raw": "yes"}),
        ("udio-generate", {"prompt": "x" * 2001}),
        ("kling-imagine-2-6", {"duration": 7}),
        ("kling-imagine-2-6", {"duration": "5"}),
        ("runway-imagine", {"aspect_ratio": "5:4"}),
        ("ideogram-remix", {"image_weight": 0}),
        ("seedance-imagine", {"prompt": "ab"}),
        ("pro/zoom", {"type": "3"}),
        ("imagine", {"aspect_ratio": None}),
        ("suno-imagine", {"make_instrumental": 1}),
    ],
)
def test_a_value_that_is_not_allowed_is_400_and_costs_nothing(
    sandbox: Sandbox, api: httpx.Client, name: str, wrong: dict[str, Any]
) -> None:
    body = body_of(api, name) | wrong
    before = sandbox.state()["credits_charged"]
    answer = send(api, name, body)

    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["errors"][0]["msg"]
    assert sandbox.state()["credits_charged"] == before


@pytest.mark.parametrize("name", PARENTED)
def test_a_parent_must_be_a_finished_task_of_a_fitting_kind(
    sandbox: Sandbox, api: httpx.Client, name: str
) -> None:
    body = body_of(api, name)
    source = BODIES[name]["parent_task_id"][1:]
    song = take(api, "shorten")
    sandbox.set(fail="next 1")
    failed = take(api, source) if source not in PARENTED else ""
    sandbox.set(fail="off")
    statuses = [
        send(api, name, body | {"parent_task_id": parent}).status_code
        for parent in ("unknown", song, failed, "7")
    ]

    assert statuses == [400] * 4
    assert send(api, name, body).status_code == 200


def test_a_running_parent_is_refused(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(endless="next 1")
    parent = take(api, "imagine")
    answer = send(api, "upscale-1x", {"parent_task_id": parent, "index": "1"})

    assert (answer.status_code, "not finished" in answer.text) == (400, True)


def test_songs_get_their_addresses_one_by_one(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.set(endless="next 2")
    suno, udio = fetch(api, take(api, "suno-imagine")), fetch(api, take(api, "udio-generate"))
    done = fetch(api, take(api, "suno-imagine"))

    assert [song["video_url"] for song in suno["songs"]] == [None, None]
    assert all(song["audio_url"] for song in suno["songs"])
    assert [song["audio_url"] for song in udio["songs"]] == [None, None]
    assert all(song["audio_url"] and song["video_url"] for song in done["songs"])


def test_a_song_is_extended_by_its_id(api: httpx.Client) -> None:
    songs = fetch(api, take(api, "udio-generate"))["songs"]
    body = {"prompt": "more", "continue_song_id": songs[1]["song_id"]}

    assert send(api, "udio-extend", body).status_code == 200
    assert send(api, "udio-extend", body | {"continue_song_id": "x"}).status_code == 400


def test_lyrics_have_neither_id_nor_task_type(api: httpx.Client) -> None:
    task_id = send(api, "suno-lyrics", {"prompt": "a fox"}).json()["task_id"]

    assert set(fetch(api, task_id)) == {"type", "title", "lyrics", "status"}


def test_the_description_of_a_picture_names_its_source(api: httpx.Client) -> None:
    task = fetch(api, take(api, "describe"))

    assert (task["image_url"], len(task["content"])) == (URL, 4)


def test_photos_are_uploaded_then_a_model_is_trained_and_used(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    faces = {"images": ["aa"] * 12, "ethnicity": "middle eastern", "gender": "female"}
    images = send(api, "ai-photo-upload", faces).json()["task_id"]
    training = send(api, "ai-photo-train", {"training_images_id": images}).json()["task_id"]
    body = {"training_id": training, "prompt": "on a hill", "number_of_images": "3"}
    photos = send(api, "ai-photo-generate", body).json()

    assert set(fetch(api, images)) == {"task_id", "status", "message", "expires_at"}
    assert fetch(api, training)["trigger_word"] == "TOKMSN"
    assert len(photos["image_urls"]) == 3
    assert sandbox.state()["credits_by_endpoint"] == {
        "ai-photo-upload": 2,
        "ai-photo-train": 48,
        "ai-photo-generate": 3,
    }


@pytest.mark.parametrize(
    ("path", "part", "data", "key"),
    [
        ("/upload", "image", b"\x89PNG\r\n\x1a\n and more\r\n", "imageURL"),
        ("/upload-audio", "audio", b"ID3 and more", "audioURL"),
        ("/suno-upload", "audio", b"ID3 and more", "audio_url"),
    ],
)
def test_an_uploaded_file_can_be_loaded(
    api: httpx.Client, path: str, part: str, data: bytes, key: str
) -> None:
    kept = api.post(path, files={part: ("a", data)}).raise_for_status().json()

    assert api.get(kept[key]).content == data
    assert api.post(path, files={part: ("a", b"a page")}).status_code == 400
    assert api.post(path, files={"other": ("a", data)}).status_code == 400


def test_results_of_every_kind_can_be_loaded(api: httpx.Client) -> None:
    songs = fetch(api, take(api, "suno-imagine"))["songs"]
    sounds = [api.get(song["audio_url"]).raise_for_status() for song in songs]
    clip = api.get(songs[0]["video_url"]).raise_for_status()
    picture = api.get(songs[0]["image_url"]).raise_for_status()

    assert (clip.headers["content-type"], clip.content[4:8]) == ("video/mp4", b"ftyp")
    assert read_code(picture.content) == (code_of("a song"), 1)
    assert sounds[0].content != sounds[1].content
    for sound in sounds:
        with wave.open(io.BytesIO(sound.content)) as wav:
            assert 0.3 < wav.getnframes() / wav.getframerate() < 1
    assert api.get(songs[0]["video_url"].replace("-1.", "-3.")).status_code == 404


def test_a_child_shows_its_parents_prompt(api: httpx.Client) -> None:
    upscaled = fetch(api, take(api, "upscale-1x"))["image_url"]

    assert read_code(api.get(upscaled).content) == (code_of("a fox"), 1)


def test_tasks_paid_twice_are_counted_also_without_a_prompt(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    for number in (1, 2):
        send(api, "describe", {"image_url": URL, "webhook_url": f"http://127.0.0.1:9/{number}"})
    send(api, "describe", {"image_url": URL + "?2"})
    take(api, "imagine")
    state = sandbox.state(orders=True)

    assert (state["tasks_repeated"], state["tasks_by_endpoint"]) == (
        1,
        {"describe": 3, "imagine": 1},
    )
    assert sorted(state["orders"].values()) == [1, 1, 2]
    assert sorted(state["tasks"].values()) == [1, 1, 2]
    assert state["tasks"]["a fox"] == 1


def test_faults_concern_every_submission_unless_a_path_is_given(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(error="next 1", busy="next 1 /luma*")
    statuses = [
        send(api, name, BODIES[name]).status_code
        for name in ("describe", "describe", "imagine", "luma-imagine")
    ]

    assert statuses == [500, 200, 200, 429]


def test_failed_tasks_are_refunded_if_that_is_switched_on(
    sandbox: Sandbox, api: httpx.Client
) -> None:
    sandbox.set(credits=100, refunds="all", fail="next 1", surcharge=3)
    take(api, "imagine")
    state = sandbox.state()

    assert (state["credits_charged"], state["credits_refunded"], state["credits_left"]) == (
        7,
        7,
        100,
    )
