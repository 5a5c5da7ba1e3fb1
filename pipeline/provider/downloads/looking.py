"""Looks at a downloaded picture: is it whole, and does it show anything?

It costs about 15 ms of CPU at most for 4 megapixels that are not blank. So a picture is decoded as
far as needed:

    JPEG       an eighth of its size in each direction. Of a file that has its end, and is larger
               than that of a blank page, nothing
    PNG        the checksums of all parts, and the pixels of the first rows: a few, then an eighth.
               Only if these have one colour, and the rest of the file is no larger than that would
               need, the other rows. Rows that all have the same bytes are not decoded
    WebP,      the lengths of its parts. The pixels only of a file that is so small that it may be
    AVIF, GIF  blank

A picture counts as blank if the standard deviation of each colour is at most `STILL` of 255.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.core.picture_findings import Look, SeenPicture, Size

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: The most of each colour's standard deviation in a blank picture, of 255.
STILL: Final = 2.0
#: The parts of a PNG that are looked at first: one of so many rows.
_STRIPS: Final = (32, 8)
#: So many rows are compared at once.
_AT_ONCE: Final = 16
#: A larger file of these kinds is not blank: bytes for each pixel, and bytes for its head.
_BYTES_OF_BLANK, _HEAD = 0.02, 4096
#: The same for JPEG, where grain that no one sees takes more bytes.
_BYTES_OF_BLANK_JPEG: Final = 0.15
#: Pictures with more pixels are not looked at.
MOST_PIXELS: Final = 50_000_000
_PNG_SIGN: Final = b"\x89PNG\r\n\x1a\n"


def looked_at(path: Path, ending: str) -> SeenPicture:
    """What is seen of a picture of the kind that `ending` names. Raises OSError."""
    data = path.read_bytes()
    size = size_in(io.BytesIO(data))
    if size is None:
        return SeenPicture(None, "damaged")
    if size.width * size.height > MOST_PIXELS:
        return SeenPicture(size)
    try:
        match ending:
            case "png":
                return SeenPicture(size, _look_of_png(data, size))
            case "jpg":
                is_large = len(data) > _HEAD + _BYTES_OF_BLANK_JPEG * size.width * size.height
                if is_large and data.endswith(b"\xff\xd9"):
                    return SeenPicture(size)
                return SeenPicture(size, _blank(_decoded(data, small=True)))
            case "webp" | "avif" | "gif":
                is_whole = {"webp": _is_whole_webp, "avif": _is_whole_avif, "gif": _is_whole_gif}
                if not is_whole[ending](data):
                    return SeenPicture(size, "damaged")
                if len(data) > _HEAD + _BYTES_OF_BLANK * size.width * size.height:
                    return SeenPicture(size)
                return SeenPicture(size, _blank(_decoded(data)))
    except Exception:  # whatever a file makes the decoder stumble over
        return SeenPicture(size, "damaged")
    return SeenPicture(size)


def size_in(file: Path | io.BytesIO) -> Size | None:
    """Width and height of a picture; None if its head cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return Size(*picture.size) if min(picture.size) else None
    except Exception:  # whatever a file makes the decoder stumble over
        return None


def _decoded(data: bytes, *, small: bool = False) -> Picture:
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    if small:
        picture.draft("RGB", (picture.width // 8 or 1, picture.height // 8 or 1))
    picture.load()
    return picture


def _deviation(picture: Picture) -> float:
    """The greatest standard deviation of a colour, or of the opacity."""
    from PIL import Image, ImageStat

    if picture.mode.startswith("I;16"):  # Pillow would cut the values off at 255
        high = picture.tobytes("raw", "I;16")[1::2]
        picture = Image.frombytes("L", picture.size, high)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    plain = picture if picture.mode == mode else picture.convert(mode)
    if plain.mode == "RGBA":
        if plain.getchannel("A").getextrema()[1] == 0:
            return 0.0
        plain = plain.convert("RGBa")  # colours of what cannot be seen do not count
    return max(ImageStat.Stat(plain).stddev)


def _blank(picture: Picture) -> Look:
    return "blank" if _deviation(picture) <= STILL else ""


class _Part(NamedTuple):
    kind: bytes
    data: memoryview


def _look_of_png(data: bytes, size: Size) -> Look:
    parts = list(_parts_of_png(data))
    pixels = [part.data for part in parts if part.kind == b"IDAT"]
    if parts[-1].kind != b"IEND" or not pixels:
        return "damaged"
    head = bytes(parts[0].data)
    depth, kind, interlaced = head[8], head[9], head[12]
    if interlaced or size.height <= _STRIPS[-1]:
        return _blank(_decoded(data))
    in_pixel = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    line = 1 + (size.width * in_pixel + 7) // 8
    colours = b"".join(_part(p.kind, p.data) for p in parts if p.kind in (b"PLTE", b"tRNS"))
    inflating, strip, deviation = _Inflating(pixels), b"", 0.0
    for part in _STRIPS:
        rows = max(1, size.height // part)
        strip += inflating.next(rows * line - len(strip))
        if len(strip) < rows * line:
            return "damaged"
        its = struct.pack(">II", size.width, rows) + head[8:]
        short = _part(b"IHDR", its) + colours + _part(b"IDAT", zlib.compress(strip, 0))
        deviation = _deviation(_decoded(_PNG_SIGN + short + _part(b"IEND", b"")))
        # So much in these rows, and the whole picture is not blank, whatever the others are.
        if deviation > STILL * (size.height / rows) ** 0.5:
            return ""
    if sum(map(len, pixels)) > 3 * _STRIPS[-1] * inflating.used + _HEAD:
        return ""  # the other rows need more bytes than rows of one colour would
    if _repeats(inflating, strip, line, size.height):
        return "blank" if deviation <= STILL else ""
    return _blank(_decoded(data))


def _repeats(inflating: _Inflating, strip: bytes, line: int, height: int) -> bool:
    """Whether all rows of a PNG, except the first one, have the same bytes and so the same pixels.

    `strip` has the rows before those that come next.
    """
    row = strip[line : 2 * line]
    # A row without a filter or with `Sub` needs no other row; only zeros with `Up` or `Paeth`
    # is the row above.
    if not (row[:1] in (b"\0", b"\1") or (row[:1] in (b"\2", b"\4") and not any(row[1:]))):
        return False
    if strip[line:] != row * (len(strip) // line - 1):
        return False
    left, same = height * line - len(strip), row * _AT_ONCE
    while left:
        wanted = min(left, len(same))
        if inflating.next(wanted) != same[:wanted]:
            return False
        left -= wanted
    return True


def _parts_of_png(data: bytes) -> Iterator[_Part]:
    """The parts of a PNG up to its end. Raises ValueError if one is damaged or missing."""
    view, at = memoryview(data), len(_PNG_SIGN)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError("the file ends too early")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            raise ValueError("the file ends too early")
        if zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError("a checksum is wrong")
        yield _Part(kind, view[at + 8 : end])
        at = end + 4


def _part(kind: bytes, data: bytes | memoryview) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + bytes(data) + struct.pack(">I", check)


class _Inflating:
    """Inflates the pixels of a PNG from part to part."""

    def __init__(self, pixels: list[memoryview]) -> None:
        #: How many compressed bytes were needed until now, about.
        self.used = 0
        self._inflating, self._parts = zlib.decompressobj(), iter(pixels)
        self._rest: bytes | memoryview = b""

    def next(self, wanted: int) -> bytes:
        """The next so many bytes; fewer at the end."""
        found = bytearray()
        while len(found) < wanted:
            more = self._inflating.decompress(self._rest, wanted - len(found))
            found += more
            self.used += len(self._rest) - len(self._inflating.unconsumed_tail)
            self._rest = self._inflating.unconsumed_tail
            if not more and not self._rest:
                if (part := next(self._parts, None)) is None:
                    break
                self._rest = part
        return bytes(found)


def _is_whole_webp(data: bytes) -> bool:
    length: int = struct.unpack_from("<I", data, 4)[0]
    return len(data) >= length + 8


def _is_whole_avif(data: bytes) -> bool:
    """Whether the lengths of its boxes lead to its end."""
    at = 0
    while at + 8 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        if length == 1:
            length = struct.unpack_from(">Q", data, at + 8)[0]
        if length == 0:  # up to the end
            return True
        at += max(length, 8)
    return at == len(data)


def _is_whole_gif(data: bytes) -> bool:
    return data.rstrip(b"\0").endswith(b";")
