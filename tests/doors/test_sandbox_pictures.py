"""A test can read from the pixels which prompt a picture belongs to."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from PIL import Image

from pipeline.sandbox import pictures, running
from pipeline.sandbox.pictures import code_of, drawable, read_code

PROMPTS = [
    "a fox",
    "",
    "日本の港 🦊",
    "line\nbreak\tand \x00 more",
    "=cmd()",
    "long " * 400,
    "\ud800",
]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("plain", [False, True])
def test_every_picture_carries_its_prompts_code_and_its_number(prompt: str, plain: bool) -> None:
    drawn = [pictures.draw(prompt, "1:1", 1, index, plain=plain) for index in range(5)]

    assert [read_code(png) for png in drawn] == [(code_of(prompt), index) for index in range(5)]
    assert len(set(drawn)) == 5


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("1:1", (384, 384)), ("16:9", (512, 288)), ("9:16", (288, 512)), ("1:3", (256, 768)),
     ("100:1", (1024, 256))],
)  # fmt: skip
def test_the_aspect_ratio_is_honoured(ratio: str, size: tuple[int, int]) -> None:
    for index in (0, 1):
        png = pictures.draw("a fox", ratio, 1, index)
        with Image.open(BytesIO(png)) as picture:
            assert picture.size == size
        assert read_code(png) == (code_of("a fox"), index)


def test_a_picture_bears_its_words_in_letters_that_the_font_has() -> None:
    assert drawable("Grüntöne, groß,\n déjà  vu") == "Gruntone, gross, deja vu"


def test_a_second_task_of_a_prompt_has_other_pictures_and_a_second_look_has_the_same() -> None:
    first, second = (pictures.draw("a fox", "1:1", number, 1) for number in (1, 2))
    pictures.draw.cache_clear()

    assert first == pictures.draw("a fox", "1:1", 1, 1) != second
    assert read_code(first) == read_code(second)


def test_a_picture_of_another_hand_has_no_code() -> None:
    other = BytesIO()
    Image.new("RGB", (384, 384), "teal").save(other, "PNG")
    small = BytesIO()
    Image.new("RGB", (8, 8), "teal").save(small, "PNG")

    for png in (other, small):
        with pytest.raises(ValueError, match="no code in this picture"):
            read_code(png.getvalue())


def test_the_links_of_a_task_lead_to_its_own_pictures() -> None:
    with (
        running("k", task_seconds=0) as sandbox,
        httpx.Client(base_url=sandbox.url, headers={"Authorization": "k"}, trust_env=False) as api,
    ):
        for prompt in ("a fox", "an owl"):
            sent = {"prompt": prompt, "aspect_ratio": "3:2"}
            task = api.post("/fetch", json=api.post("/imagine", json=sent).json()).json()
            links = [task["original_image_url"], *task["image_urls"]]
            codes = [read_code(api.get(link).raise_for_status().content) for link in links]

            assert codes == [(code_of(prompt), index) for index in range(5)]
