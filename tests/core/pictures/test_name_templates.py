"""File names by a template: safe everywhere, and only what people wrote is shortened."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings

from pipeline.core.pictures.name_templates import template
from tests.core.pictures.test_filenames import NAMES
from tests.fakes.cases import each

FIXED = {"row_id": "r_k3f9x2m1q", "take": "999999", "n": "attempt99-64", "date": "2026-11-28"}


def stem(text: str, **values: str) -> str:
    return template(text).stem(lambda field: (FIXED | values).get(field, ""))


@each(
    ("text", "values", "name"),
    [
        ("{campaign}/{name}-{take}-{n}.{ext}", {}, "999999-attempt99-64"),
        ("{campaign}/{name}-{n}", {"campaign": "A/B", "name": "Fox!"}, "A-B/Fox-attempt99-64"),
        ("{date}/{n}", {}, "2026-11-28/attempt99-64"),
        ("Spring {name} ({n})", {"name": "../x"}, "Spring x (attempt99-64)"),
        ("{ name }-{n}", {"name": "Fu\u0308chse"}, "Füchse-attempt99-64"),
        ("{name}/{n}", {"name": "CON"}, "_CON/attempt99-64"),
        ("{name}/{n}", {"name": "com1"}, "_com1/attempt99-64"),
        ("{name}/{n}", {"name": ".."}, "attempt99-64"),
    ],
)
def test_a_template_gives_a_name(text: str, values: dict[str, str], name: str) -> None:
    assert stem(text, **values) == name


@each(
    ("text", "says"),
    [
        ("{name}", "needs {n}"),
        ("{n}/{name}", "needs {n}"),
        ("{n}.{ext}.png", "at the end"),
        ("../{n}", "use letters"),
        ("C:\\{n}", "use letters"),
        ("/{n}", "a folder without a name"),
        ("a//{n}", "a folder without a name"),
        ("{}-{n}", "nothing between"),
        ("{name-{n}", "use letters"),
        ("x" * 50 + "{n}", "too long"),
        ("a/b/c/d/e/f/{n}", "folders"),
    ],
)
def test_a_wrong_template_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        template(text)


@settings(deadline=None)
@given(NAMES, NAMES)
def test_every_name_is_safe_and_keeps_what_distinguishes_it(one: str, other: str) -> None:
    text = "{campaign}/{name} {campaign}-{row_id}-{take}-{n}.{ext}"
    name = stem(text, name=one, campaign=other)

    parts = name.split("/")
    assert len(parts) in (1, 2)
    assert name.endswith("r_k3f9x2m1q-999999-attempt99-64")
    for part in parts:
        assert part
        assert len(part.encode()) <= 112
        assert part == part.strip(" .") == unicodedata.normalize("NFC", part)
        assert not any(c in '\\:*?"<>|.' or unicodedata.category(c) == "Cc" for c in part)


def test_a_long_cell_leaves_room_for_a_short_one() -> None:
    name = stem("{name}-{campaign}-{n}", name="x" * 300, campaign="Spring")

    assert "-Spring-" in name
    assert name.count("x") == 60
