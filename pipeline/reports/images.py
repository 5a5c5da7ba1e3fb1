"""Opens saved pictures safely: kind and size are checked before anything is decoded.

A file of a few kilobytes can claim to be a picture that fills the memory. Pillow's own limit is one
for the whole process, and it becomes an error only through Python's warnings, which all threads
share. So the limit is checked here, and only here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.plain_files import open_plain

if TYPE_CHECKING:
    from PIL import Image

#: No SVG, PDF or PostScript: Pillow must read nothing but pictures.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
#: A picture of 8192 by 8192 pixels is the largest that is decoded; it takes 256 MB of memory.
MOST_PIXELS: Final = 8192 * 8192


class NoPicture(Exception):
    """There is no picture in the file, or none that can be shown."""


@contextmanager
def opened_picture(file: Path) -> Iterator[Image.Image]:
    """A saved picture, of which only the head has been read. Raises NoPicture.

    An error in the body of the `with` becomes a NoPicture too: most damage is found only there.
    """
    pillow = _pillow()
    try:
        with open_plain(file) as content, pillow.open(content, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise NoPicture(f"{width} by {height} pixels are too many")
            yield picture
    except NoPicture:
        raise
    except Exception as error:
        # A damaged file can make the library raise anything.
        raise NoPicture(str(error)) from error


def scaled(file: Path, side: int) -> tuple[bytes, int, int] | None:
    """The picture in a file as WebP, no side longer than `side` pixels, with its width and height.

    None if there is no picture in it.
    """
    from PIL import ImageOps

    pillow = _pillow()
    try:
        with opened_picture(file) as opened:
            opened.draft("RGB", (side, side))
            picture = ImageOps.exif_transpose(opened)
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            picture.thumbnail((side, side), pillow.Resampling.LANCZOS)
            out = BytesIO()
            picture.save(out, "WEBP", quality=80, method=4)
    except NoPicture:
        # A damaged file, a video, a bomb: the row is shown all the same, with its link.
        return None
    return out.getvalue(), picture.width, picture.height


def size_of(file: Path) -> tuple[int, int]:
    """Width and height in pixels; zeros if there is no picture in the file."""
    try:
        with opened_picture(file) as picture:
            return picture.size
    except NoPicture:
        return 0, 0


@cache
def _pillow() -> Any:
    import warnings

    from PIL import Image

    # The limit above replaces the warning. Set once, before any thread opens a picture.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image
