"""Names of saved files: each picture has its own name, whatever the names of the rows are."""

from __future__ import annotations

import unicodedata
from itertools import product
from typing import Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.core.model import Job, JobKey
from pipeline.core.pictures.filenames import comparable, free_part, picture_stem, shared_files
from tests.fakes.cases import each

LONG = "Autumn campaign, hero picture for the landing page, warm light, variant for the newsletter "
RESERVED = ("CON", "nul", "COM1", "LPT9.png", "aux.", "..", "../..", "C:\\x", "a" * 300, "-rf", "")
SCRIPTS = ("狐と雪" * 40, "हिन्दी नाम " * 30, "ท่องเที่ยว" * 30, "\U0001d400" * 90, "각" * 90, "é" * 90)
NAMES = st.one_of(
    st.sampled_from((LONG, LONG + "A", LONG + "B", LONG.upper(), *RESERVED, *SCRIPTS)),
    st.text(max_size=300),
    st.text(st.characters(categories=("M", "L", "Cf", "Zs")), max_size=120),
)
KEYS = st.builds(
    JobKey,
    st.just("s"),
    st.sampled_from(("r_k3f9x2m1q", "r_k3f9x2m1r", "r_111111111", "r_aaaaaaaaa")),
    st.integers(1, 10**6 - 1),
    st.sampled_from(("", "9x16", "9x16_2", "_2", "1-1", "1", "attempt1")),
)
FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
PICTURES = st.tuples(KEYS, st.integers(1, 64), st.none() | st.integers(1, 99))


def spellings(stem: str) -> set[str]:
    """The name as file systems store it: NTFS and APFS ignore case, HFS+ decomposes characters."""
    return {
        fold(unicodedata.normalize(form, stem))
        for form, fold in product(FORMS, (str.casefold, str.lower, str.upper))
    }


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, PICTURES), min_size=2, max_size=8))
@example([(LONG, (JobKey("s", "r_k3f9x2m1q", 1), n, None)) for n in (1, 2, 3, 4)])
@example([(LONG, (JobKey("s", f"r_k3f9x2m1{n}", 1), 1, None)) for n in "ab"])
@example([("x" * 300, (JobKey("s", "r_k3f9x2m1q", take), 1, None)) for take in (1, 2)])
@example([("n", (JobKey("s", "r_k3f9x2m1q", 1), 1, attempt)) for attempt in (None, 1, 2)])
@example([("n", (JobKey("s", "r_k3f9x2m1q", 1, part), 1, None)) for part in ("", "9x16")])
@example([(f"n-r_k3f9x2m1q{end}", (JobKey("s", "r_k3f9x2m1q", 1), 1, None)) for end in ("", "-1")])
def test_no_two_pictures_share_a_file(pictures: list[tuple[str, tuple[JobKey, int, int]]]) -> None:
    taken: dict[str, object] = {}
    for name, (key, number, attempt) in pictures:
        for spelling in spellings(picture_stem(name, key, number, attempt)):
            assert taken.setdefault(spelling, (key, number, attempt)) == (key, number, attempt)


@settings(deadline=None)
@given(NAMES, PICTURES)
def test_every_common_file_system_accepts_the_name(
    name: str, picture: tuple[JobKey, int, int]
) -> None:
    stem = picture_stem(name, *picture)

    assert len(f"{stem}.webm".encode()) <= 143 + len("-attempt99-999999")
    assert len(f"{stem}.webm".encode("utf-16-le")) <= 2 * 255
    # Windows reserves the part before the first dot; here that is the whole stem.
    assert len(stem) > len("CONOUT$")
    assert not any(c in '/\\:*?"<>|.\0' or unicodedata.category(c)[0] in "CZ" for c in stem)
    assert stem[0].isalnum() or stem[0] == "_" or unicodedata.category(stem[0])[0] == "M"


def test_a_file_name_has_only_plain_characters() -> None:
    key = JobKey("s", "r_k3f9x2m1q", 2)

    assert picture_stem("Red fox", key, 1) == "Red-fox-r_k3f9x2m1q-2-1"
    assert picture_stem("", key, 3) == "r_k3f9x2m1q-2-3"
    assert picture_stem("Red fox", key, 1, attempt=2) == "Red-fox-r_k3f9x2m1q-2-attempt2-1"


@each(
    ("name", "part"),
    [
        ("Füchse im Schnee", "Füchse-im-Schnee"),
        ("Fu\u0308chse", "Füchse"),
        ("狐と雪", "狐と雪"),
        ("हिन्दी", "हिन्दी"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\x", "C-Windows-x"),
        ("a\x00b\nc", "a-b-c"),
        (".hidden", "hidden"),
        ("fox. ", "fox"),
        ("..", ""),
        ("=1+1", "1-1"),
        ("x" * 200, "x" * 60),
        ("狐" * 60, "狐" * 36),
        ("\ud800fox", "fox"),
    ],
)
def test_a_cell_never_chooses_a_path(name: str, part: str) -> None:
    assert free_part(name) == part


def test_files_shared_by_several_pictures_are_found_in_every_spelling() -> None:
    one = Job(JobKey("s", "r_k3f9x2m1q", 1), files={"u1": "Fox.png", "u2": "owl.png"})
    two = Job(JobKey("s", "r_k3f9x2m1r", 1), files={"u3": "fox.png", "u4": "cat.png"})

    assert shared_files([one, two]) == {"Fox.png": [(one.key, "u1"), (two.key, "u3")]}
    assert comparable("FÜCHSE.png") == comparable("fu\u0308chse.png")
