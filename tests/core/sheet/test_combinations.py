"""Lists of values on the command line, and the combinations that a sheet lacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.model import Grid
from pipeline.core.sheet.combinations import (
    Source,
    ValueList,
    in_words,
    many,
    missing,
    value_list,
    values_in,
)
from pipeline.core.sheet.header import Header
from pipeline.core.sheet.new_rows import with_rows
from tests.fakes.cases import each

HEADER = Header(
    frozenset({"prompt", "aspect_ratio", "parent"}), endpoints={"flux-imagine": frozenset()}
)


def lacking(grid: Grid, *words: str) -> list[tuple[str, ...]]:
    lists = [value_list(word) for word in words]
    return list(missing(grid, HEADER.read(grid), lists, "prompts.csv").lacking)


@each(
    ("word", "values"),
    [
        ("prompt=fox,owl", ["fox", "owl"]),
        ("prompt= fox , owl ", ["fox", "owl"]),
        ('prompt="in snow, at night",by day', ["in snow, at night", "by day"]),
        ("prompt=fox,owl,fox", ["fox", "owl"]),
        ("prompt=fox\nowl", ["fox", "owl"]),
        ("prompt=,fox", ["", "fox"]),
        ("prompt=", [""]),
        ("prompt={front|side} view", ["{front|side} view"]),
        ('prompt="@home",x=y', ["@home", "x=y"]),
    ],
)
def test_values_are_separated_by_commas_as_in_a_csv(word: str, values: list[str]) -> None:
    assert value_list(word) == ValueList(("prompt",), tuple((one,) for one in values))


@each(
    ("word", "source"),
    [
        ("style=@styles.csv:name", Source("styles.csv", "", ("name",))),
        ("style=@styles.csv", Source("styles.csv", "", ())),
        (r"style=@C:\lists\s.csv:name", Source(r"C:\lists\s.csv", "", ("name",))),
        ("style=@book.xlsx:Styles:name", Source("book.xlsx", "Styles", ("name",))),
        ("style=@book.xlsx:name", Source("book.xlsx", "", ("name",))),
        ("style=@Styles:name", Source("", "Styles", ("name",))),
        ("style=@Styles", Source("", "Styles", ())),
        ("product,image=@p.tsv:name,photo", Source("p.tsv", "", ("name", "photo"))),
    ],
)
def test_after_an_at_sign_is_where_the_values_are(word: str, source: Source) -> None:
    assert value_list(word).source == source


@each(
    ("word", "why"),
    [
        ("fox", "is not a list"),
        ("=fox", "is not a list"),
        ("a,=@b.csv", "is not a list"),
        ("a,b=fox,owl", "columns that go together come from a file"),
        ("a,b=@c.csv:x", "as many columns after the file as before it"),
        ("a=@", "names no file"),
        ("a=@lists.txt", "a list is in a .csv"),
        ("a=@lists/styles:name", "a list is in a .csv"),
    ],
)
def test_what_is_no_list_is_refused_with_a_sentence(word: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        value_list(word)


def test_a_file_gives_each_value_once_and_columns_together() -> None:
    grid = (("Name", "Photo"), ("fox", "f.png"), ("", ""), ("owl",), ("fox", "f.png"))
    together = value_list("product,image=@p.csv:name,photo")

    assert values_in(grid, value_list("product=@p.csv:name"), "p.csv") == (("fox",), ("owl",))
    assert values_in(grid, value_list("product=@p.csv"), "p.csv") == (("fox",), ("owl",))
    assert values_in(grid, together, "p.csv") == (("fox", "f.png"), ("owl", ""))
    with pytest.raises(ValueError, match=r'p.csv has no column nam: did you mean "Name"\?'):
        values_in(grid, value_list("product=@p.csv:nam"), "p.csv")
    with pytest.raises(ValueError, match="has no values"):
        values_in(grid[:1], value_list("product=@p.csv:name"), "p.csv")


def test_the_lists_are_named_with_their_sizes() -> None:
    together = ValueList(("product", "image"), (("fox", "f.png"), ("owl", "")))

    assert in_words([together, value_list("style=a,b,c")]) == "2 (product, image) × 3 style"


def test_all_combinations_come_in_order_and_those_in_the_sheet_are_left_out() -> None:
    grid = (
        ("Prompt", "aspect_ratio", "owner", "status"),
        (" fox ", "16:09", "Zoë", "done"),
        ("owl", "1:1", "", ""),
    )

    found = lacking(grid, "prompt=fox,owl", "aspect_ratio=1:1,16:9")

    # 16:09 is what a spreadsheet makes of 16:9.
    assert found == [("fox", "1:1"), ("owl", "16:9")]


def test_columns_that_are_not_listed_do_not_count() -> None:
    grid = (("prompt", "aspect_ratio", "owner"), ("fox", "1:1", "Zoë"))

    assert lacking(grid, "prompt=fox,owl") == [("owl",)]
    assert lacking(grid, "prompt=fox", "owner=Zoë,Ben") == [("fox", "Ben")]
    assert lacking(grid, "prompt=fox", "aspect_ratio=,1:1") == [("fox", "")]


def test_an_endpoint_is_the_same_in_any_spelling() -> None:
    grid = (("prompt", "endpoint"), ("fox", "Flux Imagine"))

    assert lacking(grid, "prompt=fox", "endpoint=flux-imagine") == []


@each(
    ("words", "why"),
    [
        (["promt=fox"], 'has no column promt: did you mean "prompt"'),
        (["place=x", "prompt=y"], 'has no column place: add it, or correct the name; there is "pr'),
        (["status=x", "prompt=y"], "status is filled by Promptsheet"),
        (["Row ID=x", "prompt=y"], "Row ID is filled by Promptsheet"),
        (["take=2", "prompt=y"], "take is for a person"),
        (["approved=yes", "prompt=y"], "approved is for a person"),
        (["owner=Zoë"], "A row with only owner would not be sent"),
        (["prompt=a", "Prompt=b"], "prompt is listed twice"),
    ],
)
def test_columns_that_cannot_be_listed_are_named(words: list[str], why: str) -> None:
    grid = (("prompt", "take", "approved", "owner", "status"),)

    with pytest.raises(ValueError, match=why):
        lacking(grid, *words)


def test_a_combination_without_anything_to_send_is_left_out() -> None:
    assert lacking((("prompt", "owner"),), "prompt=,fox", "owner=Zoë") == [("fox", "Zoë")]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4)
rows = st.lists(st.tuples(texts, texts), max_size=6)


@given(rows, st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_after_the_rows_were_added_nothing_is_missing(
    lines: list[tuple[str, str]], prompts: list[str], owners: list[str]
) -> None:
    grid = (("prompt", "owner"), *lines)
    lists = [
        ValueList(("prompt",), tuple((one,) for one in dict.fromkeys(prompts))),
        ValueList(("owner",), tuple((one,) for one in dict.fromkeys(owners))),
    ]
    found = missing(grid, HEADER.read(grid), lists, "")

    after = with_rows(grid, found.rows())

    assert missing(after, HEADER.read(after), lists, "").lacking == ()
    assert len(found.lacking) <= many(lists)
    assert in_words(lists).count("×") == 1
    assert {*grid} <= {*after}
