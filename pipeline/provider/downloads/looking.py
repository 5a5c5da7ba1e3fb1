"""Looks at a downloaded picture: is it whole, and does it show anything?

It costs at most about 15 ms of CPU for each megabyte, so a picture is decoded as far as needed:

    JPEG       an eighth of its size in each direction; the whole file is read
    PNG        the checksums of all parts, and the pixels of the first rows. Only if these have one
               colour, and the rest of the file is no larger than that would need, all pixels
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

from pipeline.core.picture_findings import Look, Seen, Size

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: The most of each colour's standard deviation in a blank picture, of 255.
STILL: Final = 2.0
#: Of rows that are an eighth of the picture: more than this, and the whole picture is not blank.
_STRIP: Final = 8
_MOVES: Final = STILL * _STRIP**0.5
#: A larger file of these kinds is not blank: bytes for each pixel, and bytes for its head.
_BYTES_OF_BLANK, _HEAD = 0.02, 4096
#: Pictures with more pixels are not looked at.
MOST_PIXELS: Final = 50_000_000
_PNG_SIGN: Final = b"\x89PNG\r\n\x1a\n"


def looked_at(path: Path, ending: str) -> Seen:
    """What is seen of a picture of the kind that `ending` names. Raises OSError."""
    data = path.read_bytes()
    size = size_in(io.BytesIO(data))
    if size is None:
        return Seen(None, "damaged")
    if size.width * size.height > MOST_PIXELS:
        return Seen(size)
    try:
        match ending:
            case "png":
                return Seen(size, _look_of_png(data, size))
            case "jpg":
                return Seen(size, _blank(_decoded(data, small=True)))
            case "webp" | "avif" | "gif":
                is_whole = {"webp": _is_whole_webp, "avif": _is_whole_avif, "gif": _is_whole_gif}
                if not is_whole[ending](data):
                    return Seen(size, "damaged")
                if len(data) > _HEAD + _BYTES_OF_BLANK * size.width * size.height:
                    return Seen(size)
                return Seen(size, _blank(_decoded(data)))
    except Exception:  # whatever a file makes the decoder stumble over
        return Seen(size, "damaged")
    return Seen(size)


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
    plain = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
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
    rows = max(1, size.height // _STRIP)
    in_pixel = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    wanted = rows * (1 + (size.width * in_pixel + 7) // 8)
    if interlaced or rows == size.height:
        return _blank(_decoded(data))
    strip, used = _inflated(pixels, wanted)
    if len(strip) < wanted:
        return "damaged"
    colours = b"".join(_part(p.kind, p.data) for p in parts if p.kind in (b"PLTE", b"tRNS"))
    head = struct.pack(">II", size.width, rows) + head[8:]
    short = _part(b"IHDR", head) + colours + _part(b"IDAT", zlib.compress(strip, 0))
    if _deviation(_decoded(_PNG_SIGN + short + _part(b"IEND", b""))) > _MOVES:
        return ""
    if sum(map(len, pixels)) > 3 * _STRIP * used + _HEAD:
        return ""  # the other rows need more bytes than rows of one colour would
    return _blank(_decoded(data))


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


def _inflated(pixels: list[memoryview], wanted: int) -> tuple[bytes, int]:
    """The first bytes of the pixels, and how many compressed bytes they needed, about."""
    inflating, found, used = zlib.decompressobj(), bytearray(), 0
    for part in pixels:
        rest: bytes | memoryview = part
        while rest and len(found) < wanted:
            found += inflating.decompress(rest, wanted - len(found))
            used += len(rest) - len(inflating.unconsumed_tail)
            rest = inflating.unconsumed_tail
        if len(found) >= wanted:
            break
    return bytes(found), used


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
