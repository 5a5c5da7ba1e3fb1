"""Writes into a picture what it shows and that a model made it, as XMP. The pixels are not changed.

    dc:description, Iptc4xmpCore:AltTextAccessibility   the prompt
    Iptc4xmpExt:DigitalSourceType                        trainedAlgorithmicMedia
    xmp:CreatorTool                                      what made it

Sources: the XMP specification, part 3 (where each format keeps it); the IPTC Photo Metadata
Standard 2025.1; https://cv.iptc.org/newscodes/digitalsourcetype.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final
from xml.sax.saxutils import escape

#: The most characters of a prompt: a JPEG holds at most 65,502 bytes of XMP in one segment.
MOST: Final = 8000
_SOURCE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_JPEG_NAME: Final = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_NAME: Final = b"XML:com.adobe.xmp"
_PACKET: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "<dc:description>{text}</dc:description>"
    "<Iptc4xmpCore:AltTextAccessibility>{text}</Iptc4xmpCore:AltTextAccessibility>"
    "<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>"
    "<xmp:CreatorTool>{tool}</xmp:CreatorTool>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)
_TEXT: Final = '<rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'


def packet(prompt: str, tool: str) -> bytes:
    """The XMP about a picture: the same for the same prompt and tool."""
    # XML allows no other control characters (https://www.w3.org/TR/xml/#charsets).
    said = "".join(
        c for c in prompt[:MOST] if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff")
    )
    text = _TEXT.format(escape(said))
    whole = _PACKET.format(text=text, source=_SOURCE, tool=escape(tool))
    return whole.encode(errors="replace")


def labelled(content: bytes, ending: str, xmp: bytes) -> bytes | None:
    """The picture with this XMP; None if that is not possible.

    A picture that has XMP already, or a signature of its content (C2PA), is not changed.
    """
    how = {"png": _png, "jpg": _jpeg, "webp": _webp}.get(ending)
    try:
        return how(content, xmp) if how else None
    except (IndexError, struct.error):  # it is not whole, or not what it seems
        return None


def _png(content: bytes, xmp: bytes) -> bytes | None:
    at, names = 8, []
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        name = content[at + 4 : at + 8]
        if name == b"iTXt" and content[at + 8 :].startswith(_PNG_NAME + b"\0"):
            return None
        names.append(name)
        at += 12 + length
    if not names or names[0] != b"IHDR" or names[-1] != b"IEND" or b"caBX" in names:
        return None
    body = b"iTXt" + _PNG_NAME + b"\0\0\0\0\0" + xmp
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    head = 8 + 25  # the signature and IHDR
    return content[:head] + chunk + content[head:]


def _jpeg(content: bytes, xmp: bytes) -> bytes | None:
    at, place = 2, 2
    while content[at] == 0xFF and content[at + 1] != 0xDA:  # up to the scan
        kind = content[at + 1]
        (length,) = struct.unpack_from(">H", content, at + 2)
        has_xmp = kind == 0xE1 and content[at + 4 :].startswith(_JPEG_NAME)
        if has_xmp or kind == 0xEB:  # APP11 holds C2PA
            return None
        at += 2 + length
        if kind == 0xE0:  # JFIF comes first
            place = at
    body = _JPEG_NAME + xmp
    if content[at] != 0xFF or len(body) + 2 > 0xFFFF:
        return None
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return content[:place] + segment + content[place:]


def _webp(content: bytes, xmp: bytes) -> bytes | None:
    chunks: list[tuple[bytes, bytes]] = []
    at = 12
    while at < len(content):
        name = content[at : at + 4]
        (length,) = struct.unpack_from("<I", content, at + 4)
        chunks.append((name, content[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    if at > len(content) + 1 or {b"XMP ", b"C2PA"} & {name for name, _ in chunks}:
        return None
    name, first = chunks[0]
    if name == b"VP8X":
        chunks[0] = name, bytes([first[0] | 0x04]) + first[1:]
    else:
        size = _size_of_webp(name, first)
        if size is None:
            return None
        wide, high, alpha = size
        flags = struct.pack("<I", 0x04 | (0x10 if alpha else 0))
        canvas = (wide - 1).to_bytes(3, "little") + (high - 1).to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", flags + canvas))
    chunks.append((b"XMP ", xmp))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _size_of_webp(name: bytes, data: bytes) -> tuple[int, int, bool] | None:
    """Width, height, and whether it has transparent pixels (RFC 6386 section 9.1; RFC 9649)."""
    if name == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        wide, high = struct.unpack_from("<HH", data, 6)
        return wide & 0x3FFF, high & 0x3FFF, False
    if name == b"VP8L" and data[0] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    return None
