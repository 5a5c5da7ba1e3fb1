"""Text for people is one short printable line; numbers agree with their nouns."""

from __future__ import annotations

import json
from datetime import timedelta

from pipeline.core import text
from pipeline.core.messages.row_notes import as_text
from tests.fakes.cases import each

FAMILY = "👩\u200d👩\u200d👧"


def test_outside_text_keeps_its_words_and_loses_terminal_controls() -> None:
    assert text.printable(f"{FAMILY} a\u00a0b\n") == f"{FAMILY} a\u00a0b\n"
    assert text.printable("\x1b[2J\x9b\u202e\ud800", "?") == "?[2J???"
    assert text.one_line(f" a\r\n\tb\x00 {FAMILY} \u2028c ") == f"a b {FAMILY} c"


@each("most", [1, 2, 10, 40])
def test_a_short_text_is_never_longer_than_allowed(most: int) -> None:
    for words in ("", "fox", "a red fox in the snow " * 9, "灯台 " * 50):
        short = text.shortened(words, most)

        assert len(short) <= most
        assert short == words.strip() or short.endswith("…")


@each(
    ("number", "form", "words"),
    [(0, "", "0 rows"), (1, "", "1 row"), (2, "", "2 rows"), (1234, ",", "1,234 rows")],
)
def test_a_number_agrees_with_its_noun(number: int, form: str, words: str) -> None:
    assert text.counted(number, "row", form) == words


@each(("seconds", "words"), [(1, "1 s"), (119, "119 s"), (3600, "60 min"), (7200, "2 h")])
def test_a_time_limit_is_given_in_one_unit(seconds: int, words: str) -> None:
    assert text.time_limit(timedelta(seconds=seconds)) == words


def test_escaped_json_has_the_same_value() -> None:
    value = {"note": "a\x9b\u202e b\U000e0041"}

    line = text.control_characters_escaped(json.dumps(value, ensure_ascii=False))

    assert json.loads(line) == value
    assert text.printable(line) == line


@each("start", ["=", "\u200c=", "\u00a0=", "\ufeff+", "  @", "\u200b-", "\t|"])
def test_no_cell_text_starts_like_a_formula_even_after_hidden_characters(start: str) -> None:
    assert as_text(f"{start}SUM(A1)").startswith("'")
