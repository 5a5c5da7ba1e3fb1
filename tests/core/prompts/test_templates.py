"""Prompts that are made of columns: what a template may say, and what each row makes of it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.inputs import canonical
from pipeline.core.prompts.templates import Prompts, template
from tests.fakes.cases import each

STYLES = {"studio": ("Studio", "softbox {cold|warm} light"), "film": ("film", "grain")}


def made(text: str, take: int = 1, styles: bool = False, **row: str) -> str:
    prompts = Prompts(template(text), STYLES if styles else {})
    finished = prompts.finished(row, canonical(row), take)
    assert finished is not None
    assert not finished.problems
    return finished.prompt


def problems(text: str, **row: str) -> tuple[str, ...]:
    finished = Prompts(template(text), STYLES).finished(row, canonical(row), 1)
    assert finished is not None
    assert not finished.prompt
    return finished.problems


def test_each_column_is_replaced_by_its_cell() -> None:
    assert made("{product}, {scene}.", product="a fox", scene="in snow") == "a fox, in snow."


def test_double_braces_are_braces() -> None:
    assert made("{{a, b}} {product}", product="fox") == "{a, b} fox"


def test_a_bar_outside_of_braces_is_a_bar() -> None:
    assert made("{product} | macro", product="fox") == "fox | macro"


@each("cell", ["{scene}", "{{x}}", "{", "}", "%s", "{0}", "{product.__class__}"])
def test_a_cell_is_never_read_as_a_template(cell: str) -> None:
    assert made("{product}!", product=cell, scene="secret") == f"{cell}!"


@given(st.text(alphabet="ab {}|\\$%", min_size=1))
def test_only_choices_in_a_cell_change_its_text(cell: str) -> None:
    finished = made("<{product}>", product=cell)

    if "|" not in cell or "{" not in cell or "}" not in cell:
        assert finished == f"<{cell}>"
    assert finished.startswith("<")
    assert finished.endswith(">")


def test_takes_go_through_all_combinations_before_one_is_repeated() -> None:
    text = "{product} {red|blue}, {front|side|back}"

    found = [made(text, take, product="car") for take in range(1, 7)]

    wanted = {f"car {a}, {b}" for a, b in product(("red", "blue"), ("front", "side", "back"))}
    assert set(found) == wanted
    assert made(text, 7, product="car") == found[0]


def test_equal_rows_and_takes_get_the_same_choice() -> None:
    text = "{product} {red|blue|green|white}"

    assert made(text, 3, product="car") == made(text, 3, product="car")
    assert {made(text, product=f"car {n}") for n in range(40)} > {made(text, product="car 0")}


def test_choices_may_hold_columns_and_further_choices() -> None:
    found = {made("{in {city}|{by the sea|at home}}", take, city="Oslo") for take in range(1, 5)}

    assert found == {"in Oslo", "by the sea", "at home"}


def test_a_style_is_found_in_any_spelling_and_its_choices_are_made() -> None:
    found = {made("{product}, {style}", t, True, product="fox", style="STUDIO ") for t in (1, 2)}

    assert found == {"fox, softbox cold light", "fox, softbox warm light"}


def test_without_styles_the_cell_is_the_text() -> None:
    assert made("{product}, {style}", product="fox", style="oil on canvas") == "fox, oil on canvas"


def test_each_missing_cell_is_named_and_half_a_prompt_is_none() -> None:
    said = problems("{product}, {scene}. {style}", product="a fox", style="studoi")

    assert said == (
        "scene is empty, and [prompt] text needs it: fill it in",
        'style is "studoi", and there is no such style; perhaps "Studio" is meant',
    )


def test_an_unknown_style_without_a_near_one_lists_all() -> None:
    assert problems("{style}", style="zzz") == (
        'style is "zzz", and there is no such style: there is "Studio", "film"',
    )


def test_a_row_with_a_prompt_of_its_own_is_sent_as_it_is() -> None:
    assert Prompts(template("{product}")).finished({"prompt": "an owl"}, "{}", 1) is None


def test_a_template_with_the_prompt_in_it_completes_the_prompt() -> None:
    assert made("{prompt}, {style}", prompt="an owl", style="ink") == "an owl, ink"


def test_a_row_without_any_part_needs_none_where_a_prompt_is_optional() -> None:
    prompts = Prompts(template("{product}, {scene}"))

    assert prompts.finished({}, "{}", 1, is_required=False) is None
    half = prompts.finished({"product": "a fox"}, "{}", 1, is_required=False)
    assert half is not None
    assert half.problems


@each(
    ("text", "why"),
    [
        ("a fox", "names no column"),
        ("{red|blue} fox", "names no column"),
        ("{product", "never closed"),
        ("product}", "never opened"),
        ("{product} {}", "nothing between"),
        ("{ } {product}", "nothing between"),
        ("{{product}", "never opened"),
        ("{a {product}}", "two or more"),
        ("{product} " + "x" * 10_000, "characters"),
    ],
)
def test_a_wrong_template_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        template(text)
