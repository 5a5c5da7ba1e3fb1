"""A CSV file that was only sorted is told from one that has other rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.cells.row_digests import digest
from pipeline.sync.sorted_rows import LeftRows, digest_of_all, order_of, sum_of

Row = tuple[str, ...]
HEADER: Row = ("prompt", "row_id", "note")
TEXTS = st.text("ab ,;\"'\n\r\t=ä\N{ZERO WIDTH NO-BREAK SPACE}", max_size=6)


def ids_of(rows: Sequence[Row]) -> list[str]:
    return [row[1] for row in rows]


def left(rows: Sequence[Row]) -> LeftRows:
    return LeftRows("".join(ids_of(rows)), b"".join(map(digest, rows)))


def content(rows: Sequence[Row], delimiter: str = ",", header: Row = HEADER) -> bytes:
    made = io.StringIO(newline="")
    csv.writer(made, delimiter=delimiter).writerows([header, *rows])
    return made.getvalue().encode()


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    cells = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
    return [(cell, f"r_{at:03}", note) for at, (cell, note) in enumerate(cells)]


@given(some_rows(), st.sampled_from(",;\t|"), st.randoms(use_true_random=False))
def test_rows_in_any_order_are_the_same_rows(rows: list[Row], delimiter: str, by: Random) -> None:
    wanted = digest_of_all((HEADER, *rows), [*map(digest, rows)], delimiter)
    mixed = by.sample(rows, len(rows))

    mixed_up = io.BytesIO(content(mixed, delimiter))
    found = order_of(mixed_up.getvalue(), delimiter, left(rows), wanted)

    assert found == ["", *ids_of(mixed)]
    assert sum_of(mixed_up) == sum_of(io.BytesIO(content(rows, delimiter)))


@given(some_rows(), st.data())
def test_any_other_row_is_noticed(rows: list[Row], data: st.DataObject) -> None:
    wanted = digest_of_all((HEADER, *rows), [*map(digest, rows)], ",")
    others = [*rows, ("", "r_000", ""), ("a", "", ""), ()]
    mixed = data.draw(st.lists(st.sampled_from(others), max_size=len(rows) + 1))

    found = order_of(content(mixed), ",", left(rows), wanted)

    assert (found is not None) == (sorted(mixed) == sorted(rows))


ROWS: tuple[Row, ...] = (("a fox, red", "r_1", "ok"), ("an owl", "r_2", "x\ny"))
WANTED = digest_of_all((HEADER, *ROWS), [*map(digest, ROWS)], ",")


@pytest.mark.parametrize(
    "changed",
    [
        content(ROWS, header=("prompt", "row_id", "notes")),
        content(ROWS, header=("prompt", "row_id", "note", "")),
        content(ROWS, ";"),
        b"sep=,\r\n" + content(ROWS),
        content(ROWS) + b"\r\n",
        content([*ROWS, ROWS[0]]),
        content([ROWS[0], ROWS[0]]),
        content(ROWS[:1]),
        b"",
    ],
)
def test_a_file_that_is_read_in_another_way_is_another_one(changed: bytes) -> None:
    assert order_of(content(ROWS), ",", left(ROWS), WANTED) == ["", "r_1", "r_2"]
    assert order_of(b"\xef\xbb\xbf" + content(ROWS), ",", left(ROWS), WANTED)

    assert order_of(changed, ",", left(ROWS), WANTED) is None


def test_one_other_letter_is_another_sum() -> None:
    whole, changed = content(ROWS), content(ROWS).replace(b"fox", b"hen")

    sums = {sum_of(io.BytesIO(one)) for one in (whole, changed, whole + b"\0")}

    assert len(sums) == 3


def test_a_file_that_is_being_saved_is_not_sorted() -> None:
    whole = content(ROWS).rstrip(b"\r\n")

    with pytest.raises(csv.Error):
        order_of(whole[:-1], ",", left(ROWS), WANTED)


def test_the_rows_of_another_note_say_nothing() -> None:
    for other in (LeftRows("", b""), left(ROWS[:1]), left([*reversed(ROWS)])):
        assert order_of(content(ROWS), ",", other, WANTED) is None


def test_only_a_text_file_without_other_lines_has_a_digest() -> None:
    digests = [*map(digest, ROWS)]

    assert digest_of_all((HEADER, *ROWS), digests, ",")
    assert not digest_of_all((HEADER, *ROWS), digests, "")
    assert not digest_of_all((HEADER, *ROWS, ()), digests, ",")
    assert not digest_of_all((HEADER, *ROWS), (), ",")
