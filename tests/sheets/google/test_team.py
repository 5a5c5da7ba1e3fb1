"""People edit a Google Sheet while results are written back: each result ends in its own row.

The edits, the writes and the measurement are in `tests/system/whole/google_office.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.cases import each
from tests.fakes.google.faults import Fault
from tests.fakes.google.grid import ROWS
from tests.fakes.google_sheets import Asked, google_sheets
from tests.system.whole.faults import columns_keep_their_places
from tests.system.whole.google_office import Line, Office, mark_of, office, play, wrong


class Killed(BaseException):
    """The process was killed."""


def dies(_: float) -> None:
    raise Killed


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
@pytest.mark.parametrize("number", range(1, 13))
def test_after_a_kill_at_any_request_the_next_pass_completes_the_work(
    tmp_path: Path, fault: Fault, number: int
) -> None:
    with google_sheets(reads=1000, writes=1000) as google:
        made = office(google, tmp_path, 6, seed=number, most=2)
        made.pause = dies
        made.start()
        made.team.person.gestures = ("shuffle_rows", "insert_row", "move_rows")
        google.faults.at(number, fault)
        for _ in range(2):
            try:
                made.pass_by()
            except Killed:
                break
        google.faults.clear()

        made.start()
        for _ in range(3):
            made.pass_by(quiet=True)

        assert wrong(made.team.lines()) == 0
        assert_all_done(made)
        assert made.team.changed == 0
        made.store.close()


def test_after_a_kill_before_the_repair_a_new_row_is_recognised_and_done(tmp_path: Path) -> None:
    with google_sheets(reads=1000, writes=1000) as google:
        made = office(google, tmp_path, 4, seed=1, most=0)
        made.pass_by()
        book = made.team.spreadsheet
        places = iter([1])

        def between(asked: Asked) -> None:
            if asked.call.startswith("values:batchUpdate") and (place := next(places, None)):
                book.insert(book.sheets[0], ROWS, place)
                book.sheets[0].enter(place, 0, "a bird that came in between")
                google.faults.at(1, Fault.RESET_BEFORE)

        made.pause = dies
        made.start()
        google.between(between)
        with pytest.raises(Killed):
            made.sync.look()
        google.between(None)
        (bird,) = (line for line in made.team.lines() if line.words.startswith("a bird"))
        assert bird.is_wrong

        made.pause = lambda _: None
        made.start()
        for _ in range(3):
            made.pass_by(quiet=True)

        assert wrong(made.team.lines()) == 0
        assert made.statuses() == {"done": 5}
        assert len(made.store.jobs.all("sheet")) == 5
        made.store.close()


def assert_all_done(made: Office) -> None:
    said = made.statuses()
    assert said["done"] >= 6
    assert set(said) <= {"done", "edited", "copy", ""}


def test_results_end_in_their_rows_while_people_edit() -> None:
    score = play(100)

    print(score)
    assert (score.wrong, score.changed) == (0, 0), f"seeds {score.seeds}"
    assert set(score.unserved) <= {"copy", "edited"}
    assert score.served >= 100
    assert score.misplaced >= 10
    assert score.in_between * 2 >= score.gestures
    assert score.common_wrong >= 10


def test_writing_to_columns_from_an_earlier_reading_would_be_noticed() -> None:
    with columns_keep_their_places():
        score = play(20, rows=30, rounds=4, gestures=("insert_column", "move_column"))

    assert score.changed > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_results_end_in_their_rows() -> None:
    score = play(10_000)

    print(score)
    assert (score.wrong, score.changed) == (0, 0), f"seeds {score.seeds}"
    assert score.results >= 10_000
    assert score.misplaced >= 500
    assert score.in_between * 2 >= score.gestures
    assert score.common_wrong >= 1000


def line(words: str, of: str = "", note: str = "") -> Line:
    shown = mark_of(of)
    picture = f"https://cdn.example/{shown}.png" if of else ""
    return Line(words, f"task-{shown}-1" if of else "", picture, note)


@each(
    ("judged", "is_wrong"),
    [
        (line("a fox", of="a fox"), False),
        (line("a fox"), False),
        (line("a fox", of="an owl"), True),
        (line("", of="an owl"), True),
        (line("a fox", of="an owl", note='These were made from "an owl". Write 2.'), False),
        (line("a fox", of="an owl", note='These were made from "a wolf". Write 2.'), True),
        (Line("a fox", f"task-{mark_of('a fox')}", f"https://c/{mark_of('an owl')}.png"), True),
        (Line("a fox", f"task-{mark_of('an owl')}"), True),
    ],
)
def test_the_measurement_recognises_a_wrong_line(judged: Line, is_wrong: bool) -> None:
    assert judged.is_wrong is is_wrong
    assert wrong([judged]) == is_wrong
