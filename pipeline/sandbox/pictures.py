"""Draws stand-in pictures that are pleasant, plainly labelled, and readable by a test.

Each picture has a label that says it is a stand-in, and shows the prompt's first words. Its PNG
text `CODE` holds the first eight bytes of the prompt's SHA-256 and the number of the picture (0 is
the grid), so that a test can tell which prompt a file belongs to. It needs only Pillow.
"""

from __future__ import annotations

import math
import random
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

#: The PNG text with a picture's code: 16 hexadecimal digits, a space, its number.
CODE = "promptsheet-sandbox"
LABEL = "stand-in picture"
SIDE = 384
SHORTEST = 256
WIDEST = 4.0
#: The smallest side that is a number of pixels, and the most pixels.
FEWEST, MOST = 200, 1 << 22
#: Larger pictures are drawn smaller, and then enlarged.
LARGEST = 900
GRID = 0
#: Scenes are drawn larger and scaled down: smooth edges.
FINER = 2

Colour = tuple[int, int, int]
#: Dark to light.
Palette = tuple[Colour, Colour, Colour, Colour]
Points = list[tuple[float, float]]


def code_of(prompt: str) -> str:
    """The code in the pictures of a prompt: 16 hexadecimal digits."""
    return sha256(prompt.encode(errors="surrogatepass")).digest()[:8].hex()


def read_code(png: bytes) -> tuple[str, int]:
    """The code of the prompt and the number of the picture (0: the grid).

    `ValueError` if the picture is not one of the sandbox's.
    """
    with Image.open(BytesIO(png)) as opened:
        code, _, number = str(opened.info.get(CODE, "")).partition(" ")
    if not code:
        raise ValueError("no code in this picture")
    return code, int(number)


def size_of(aspect_ratio: str, *, pixels: bool = True) -> tuple[int, int]:
    """Width and height in pixels for "W:H"; beyond 4:1 the shape stays at 4:1.

    Two numbers that can be pixels are pixels, unless `pixels` is false.
    """
    width, height = map(int, aspect_ratio.split(":"))
    if pixels and min(width, height) >= FEWEST and width * height <= MOST:
        return width, height
    ratio = min(WIDEST, max(1 / WIDEST, width / height))
    wide, high = SIDE * math.sqrt(ratio), SIDE / math.sqrt(ratio)
    grow = max(1.0, SHORTEST / min(wide, high))
    return round(wide * grow), round(high * grow)


def flawed(prompt: str, aspect_ratio: str, number: int, index: int, flaw: str) -> bytes:
    """The picture with a flaw: `blank`, `one_blank`, `damaged`, `shape` or `same`."""
    match flaw:
        case "same":
            return draw("the same for all", aspect_ratio, 1, index)
        case "shape":
            width, height = map(int, aspect_ratio.split(":"))
            return draw(prompt, "1:3" if width >= height else "3:1", number, index)
        case "damaged":
            whole = draw(prompt, aspect_ratio, number, index)
            return whole[: len(whole) * 2 // 3]
    if flaw == "one_blank" and index != 1:
        return draw(prompt, aspect_ratio, number, index)
    blank, png = Image.new("RGB", size_of(aspect_ratio), "white"), BytesIO()
    blank.save(png, "PNG", pnginfo=_coded(prompt, index, number))
    return png.getvalue()


@lru_cache(maxsize=512)
def draw(prompt: str, aspect_ratio: str, number: int, index: int, *, plain: bool = False) -> bytes:
    """A picture as PNG: number 1 to 4 of the prompt's `number`-th task, or the grid of all four."""
    size = size_of(aspect_ratio)
    if plain:
        colours = _palette(prompt, number + index)
        picture = Image.new("RGB", size, colours[1])
        picture.paste(colours[3], (0, 0, size[0] // 2, size[1]))
    else:
        small = size if max(size) <= LARGEST else size_of(f"{size[0]}:{size[1]}", pixels=False)
        picture = (
            _grid(prompt, small, number) if index == GRID else _scene(prompt, small, number, index)
        )
        _write(picture, "" if index == GRID else prompt)
        picture = picture.resize(size) if size != small else picture
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1, pnginfo=_coded(prompt, index))
    return png.getvalue()


def _coded(prompt: str, index: int, number: int = 0) -> PngInfo:
    text = PngInfo()
    text.add_text(CODE, f"{code_of(prompt)} {index}")
    if number:
        text.add_text("task", str(number))
    return text


def _grid(prompt: str, size: tuple[int, int], number: int) -> Image.Image:
    grid = Image.new("RGB", size, (250, 250, 248))
    gap = 3
    tile = ((size[0] - gap) // 2, (size[1] - gap) // 2)
    for index in range(1, 5):
        at = ((index - 1) % 2 * (tile[0] + gap), (index - 1) // 2 * (tile[1] + gap))
        grid.paste(_scene(prompt, tile, number, index), at)
    return grid


#: Dusk, sea, orchard, clay, night, meadow, rose, frost, dark to light.
PALETTES: tuple[Palette, ...] = (
    ((45, 30, 75), (142, 68, 120), (238, 129, 98), (255, 222, 173)),
    ((10, 50, 80), (20, 110, 135), (110, 190, 185), (240, 244, 222)),
    ((44, 60, 38), (122, 140, 66), (226, 172, 78), (252, 236, 200)),
    ((70, 35, 34), (170, 80, 58), (224, 156, 116), (248, 230, 210)),
    ((14, 18, 46), (44, 56, 124), (124, 108, 196), (236, 220, 248)),
    ((18, 62, 60), (56, 134, 104), (166, 204, 128), (250, 244, 196)),
    ((76, 28, 66), (196, 72, 116), (244, 150, 150), (255, 230, 222)),
    ((34, 52, 78), (98, 132, 166), (172, 200, 214), (246, 248, 250)),
)


def _base(prompt: str) -> int:
    return int(code_of(prompt), 16)


def _palette(prompt: str, number: int) -> Palette:
    """The colours of a prompt's `number`-th task: never those of the task before."""
    return PALETTES[(_base(prompt) + number) % len(PALETTES)]


def _scene(prompt: str, size: tuple[int, int], number: int, index: int) -> Image.Image:
    """A landscape or an abstract: the four of one task are variations, the next task is another."""
    chance = random.Random(f"{code_of(prompt)} {number} {index}")  # noqa: S311 (no secret)
    palette = _palette(prompt, number)
    paint = SCENES[(_base(prompt) // len(PALETTES) + number) % len(SCENES)]
    picture = Image.new("RGB", (size[0] * FINER, size[1] * FINER))
    paint(picture, palette, chance)
    return picture.reduce(FINER)


def _ridges(picture: Image.Image, palette: Palette, chance: random.Random) -> None:
    """Mountains behind each other, paler the farther they are."""
    width, height = picture.size
    _sky(picture, palette[2], palette[3], palette[3])
    x, y = chance.uniform(0.2, 0.8) * width, chance.uniform(0.2, 0.42) * height
    _glow(picture, (x, y), chance.uniform(0.07, 0.12) * min(picture.size), palette[3])
    brush = ImageDraw.Draw(picture)
    layers = 5
    for layer in range(layers):
        near = layer / (layers - 1)
        base = height * (0.46 + 0.48 * near**1.15)
        rough = height * (0.17 - 0.06 * near)
        colour = _mixed(_mixed(palette[2], palette[3], 0.35), palette[0], near)
        _fill(brush, _ridge(width, base, rough, chance), picture.size, colour)
    _birds(brush, picture.size, palette[0], chance)


def _sea(picture: Image.Image, palette: Palette, chance: random.Random) -> None:
    """Water up to a horizon, a low sun and its path on the waves."""
    width, height = picture.size
    horizon = round(height * chance.uniform(0.5, 0.6))
    _sky(picture, palette[1], palette[2], palette[3], down_to=horizon)
    radius = chance.uniform(0.09, 0.14) * min(picture.size)
    x = chance.uniform(0.25, 0.75) * width
    _glow(picture, (x, horizon - radius * chance.uniform(0.2, 1.4)), radius, palette[3])
    water = Image.new("RGB", (width, height - horizon))
    _sky(water, palette[2], palette[1], palette[0])
    picture.paste(water, (0, horizon))
    brush = ImageDraw.Draw(picture, "RGBA")
    island = _ridge(width, horizon - height * 0.015, height * 0.1, chance)
    low = horizon - height * 0.012
    far = [(at, min(y + height * 0.05, low)) for at, y in island]
    brush.polygon(
        [*far, (width, horizon), (0, horizon)], fill=(*_mixed(palette[1], palette[0], 0.4), 255)
    )
    waves = 46
    for wave in range(waves):
        near = (wave / waves) ** 1.6
        y = horizon + (height - horizon) * near
        half = radius * (0.35 + 1.5 * near) * chance.uniform(0.2, 1.0)
        middle = x + chance.uniform(-1, 1) * radius * (0.15 + 0.8 * near)
        thick = max(1.0, height * (0.002 + 0.006 * near))
        fill = (*palette[3], round(190 - 110 * near))
        brush.rounded_rectangle((middle - half, y, middle + half, y + thick), thick / 2, fill=fill)
    _birds(ImageDraw.Draw(picture), picture.size, palette[0], chance)


def _dunes(picture: Image.Image, palette: Palette, chance: random.Random) -> None:
    """Waves of sand, each with a lit side and its shadow."""
    width, height = picture.size
    _sky(picture, palette[1], palette[2], palette[3])
    x, y = chance.uniform(0.15, 0.85) * width, chance.uniform(0.14, 0.32) * height
    _glow(picture, (x, y), chance.uniform(0.06, 0.1) * min(picture.size), palette[3])
    brush = ImageDraw.Draw(picture)
    layers = 5
    for layer in range(layers):
        near = layer / (layers - 1)
        base = height * (0.48 + 0.42 * near)
        swing = height * chance.uniform(0.04, 0.07) * (0.7 + near)
        bend, shift = chance.uniform(0.6, 1.3), chance.uniform(0, math.tau)
        top = [
            (at * width / 64, base + swing * math.sin(shift + bend * at / 64 * math.tau))
            for at in range(65)
        ]
        lit = _mixed(_mixed(palette[3], palette[2], 0.5), palette[1], near)
        _fill(brush, top, picture.size, lit)
        sink = height * (0.05 + 0.1 * near)
        shade = [
            (at, high + sink * (0.5 + 0.5 * math.sin(shift + at / width * 5))) for at, high in top
        ]
        _fill(brush, shade, picture.size, _mixed(lit, palette[0], 0.35))


def _shapes(picture: Image.Image, palette: Palette, chance: random.Random) -> None:
    """Arcs and discs on a quiet ground, as on a poster."""
    width, height = picture.size
    _sky(
        picture,
        palette[3],
        _mixed(palette[3], palette[2], 0.25),
        _mixed(palette[3], palette[2], 0.5),
    )
    brush = ImageDraw.Draw(picture, "RGBA")
    side = min(picture.size)
    x, y = chance.uniform(0.3, 0.7) * width, chance.uniform(0.3, 0.55) * height
    turn = chance.uniform(0, 360)
    for ring in range(6, 0, -1):
        reach = side * (0.085 * ring + 0.02)
        colour = palette[(ring + 1) % 3]
        begin = turn + ring * chance.uniform(20, 60)
        box = (x - reach, y - reach, x + reach, y + reach)
        brush.arc(box, begin, begin + chance.uniform(120, 280), (*colour, 230), round(side * 0.045))
    for _ in range(5):
        reach = side * chance.uniform(0.03, 0.13)
        at = chance.uniform(0.08, 0.92) * width, chance.uniform(0.08, 0.8) * height
        box = (at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach)
        brush.ellipse(box, fill=(*chance.choice(palette[:3]), chance.randint(150, 225)))
    ground = _ridge(width, height * chance.uniform(0.78, 0.86), height * 0.03, chance)
    _fill(brush, ground, picture.size, palette[0])


SCENES: Sequence[Callable[[Image.Image, Palette, random.Random], None]] = (
    _ridges,
    _sea,
    _shapes,
    _dunes,
)


def _sky(
    picture: Image.Image, top: Colour, middle: Colour, low: Colour, *, down_to: int | None = None
) -> None:
    """Three colours that run into each other from the top down."""
    height = picture.height if down_to is None else down_to
    line = Image.linear_gradient("L").crop((0, 0, 1, 256)).resize((1, height))
    coloured = ImageOps.colorize(line, top, low, mid=middle)
    picture.paste(coloured.resize((picture.width, height), Image.Resampling.NEAREST))


def _glow(picture: Image.Image, at: tuple[float, float], radius: float, colour: Colour) -> None:
    """A sun, and the light around it."""
    reach = round(radius * 5)
    # The gradient is 0 in the middle and 180 where it meets the edges; there the light must end.
    fade = [round(200 * max(0.0, 1 - level / 180) ** 2) for level in range(256)]
    light = Image.radial_gradient("L").point(fade)
    light = light.resize((2 * reach, 2 * reach), Image.Resampling.BILINEAR)
    picture.paste(colour, (round(at[0]) - reach, round(at[1]) - reach), light)
    box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
    ImageDraw.Draw(picture).ellipse(box, fill=_mixed(colour, (255, 255, 255), 0.45))


def _ridge(width: int, base: float, rough: float, chance: random.Random) -> Points:
    """A line from the left edge to the right one that is broken again and again in its middles."""
    heights = [base + chance.uniform(-rough, rough) / 2, base + chance.uniform(-rough, rough) / 2]
    while len(heights) < 129:
        broken = []
        for left, right in pairwise(heights):
            broken += [left, (left + right) / 2 + chance.uniform(-rough, rough)]
        heights = [*broken, heights[-1]]
        rough *= 0.52
    return [(at * width / 128, high) for at, high in enumerate(heights)]


def _fill(brush: ImageDraw.ImageDraw, top: Points, size: tuple[int, int], colour: Colour) -> None:
    brush.polygon([*top, (size[0], size[1]), (0, size[1])], fill=colour)


def _birds(
    brush: ImageDraw.ImageDraw, size: tuple[int, int], colour: Colour, chance: random.Random
) -> None:
    wing = min(size) * 0.016
    x, y = chance.uniform(0.15, 0.7) * size[0], chance.uniform(0.1, 0.26) * size[1]
    for _ in range(chance.randint(0, 5)):
        at_x, at_y = x + chance.uniform(-6, 6) * wing, y + chance.uniform(-3, 3) * wing
        for way in (-1, 1):
            box = sorted((at_x, at_x + way * 2 * wing))
            brush.arc((box[0], at_y, box[1], at_y + wing * 1.4), 190, 350, colour, FINER + 1)


def _mixed(one: Colour, other: Colour, part: float) -> Colour:
    """A colour on the way from one to the other."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write(picture: Image.Image, prompt: str) -> None:
    """The label near the top, and the prompt's first words along the lower edge.

    The label is not at an edge, because a page may cut pictures to one shape.
    """
    brush = ImageDraw.Draw(picture, "RGBA")
    small, large = _font(15), _font(16)
    place = ((picture.width - brush.textlength(LABEL, font=small)) / 2, picture.height * 0.16)
    box = brush.textbbox(place, LABEL, font=small)
    pill = (box[0] - 8, box[1] - 5, box[2] + 8, box[3] + 5)
    brush.rounded_rectangle(pill, (pill[3] - pill[1]) / 2, fill=(20, 20, 24, 150))
    brush.text(place, LABEL, fill=(255, 255, 255, 240), font=small)
    words = drawable("".join(c if c.isprintable() else " " for c in prompt[:400]))
    lines = textwrap.wrap(words, max(10, (picture.width - 24) // 9), max_lines=2, placeholder=" …")
    if not lines:
        return
    top = picture.height - 12 - 20 * len(lines)
    shade = Image.linear_gradient("L").resize((picture.width, picture.height - top + 34))
    picture.paste((12, 12, 16), (0, top - 34), shade.point([round(n * 0.72) for n in range(256)]))
    brush = ImageDraw.Draw(picture, "RGBA")
    for number, line in enumerate(lines):
        brush.text((12, top + 20 * number), line, fill=(255, 255, 255, 245), font=large)


def drawable(text: str) -> str:
    """The words on one line, in letters that the font has: Latin ones without accents."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return " ".join("".join(c for c in plain if c.isascii() or c in "–—‘’“”…€").split())
