"""The provider files that come with the program: complete, and true to what is known of the APIs.

What is known of Apiframe's requests is in the tables of the sandbox, which were made from the
vendor's pages and its OpenAPI file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.fields import price_of, problems_with
from pipeline.core.provider import Endpoint, Provider
from pipeline.sandbox import shapes
from pipeline.sandbox.v1.endpoints import endpoints as v1_endpoints
from tests.config.filling import PARENT, sent, ways

FILES = Path(__file__).parents[2] / "configs/providers"
NAMES = sorted(one.stem for one in FILES.glob("*.toml") if one.stem != "apiframe")
#: Endpoints without a known price: nothing is sent to them until the configuration has one.
UNPRICED = {
    "apiframe-v1": {
        *("imagine-video", "imagine-video-extend", "kling-imagine", "kling-tryon"),
        *("nano-banana", "nano-banana-pro"),
        *("pro-vary", "pro-variations", "pro-upscale", "pro-zoom", "pro-pan", "pro-seed"),
    },
    "leonardo": {"phoenix", "image_to_video", "video"},
}
#: Endpoints of Apiframe that are in no provider file, and why.
LEFT_OUT = {
    "ai-photo-upload": "takes a list of files",
    "suno-upload": "is an upload",
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


V1 = provider_of("apiframe-v1")
EVERY = [(name, each) for name in NAMES for each in provider_of(name).endpoints]


def endpoint_of(name: str, endpoint: str) -> Endpoint:
    return provider_of(name).endpoints[endpoint]


@pytest.mark.parametrize(("name", "endpoint"), EVERY)
def test_an_endpoint_says_what_it_gives_and_where_the_result_is(name: str, endpoint: str) -> None:
    one = endpoint_of(name, endpoint)

    assert one.about
    assert bool(one.text) == (one.kind == "text")
    assert bool(one.urls) == (one.kind != "text")
    assert one.columns or one.takes_parent


@pytest.mark.parametrize("name", NAMES)
def test_endpoints_without_a_price_are_known(name: str) -> None:
    unpriced = {
        each
        for each, one in provider_of(name).endpoints.items()
        if any(price_of(one, row) is None for row in ways(one))
    }

    assert unpriced == UNPRICED.get(name, set())


@pytest.mark.parametrize(("name", "endpoint"), EVERY)
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


@pytest.mark.parametrize("endpoint", V1.endpoints)
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


@pytest.mark.parametrize("endpoint", V1.endpoints)
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


@pytest.mark.parametrize("endpoint", V1.endpoints)
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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
