"""What is written into pictures: other programs can read it, and no pixel changes."""

from __future__ import annotations

import io
from xml.etree import ElementTree

from PIL import Image

from pipeline.provider.downloads.provenance import labelled, packet
from tests.fakes.cases import each

PROMPT = 'a <fox> & "an owl"\x00\x0b, 狐 \ud800'
TOOL = "Promptsheet, apiframe/imagine"


def picture(kind: str, **how: object) -> bytes:
    content = io.BytesIO()
    mode = "RGBA" if how.pop("alpha", False) else "RGB"
    Image.effect_noise((33, 21), 90).convert(mode).save(content, kind, **how)
    return content.getvalue()


PICTURES = {
    "png": picture("PNG"),
    "png with text": picture("PNG", alpha=True),
    "jpg": picture("JPEG"),
    "jpg with Exif": picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "webp": picture("WEBP"),
    "webp lossless": picture("WEBP", lossless=True),
    "webp with alpha": picture("WEBP", lossless=True, alpha=True),
    "webp with Exif": picture("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
}


def xmp_in(content: bytes) -> str:
    info = Image.open(io.BytesIO(content)).info
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    return found.decode() if isinstance(found, bytes) else str(found)


@each("name", PICTURES)
def test_a_label_is_read_by_others_and_changes_no_pixel(name: str) -> None:
    before = PICTURES[name]
    after = labelled(before, name.split()[0], packet(PROMPT, TOOL))

    assert after is not None
    one, two = Image.open(io.BytesIO(before)), Image.open(io.BytesIO(after))
    assert (one.size, one.mode, one.tobytes()) == (two.size, two.mode, two.tobytes())
    Image.open(io.BytesIO(after)).verify()
    text = xmp_in(after)
    said = [node.text for node in ElementTree.fromstring(text).iter() if (node.text or "").strip()]
    assert said == [
        *['a <fox> & "an owl", 狐 ?'] * 2,
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        TOOL,
    ]


@each("name", PICTURES)
def test_a_picture_that_has_a_label_keeps_it(name: str) -> None:
    kind, first = name.split()[0], packet("a fox", TOOL)
    once = labelled(PICTURES[name], kind, first)

    assert once is not None
    assert labelled(once, kind, packet("an owl", TOOL)) is None


@each(
    ("content", "kind"),
    [
        (PICTURES["png"][:40], "png"),
        (PICTURES["jpg"][:20], "jpg"),
        (PICTURES["webp"][:30], "webp"),
        (b"RIFF\0\0\0\0WEBPVP8L\x05\0\0\0\x2e\0\0\0\0\0", "webp"),
        (b"", "png"),
        (b"\xff\xd8", "jpg"),
        (PICTURES["png"], "mp4"),
        # A signature of the content would be broken.
        (PICTURES["jpg"][:2] + b"\xff\xeb\0\x06JPJP" + PICTURES["jpg"][2:], "jpg"),
        (PICTURES["png"][:33] + b"\0\0\0\0caBX\0\0\0\0" + PICTURES["png"][33:], "png"),
    ],
)
def test_what_cannot_be_labelled_is_left_alone(content: bytes, kind: str) -> None:
    assert labelled(content, kind, packet("a fox", TOOL)) is None


def test_a_long_prompt_fits_into_every_format() -> None:
    long = packet("狐" * 100_000, TOOL)

    for name, content in PICTURES.items():
        assert labelled(content, name.split()[0], long) is not None
