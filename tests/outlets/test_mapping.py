"""Which field goes into which column, and what a value becomes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.outlets.outbox import Delivered, MessageKind, Result, Trouble, Undelivered
from pipeline.outlets.mapping import (
    Column,
    FieldMap,
    Kind,
    Line,
    Unfit,
    converted,
    has_one_take,
    in_halves,
)
from tests.fakes.cases import each
from tests.fakes.outlets.rows import AT, row

KEY = Column("row_id", Kind.TEXT)


def cells(columns: Sequence[Column], field_map: FieldMap, **values: Any) -> dict[str, object]:
    """The values by the names of their columns."""
    line = field_map.line(columns, row(**values))
    return {column.name: value for column, value in line.cells.items()}


def test_names_match_as_the_titles_of_a_sheet_do() -> None:
    columns = [KEY, Column("Image  URLs", Kind.LIST), Column("task-id", Kind.TEXT)]
    columns += [Column("Our Team", Kind.TEXT), Column("Owner", Kind.TEXT)]

    assert cells(columns, FieldMap(["row_id"], {}), our_team="north") == {
        "row_id": "r_000000001",
        "Image  URLs": ["https://pictures.example/1.png"],
        "task-id": "task-1",
        "Our Team": "north",
    }


def test_a_named_field_is_emptied_and_a_column_of_the_same_name_is_left_alone() -> None:
    columns = [KEY, Column("Team", Kind.TEXT)]
    assert cells(columns, FieldMap(["row_id"], {"Team": "team"})) == {
        "row_id": "r_000000001",
        "Team": None,
    }
    assert "Team" not in cells(columns, FieldMap(["row_id"], {}))


@each(
    ("key", "fields", "expected"),
    [
        (["row_id"], {}, ("r_000000001",)),
        (["Key"], {}, ("r_000000001",)),
        (["Key"], {"Key": "sku"}, ("A-7",)),
        (["ROW ID", "take"], {}, ("r_000000001", 3)),
        (["sku"], {"SKU": "sku"}, ("A-7",)),
    ],
)
def test_the_key_is_the_row_unless_it_says_otherwise(
    key: list[str], fields: dict[str, str], expected: tuple[object, ...]
) -> None:
    columns = [Column("take", Kind.WHOLE), KEY, Column("Key", Kind.TEXT), Column("SKU", Kind.TEXT)]
    line = FieldMap(key, fields).line(columns, row(take=3, sku="A-7"))
    assert line.key == expected
    assert tuple(line.cells.values())[: len(expected)] == expected


def test_a_row_without_a_value_for_the_key_is_refused_and_says_so() -> None:
    with pytest.raises(Unfit, match="The row has no sku, which identifies it there"):
        FieldMap(["SKU"], {"SKU": "sku"}).line([Column("SKU", Kind.TEXT)], row())


def test_a_sample_needs_no_value_for_the_key() -> None:
    column = Column("SKU", Kind.TEXT)
    line = FieldMap(["SKU"], {"SKU": "sku"}).line([column], row(kind=MessageKind.TEST))
    assert line.cells == {column: "r_000000001"}


@each(
    ("kind", "value", "expected"),
    [
        (Kind.NUMBER, "1.5", 1.5),
        (Kind.NUMBER, " 12 ", 12),
        (Kind.NUMBER, "", None),
        (Kind.WHOLE, "12.0", 12),
        (Kind.WHOLE, 12.0, 12),
        (Kind.FLAG, "Yes", True),
        (Kind.FLAG, "", False),
        (Kind.LIST, "a\n\n b ", ["a", "b"]),
        (Kind.LIST, ("a", "b"), ["a", "b"]),
        (Kind.JSON, ("a", "b"), ["a", "b"]),
        (Kind.JSON, 1.5, 1.5),
        (Kind.TEXT, ("a", "b"), "a\nb"),
        (Kind.TEXT, AT, "2026-11-28T09:30:15+00:00"),
        (Kind.TEXT, "", None),
        (Kind.TEXT, "\ud800\x00", "\ufffd\ufffd"),
        (Kind.DAY, AT, date(2026, 11, 28)),
        (Kind.DAY, "2026-05-12", date(2026, 5, 12)),
        (
            Kind.MOMENT,
            datetime(2026, 5, 12, 1, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 5, 11, 23, tzinfo=UTC),
        ),
        (Kind.PICTURES, "https://a.example/1.png\nfile:///etc/passwd", ["https://a.example/1.png"]),
    ],
)
def test_a_value_becomes_what_its_column_takes(kind: Kind, value: Any, expected: object) -> None:
    found = converted(value, Column("X", kind), "x")
    assert (found, type(found)) == (expected, type(expected))


@each(
    ("kind", "value"),
    [
        (Kind.NUMBER, "many"),
        (Kind.NUMBER, "nan"),
        (Kind.NUMBER, "1e999"),
        (Kind.WHOLE, 1.5),
        (Kind.FLAG, "perhaps"),
        (Kind.MOMENT, "tomorrow"),
        (Kind.DAY, 7),
    ],
)
def test_a_value_that_does_not_fit_names_its_column_and_itself(kind: Kind, value: Any) -> None:
    with pytest.raises(Unfit, match=r'The column "X" takes .*, and x of this row is "'):
        converted(value, Column("X", kind), "x")


def test_no_text_is_cut_and_no_choice_is_invented() -> None:
    with pytest.raises(Unfit, match=r"prompt has 11 characters, and the column .* takes 10"):
        converted("12345678901", Column("X", Kind.TEXT, longest=10), "prompt")
    with pytest.raises(Unfit, match='has no choice "done"'):
        converted("done", Column("X", Kind.TEXT, choices=frozenset({"ok"})), "status")


def test_each_problem_says_what_to_do() -> None:
    columns = [
        Column("Row-ID", Kind.FLAG, "checkbox"),
        Column("Status", Kind.TEXT, "status", choices=frozenset({"done"})),
        Column("Take", Kind.MOMENT, "date"),
        Column("Prompt", Kind.OTHER, "formula"),
    ]
    assert FieldMap(["row_id"], {}).problems(columns) == [
        'The column "Row-ID" (checkbox) cannot identify rows. Make it text, or name another in '
        "key.",
        'The column "Status" (status) lacks "failed", "check needed". Add these choices, or make '
        "it text.",
        'The column "Take" (date) takes a date and time, and Take is something else. Make it text, '
        "or say in fields what goes where.",
    ]
    assert FieldMap(["row_id"], {"prompt": "prompt"}).problems(columns)[1:] == [
        'The column "Prompt" (formula) cannot be written. Name another column in fields.'
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_halves_find_each_refused_line_and_deliver_all_others(good: list[bool]) -> None:
    columns = [KEY]
    lines = [FieldMap(["row_id"], {}).line(columns, row(f"r_{n}")) for n in range(len(good))]
    bad = {line.key for line, is_good in zip(lines, good, strict=True) if not is_good}
    written: list[Line] = []

    def send(some: Sequence[Line]) -> Sequence[Result]:
        if any(line.key in bad for line in some):
            raise Unfit("no")
        written.extend(some)
        return [Delivered(str(line.key)) for line in some]

    results = in_halves(send, lines)

    assert results == [
        Delivered(str(line.key)) if is_good else Undelivered(Trouble.REFUSED, "no")
        for line, is_good in zip(lines, good, strict=True)
    ]
    assert written == [line for line in lines if line.key not in bad]


def test_links_that_last_go_before_the_links_of_the_sheet() -> None:
    message = replace(row(), urls=("https://ours.example/1.png",))
    pictures = Column("image_urls", Kind.PICTURES)
    line = FieldMap(["row_id"], {}).line([KEY, pictures], message)
    assert line.cells[pictures] == ["https://ours.example/1.png"]


@each(
    ("key", "fields", "expected"),
    [
        (("row_id",), {}, True),
        (("Row",), {"Row": "row_id", "Take": "take"}, True),
        (("row_id", "Take"), {}, False),
        (("row_id", "Version"), {"version": "take"}, False),
    ],
)
def test_a_table_has_one_take_of_a_row_unless_the_take_is_in_its_key(
    key: tuple[str, ...], fields: dict[str, str], expected: bool
) -> None:
    assert has_one_take(key, fields) is expected
