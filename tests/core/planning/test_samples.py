"""Samples: never more rows than the sample has, and as many as it has if they can be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.language import say
from pipeline.core.model import JobKey, State
from pipeline.core.planning.budgets import Left
from pipeline.core.planning.lines import Line
from pipeline.core.planning.samples import (
    Sample,
    Sampled,
    is_held,
    results_of,
    rows_made,
    rows_sent,
    sample_done,
    was_sent,
    within_sample,
)
from tests.core.build import NOW, SHEET, attempt, job, planned, wrote
from tests.fakes.cases import each

PRICE = 4
LATER = NOW + timedelta(minutes=1)


def rows(number: int) -> list[Line]:
    """New rows that may be sent, as ids r0, r1, ..."""
    texts = "\n".join(["prompt", *(f"fox {one}" for one in range(number))])
    return [
        replace(
            line,
            seen=replace(line.seen, row_id=f"r{at}"),
            memory=replace(line.memory, row_id=f"r{at}", since=NOW),
        )
        for at, line in enumerate(planned(texts))
    ]


def follows(line: Line, parent: Line) -> Line:
    """The line as one that waits for that row."""
    key = JobKey(SHEET, parent.seen.row_id, 1)
    memory = replace(line.memory, inputs=wrote("fox", parent="another row"))
    return replace(line, memory=memory, status="waiting", endpoint="", parent=key)


def sampled(lines: list[Line], sample: Sample, left: int | None = None) -> Sampled:
    caps = {"per_day": left}
    return within_sample(lines, sample, lambda line: "", {"": Left({"per_day": 1000}, caps)})


def sent(found: Sampled) -> list[str]:
    """Ids of the rows that are sent at once, or once the rows that they follow are done."""
    by_id = {one.seen.row_id: one for one in found.lines}

    def is_sent(one: Line) -> bool:
        if not (one.waits_for_parent and one.parent):
            return bool(one.endpoint)
        parent = by_id[one.parent.row_id]
        return parent.job is not None or is_sent(parent)

    return [one.seen.row_id for one in found.lines if is_sent(one)]


def held(found: Sampled) -> list[str]:
    return [one.seen.row_id for one in found.lines if is_held(one)]


def test_the_first_rows_are_sent_and_the_others_wait() -> None:
    found = sampled(rows(5), Sample(2))

    assert (sent(found), held(found)) == (["r0", "r1"], ["r2", "r3", "r4"])
    assert found.rows == {"r0", "r1"}


def test_rows_that_were_chosen_before_keep_their_places_wherever_they_are() -> None:
    found = sampled(rows(5), Sample(2, chosen=frozenset({"r3", "gone"})))

    assert sent(found) == sorted(found.rows) == ["r0", "r3"]


def test_rows_that_were_sent_take_places_also_if_they_are_gone() -> None:
    found = sampled(rows(5), Sample(3, sent=frozenset({"gone", "r4"})))

    assert sent(found) == ["r0", "r4"]
    assert found.rows == {"r0", "r4", "gone"}


@each(
    ("change", "is_free"),
    [
        ({"take": 2}, True),
        ({"job": job(attempt(State.FAILED))}, True),
        ({"job": job(attempt(State.RETURNED))}, False),
        ({"job": job()}, False),
    ],
)
def test_a_row_that_was_sent_or_is_wanted_once_more_needs_no_place(
    change: dict[str, object], is_free: bool
) -> None:
    first, second = rows(2)

    found = sampled([first, replace(second, **change)], Sample(1))  # type: ignore[arg-type]

    assert sent(found) == (["r0", "r1"] if is_free else ["r0"])


@each(("looked_at", "is_free"), [(NOW, True), (LATER, True), (None, False)])
def test_a_look_releases_the_rows_that_were_known_by_then(looked_at: object, is_free: bool) -> None:
    lines = rows(3)
    lines[2] = replace(lines[2], memory=replace(lines[2].memory, since=LATER + timedelta(1)))

    found = sampled(lines, Sample(1, looked_at))  # type: ignore[arg-type]

    assert sent(found) == (["r0", "r1", "r2"] if is_free else ["r0"])
    assert found.rows == ({"r2"} if is_free else {"r0"})


def test_a_row_that_the_budget_does_not_cover_takes_no_place_and_says_so() -> None:
    lines = rows(4)
    lines[0] = replace(lines[0], price=PRICE * 5)

    found = sampled(lines, Sample(1), left=PRICE)

    assert (sent(found), held(found)) == (["r1"], [])
    assert [one.status for one in found.lines] == [
        *("over budget", "queued", "over budget", "over budget")
    ]
    assert held(sampled(lines, Sample(1), left=PRICE * 2)) == ["r2", "r3"]


def test_a_row_comes_after_the_one_that_it_follows_and_is_held_with_it() -> None:
    child, other, parent = rows(3)
    lines = [follows(child, parent), other, parent]

    assert sent(sampled(lines, Sample(2))) == ["r0", "r2"]
    assert held(sampled(lines, Sample(2))) == ["r1"]
    both = sampled(lines, Sample(1))
    assert (sent(both), held(both)) == (["r2"], ["r0", "r1"])
    chosen = sampled(lines, Sample(1, chosen=frozenset({"r1"})))
    assert (sent(chosen), held(chosen)) == (["r1"], ["r0", "r2"])


def test_rows_that_follow_others_use_up_the_budget_in_their_turn() -> None:
    parent, child, dear, cheap = rows(4)
    lines = [parent, follows(child, parent), dear, replace(cheap, price=1)]

    found = sampled(lines, Sample(4), left=PRICE * 2 + 1)

    assert sent(found) == ["r0", "r1", "r3"]
    assert found.lines[2].status == "over budget"


def test_rows_that_settle_take_places_and_the_others_are_held_at_once() -> None:
    lines = [replace(one, status="waiting", endpoint="", note=say("Settles.")) for one in rows(3)]

    found = sampled(lines, Sample(2, settling="Settles"))

    assert held(found) == ["r2"]
    assert found.rows == {"r0", "r1"}
    assert held(sampled(lines, Sample(2))) == []


@each(
    ("state", "waits"),
    [(State.RUNNING, True), (State.UNKNOWN, True), (State.FAILED, False), (None, False)],
)
def test_a_row_takes_a_place_only_if_the_one_that_it_follows_has_or_gets_a_task(
    state: State | None, waits: bool
) -> None:
    child, other, parent = rows(3)
    its = job(attempt(state)) if state else None
    parent = replace(parent, status="needs approval", endpoint="", job=its)

    found = sampled([follows(child, parent), other, parent], Sample(1))

    assert sent(found) == (["r0"] if waits else ["r1"])
    assert held(found) == (["r1"] if waits else [])
    # Nor may it be sent without a new plan, should the task succeed after all.
    assert found.lines[0].waits_for_parent is waits


@given(
    size=st.integers(0, 6),
    left=st.sampled_from([None, 0, 4, 8, 16, 40]),
    kinds=st.lists(
        st.sampled_from(["new", "dear", "sent", "again", "child", "known"]), max_size=12
    ),
    chosen=st.sets(st.integers(0, 12), max_size=4),
    seen=st.booleans(),
)
def test_no_more_rows_are_sent_than_the_sample_has_and_no_place_is_left_free(
    size: int, left: int | None, kinds: list[str], chosen: set[int], seen: bool
) -> None:
    lines = rows(len(kinds))
    free = set()
    for at, kind in enumerate(kinds):
        line = lines[at]
        if kind == "dear":
            lines[at] = replace(line, price=PRICE * 3)
        elif kind == "sent":
            lines[at] = replace(line, job=job(attempt(State.FAILED)))
            free.add(f"r{at}")
        elif kind == "again":
            lines[at] = replace(line, take=2)
            free.add(f"r{at}")
        elif kind == "child" and at:
            lines[at] = follows(line, lines[at * 7 % at])
        elif kind == "known":
            lines[at] = replace(line, memory=replace(line.memory, since=NOW - timedelta(1)))
            free |= {f"r{at}"} if seen else set()
    before = frozenset(f"r{at}" for at in chosen)
    looked_at = NOW - timedelta(seconds=1) if seen else None

    found = sampled(lines, Sample(size, looked_at, before), left)

    new = {*sent(found)} - free
    assert found.rows == new
    assert len(new) <= size
    spent = sum(one.price for one in found.lines if one.seen.row_id in new)
    assert left is None or spent <= left
    if len(new) < size:
        assert held(found) == []
    # The same plan again changes nothing.
    again = sampled(lines, Sample(size, looked_at, found.rows), left)
    assert sent(again) == sent(found) or before - found.rows


def test_what_the_api_received_and_what_has_a_result() -> None:
    jobs = [
        job(*map(attempt, states), row_id=name)
        for name, states in {
            "r_a": (State.RETURNED, State.SUCCEEDED),
            "r_b": (State.RETURNED,),
            "r_c": (State.UNKNOWN,),
            "r_d": (),
        }.items()
    ]

    assert [was_sent(one.attempts) for one in jobs] == [True, False, True, False]
    assert rows_sent(jobs) == {jobs[0].key.row_id, jobs[2].key.row_id}
    assert rows_made(jobs) == {jobs[0].key.row_id}


@each(
    ("sent", "succeeded", "says"),
    [
        (1, 1, ""),
        (3, 3, ""),
        (3, 2, "2 of its 3 rows have a result."),
        (3, 1, "1 of its 3 rows has a result."),
        (3, 0, "None of its 3 rows has a result."),
    ],
)
def test_people_are_told_how_the_sample_became(sent: int, succeeded: int, says: str) -> None:
    assert results_of(sent, succeeded) == says
    assert says in sample_done(2, sent, succeeded)
    assert ("Look at its pictures" in sample_done(2, sent, succeeded)) is bool(succeeded)
