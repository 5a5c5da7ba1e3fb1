"""Pictures: pleasant to look at, and readable by a test, which finds the prompt in the pixels.

Along the lower edge runs a strip of blocks, each 8 by 8 pixels: three bits a block, one for each of
red, green and blue. It holds two fixed bytes, the first eight bytes of the prompt's SHA-256, the
number of the picture (0 is the grid) and a checksum. No numpy: Pillow is all that it takes.
"""

from __future__ import annotations

import math
import random
import textwrap
import unicodedata
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from zlib import crc32

from PIL import Image, ImageDraw, ImageFont

BLOCK = 8
BLOCKS = 32
MARK = b"\xa5\x5a"
#: Strip in bytes: the mark, eight of the prompt, the number, the checksum.
STRIP = len(MARK) + 8 + 1 + 1
DARK, LIGHT = 40, 224
SIDE = 384
#: The strip must fit.
SHORTEST = BLOCK * BLOCKS
WIDEST = 4.0
GRID = 0

Colour = tuple[int, int, int]


def code_of(prompt: str) -> str:
    """The code that a prompt's pictures carry: 16 hexadecimal digits."""
    return sha256(prompt.encode(errors="surrogatepass")).digest()[:8].hex()


def read_code(png: bytes) -> tuple[str, int]:
    """The code of the prompt and the number of the picture (0: the grid), read from the pixels.

    `ValueError` if the picture is not one of the sandbox's, or damaged.
    """
    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    row = picture.height - BLOCK // 2
    if picture.width < SHORTEST or row < 0:
        raise ValueError("no code in this picture: it is too small")
    bits = 0
    for block in range(BLOCKS):
        pixel = picture.getpixel((block * BLOCK + BLOCK // 2, row))
        assert isinstance(pixel, tuple)
        for channel in pixel:
            bits = bits << 1 | (channel > 128)
    strip = bits.to_bytes(STRIP, "big")
    if not strip.startswith(MARK) or strip[-1] != crc32(strip[:-1]) & 255:
        raise ValueError("no code in this picture")
    return strip[2:10].hex(), strip[10]


def size_of(aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels for "W:H"; beyond 4:1 the shape stays at 4:1."""
    width, _, height = aspect_ratio.partition(":")
    ratio = min(WIDEST, max(1 / WIDEST, int(width) / int(height)))
    wide, high = SIDE * math.sqrt(ratio), SIDE / math.sqrt(ratio)
    grow = max(1.0, SHORTEST / min(wide, high))
    return round(wide * grow), round(high * grow)


@lru_cache(maxsize=512)
def draw(prompt: str, aspect_ratio: str, number: int, index: int, *, plain: bool = False) -> bytes:
    """A picture as PNG: number 1 to 4 of the prompt's `number`-th task, or the grid of all four."""
    size = size_of(aspect_ratio)
    if plain:
        picture = Image.new("RGB", size, _chance(prompt, number, index).choice(PALETTES)[1])
    elif index == GRID:
        picture = _grid(prompt, size, number)
    else:
        picture = _abstract(size, _chance(prompt, number, index))
        _write(picture, prompt)
    _encode(picture, prompt, index)
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1)
    return png.getvalue()


def _chance(prompt: str, number: int, index: int) -> random.Random:
    return random.Random(f"{code_of(prompt)} {number} {index}")  # noqa: S311 (no secret is drawn)


def _grid(prompt: str, size: tuple[int, int], number: int) -> Image.Image:
    grid = Image.new("RGB", size, (250, 250, 248))
    gap = 3
    tile = ((size[0] - gap) // 2, (size[1] - gap) // 2)
    for index in range(1, 5):
        at = ((index - 1) % 2 * (tile[0] + gap), (index - 1) // 2 * (tile[1] + gap))
        grid.paste(_abstract(tile, _chance(prompt, number, index)), at)
    return grid


#: Dusk, sea, orchard, clay, night, meadow, candy: four colours each, dark to light.
PALETTES: tuple[tuple[Colour, Colour, Colour, Colour], ...] = (
    ((45, 30, 75), (142, 68, 120), (238, 129, 98), (255, 214, 165)),
    ((10, 50, 80), (20, 110, 135), (90, 180, 180), (235, 245, 225)),
    ((40, 60, 35), (120, 140, 60), (225, 170, 70), (250, 235, 200)),
    ((70, 35, 30), (170, 80, 55), (220, 150, 110), (245, 225, 205)),
    ((15, 18, 45), (50, 60, 130), (130, 110, 200), (240, 220, 250)),
    ((20, 65, 60), (60, 140, 100), (170, 205, 120), (250, 245, 190)),
    ((85, 30, 90), (215, 70, 130), (120, 160, 235), (255, 230, 240)),
)


def _abstract(size: tuple[int, int], chance: random.Random) -> Image.Image:
    """A soft gradient, a sun, hills or discs: the same for the same chance, at any size."""
    palette = chance.choice(PALETTES)
    picture = _gradient(size, palette, chance)
    brush = ImageDraw.Draw(picture, "RGBA")
    _sun(brush, size, palette[3], chance)
    if chance.random() < 0.6:
        _hills(brush, size, palette, chance)
    else:
        _discs(brush, size, palette, chance)
    return picture


def _gradient(
    size: tuple[int, int], palette: tuple[Colour, ...], chance: random.Random
) -> Image.Image:
    seeds = Image.new("RGB", (3, 3))
    for row in range(3):
        for column in range(3):
            darker = chance.random() < 0.4
            seeds.putpixel((column, row), palette[3 - row - darker])
    return seeds.resize(size, Image.Resampling.BICUBIC)


def _sun(
    brush: ImageDraw.ImageDraw, size: tuple[int, int], light: Colour, chance: random.Random
) -> None:
    side = min(size)
    x, y = chance.uniform(0.2, 0.8) * size[0], chance.uniform(0.2, 0.45) * size[1]
    radius = chance.uniform(0.09, 0.16) * side
    for grow, strength in ((2.1, 26), (1.5, 44), (1.0, 235)):
        reach = radius * grow
        brush.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*light, strength))


def _hills(
    brush: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: tuple[Colour, ...],
    chance: random.Random,
) -> None:
    width, height = size
    for layer in range(4):
        base = height * (0.52 + 0.13 * layer)
        swing = height * chance.uniform(0.04, 0.1)
        bend, shift = chance.uniform(0.8, 2.4), chance.uniform(0, math.tau)
        top = [
            (x * width / 32, base + swing * math.sin(shift + bend * x / 32 * math.tau))
            for x in range(33)
        ]
        colour = palette[max(0, 2 - layer)]
        brush.polygon([*top, (width, height), (0, height)], fill=(*colour, 150 + 25 * layer))


def _discs(
    brush: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: tuple[Colour, ...],
    chance: random.Random,
) -> None:
    for _ in range(9):
        x, y = chance.random() * size[0], chance.uniform(0.3, 1.0) * size[1]
        radius = chance.uniform(0.05, 0.24) * min(size)
        colour = chance.choice(palette)
        brush.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=(*colour, chance.randint(70, 150)),
        )


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)


def _write(picture: Image.Image, prompt: str) -> None:
    """The prompt's first words, small, above the strip."""
    words = drawable("".join(c if c.isprintable() else " " for c in prompt[:400]))
    lines = textwrap.wrap(words, picture.width // 7, max_lines=2, placeholder=" …") or [""]
    brush = ImageDraw.Draw(picture, "RGBA")
    top = picture.height - BLOCK - 8 - 15 * len(lines)
    brush.rectangle((0, top - 4, picture.width, picture.height - BLOCK), fill=(0, 0, 0, 90))
    for number, line in enumerate(lines):
        brush.text((8, top + 15 * number), line, fill=(255, 255, 255, 235), font=_font())


def drawable(text: str) -> str:
    """The words on one line, in letters that the font has: it knows no accents."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def _encode(picture: Image.Image, prompt: str, index: int) -> None:
    strip = MARK + bytes.fromhex(code_of(prompt)) + bytes([index])
    strip += bytes([crc32(strip) & 255])
    bits = int.from_bytes(strip, "big")
    code = Image.new("RGB", (BLOCKS, 1))
    for block in range(BLOCKS):
        three = bits >> 3 * (BLOCKS - 1 - block) & 7
        colour = tuple(LIGHT if three & mask else DARK for mask in (4, 2, 1))
        code.putpixel((block, 0), colour)
    large = code.resize((BLOCK * BLOCKS, BLOCK), Image.Resampling.NEAREST)
    picture.paste((DARK, DARK, DARK), (0, picture.height - BLOCK, picture.width, picture.height))
    picture.paste(large, (0, picture.height - BLOCK))
