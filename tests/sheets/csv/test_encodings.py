"""Encodings of people's files: read correctly or refused, and never changed without need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.model import Grid
from pipeline.sheets.csv.decoding import decoded
from pipeline.sheets.csv.encodings import NotText, Unclear
from pipeline.sheets.csv.text import CannotHold, CsvText
from tests.fakes.cases import each

CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
WESTERN = (
    "prompt,status\nune fée à l'été, «\xa0École\xa0»,\nein Löwe in Öl – 20°C, 5€,\n“CAFÉ”,\n"
    "pingüino… ¿dónde?,\nl´été, n°5, 3½ m², 5ª,\næble på ø,\n"
)


@each("codec", CODECS)
def test_the_same_text_is_read_from_every_encoding(codec: str) -> None:
    _, text = decoded(WESTERN.encode(codec))

    assert text == WESTERN


def test_both_byte_orders_of_utf_16_have_their_mark() -> None:
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        encoding, text = decoded(mark + "日本".encode(codec))

        assert (encoding.mark, encoding.codec, text) == (mark, codec, "日本")


@given(st.binary(max_size=60))
def test_unchanged_text_is_written_back_as_the_same_bytes(content: bytes) -> None:
    try:
        encoding, text = decoded(content)
    except (NotText, Unclear):
        return

    assert encoding.encoded(text) == content


@each("codec", CODECS)
def test_our_cells_are_written_in_the_encoding_of_the_file(codec: str) -> None:
    before = "prompt,note\nun café,\n"

    after = CsvText.of(before.encode(codec)).patched({(1, 1): "déjà vu"})

    assert after == before.replace("café,", "café,déjà vu").encode(codec)


def test_characters_missing_in_the_encoding_become_question_marks_once() -> None:
    patch = {(1, 1): "“naïve” 日本 🦊 Ł"}

    after = CsvText.of("prompt,note\nun café,\n".encode("cp1252")).patched(patch)

    assert after.decode("cp1252") == "prompt,note\nun café,“naïve” ?? ? ?\n"
    assert CsvText.of(after).patched(patch) == after


@each("codec", ["utf-8", "utf-16"])
def test_a_lone_surrogate_becomes_a_question_mark_once(codec: str) -> None:
    patch = {(1, 1): "half \ud800"}

    after = CsvText.of("prompt,note\na fox,\n".encode(codec)).patched(patch)

    assert CsvText.of(after).grid[1] == ("a fox", "half ?")
    assert CsvText.of(after).patched(patch) == after


def test_a_column_name_that_the_encoding_cannot_keep_is_not_added() -> None:
    text = CsvText.of("prompt\nun café\n".encode("cp1252"))

    with pytest.raises(CannotHold, match="Windows-1252 has no letters for Статус"):
        text.patched({(0, 1): "Статус"})


def test_when_the_last_accent_is_gone_the_encoding_may_change_but_no_text_does() -> None:
    patch = {(1, 1): "Änderung – “so”"}
    western = CsvText.of("prompt,note\nun café,\n".encode("cp1252")).patched(patch)

    plain = western.replace(b"\xe9", b"e")
    grid: Grid = (("prompt", "note"), ("un cafe", "Änderung – “so”"))

    assert CsvText.of(plain).grid == grid
    assert CsvText.of(plain).patched(patch) == plain


@each(
    ("content", "sentence"),
    [
        # Cut off, or one byte lost: the rest is UTF-8.
        ("prompt\nun café".encode()[:-1], "is damaged UTF-8 text (byte 0xC3 in line 2)"),
        (
            "prompt\nété à la fée\n".encode() + b"\xe9,",
            "is damaged UTF-8 text (byte 0xE9 in line 3)",
        ),
        (b"\xef\xbb\xbfprompt\ncaf\xe9\n", "is damaged UTF-8 text (byte 0xE9 in line 2)"),
        ("prompt\nfox".encode("utf-16") + b"x", "is damaged UTF-16 text (byte 0x78 in line 2)"),
        (b"\xff\xfea\0\0\xd8b\0", "is damaged UTF-16 text (byte 0x00 in line 1)"),
        # Bytes that occur in no text.
        (b"prompt\nfox \x81\x01\n", "is not text that we know (byte 0x81 in line 2)"),
        (b"prompt\n\xe9\x02\n", "is not text that we know (byte 0xE9 in line 2)"),
        # Other file formats.
        (b"PK\x03\x04....", "is an Excel workbook, whatever its name says"),
        (b"\xd0\xcf\x11\xe0....", "is an old Excel workbook, whatever its name says"),
        ("prompt".encode("utf-32"), "is UTF-32 text, which few programs can read"),
    ],
)
def test_bytes_that_are_not_text_are_refused_with_their_position(
    content: bytes, sentence: str
) -> None:
    with pytest.raises(NotText) as error:
        decoded(content)

    assert str(error.value) == sentence


@each(
    ("words", "codec"),
    [
        ("лиса в снегу, на рассвете", "cp1251"),
        ("лиса в снегу, на рассвете", "koi8_r"),
        ("μια αλεπού στο χιόνι", "cp1253"),
        ("שועל בשלג", "cp1255"),
        ("ثعلب في الثلج", "cp1256"),
        ("雪の中のキツネ、夜明け", "cp932"),
        ("雪中的狐狸，黎明", "gb18030"),
        ("눈 속의 여우", "cp949"),
        ("mały lis, żółty księżyc", "cp1250"),
        ("Gdańsk", "cp1250"),
        ("kot łąka na łóżku", "cp1250"),
        ("łódka", "cp1250"),
        ("zielona żaba", "cp1250"),
        ("liška ve sněhu, žlutý dům", "cp1250"),
        ("kočka a Dvořák", "cp1250"),
        ("malý vlk", "cp1250"),
        ("Győr télen, őszi erdő", "cp1250"),
        ("čudežna žaba", "cp1250"),
        ("o vulpe în zăpadă", "cp1250"),
        ("karda bir tilki, kışın", "cp1254"),
        ("İstanbul'da gün batımı", "cp1254"),
        ("İstanbul'da şık bir ev, güneş ışığı", "cp1254"),
        ("lapė sniege", "cp1257"),
        ("zaķis mežā", "cp1257"),
        ("un café près de la forêt", "mac_roman"),
        ("ein großer Bär im Schnee über Österreich", "mac_roman"),
        ("niño en otoño", "mac_roman"),
        ("una canción", "mac_roman"),
        ("ein Bär im Schnee", "cp850"),
        ("a fox and a kočka", "cp1250"),
        ("да", "cp1251"),
        ("γη", "cp1253"),
        ("a red кот", "cp1251"),
    ],
)
def test_text_in_other_code_pages_is_never_guessed(words: str, codec: str) -> None:
    content = f"prompt,status\n{words},\na fox in the snow,\n".encode(codec)

    with pytest.raises(Unclear) as unclear:
        decoded(content)

    assert unclear.value.line == 2
    assert unclear.value.readings[codec] == f"{words},"
    assert len({*unclear.value.readings.values()}) <= 6

    encoding, text = decoded(content, codec)
    assert text == content.decode(codec)
    assert encoding.encoded(text) == content


@each(
    "words",
    [
        *("un café près de la forêt", "déjà vu", "à la crème brûlée", "une œuvre, un cœur", "Noël"),
        *("ein Bär im Schnee, größer", "Zürich über Österreich", "“naïve” café – 20 €", "it’s…"),
        *(
            "niño en otoño",
            "España, ¿dónde está la montaña?",
            "una canción",
            "un árbol rojo y azul",
        ),
        *("São Paulo à noite", "coração", "città perché così", "è più bello", "Malmö", "Århus"),
        *("en rød bjørn på en bjergtop, ærlig", "smörgåsbord", "Citroën België", "5 m² à 20°C"),
        *("jalapeño and piñata", "façade", "a fox — quick, “brown”", "Björk", "n°5, 3½ £"),
    ],
)
def test_western_text_is_read_without_configuration(words: str) -> None:
    content = f"prompt,status\n{words},\na fox in the snow,\n".encode("cp1252")

    encoding, text = decoded(content)

    assert (encoding.codec, text) == ("cp1252", content.decode("cp1252"))


def test_unicode_is_recognised_whatever_encoding_is_configured() -> None:
    for codec in ("utf-8", "utf-8-sig", "utf-16"):
        encoding, text = decoded(WESTERN.encode(codec), "cp1250")

        assert encoding.title in ("UTF-8", "UTF-16")
        assert text == WESTERN


def test_an_ascii_file_is_written_in_the_configured_encoding() -> None:
    after = CsvText.of(b"prompt,note\na fox,\n", encoding="cp1250").patched({(1, 1): "liška"})

    assert after == "prompt,note\na fox,liška\n".encode("cp1250")
    assert CsvText.of(after, encoding="cp1250").grid[1] == ("a fox", "liška")


def test_bytes_invalid_in_the_configured_encoding_are_refused_with_their_position() -> None:
    with pytest.raises(NotText, match=r"is damaged cp1250 text \(byte 0x81 in line 2\)"):
        decoded(b"prompt\nun\x81\n", "cp1250")
