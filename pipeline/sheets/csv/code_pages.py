"""Decides whether 8-bit text is certainly Western, and reads it in other code pages.

The same byte is `è` in one code page and `č` in another, and a prompt with the wrong letters would
be paid for. So text counts as Western only if that is clearly more plausible than any Central
European, Turkish or Baltic reading. Each accented letter is scored by its frequency in a language,
and by its position among vowels and consonants.

Measured with the word lists of hunspell for 25 languages, as files of four accented words: of the
Western ones 99 % are recognised (the others ask for `[sheet] encoding`), and of the others 0.3 %
are taken for Western. charset-normalizer 3 reads 34 % of the same Western files right and takes
12 % of the others for Western; it always answers, where the answer needed here is "not sure".
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

WESTERN = "cp1252"


@dataclass(frozen=True, slots=True)
class _Language:
    codec: str
    #: How often each accented letter is one of the accented letters of a text, in per cent.
    letters: Mapping[str, float]


def _language(codec: str, letters: str) -> _Language:
    """A language from a text such as `é60 è9 ü`: 60 % of its accented letters are é, few are ü."""
    parts = letters.split()
    return _Language(codec, {part[0]: math.log(float(part[1:] or 0.3) / 100) for part in parts})


#: From the word lists of hunspell; in texts, the letters of short words are more frequent.
_LANGUAGES = tuple(
    _language(codec, letters)
    for codec, letters in (
        (WESTERN, "é55 è10 à10 ê6 ç5 ô4 î4 û3 â3 ï2 ù2 œ4 ë1 æ ü ö ÿ ñ"),  # French
        (WESTERN, "ä37 ü35 ö18 ß9 é1 è à ê ç ñ"),  # German
        (WESTERN, "ó28 í24 á18 é15 ñ11 ú4 ü1 ç"),  # Spanish, Galician
        (WESTERN, "à40 è30 ù10 ò10 é8 ì4 î"),  # Italian
        (WESTERN, "í18 ã17 ç17 á15 ó11 é10 ê6 ú4 â3 ô2 õ3 à2 ü"),  # Portuguese
        (WESTERN, "ø45 å30 æ22 é2 ö ä ü è ê ô ò ó"),  # Danish, Norwegian
        (WESTERN, "ä47 ö30 å22 é1 à ü è š ž"),  # Swedish, Finnish
        (WESTERN, "ë43 é20 ï20 ö5 ó4 á3 è2 ü2 ê2 í1 ç ä û ô"),  # Dutch
        (WESTERN, "à25 í21 è15 ò13 ó14 é9 ï4 ç3 ú3 ü1 ñ"),  # Catalan
        (WESTERN, "ð25 ó15 á13 ö12 æ11 í10 ú7 þ5 ý4 é4"),  # Icelandic
        (WESTERN, "é45 ï15 ñ10 è8 ö6 ü6 ç4 ê4 â3 à3 ô3 ø2 å2 ä2 ó2 í2 á2 ë2"),  # English
        ("cp1250", "í24 á18 ý15 ě11 š9 ř9 č8 ž6 é5 ů2 ň1 ť1 ú2 ď ó"),  # Czech
        ("cp1250", "š23 á16 í14 ť11 ý11 č9 ú7 ľ5 ž5 é3 ň2 ó1 ä1 ô1 ď ŕ ĺ"),  # Slovak
        ("cp1250", "ą23 ł20 ć18 ś12 ę12 ż10 ó9 ń3 ź2"),  # Polish
        ("cp1250", "á30 é24 ó14 ö12 ő8 í6 ü5 ú3 ű3"),  # Hungarian
        ("cp1250", "č45 š32 ž16 ć14 đ6"),  # Croatian, Slovene
        ("cp1250", "ă50 â18 ţ14 ş14 î8"),  # Romanian
        ("cp1254", "ı43 ğ23 ş15 ü10 ç6 ö4 İ1 â î û"),  # Turkish
        ("cp1257", "ė40 š22 ž14 ū9 č6 į4 ų4 ą4 ę2"),  # Lithuanian
        ("cp1257", "ā37 ē22 ī21 š9 ū6 ķ4 ņ4 ļ4 ž3 ģ2 č2"),  # Latvian
        ("cp1257", "ä34 õ33 ü22 ö9 š3 ž1"),  # Estonian
    )
)
_UNKNOWN, _MIXED = -9.0, -2.0
#: Below this, on average, no letter makes sense.
_LEAST = -8.5
#: How much more plausible Western must be than another code page.
_MARGIN = 1.5
#: Groups of letters that are frequent in a Western language, and in no other as it would read.
_WESTERN_GROUP = re.compile(
    r"ão|ãe|õe|ência|ière|[mptfv]ère\b|rès\b|œ[ui]|ïve|[aeiou]ñ[aeiou]|[aeio]ë", re.IGNORECASE
)
_GROUP = 5.0
#: What may join two parts of a Western word.
_JOINTS = frozenset("’‘´–—…·-/\xad")
#: Logarithm of how often an accented vowel and consonant stand between vowels (V), consonants (C),
#: and at an end of a word (-), in all these languages together.
_SHAPES = {
    "V": {
        "VV": -6.2,
        "VC": -3.1,
        "V-": -5.0,
        "CV": -3.2,
        "CC": -0.3,
        "C-": -2.0,
        "-V": -6.9,
        "-C": -3.3,
        "--": -4.0,
    },
    "C": {
        "VV": -1.0,
        "VC": -1.6,
        "V-": -2.4,
        "CV": -1.6,
        "CC": -3.2,
        "C-": -4.3,
        "-V": -2.9,
        "-C": -3.8,
        "--": -8.0,
    },
}
_VOWELS = frozenset("aeiouyæøœı")
_WORD = re.compile(rb"[A-Za-z\x80-\xff]++")
#: All bytes that are not ASCII.
HIGH = bytes(range(0x80, 0x100))
_MOST_WORDS = 200


def is_surely_western(content: bytes) -> bool:
    """True if the accented words make sense as Western text, and clearly less in any other."""
    words = {word for word in _WORD.findall(content) if not word.isascii()}
    # This many words from the whole alphabet are enough, and reading stays fast.
    some = sorted(words)[:: len(words) // _MOST_WORDS + 1]
    western = _score(some, WESTERN)
    if western < _LEAST * sum(len(word) - len(word.translate(None, HIGH)) for word in some):
        return False
    return all(
        western - _score(some, codec) >= _MARGIN
        for codec in ("cp1250", "cp1254", "cp1257")
        if _differs(some, codec)
    )


def _differs(words: list[bytes], codec: str) -> bool:
    return any(_text(word, codec) != _text(word, WESTERN) for word in words)


def _text(word: bytes, codec: str) -> str:
    return word.decode(codec, "replace")


def _score(words: list[bytes], codec: str) -> float:
    """How well the words fit the best language of the code page; a few may fit another one."""
    languages = [one for one in _LANGUAGES if one.codec == codec]
    texts = [_text(word, codec) for word in words]
    by_language = [[_fit(text, one) for text in texts] for one in languages]
    mixed = [max(fits) + _MIXED for fits in zip(*by_language, strict=True)]
    sums = [sum(map(max, fits, mixed)) for fits in by_language]
    return float(max(sums))


def _fit(word: str, language: _Language) -> float:
    """The logarithm of how plausible the accented letters of a word are at their positions."""
    score = 0.0
    for at, letter in enumerate(word):
        if letter.isascii():
            continue
        before, after = word[at - 1 : at], word[at + 1 : at + 2]
        if not letter.isalpha():
            score += _UNKNOWN if _is_odd(before, letter, after) else 0
            continue
        frequency = language.letters.get(letter, language.letters.get(letter.lower()))
        if frequency is None:
            score += _UNKNOWN
            continue
        score += frequency + _SHAPES[_role(letter)][_role(before) + _role(after)]
    if language.codec == WESTERN:
        score += _GROUP * len(_WESTERN_GROUP.findall(word))
    return score


def _is_odd(before: str, sign: str, after: str) -> bool:
    """True if there is a sign where Western text has none and another code page has a letter."""
    if before.isalpha() and after.isalpha():
        return sign not in _JOINTS
    if sign in "ªº":
        return before.isalpha() and before not in "nN"
    if sign in "¹³" and after.isalpha():
        return True
    if sign in "¹³¼¾":
        return before.isalpha() and before != "m"
    return sign in "£¥¯" and after.isalpha()


@lru_cache(maxsize=1024)
def _role(letter: str) -> str:
    """V for a vowel, C for a consonant, - for the end of the word."""
    if not letter.isalpha():
        return "-"
    return "V" if unicodedata.normalize("NFD", letter)[0].lower() in _VOWELS else "C"


def readings(content: bytes, line: bytes) -> dict[str, str]:
    """One line as each code page reads it, by Python's name for that; the plausible ones first.

    Code pages are left out in which the content cannot be read, or in which signs and capitals
    would be inside words.
    """
    odd = {codec: _oddness(content, codec) for codec in _CODECS}
    found: dict[str, str] = {}
    for codec in sorted(_CODECS, key=lambda codec: odd[codec]):
        text = _strict(line, codec)
        is_new = text not in found.values()
        if text and odd[codec] < _TOO_ODD and len({*found.values()}) + is_new <= _MOST_READINGS:
            found[codec] = text
    return found


def _strict(content: bytes, codec: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return ""


def _oddness(content: bytes, codec: str) -> float:
    """The share, 0 to 1, of the accented letters of a text that are where no letter can be."""
    if content and not (text := _strict(content, codec)):
        return 1.0
    signs = [letter for letter in text if not letter.isascii()]
    runs: list[str] = _ODD_RUN.findall(text)
    odd = sum(unicodedata.category(letter) in _ODD for letter in signs)
    odd += len(_ODD_PLACE.findall(text)) + sum(map(len, runs))
    return odd / max(len(signs), 1)


#: Code pages that people's programs write, the frequent ones first.
_CODECS = (
    *("cp1252", "cp1250", "cp1254", "cp1257", "mac_roman", "cp1251", "cp1253", "cp850", "cp852"),
    *("koi8_r", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949", "cp874"),
)
_TOO_ODD, _MOST_READINGS = 0.2, 6
#: Kinds of sign that no word has: controls, unassigned, private, symbols, marks alone.
_ODD = frozenset(("Cc", "Cf", "Cn", "Co", "So", "Mn"))
#: A sign inside a word, a capital after a small letter, a quotation mark that closes nothing, and
#: two scripts in one word.
_ODD_PLACE = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘´–—…·](?=[^\W\d_])"
    r"|(?<=[a-zà-ÿ])[À-ÖØ-ÞŠŒŽŸ](?=[a-zà-ÿ\s,;]|$)"
    r"|(?<=\w)[‚„¡¿](?!\w)"
    r"|(?<=[A-Za-z])[\u0370-\u1dff\u2e80-\uffdc]|[\u0370-\u1dff\u2e80-\uffdc](?=[A-Za-z])"
)
#: Words of accented letters only. Turkish has such words; they have a dotless i (ı) in them.
_ODD_RUN = re.compile(r"(?<![A-Za-zÀ-ɏ])(?![À-ɏ]*ı)[À-ɏ]{2,}(?![A-Za-zÀ-ɏ])")
