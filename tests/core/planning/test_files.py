"""Plans as values: what makes a row another one, and files that are no plans."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.model import Job, JobKey, State
from pipeline.core.planning.files import (
    NAMED,
    PlannedSheet,
    agreed,
    is_as_planned,
    of_text,
    planned_rows,
    refusal,
    terms_of,
    to_text,
)
from pipeline.core.planning.lines import Line
from pipeline.core.planning.plan import plan
from tests.core.build import NOW, RULES, attempt, columns_of, job, known, matched, memory, sheet
from tests.fakes.cases import each

GRID = sheet("prompt | row_id\na fox | r_fox000001\nan owl | r_owl000001")
KNOWN = memory(known("r_fox000001", "a fox"), known("r_owl000001", "an owl"))
PLACES = {"r_fox000001": 1, "r_owl000001": 2}


def lines() -> tuple[Line, ...]:
    """Two rows that are to be sent."""
    seen = matched(GRID, KNOWN)
    return plan(seen, GRID, columns_of(GRID), {}, RULES, NOW).lines


def planned() -> PlannedSheet:
    return PlannedSheet("key", "prompts.csv", "now", terms_of(RULES), planned_rows(lines(), RULES))


def problems(changed: tuple[Line, ...]) -> tuple[str, ...]:
    return agreed(planned(), changed, PLACES, {}, RULES, ()).problems


def test_a_reading_that_has_not_changed_fits() -> None:
    found = agreed(planned(), lines(), PLACES, {}, RULES, ())

    rows = [row_id for row_id, _ in found.rows]
    assert (rows, found.sent, found.problems) == ([*PLACES], 0, ())


def test_a_row_that_is_to_be_sent_once_more_is_not_as_planned() -> None:
    fox, _ = lines()
    (row,) = planned_rows([fox], RULES)

    for state, is_planned in ((State.RETURNED, True), (State.FAILED, False)):
        again = replace(fox, job=job(attempt(state), row_id="r_fox000001", asked=2))
        assert is_as_planned(again, row, RULES) is is_planned


def test_another_price_is_named() -> None:
    fox, owl = lines()

    assert problems((fox, replace(owl, price=9))) == ("Row 3 (an owl) costs 9 now, and not 4.",)


def test_an_attempt_with_other_inputs_is_not_that_of_the_plan() -> None:
    fox, owl = lines()
    key = JobKey(RULES.sheet, "r_owl000001", 1)
    ours = Job(key, attempts=(attempt(State.FAILED, "an owl"),))
    others = Job(key, attempts=(attempt(State.FAILED, "two owls"),))
    came_back = Job(key, attempts=(attempt(State.RETURNED, "an owl"),))

    def found(job: Job) -> tuple[int, bool]:
        its = agreed(planned(), (fox, replace(owl, job=job)), PLACES, {key: job}, RULES, ())
        return its.sent, bool(its.problems)

    assert found(ours) == (1, False)
    assert found(others) == (0, True)
    assert found(came_back) == (0, False)


def test_a_refusal_names_the_first_rows_and_counts_the_others() -> None:
    many = refusal([f"Row {number} is gone." for number in range(NAMED + 2)])

    assert f"Row {NAMED - 1} is gone. And 2 more rows. Make a new plan" in many
    assert f"Row {NAMED} " not in many


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["row", "row_id", "inputs", "take", "attempt", "credits", "prompt"]))
def test_a_file_with_any_other_content_is_refused_or_read(value: object, name: str) -> None:
    whole = json.loads(to_text([planned()]))
    whole["sheets"][0]["rows"][0][name] = value
    for text in (json.dumps(whole), json.dumps(value)):
        why, plans = "", tuple[PlannedSheet, ...]()
        try:
            plans = of_text(text)
        except ValueError as e:
            why = str(e)
        assert not why or why.startswith(("it is not a plan", "it is a plan of another version"))
        assert why or of_text(to_text(plans)) == plans


@each("text", ["", "[", "null", "{}", "[" * 100_000, '{"promptsheet_plan": 1}'])
def test_texts_that_are_no_plans_are_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="it is not a plan that run --plan -o wrote"):
        of_text(text)
