"""The shape that a row asked for, and which pictures have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config.provider_files import read_provider
from pipeline.core.messages.picture_notes import about
from pipeline.core.picture_findings import NONE, Findings, Size
from pipeline.core.pictures.shapes import asked_shape
from tests.fakes.cases import each

PROVIDERS = Path(__file__).parents[3] / "configs" / "providers"


def asked(provider: str, endpoint: str, body: dict[str, Any]) -> str:
    """What a request asks for, in words; empty for nothing that is known."""
    its = read_provider(provider, None, Path(), PROVIDERS).endpoints[endpoint]
    shape = asked_shape(its, body)
    return shape.words if shape else ""


@each(
    ("provider", "endpoint", "body", "words"),
    [
        ("apiframe-v1", "imagine", {"prompt": "a fox", "aspect_ratio": "16:9"}, "16:9"),
        ("apiframe-v1", "imagine", {"prompt": "a fox"}, ""),
        ("apiframe-v1", "imagine", {"prompt": "a fox --ar 3:2 --v 7"}, "3:2"),
        ("apiframe-v1", "imagine", {"prompt": "a fox --ar 3:2", "aspect_ratio": "1:1"}, ""),
        ("apiframe-v1", "ideogram-imagine", {"aspect_ratio": "ASPECT_16_9"}, "16:9"),
        ("apiframe-v1", "ideogram-imagine", {"resolution": "RESOLUTION_512_1536"}, "512 x 1536"),
        ("apiframe-v1", "flux-imagine", {"width": 1024, "height": 768}, "1024 x 768"),
        ("apiframe-v1", "flux-imagine", {"width": 1024}, "a width of 1024"),
        ("apiframe-v1", "blend", {"dimension": "portrait"}, "portrait"),
        ("apiframe-v1", "nano-banana", {"aspect_ratio": "match_input_image"}, ""),
        ("apiframe-v1", "nano-banana-pro", {"resolution": "2K"}, ""),
        ("apiframe-v1", "kling-imagine", {"aspect_ratio": "16:9"}, ""),  # a video
        ("apiframe-v2", "image", {"seedreamParams": {"size": "2048x1024"}}, "2048 x 1024"),
        ("apiframe-v2", "image", {"fluxParams": {"width": 512, "height": 512}}, "512 x 512"),
        ("piapi", "flux-dev", {"input": {"width": 512, "height": 1024}}, "512 x 1024"),
        ("runway", "image", {"ratio": "1920:1080"}, "1920 x 1080"),
    ],
)
def test_the_fields_of_an_endpoint_say_which_shape_was_asked_for(
    provider: str, endpoint: str, body: dict[str, Any], words: str
) -> None:
    assert asked(provider, endpoint, body) == words


@each(
    ("ratio", "size", "fits"),
    [
        # What vendors make of it.
        ("16:9", (1456, 816), True),
        ("16:9", (1344, 768), True),
        ("16:9", (1408, 768), True),
        ("4:3", (1280, 896), True),
        ("21:9", (1536, 640), True),
        ("2:3", (832, 1216), True),
        ("1:1", (1024, 1024), True),
        # Something else.
        ("16:9", (1024, 1024), False),
        ("16:9", (816, 1456), False),
        ("3:2", (1024, 768), False),
        ("1:1", (1152, 896), False),
        ("9:16", (832, 1216), False),
    ],
)
def test_the_rounding_of_vendors_is_no_other_ratio(
    ratio: str, size: tuple[int, int], fits: bool
) -> None:
    endpoint = read_provider("apiframe-v1", None, Path(), PROVIDERS).endpoints["imagine"]
    shape = asked_shape(endpoint, {"aspect_ratio": ratio})

    assert shape
    assert shape.fits(Size(*size)) is fits


@each(
    ("size", "fits"),
    [((1000, 700), True), ((1024, 704), True), ((1024, 1024), False), ((500, 350), False)],
)
def test_sides_in_pixels_may_be_rounded(size: tuple[int, int], fits: bool) -> None:
    endpoint = read_provider("bfl", None, Path(), PROVIDERS).endpoints["flux-pro"]
    shape = asked_shape(endpoint, {"width": 1000, "height": 700})

    assert shape
    assert shape.fits(Size(*size)) is fits


def test_findings_come_back_from_the_store_as_they_were() -> None:
    found = Findings("blank", "1024 x 768", "1:1", "that of take 1")

    assert Findings.from_text(found.to_text()) == found
    assert (NONE.to_text(), Findings.from_text("")) == ("", NONE)


def test_a_note_names_the_pictures_with_one_trouble_together() -> None:
    found = {
        1: Findings("blank"),
        2: Findings("damaged"),
        3: Findings("blank", "512 x 512", "16:9"),
    }

    assert about(found, 4, "Apiframe", "put 2 in the take column") == (
        "Picture 2 of 4 is damaged: ask Apiframe for a refund, and put 2 in the take column to pay "
        "for another. Pictures 1 and 3 of 4 are blank: ask Apiframe for a refund, and put 2 in the "
        "take column to pay for another. Picture 3 of 4 has 512 x 512 pixels, but the row asked "
        "for 16:9: check its cells; to pay for another, put 2 in the take column."
    )
