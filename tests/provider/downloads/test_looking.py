"""Looking at pictures: damaged, blank, or fine, in every format and at a low price."""

from __future__ import annotations

import io
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipeline.core.picture_findings import SeenPicture, Size
from pipeline.provider.downloads.looking import looked_at

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {}),
    "jpg": ("JPEG", {"quality": 90}),
    "webp": ("WEBP", {"quality": 85}),
    "avif": ("AVIF", {}),
    "gif": ("GIF", {}),
}
SIDE = 512


def photo(side: int = SIDE) -> Image.Image:
    """Something like a photo: soft colours and grain."""
    soft = Image.effect_noise((side // 16, side // 16), 90).resize((side, side)).convert("RGB")
    return Image.blend(soft, Image.effect_noise((side, side), 40).convert("RGB"), 0.3)


def product() -> Image.Image:
    """A small thing at the bottom of a white page."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    picture.paste(photo(96), (SIDE - 96, SIDE - 96))
    return picture


def line() -> Image.Image:
    """A thin line on white."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(picture).line((20, 480, 490, 470), fill="black", width=2)
    return picture


def dots() -> Image.Image:
    """A white page with hardly visible grain."""
    grain = Image.effect_noise((SIDE, SIDE), 1.2)
    return Image.blend(Image.new("L", (SIDE, SIDE), 250), grain, 0.4).convert("RGB")


def seen(
    folder: Path, picture: Image.Image, ending: str, part: float = 1.0, **more: Any
) -> SeenPicture:
    """What is seen of a picture in this format, of which only this part arrived."""
    content, file = io.BytesIO(), folder / f"picture.{ending}"
    kind, options = FORMATS[ending]
    picture.save(content, kind, **{**options, **more})
    data = content.getvalue()
    file.write_bytes(data[: int(len(data) * part)])
    return looked_at(file, ending)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_picture_that_shows_something_is_fine(tmp_path: Path, ending: str) -> None:
    for picture in (photo(), product(), line()):
        assert seen(tmp_path, picture, ending) == SeenPicture(Size(SIDE, SIDE))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_page_of_one_colour_is_blank_also_with_grain_that_no_one_sees(
    tmp_path: Path, ending: str
) -> None:
    for picture in (Image.new("RGB", (SIDE, SIDE), "white"), Image.new("RGB", (3, 2), "black")):
        assert seen(tmp_path, picture, ending) == SeenPicture(Size(*picture.size), "blank")
    if ending != "gif":  # its 256 colours hold no such grain
        assert seen(tmp_path, dots(), ending).look == "blank"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("part", [0.98, 0.6, 0.1])
def test_a_file_that_ends_too_early_is_damaged(tmp_path: Path, ending: str, part: float) -> None:
    assert seen(tmp_path, photo(), ending, part).look == "damaged"


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_a_picture_that_is_transparent_all_over_is_blank_and_a_cut_out_is_not(
    tmp_path: Path, ending: str
) -> None:
    hidden = photo().convert("RGBA")
    hidden.putalpha(0)
    cut_out = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    cut_out.paste((0, 0, 0, 255), (100, 300, 400, 500))

    assert seen(tmp_path, hidden, ending).look == "blank"
    assert seen(tmp_path, cut_out, ending).look == ""


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "RGBA", "LA"])
def test_every_kind_of_png_is_looked_at(tmp_path: Path, mode: str) -> None:
    picture = photo().convert("L")
    if mode == "I;16":
        bright = (
            min(value * 200 + 5000, 65535).to_bytes(2, "little") for value in picture.tobytes()
        )
        picture = Image.frombytes("I;16", picture.size, b"".join(bright))
    else:
        picture = picture.convert(mode)

    assert seen(tmp_path, picture, "png").look == ""
    assert seen(tmp_path, picture, "png", 0.9).look == "damaged"


def png(lines: list[bytes], width: int) -> bytes:
    """A grey PNG of these lines, each with its filter before it."""
    content = io.BytesIO()
    Image.new("L", (width, len(lines))).save(content, "PNG")
    data = content.getvalue()
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    packed = b"IDAT" + zlib.compress(b"".join(lines))
    check = zlib.crc32(packed).to_bytes(4, "big")
    return data[:start] + (len(packed) - 4).to_bytes(4, "big") + packed + check + data[end:]


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_rows_of_the_same_bytes_are_blank_only_if_they_look_the_same(
    tmp_path: Path, kind: int
) -> None:
    file, side = tmp_path / "picture.png", 256
    first = bytes([0]) + bytes([200]) * side
    same = {0: bytes([200]) * side, 1: bytes([200]) + bytes(side - 1)}.get(kind, bytes(side))
    darker = bytes([254 if kind == 2 else 90]) * side

    def look(*lines: bytes) -> str:
        file.write_bytes(png([first, *lines], side))
        return looked_at(file, "png").look

    row = bytes([kind]) + same
    assert look(*[row] * (side - 1)) == "blank"
    # One line of another colour far below.
    black = bytes([0]) * (side + 1)
    assert look(*[row] * 200, black, first, *[row] * 53) == ""
    # The rows have the same bytes, and make a picture: with `Up` each is darker than the one above.
    if kind:
        assert look(*[bytes([kind]) + darker] * (side - 1)) == ""


def test_one_wrong_bit_of_a_png_is_found(tmp_path: Path) -> None:
    content = io.BytesIO()
    photo().save(content, "PNG")
    data = bytearray(content.getvalue())
    data[len(data) // 2] ^= 1
    file = tmp_path / "picture.png"
    file.write_bytes(data)

    assert looked_at(file, "png").look == "damaged"


def test_what_is_no_picture_is_damaged_and_a_huge_one_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 1000)
    assert looked_at(file, "png") == SeenPicture(None, "damaged")

    content = io.BytesIO()
    Image.new("1", (8000, 8000)).save(content, "PNG")
    file.write_bytes(content.getvalue())
    assert looked_at(file, "png") == SeenPicture(Size(8000, 8000))


def test_a_megabyte_costs_little(tmp_path: Path) -> None:
    for ending in ("png", "jpg", "webp"):
        content, file = io.BytesIO(), tmp_path / f"picture.{ending}"
        kind, options = FORMATS[ending]
        photo(1024).save(content, kind, **options)
        file.write_bytes(content.getvalue())
        costs = []
        for _ in range(3):
            began = time.thread_time()
            assert looked_at(file, ending).look == ""
            costs.append(time.thread_time() - began)
        megabytes = max(1.0, len(content.getvalue()) / 1e6)
        print(f"{ending}: {min(costs) * 1000 / megabytes:.1f} ms for a megabyte")
        assert min(costs) / megabytes < 0.045  # 15 ms on a machine of its own
