"""Stand-in pictures: a test can read which prompt one belongs to, and people see what they are."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageOps

from pipeline.sandbox import pictures, running
from pipeline.sandbox.pictures import code_of, drawable, read_code
from tests.fakes.cases import each

PROMPTS = [
    "a fox",
    "",
    "日本の港 🦊",
    "line\nbreak\tand \x00 more",
    "=cmd()",
    "long " * 400,
    "\ud800",
]


@each("prompt", PROMPTS)
@each("plain", [False, True])
def test_every_picture_has_its_prompts_code_and_its_number(prompt: str, plain: bool) -> None:
    drawn = [pictures.draw(prompt, "1:1", 1, index, plain=plain) for index in range(5)]

    assert [read_code(png) for png in drawn] == [(code_of(prompt), index) for index in range(5)]
    assert len(set(drawn)) == 5


@each(
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


def test_a_picture_shows_its_words_in_letters_that_the_font_has() -> None:
    assert drawable("Grüntöne, groß,\n déjà  vu") == "Gruntone, gross, deja vu"


def test_every_picture_is_labelled_and_has_no_strip_of_blocks() -> None:
    for prompt, index in (("a fox", 1), ("a fox", 0), ("日本の港", 4)):
        with Image.open(BytesIO(pictures.draw(prompt, "3:2", 1, index))) as picture:
            # A square of the middle: what is left where a page cuts pictures to one shape.
            square = ImageOps.fit(picture.convert("L"), (picture.height, picture.height))
            left, top = square.width // 2 - 46, round(square.height * 0.16)
            label = square.crop((left, top, left + 92, top + 15))
            edge = picture.convert("RGB").crop((0, picture.height - 8, 256, picture.height))
        darkest, lightest = label.getextrema()
        assert isinstance(darkest, int | float)
        assert isinstance(lightest, int | float)
        assert lightest > 220  # white letters
        assert darkest < 150  # on a dark ground
        blocks = [edge.resize((32, 1), Image.Resampling.BOX).getpixel((n, 0)) for n in range(32)]
        jumps = [
            max(abs(a - b) for a, b in zip(one, other, strict=True))
            for one, other in pairwise(blocks)
            if isinstance(one, tuple) and isinstance(other, tuple)
        ]
        assert len(jumps) == 31
        assert max(jumps) < 100


@each("prompt", ["a fox", "an owl", "a heron", "Ramen bowl", "日本の港"])
def test_the_pictures_of_the_next_task_look_different(prompt: str) -> None:
    for number in range(1, 9):
        colours = []
        for task in (number, number + 1):
            with Image.open(BytesIO(pictures.draw(prompt, "1:1", task, 1))) as picture:
                small = picture.convert("RGB").resize((8, 8), Image.Resampling.BOX)
            colours.append(list(small.tobytes()))
        differences = [abs(a - b) for a, b in zip(*colours, strict=True)]
        assert sum(differences) / len(differences) > 12


def test_a_second_task_of_a_prompt_has_other_pictures_and_a_second_look_has_the_same() -> None:
    first, second = (pictures.draw("a fox", "1:1", number, 1) for number in (1, 2))
    pictures.draw.cache_clear()

    assert first == pictures.draw("a fox", "1:1", 1, 1) != second
    assert read_code(first) == read_code(second)


def test_a_picture_that_is_not_the_sandboxs_has_no_code() -> None:
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


def test_a_sandbox_with_a_memory_has_the_pictures_of_an_earlier_one(tmp_path: Path) -> None:
    memory, sent = tmp_path / "tasks.json", {"prompt": "a fox", "aspect_ratio": "1:1"}

    def task_of(url: str) -> tuple[str, bytes]:
        with httpx.Client(base_url=url, headers={"Authorization": "k"}, trust_env=False) as api:
            task = api.post("/fetch", json=api.post("/imagine", json=sent).json()).json()
            return task["image_urls"][0], api.get(task["image_urls"][0]).content

    with running("k", remember=memory, task_seconds=0) as sandbox:
        link, first = task_of(sandbox.url)
    with running("k", remember=memory, task_seconds=0) as sandbox:
        again = httpx.get(link, trust_env=False).raise_for_status().content
        _, second = task_of(sandbox.url)
        taken = sandbox.state()["tasks"]
    memory.write_text("[damaged")
    with running("k", remember=memory, task_seconds=0) as sandbox:
        _, afresh = task_of(sandbox.url)

    assert again == first == afresh != second
    assert second == pictures.draw("a fox", "1:1", 2, 1)
    assert taken == {"a fox": 1}
