"""Opens saved pictures safely: type and size are checked before anything is decoded.

A file of a few kilobytes can decode to a picture that fills the memory. Pillow's own limit is
global to the process, and becomes an error only through Python's warning filters, which all threads
share. So this module checks the limit itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from pipeline.plain_files import open_plain

if TYPE_CHECKING:
    from PIL import Image

#: No SVG, PDF or PostScript: Pillow must read nothing but pictures.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
#: Most pixels that are decoded: 8192 by 8192, which take 256 MB of memory.
MOST_PIXELS: Final = 8192 * 8192


class NoPicture(Exception):
    """The file contains no picture, or none that can be shown."""


@contextmanager
def opened_picture(file: Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a saved picture; only its header is read. Raises NoPicture.

    An error in the body of the `with` block also becomes a NoPicture, because most damage is found
    there.
    """
    pillow = _pillow()
    try:
        with _opened(file) as content, pillow.open(content, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise NoPicture(f"{width} by {height} pixels are too many")
            yield picture
    except NoPicture:
        raise
    except Exception as error:
        # With a damaged file, the library can raise any exception.
        raise NoPicture(str(error)) from error


class Scaled(NamedTuple):
    """A small picture: the bytes of a WebP file, and its size in pixels."""

    webp: bytes
    width: int
    height: int


def scaled(file: Path, side: int) -> Scaled | None:
    """The picture as WebP, no side longer than `side` pixels.

    None if the file contains no picture.
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
        # A damaged file, a video or a decompression bomb: the row is shown with its link.
        return None
    return Scaled(out.getvalue(), picture.width, picture.height)


def reduced(file: Path | BinaryIO, side: int) -> bytes | None:
    """The picture as JPEG, or as WebP if it is transparent, no side longer than `side` pixels.

    None if the file contains no picture. It takes a third of the time of `scaled`, and makes larger
    files.
    """
    from PIL import ImageOps

    pillow = _pillow()
    try:
        with opened_picture(file) as opened:
            opened.draft("RGB", (side, side))
            picture = ImageOps.exif_transpose(opened)
            is_clear = picture.has_transparency_data
            picture = picture.convert("RGBA" if is_clear else "RGB")
            picture.thumbnail((side, side), pillow.Resampling.HAMMING, reducing_gap=None)
            out = BytesIO()
            if is_clear:
                picture.save(out, "WEBP", quality=80, method=0)
            else:
                picture.save(out, "JPEG", quality=80)
    except NoPicture:
        return None
    return out.getvalue()


def size_of(file: Path) -> tuple[int, int]:
    """Width and height in pixels; zeros if the file contains no picture."""
    try:
        with opened_picture(file) as picture:
            return picture.size
    except NoPicture:
        return 0, 0


def _opened(file: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return open_plain(file) if isinstance(file, Path) else nullcontext(file)


@cache
def _pillow() -> Any:
    import warnings

    from PIL import Image

    # Our own limit replaces the warning. It is set once, before any thread opens a picture.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image
