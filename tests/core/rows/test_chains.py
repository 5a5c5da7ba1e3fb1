"""Rows that follow other rows: what their status and note say, and when they may be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.api.accounts import Api
from pipeline.core.api.fields import columns_of
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.inputs import canonical
from pipeline.core.model import Grid, Job, JobKey, KnownRow, Result, State
from pipeline.core.planning.budgets import Left, over_budget, short_of_budget
from pipeline.core.planning.followers import after_parent, to_follow, with_waits
from pipeline.core.planning.lines import Line, Plan
from pipeline.core.planning.plan import plan
from pipeline.core.rows.chains import (
    LINK,
    Link,
    Member,
    chains,
    changeable,
    changes,
    link_in,
    relatives,
    with_link,
    without_link,
)
from pipeline.core.rows.matching import match
from pipeline.core.rows.named_takes import NamedTake, name_of_take, named_take
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Columns, Header
from tests.core.build import NOW, PROVIDER, RULES, attempt, job, memory, minting, sheet
from tests.fakes.cases import each

A, B, C = "r_aaaaaaaaa", "r_bbbbbbbbb", "r_ccccccccc"
IMAGINE = PROVIDER.endpoints["imagine"]
ENDPOINTS = {
    "imagine": IMAGINE,
    "describe": Endpoint(path="/describe", fields={"prompt": Field()}, kind="text", credits=1),
    "upscale": Endpoint(
        path="/upscale",
        credits=2,
        parents=("imagine",),
        fields={
            "parent_task_id": Field(parent="task", required=True),
            "index": Field(type="integer", least=1, most=4),
            "strength": Field(),
        },
    ),
    "edit": Endpoint(
        path="/edit",
        credits=3,
        fields={"prompt": Field(), "image": Field(type="address", required=True, parent="url")},
    ),
    "sing": Endpoint(path="/sing", credits=5, fields={"song": Field(parent="id", required=True)}),
}
CHAINED = replace(
    RULES, provider=replace(PROVIDER, name="own", endpoints=ENDPOINTS, links=timedelta(hours=1))
)
HEADER = Header(
    columns_of(IMAGINE), endpoints={name: columns_of(one) for name, one in ENDPOINTS.items()}
)
FOUR = Result(tuple(f"https://x/{n}.png" for n in range(1, 5)))
DONE = attempt(
    inputs=canonical({"prompt": "a fox"}), provider="own", result=FOUR, ended_at=NOW, task_id="t-1"
)


def lines(text: str, *jobs: Job, rules: Rules = CHAINED) -> list[Line]:
    """The planned lines of a sheet, of which the store knows each row that has an id."""
    grid = sheet(text)
    names = {
        f"{api.prefix}{name}": columns_of(one)
        for api in rules.apis
        for name, one in api.provider.endpoints.items()
    }
    columns = replace(HEADER, endpoints=names).read(grid)
    rows = list(columns.rows(grid))
    known = (KnownRow(r.mark, r.inputs, 1, since=NOW - timedelta(hours=1)) for r in rows if r.mark)
    seen = match(rows, memory(*known), minting())
    made = plan(seen, grid, columns, {one.key: one for one in jobs}, rules, NOW)
    return list(made.lines)


def child_of(parent: str, *jobs: Job, first: str = f"a fox | | fox | | | | {A}") -> Line:
    """The line of an upscale that names `parent`, below the row `first`."""
    return lines(f"{TITLES} \n {first} \n | upscale | | {parent} | | | {B}", *jobs)[-1]


TITLES = "prompt | endpoint | name | parent | index | take | row_id"


def test_a_child_of_a_finished_row_may_be_sent() -> None:
    line = child_of("fox", job(DONE))

    assert (line.status, line.endpoint, line.price) == ("queued", "upscale", 2)
    assert line.parent == job(DONE).key


@each("parent", ["fox", "  fox ", "FOX", A, A.upper()])
def test_a_parent_is_named_by_its_name_or_its_row_id(parent: str) -> None:
    assert child_of(parent, job(DONE)).status == "queued"


def test_a_name_in_the_same_case_comes_first() -> None:
    text = f"{TITLES} \n a | | Fox | | | | {C} \n b | | fox | | | | {A} \n"
    line = lines(text + f" | upscale | | fox | | | {B}", job(DONE))[-1]

    assert line.parent
    assert line.parent.row_id == A


# -- a take or a part of the parent -------------------------------------------------------------

TWO_TAKES = (job(DONE), job(replace(DONE, task_id="t-2"), take=2))
FOX_AT_2 = f"a fox | | fox | | | 2 | {A}"


@each(("parent", "take"), [("fox", 2), ("fox@1", 1), ("FOX@2", 2), (f"{A}@1", 1), ("fox@02", 0)])
def test_a_parent_cell_may_name_a_take_of_the_row(parent: str, take: int) -> None:
    line = child_of(parent, *TWO_TAKES, first=FOX_AT_2)

    assert line.status == ("queued" if take else "invalid")
    assert line.parent == (replace_take(take) if take else None)


def replace_take(take: int, part: str = "") -> JobKey:
    return TWO_TAKES[0].key._replace(take=take, part=part)


def test_a_row_with_the_name_of_a_take_comes_first() -> None:
    other = f"a cat | | fox@1 | | | | {C}"
    line = child_of("fox@1", *TWO_TAKES, first=f"{FOX_AT_2} \n {other}")

    assert line.parent
    assert line.parent.row_id == C


def test_a_child_of_a_take_is_not_edited_by_the_next_take() -> None:
    sent = sent_after(Link(A, 1))

    assert child_of("fox@1", *TWO_TAKES, sent, first=FOX_AT_2).status == "done"
    assert child_of("fox", *TWO_TAKES, sent, first=FOX_AT_2).status == "edited"
    assert child_of("fox@2", *TWO_TAKES, sent, first=FOX_AT_2).status == "edited"


@each(
    ("state", "status", "says"),
    [
        (State.RUNNING, "waiting", 'Waiting for the row "fox@2": it is in progress.'),
        (State.FAILED, "waiting", 'Waiting for the row "fox@2": it failed.'),
        (State.SUCCEEDED, "queued", ""),
    ],
)
def test_a_child_waits_for_the_take_that_it_names(state: State, status: str, says: str) -> None:
    second = job(replace(DONE, state=state, result=Result()), take=2)
    second = job(DONE, take=2) if state is State.SUCCEEDED else second
    line = child_of("fox@2", job(DONE), second)

    assert (line.status, line.note.startswith(says)) == (status, True)


def test_a_take_that_the_row_does_not_have_is_invalid_and_the_note_names_the_others() -> None:
    line = child_of("fox@7", *TWO_TAKES, first=FOX_AT_2)
    unsent = child_of("fox@7")

    assert (line.status, line.parent) == ("invalid", None)
    assert 'the row "fox" has no such take or part: write one of fox@1, fox@2' in line.note
    assert 'the row "fox" has no such take or part: name the row alone' in unsent.note


@each(
    ("parent", "part"),
    [
        ("fox@1:9x16", "9x16"),
        ("fox@1:9:16", "9x16"),
        ("fox@:9:16 (2)", "9x16_2"),
        ("fox@1:_1", ""),
        ("fox@:_3", "_3"),
    ],
)
def test_a_parent_cell_may_name_a_part_of_the_row(parent: str, part: str) -> None:
    its = [
        replace(one, key=replace_take(1, name))
        for one, name in ((job(DONE), name) for name in ("", "_3", "9x16", "9x16_2"))
    ]
    line = child_of(parent, *its)

    assert (line.status, line.parent) == ("queued", replace_take(1, part))


def test_the_name_of_a_take_is_read_as_it_is_written() -> None:
    for take, part in ((1, ""), (12, "9x16"), (3, "_2"), (3, "1x1_10")):
        text = name_of_take("a@fox", take, part, has_parts=True)
        assert named_take(text) == NamedTake("a@fox", take, part)
    assert named_take(name_of_take("fox", 2)) == NamedTake("fox", 2)
    assert [named_take(one) for one in ("fox", "fox@", "@2", "fox@x", "fox@0")] == [None] * 5


# -- waiting -------------------------------------------------------------------------------------


@each(
    ("state", "note"),
    [
        (None, 'Waiting for the row "fox": it is queued.'),
        (State.SUBMITTING, 'Waiting for the row "fox": it is being sent.'),
        (State.RUNNING, 'Waiting for the row "fox": it is in progress.'),
        (State.FAILED, 'Waiting for the row "fox": it failed. See the note of that row, or name'),
        (State.UNKNOWN, 'Waiting for the row "fox": it needs a check. See the note of that row'),
    ],
)
def test_a_child_waits_until_its_parent_is_done(state: State | None, note: str) -> None:
    jobs = [job(replace(DONE, state=state, result=Result()))] if state else []

    line = child_of("fox", *jobs)

    assert (line.status, line.endpoint) == ("waiting", "")
    assert line.note.startswith(note)
    assert line.waits_for_parent


@each(
    ("first", "jobs", "note"),
    [
        (f"#REF! | | fox | | | | {A}", [], "it is waiting, too. See the note of that row"),
        (f"a fox | | fox | a | | | {A}", [], "it is invalid. See the note of that row"),
        (f"a fox | | fox | | | 9 | {A}", [job(DONE)], "it is invalid. See the note of that row"),
    ],
)
def test_a_child_of_a_row_that_is_held_back_waits_too(
    first: str, jobs: list[Job], note: str
) -> None:
    line = child_of("fox", *jobs, first=first)

    assert (line.status, line.endpoint) == ("waiting", "")
    assert note in line.note


def test_a_child_waits_for_the_take_that_its_parent_asks_for() -> None:
    line = child_of("fox", job(DONE), first=f"a fox | | fox | | | 2 | {A}")

    assert (line.status, line.endpoint) == ("waiting", "")
    assert "it is queued" in line.note


def test_a_parent_that_is_not_there_is_refused() -> None:
    line = child_of("bear", job(DONE))

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'there is no row named "bear": write the name of another row' in line.note


def test_a_name_that_two_rows_have_is_refused() -> None:
    text = f"{TITLES} \n a | | fox | | | | {A} \n b | | fox | | | | {C} \n"
    line = lines(text + f" | upscale | | fox | | | {B}", job(DONE))[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'rows 2 and 3 are both named "fox": give each another name' in line.note


def test_a_copy_of_a_whole_row_does_not_make_its_name_ambiguous() -> None:
    text = (
        "prompt | endpoint | name | parent | row_id | status \n"
        f" a fox | | fox | | {A} | done \n a fox | | fox | | {A} | done \n"
        f" | upscale | | fox | {B} |"
    )
    line = lines(text, job(DONE))[-1]

    assert (line.status, line.parent and line.parent.row_id) == ("queued", A)


def test_every_row_of_a_circle_is_named_and_none_is_sent() -> None:
    text = f"{TITLES} \n | edit | a | c | | | {A} \n | edit | b | a | | | {B} \n"
    text += f" | edit | c | b | | | {C} \n | edit | d | a | | |"
    *circle, outside = lines(text)

    for line in circle:
        assert (line.status, line.endpoint) == ("invalid", "")
        for name in ('row 2 ("a")', 'row 3 ("b")', 'row 4 ("c")'):
            assert name in line.note
        assert "change parent in one of them" in line.note
    assert (outside.status, outside.endpoint) == ("waiting", "")
    assert 'Waiting for the row "a": it is invalid' in outside.note


def test_a_row_that_names_itself_is_refused() -> None:
    (line,) = lines(f"{TITLES} \n | edit | a | a | | | {A}")

    assert 'row 2 ("a") names itself in parent: name another row there' in line.note


def test_a_parent_of_an_endpoint_that_cannot_be_followed_is_refused() -> None:
    line = child_of("fox", first=f"a fox | describe | fox | | | | {A}")

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'the row "fox" is for describe, and upscale can follow imagine' in line.note


def test_a_parent_that_gives_no_picture_is_refused_where_a_picture_is_wanted() -> None:
    text = f"{TITLES} \n a fox | describe | fox | | | | {A} \n | edit | | fox | | | {B}"

    line = lines(text)[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'the row "fox" is for describe, which gives no picture' in line.note


def test_a_parent_that_was_made_with_another_api_is_refused() -> None:
    line = child_of("fox", job(replace(DONE, provider="luma")))

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'the row "fox" was made with luma, and upscale needs a task of own' in line.note


def test_rows_of_one_other_api_follow_each_other_and_none_of_another_api() -> None:
    other = replace(CHAINED.provider, name="luma", title="Luma")
    rules = replace(CHAINED, others=(Api(other, account="l", prefix="luma/"),))
    text = f"{TITLES} \n a fox | luma/imagine | fox | | | | {A} \n"
    text += f" | luma/upscale | | fox | | | {B} \n | upscale | | fox | | | {C}"
    made = replace(DONE, endpoint="luma/imagine", provider="luma", account="l")

    _, same, another = lines(text, job(made), rules=rules)

    assert (same.status, same.endpoint) == ("queued", "luma/upscale")
    assert (another.status, another.endpoint) == ("invalid", "")
    assert (
        'row "fox" is for luma/imagine, and upscale needs a task of Apiframe: name' in another.note
    )
    _, early, _ = lines(text, rules=rules)
    assert early.status == "waiting"


@each(
    ("index", "note"),
    [
        ("5", 'index is "5", and the row "fox" has 4 results: write 1 to 4'),
        ("9" * 5000, '…", and the row "fox" has 4 results: write 1 to 4'),
        ("0", 'index is "0"; it must be a whole number, 1 or more'),
        ("two", 'index is "two"; it must be a whole number, 1 or more'),
    ],
)
def test_an_index_that_names_no_result_is_refused(index: str, note: str) -> None:
    text = f"{TITLES} \n a fox | | fox | | | | {A} \n | edit | | fox | {index} | | {B}"

    line = lines(text, job(DONE))[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert note in line.note


def test_a_parent_without_what_the_child_needs_is_refused() -> None:
    text = f"{TITLES} \n a fox | | fox | | | | {A} \n | sing | | fox | | | {B}"

    line = lines(text, job(DONE))[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'the row "fox" has no id of a result: name another row' in line.note


def test_a_result_whose_address_has_died_is_refused() -> None:
    text = f"{TITLES} \n a fox | | fox | | | | {A} \n | edit | | fox | | | {B}"
    old = replace(DONE, ended_at=NOW - timedelta(hours=1))

    line = lines(text, job(old))[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert 'results of the row "fox" worked for 60 min only: raise take' in line.note
    assert child_of("fox", job(old)).status == "queued"  # It needs only the task id.


def test_an_endpoint_that_takes_no_parent_refuses_one() -> None:
    text = f"{TITLES} \n a fox | | fox | | | | {A} \n a bear | imagine | | fox | | | {B}"

    line = lines(text, job(DONE))[-1]

    assert (line.status, line.endpoint) == ("invalid", "")
    assert "imagine has no input parent: clear that cell" in line.note


def test_an_endpoint_that_needs_a_parent_says_so() -> None:
    line = lines(f"{TITLES} | strength \n a fox | | fox | | | | | \n | upscale | | | | | | x")[-1]

    assert line.status == "invalid"
    assert "parent is empty: write the name of the row that this one follows" in line.note


def test_a_row_with_nothing_but_a_parent_is_a_row_where_it_can_follow_one() -> None:
    rows = HEADER.read(grid := sheet(f"{TITLES} \n a | | fox | | 1 | | \n | | | fox | 2 | | ")).rows
    assert len(list(rows(grid))) == 1
    assert len(lines(f"{TITLES} \n a | | fox | | | | \n | edit | | fox | | | ")) == 2


def test_a_column_named_index_is_the_teams_own_where_nothing_is_followed() -> None:
    header = Header(columns_of(ENDPOINTS["edit"]))

    assert "index" not in header.read((("prompt", "index"),)).inputs
    columns = header.read((("prompt", "index", "parent"), ("a", "1", ""), ("b", "2", "a")))
    assert "index" in columns.inputs
    rows = columns.rows(
        (("prompt", "index", "parent"), ("a", "1", ""), ("", "2", ""), ("", "", "x"))
    )
    assert [row.inputs for row in rows] == [canonical({"prompt": "a"}), canonical({"parent": "x"})]


# -- a parent that is made again ------------------------------------------------------------------


def sent_after(link: Link, state: State = State.SUCCEEDED) -> Job:
    inputs = with_link(canonical({"endpoint": "upscale", "parent": "fox"}), link)
    one = attempt(state, inputs=inputs, columns=("endpoint", "parent"), endpoint="upscale")
    return job(one, row_id=B)


def test_a_child_of_an_unchanged_parent_is_done() -> None:
    line = child_of("fox", job(DONE), sent_after(Link(A, 1)))

    assert (line.status, line.note) == ("done", "")


def test_another_name_of_the_same_row_changes_nothing() -> None:
    first = f"a fox | | bear | | | | {A}"

    assert child_of("bear", job(DONE), sent_after(Link(A, 1)), first=first).status == "done"
    assert child_of(A, job(DONE), sent_after(Link(A, 1))).status == "done"


def test_a_child_stays_done_when_its_parent_is_gone() -> None:
    (line,) = lines(f"{TITLES} \n | upscale | | fox | | | {B}", sent_after(Link(A, 1)))

    assert line.status == "done"


def test_a_child_is_edited_when_its_parent_is_made_again_and_nothing_is_sent() -> None:
    first = f"a fox | | fox | | | 2 | {A}"
    line = child_of("fox", job(DONE), job(DONE, take=2), sent_after(Link(A, 1)), first=first)

    assert (line.status, line.endpoint) == ("edited", "")
    assert line.note == (
        'These pictures were made from take 1 of the row "fox", which is now at take 2. To follow '
        "it, put 2 in the take column."
    )


def test_a_child_is_edited_when_another_row_gets_the_name_of_its_parent() -> None:
    line = child_of("fox", job(DONE), sent_after(Link(C, 1)))

    assert (line.status, line.endpoint) == ("edited", "")
    assert "and another row has that name now" in line.note


def test_a_child_that_names_another_row_is_edited() -> None:
    line = child_of("bear", job(DONE), sent_after(Link(A, 1)), first=f"a | | bear | | | | {C}")

    assert (line.status, line.endpoint) == ("edited", "")
    assert 'parent was "fox" when these pictures were made' in line.note


def test_a_failed_child_is_not_sent_again_because_its_parent_was_made_again() -> None:
    failed = sent_after(Link(A, 1), State.FAILED)
    first = f"a fox | | fox | | | 2 | {A}"

    line = child_of("fox", job(DONE), job(DONE, take=2), failed, first=first)

    assert (line.status, line.endpoint) == ("failed", "")


def test_the_link_is_added_to_the_inputs_and_removed_again() -> None:
    inputs = canonical({"prompt": "a fox", "parent": "x"})
    kept = with_link(inputs, Link(A, 12))

    assert link_in(kept) == Link(A, 12)
    assert link_in(with_link(inputs, Link(A, 12, "9x16"))) == Link(A, 12, "9x16")
    assert without_link(kept) == inputs
    assert link_in(inputs) is None
    assert with_link(inputs, None) == inputs
    assert changes(replace(DONE, inputs=kept, columns=("parent", "prompt")), inputs) == {}
    assert LINK not in without_link(kept)


# -- budget and plans -----------------------------------------------------------------------------


def test_a_child_of_a_row_over_budget_says_so() -> None:
    made = lines(f"{TITLES} \n a fox | | fox | | | | \n | upscale | | fox | | | ")
    beyond = over_budget((made[0],), {"per_day": 0})
    assert beyond == {made[0].identity}

    parent, child = with_waits(
        [short_of_budget(made[0], "per_day", Left({"per_day": 0}, {"per_day": 0})), made[1]]
    )

    assert (parent.status, child.status) == ("over budget", "waiting")
    assert 'Waiting for the row "fox": it is over budget. See the note of that row' in child.note
    assert to_follow([parent, child]) == []


def test_a_plan_counts_the_rows_that_come_after_others() -> None:
    text = f"{TITLES} \n | edit | c | b | | | \n | edit | b | a | | | \n a | | a | | | | \n"
    text += " | edit | d | e | | | \n a | fax | e | | | |"
    made = lines(text)

    assert [line.name for line in to_follow(made)] == ["b", "c"]
    assert [line.name for line in Plan(tuple(made)).to_send] == ["a"]
    assert sum(line.price for line in to_follow(made)) == 6


# -- after the parent is done, without a new plan ------------------------------------------------


@each(
    "child",
    [
        f"| upscale | | fox | | | {B}",
        f"| upscale | | fox | 2 | 1 | {B}",
        f"no | edit | | {A} | | | {B}",
        f"a bird | edit | bear | fox | 3 | 1 | {B}",
        f"\u200b | edit | | fox | | | {B}",
    ],
)
@each("had", [(), (job(row_id=B),)])
def test_a_child_whose_parent_is_done_is_as_a_new_plan_has_it(
    child: str, had: tuple[Job, ...]
) -> None:
    text = f"{TITLES} \n a fox | | fox | | | | {A} \n {child}"
    running = replace(DONE, state=State.RUNNING, result=Result(), ended_at=None)
    parent, line = lines(text, job(running), *had)
    done = {one.key: one for one in (job(DONE), *had)}

    assert line.waits_for_parent
    assert after_parent(line, parent, done, CHAINED, NOW) == lines(text, *done.values())[1]


@each(
    "now",
    [
        [],
        [job(replace(DONE, state=State.RUNNING))],
        [job(replace(DONE, state=State.FAILED))],
        [job(DONE, take=2)],
        [job(replace(DONE, result=Result()))],
        # The child's own job has changed as well.
        [job(DONE), job(replace(DONE, state=State.SUBMITTING), row_id=B)],
        [job(DONE), job(row_id=B, asked=2)],
    ],
)
def test_a_child_waits_for_a_new_plan_unless_its_parent_is_all_that_changed(now: list[Job]) -> None:
    parent, line = lines(
        f"{TITLES} \n a fox | | fox | | | | {A} \n no | edit | | fox | | | {B}",
        job(replace(DONE, state=State.RUNNING)),
    )

    assert after_parent(line, parent, {one.key: one for one in now}, CHAINED, NOW) is None


def test_a_row_that_waits_for_more_than_its_parent_is_not_sent_after_it() -> None:
    text = f"{TITLES} | skip \n a fox | | fox | | | | {A} | \n | upscale | | fox | | | {B} | x"
    parent, line = lines(text, job(replace(DONE, state=State.RUNNING)))

    assert line.status == "skipped"
    assert after_parent(line, parent, {job(DONE).key: job(DONE)}, CHAINED, NOW) is None


# -- graphs ---------------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "a", "A", "b", "c", "d", "B@2"])
#: "b@2" is also the name of a row.
NAMED = st.sampled_from(["", "a", "A", "b", "c", "d", "a@1", "b@2", "c@1:9x16"])
MEMBERS = st.lists(st.tuples(NAMES, NAMED, st.booleans()), max_size=12).map(
    lambda rows: [
        Member(f"r_{at:09d}", at + 2, name, parent, is_copy)
        for at, (name, parent, is_copy) in enumerate(rows)
    ]
)


@given(MEMBERS, st.randoms(use_true_random=False))
def test_every_row_has_a_place_after_its_parent_and_the_order_of_rows_means_nothing(
    members: list[Member], chance: object
) -> None:
    found = chains(members)

    assert sorted(found.order) == sorted(one.row_id for one in members)
    place = {row_id: at for at, row_id in enumerate(found.order)}
    assert all(place[parent] < place[child] for child, parent in found.parents.items())
    named = {one.row_id for one in members if one.parent}
    assert found.parents.keys() | found.problems.keys() == named
    assert not found.parents.keys() & found.problems.keys()
    shuffled = list(members)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    again = chains(shuffled)
    assert (again.parents, again.problems) == (found.parents, found.problems)


def test_a_chain_of_many_rows_is_no_problem() -> None:
    many = 20_000
    members = [Member(f"r{n}", n, f"n{n}", f"n{n + 1}") for n in range(many)]

    found = chains([*members, Member("last", many, f"n{many}", "")])

    assert found.order[0] == "last"
    assert len(found.parents) == many


@given(MEMBERS, st.sets(st.integers(1, 12)))
def test_rows_that_may_depend_on_changed_lines_are_found(
    members: list[Member], changed: set[int]
) -> None:
    header = ("name", "parent", "row_id")
    grid: Grid = (header, *((m.name, m.parent, m.row_id) for m in members))
    columns = Columns(header, {"name": 0, "parent": 1, "row_id": 2}, (), {}, {})
    changed = {place for place in changed if place < len(grid)}
    away = relatives(grid, columns, changed)

    assert not away & changed
    still = {m.row_id for at, m in enumerate(members, 1) if at not in away | changed}
    found = chains(members)
    assert not any(found.parents.get(row_id) not in (None, *still) for row_id in still)
    without = chains([m for at, m in enumerate(members, 1) if at not in changed])
    for row_id in still:
        assert without.parents.get(row_id) == found.parents.get(row_id)


@each(
    ("cells", "words"),
    [
        ({"prompt": "a fox", "parent": "fox"}, "prompt"),
        ({"endpoint": "upscale", "parent": "fox", "index": "1"}, "index or parent"),
        ({"endpoint": "pan", "parent": "fox", "index": "1", "direction": "up"}, None),
        ({"endpoint": "describe", LINK: "r 1", "image": "https://x"}, "image"),
    ],
)
def test_a_row_without_a_prompt_is_not_told_to_change_it(
    cells: dict[str, str], words: str | None
) -> None:
    assert changeable(canonical(cells)) == (words or "direction, index or parent")


def test_a_parent_beside_an_endpoint_that_there_is_not_is_a_row_that_says_so() -> None:
    line = lines(f"{TITLES} \n a fox | | fox | | | | \n | upscael | | fox | | | ")[-1]

    assert line.status == "invalid"
    assert "upscael" in line.note
