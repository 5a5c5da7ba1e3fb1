"""The rules by which a pass stops sending, without a clock and without a network."""

from __future__ import annotations

from pipeline.sync.breaker import FAILED_LEAST, CircuitBreaker, Stop


def breaker(stop_after: int = 5) -> CircuitBreaker:
    return CircuitBreaker("prompts.csv", stop_after, lambda: None)


def test_five_equal_refusals_at_the_start_stop_sending() -> None:
    one = breaker()

    for _ in range(5):
        assert not one.is_open
        one.refused("no such model")

    assert one.stop == Stop(
        'The first 5 were all refused alike ("no such model"), so nothing more was sent. Repair '
        "that first.",
        out_of_reach=False,
    )


def test_after_a_stopped_pass_the_first_answer_comes_before_the_second_submission() -> None:
    each = [CircuitBreaker("prompts.csv", 5, lambda: None, is_careful=True) for _ in range(2)]
    before = [(one.room(0), one.room(1)) for one in each]
    each[0].accepted()
    each[1].refused("no such model")

    assert before == [(1, 0)] * 2
    assert [one.room(0) for one in each] == [None, 4]


def test_equal_refusals_do_not_stop_sending_once_a_row_was_accepted() -> None:
    one = breaker()

    one.accepted()
    for _ in range(FAILED_LEAST):
        one.refused("banned word")

    assert not one.is_open


def test_different_refusals_do_not_stop_sending() -> None:
    one = breaker()

    for number in range(FAILED_LEAST):
        one.refused(f"banned word {number}")

    assert not one.is_open


def test_until_one_row_is_accepted_at_most_five_rows_are_unanswered() -> None:
    one = breaker()

    assert one.room(unanswered=3) == 2
    one.refused("banned word")
    assert one.room(unanswered=3) == 1
    one.accepted()
    assert one.room(unanswered=3) is None


def test_sending_stops_when_over_30_percent_of_twenty_tasks_failed() -> None:
    one = breaker()
    for _ in range(13):
        one.finished(succeeded=True)

    for _ in range(6):
        one.finished(succeeded=False)
        assert not one.is_open
    one.finished(succeeded=False)

    assert one.stop is not None
    assert one.stop.sentence.startswith("7 of 20 rows failed")


def test_the_first_reason_is_kept() -> None:
    one = breaker()

    one.open(Stop("out of credits", out_of_reach=True))
    one.open(Stop("something later", out_of_reach=False))

    assert one.stop == Stop("out of credits", out_of_reach=True)


def test_each_stop_wakes_the_submitter() -> None:
    woken: list[bool] = []
    one = CircuitBreaker("prompts.csv", 5, lambda: woken.append(True))

    one.open()

    assert (one.is_open, one.stop, woken) == (True, None, [True])
