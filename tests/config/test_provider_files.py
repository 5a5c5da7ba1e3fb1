"""The provider files that come with the program: complete, and true to what is known of the APIs.

What is known of Apiframe's requests is in the tables of the sandbox, which were made from the
vendor's pages and its OpenAPI file.
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.api.fields import fields_of, price_of, problems_with
from pipeline.core.api.provider import Endpoint, Provider
from pipeline.sandbox import shapes
from pipeline.sandbox.v1.endpoints import endpoints as v1_endpoints
from pipeline.sandbox.v2.shapes import body_problems, models, table
from tests.config import apiframe_v2
from tests.config.filling import PARENT, choices, sent, ways
from tests.fakes.cases import each

ROOT = Path(__file__).parents[2]
FILES = ROOT / "configs/providers"
NAMES = sorted(one.stem for one in FILES.glob("*.toml") if one.stem != "apiframe")
#: Endpoints without a known price: nothing is sent to them until the configuration has one.
UNPRICED = {
    "apiframe-v1": {
        *("imagine-video", "imagine-video-extend", "kling-imagine", "kling-tryon"),
        *("nano-banana", "nano-banana-pro"),
        *("pro-vary", "pro-variations", "pro-upscale", "pro-zoom", "pro-pan", "pro-seed"),
    },
    # Their prices come from the API's public list of models.
    "apiframe-v2": {
        *(
            "flux",
            "ideogram",
            "nano-banana",
            "seedream",
            "kling",
            "veo",
            "seedance",
            "luma",
            "runway",
        ),
        *("image", "image-upscale", "image-edit", "background-remove"),
        *("video", "video-upscale", "video-edit", "music"),
    },
    "leonardo": {"phoenix", "image_to_video", "video"},
}
#: Endpoints of Apiframe that are in no provider file, and why.
LEFT_OUT = {
    "ai-photo-upload": "takes a list of files",
    "suno-upload": "is an upload",
}
#: Paths of version 2 that create something and are in no provider file, and why.
LEFT_OUT_PATHS = {
    "/v2/assets/create": "registers a file; it makes nothing",
    "/v2/loras": "takes a list of files",
    "/v2/uploads": "is an upload",
}
#: Fields of version 1 that are not in its file, and why.
LEFT_OUT_FIELDS = {
    ("upscale-highres", "parent_task_id"): "the address of the parent's picture is sent instead",
    ("upscale-highres", "index"): "chooses the picture of the parent whose address is sent",
    ("variations", "prompt"): "in an older copy of the page only",
    ("variations", "aspect_ratio"): "in an older copy of the page only",
    ("pro-imagine", "aspect_ratio"): "goes into the prompt",
}


@cache
def provider_of(name: str) -> Provider:
    return read_provider(name, None, FILES, FILES)


V1, V2 = provider_of("apiframe-v1"), provider_of("apiframe-v2")
EVERY = [(name, each) for name in NAMES for each in provider_of(name).endpoints]


def endpoint_of(name: str, endpoint: str) -> Endpoint:
    return provider_of(name).endpoints[endpoint]


def test_a_file_is_read_again_after_a_change_and_only_then(tmp_path: Path) -> None:
    text = (FILES / "apiframe-v1.toml").read_text("utf-8")
    address = V1.base_url
    own = tmp_path / "apiframe-v1.toml"
    own.write_text(text, "utf-8")
    first, second = (read_provider("apiframe-v1", None, tmp_path, FILES) for _ in range(2))
    own.write_text(text.replace(address, "https://other.example"), "utf-8")
    third = read_provider("apiframe-v1", None, tmp_path, FILES)

    assert first is second
    assert (first.base_url, third.base_url) == (address, "https://other.example")


@each(("name", "endpoint"), EVERY)
def test_an_endpoint_says_what_it_gives_and_where_the_result_is(name: str, endpoint: str) -> None:
    one = endpoint_of(name, endpoint)

    assert one.about
    assert bool(one.text) == (one.kind == "text")
    assert bool(one.urls) == (one.kind != "text")
    assert one.columns or one.takes_parent


@each("name", NAMES)
def test_endpoints_without_a_price_are_known(name: str) -> None:
    unpriced = {
        each
        for each, one in provider_of(name).endpoints.items()
        if any(price_of(one, row) is None for row in ways(one))
    }

    assert unpriced == UNPRICED.get(name, set())


@each(("name", "endpoint"), EVERY)
def test_a_row_with_every_field_filled_has_no_problems(name: str, endpoint: str) -> None:
    one = endpoint_of(name, endpoint)
    rows = list(ways(one))

    assert rows
    for row in rows:
        assert problems_with(one, row, has_parent=True) == []


def test_every_endpoint_of_versions_1_and_pro_is_in_the_file_or_left_out_for_a_reason() -> None:
    known = {name.replace("/", "-") for name in v1_endpoints()}

    assert known == V1.endpoints.keys() | LEFT_OUT.keys()
    assert not V1.endpoints.keys() & LEFT_OUT.keys()


@each("endpoint", V1.endpoints)
def test_the_fields_of_version_1_are_those_of_its_pages(endpoint: str) -> None:
    one = V1.endpoints[endpoint]
    known = v1_endpoints()[one.path.removeprefix("/")]
    shape = {**known.shape, "additionalProperties": False}
    left_out = {field for name, field in LEFT_OUT_FIELDS if name == endpoint}
    hooks = {"webhook_url", "webhook_secret"}
    reached = {path for row in ways(one) for path in sent(one, row)}

    assert reached == shape["properties"].keys() - hooks - left_out
    assert one.webhook == (hooks <= shape["properties"].keys()) or endpoint == "nano-banana-pro"
    for row in ways(one):
        assert shapes.problems(shape, sent(one, row)) == []


@each("endpoint", V1.endpoints)
def test_the_allowed_values_of_version_1_are_those_of_its_pages(endpoint: str) -> None:
    one = V1.endpoints[endpoint]
    known = v1_endpoints()[one.path.removeprefix("/")].shape

    for path, shape in known["properties"].items():
        values = {str(body[path]) for row in ways(one) if path in (body := sent(one, row))}
        if "enum" in shape and values:
            assert values == set(map(str, shape["enum"])), path
        for limit in ("minimum", "maximum"):
            if limit in shape and values:
                assert f"{shape[limit]:g}" in {f"{float(value):g}" for value in values}, path


@each("endpoint", V1.endpoints)
def test_a_row_of_version_1_without_a_required_field_is_stopped_before_it_is_sent(
    endpoint: str,
) -> None:
    one = V1.endpoints[endpoint]
    required = set(v1_endpoints()[one.path.removeprefix("/")].shape["required"])
    needed = {
        field.to or name
        for name, field in one.fields.items()
        if field.required or any(each.required for each in field.variants)
    }

    assert required <= needed
    if needed:
        assert problems_with(one, {})


@each(
    ("row", "price"),
    [
        ({"model": "seedance-1.5-pro", "resolution": "480p", "duration": "4"}, 4),
        ({"model": "seedance-1.5-pro", "resolution": "1080p", "duration": "12"}, 48),
        ({"model": "seedance-2", "resolution": "720p", "duration": "12"}, 180),
        ({"model": "seedance-2-fast", "resolution": "480p", "duration": "8"}, 48),
        (
            {
                "model": "seedance-2",
                "resolution": "480p",
                "duration": "8",
                "generate_audio": "TRUE",
            },
            112,
        ),
    ],
)
def test_a_seedance_video_costs_what_the_page_lists(row: dict[str, str], price: int) -> None:
    assert price_of(V1.endpoints["seedance-imagine"], row) == price


@each(
    ("endpoint", "row", "price"),
    [
        ("imagine", {}, 4),
        ("upscale-highres", {"type": "2x"}, 1),
        ("upscale-highres", {"type": "4x"}, 2),
        ("kling-imagine-2-6", {"duration": "5"}, 10),
        ("kling-imagine-2-6", {"duration": "10", "generate_audio": "yes"}, 40),
        ("ai-photo-generate", {"number_of_images": "3"}, 3),
        ("pro-imagine", {"mode": "fast"}, 6),
        ("pro-imagine", {}, 10),
    ],
)
def test_prices_of_version_1_are_those_of_its_list(
    endpoint: str, row: dict[str, str], price: int
) -> None:
    assert price_of(V1.endpoints[endpoint], row) == price


def test_a_follow_up_sends_what_it_takes_of_its_parent() -> None:
    task = PARENT.task_id

    assert sent(V1.endpoints["upscale-1x"], {"index": "2"}) == {
        "parent_task_id": task,
        "index": "2",
    }
    assert sent(V1.endpoints["pro-seed"], {}) == {"task_id": task}
    assert sent(V1.endpoints["suno-extend"], {}) == {"parent_task_id": task, "song_id": "track-1"}
    assert sent(V1.endpoints["describe"], {"index": "1"}) == {"image_url": PARENT.urls[0]}


def test_every_path_of_version_2_is_in_the_file_or_left_out_for_a_reason() -> None:
    reached = {f"/v2{one.path}" for one in V2.endpoints.values()}
    known = {path for path, each in table().items() if "body" in each}

    assert reached | LEFT_OUT_PATHS.keys() == known
    assert not reached & LEFT_OUT_PATHS.keys()


def test_the_general_endpoints_of_version_2_are_as_the_vendors_table_says() -> None:
    text = apiframe_v2.FILE.read_text("utf-8")

    assert apiframe_v2.written(text) == text


@each(("endpoint", "path"), apiframe_v2.PATHS.items())
def test_every_model_of_version_2_can_be_asked_for_or_is_known_to_have_ended(
    endpoint: str, path: str
) -> None:
    one = V2.endpoints[endpoint]
    asked = {body["model"] for row in ways(one) if (body := sent(one, row))}

    ends = apiframe_v2.ENDED | apiframe_v2.ENDING

    assert asked | ends.keys() >= set(models(path))
    assert not asked & ends.keys()
    assert len(models("/v2/images/generate")) == 51
    assert len(models("/v2/videos/generate")) == 41
    assert len(models("/v2/music/generate")) == 7


@each("endpoint", V2.endpoints)
def test_version_2_accepts_a_row_with_every_field_filled(endpoint: str) -> None:
    one = V2.endpoints[endpoint]

    for row in ways(one):
        assert body_problems(f"/v2{one.path}", sent(one, row)) == [], row


@each("endpoint", apiframe_v2.PATHS)
def test_a_model_of_version_2_can_be_given_every_parameter(endpoint: str) -> None:
    one = V2.endpoints[endpoint]

    for choice in choices(one):
        model = choice or str(one.send["model"])
        known = {path for path, _, _ in apiframe_v2.paths_of(endpoint, model)}
        given = {one.select: choice} if choice else {}
        reached = {
            each.to or name
            for name, each in fields_of(one, given).items()
            if each.send and name != "model"
        }
        assert reached == known


@each("endpoint", V2.endpoints)
def test_version_2_refuses_no_row_that_only_has_what_is_required(endpoint: str) -> None:
    one = V2.endpoints[endpoint]

    for row in ways(one):
        there = fields_of(one, row)
        needed = {n: text for n, text in row.items() if there[n].required or n == one.select}
        assert problems_with(one, needed, has_parent=True) == []
        assert body_problems(f"/v2{one.path}", sent(one, needed)) == []


def test_a_follow_up_of_version_2_sends_what_it_takes_of_its_parent() -> None:
    task, picture = PARENT.task_id, PARENT.urls[0]

    assert sent(V2.endpoints["upscale"], {"index": "2"}) == {
        "action": "upsample",
        "parentJobId": task,
        "index": 2,
    }
    assert sent(V2.endpoints["kling"], {"prompt": "a fox runs"}) == {
        "model": "kling-3.0",
        "prompt": "a fox runs",
        "klingParams": {"start_image": picture},
    }
    assert sent(V2.endpoints["image"], {"model": "nano-banana-pro", "prompt": "blue"}) == {
        "model": "nano-banana-pro",
        "prompt": "blue",
        "nanoBananaParams": {"image_input": [picture]},
    }


@each("endpoint", V2.endpoints)
def test_at_most_one_field_of_version_2_takes_the_result_of_a_parent(endpoint: str) -> None:
    one = V2.endpoints[endpoint]

    for choice in choices(one):
        given = {one.select: choice} if choice else {}
        there = fields_of(one, given).values()
        assert sum(each.parent in ("url", "id") for each in there) <= 1, choice


def test_a_model_that_ended_is_refused_with_the_day_and_others_to_choose() -> None:
    row = {"model": "sora-2", "prompt": "a fox runs"}

    assert problems_with(V2.endpoints["video"], row)[0].startswith(
        '"sora-2" ended on 2026-09-24: choose another model, such as '
    )


def test_a_model_of_version_2_works_until_the_day_on_which_it_ends() -> None:
    row = {"model": "gpt-image-1.5", "prompt": "a fox"}
    one = V2.endpoints["image"]

    assert problems_with(one, row, today=date(2026, 11, 30)) == []
    assert problems_with(one, row, today=date(2026, 12, 1))[0].startswith(
        '"gpt-image-1.5" ended on 2026-12-01: choose another model, such as '
    )


def test_the_shots_of_a_video_are_written_one_on_each_line() -> None:
    row = {"model": "kling-3.0-omni", "prompt": "a fox", "multi_prompt": "5s: it runs\n 3 S : stop"}
    body = sent(V2.endpoints["video"], row)

    assert body["klingParams"]["multi_prompt"] == [  # type: ignore[index]
        {"duration": 5, "prompt": "it runs"},
        {"duration": 3, "prompt": "stop"},
    ]
    assert problems_with(V2.endpoints["video"], row) == []
    assert body_problems("/v2/videos/generate", body) == []
    # kling-3.0 wants the same as JSON in a text.
    body = sent(V2.endpoints["video"], {**row, "model": "kling-3.0"})
    assert json.loads(body["klingParams"]["multi_prompt"])[1] == {  # type: ignore[index]
        "duration": 3,
        "prompt": "stop",
    }


def test_a_parameter_of_another_model_is_a_problem_of_the_row() -> None:
    row = {"model": "midjourney", "prompt": "a fox", "quality": "low"}

    assert problems_with(V2.endpoints["image"], row) == [
        "midjourney has no quality; it is for gpt-image-2, gpt-image-1.5: clear that cell"
    ]


@each(
    ("endpoint", "row", "price"),
    [
        ("imagine", {}, 16),
        ("upscale", {}, 4),
        ("vary", {}, 16),
        ("lora", {"number_of_images": "3"}, 6),
        ("gpt-image", {"quality": "low", "number_of_images": "10"}, 40),
        ("gpt-image", {"quality": "auto"}, 23),
        ("image", {"model": "gpt-image-2", "quality": "Medium", "number_of_images": "2"}, 18),
        ("image", {"model": "midjourney"}, 16),
        ("image", {"model": "seedream-4"}, None),
        ("suno", {}, 11),
        ("music", {"model": "suno"}, 11),
        ("suno-stems", {}, 11),
    ],
)
def test_prices_of_version_2_are_those_of_its_pages(
    endpoint: str, row: dict[str, str], price: int | None
) -> None:
    assert price_of(V2.endpoints[endpoint], row) == price


@each("name", NAMES)
def test_the_page_about_vendors_names_every_endpoint(name: str) -> None:
    page = (ROOT / "docs/how-to/providers.md").read_text("utf-8")

    assert [each for each in provider_of(name).endpoints if f"`{each}`" not in page] == []
