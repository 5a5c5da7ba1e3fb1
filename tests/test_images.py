"""Safe opening of pictures: no bomb, no link, no pipe, from many threads at once."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pipeline.images import MOST_PIXELS, NoPicture, opened_picture, scaled, size_of


def png_of(width: int, height: int, folder: Path) -> Path:
    """A PNG of a few bytes that claims this size; its pixels are missing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path = folder / f"{width}x{height}.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def whole(folder: Path, side: int = 900) -> Path:
    path = folder / "whole.png"
    Image.new("RGB", (side, side // 2), "teal").save(path)
    return path


@pytest.mark.parametrize("size", [(8192, 8193), (100_000, 1000), (65_500, 65_500)])
def test_a_picture_with_too_many_pixels_is_never_decoded(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    bomb = png_of(*size, tmp_path)

    assert scaled(bomb, 100) is None
    assert size_of(bomb) == (0, 0)
    with pytest.raises(NoPicture, match=r"too many|exceeds"), opened_picture(bomb):
        pass


def test_the_size_of_the_largest_allowed_picture_is_read(tmp_path: Path) -> None:
    assert MOST_PIXELS == 8192 * 8192
    assert size_of(png_of(8192, 8192, tmp_path)) == (8192, 8192)


def test_a_picture_becomes_a_small_webp(tmp_path: Path) -> None:
    small = scaled(whole(tmp_path), 300)

    assert small is not None
    content, width, height = small
    with Image.open(BytesIO(content)) as picture:
        assert (picture.format, picture.size, (width, height)) == ("WEBP", (300, 150), (300, 150))


def test_many_threads_recognise_bombs_without_changing_the_warning_filters(
    tmp_path: Path,
) -> None:
    """Pillow warns of bombs; turning the warning into an error would change it for all threads."""
    good, bomb = whole(tmp_path, 200), png_of(12_000, 12_000, tmp_path)
    size_of(good)
    before = list(warnings.filters)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: scaled((good, bomb)[n % 2], 50) is None, range(80)))

    assert found == [False, True] * 40
    assert list(warnings.filters) == before


def test_only_plain_files_are_pictures(tmp_path: Path) -> None:
    link, pipe, folder = (tmp_path / name for name in ("link.png", "pipe.png", "folder.png"))
    link.symlink_to(whole(tmp_path))
    os.mkfifo(pipe)
    folder.mkdir()

    for path in (link, pipe, folder, tmp_path / "nothing.png"):
        assert scaled(path, 100) is None
        assert size_of(path) == (0, 0)


def test_a_damaged_picture_is_not_a_picture(tmp_path: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole(tmp_path).read_bytes()[:200])
    text = tmp_path / "text.png"
    text.write_text("<html>not found</html>")

    assert scaled(cut, 100) is None
    assert scaled(text, 100) is None
