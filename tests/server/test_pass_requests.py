"""At most one pass waits, and two starts have a least distance."""

from __future__ import annotations

import pytest

from pipeline.server.pass_requests import PassRequest, PassRequests, Taken

ALL, TEN, ONE = PassRequest(), PassRequest(limit=10), PassRequest(row="third")


class Clock:
    """Seconds that only a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def requests(clock: Clock) -> PassRequests:
    return PassRequests(10, clock)


def test_the_first_request_begins_at_once_and_the_others_share_its_pass(
    requests: PassRequests,
) -> None:
    assert requests.waits() is None
    assert [requests.add(ALL) for _ in range(3)] == [Taken.STARTED, Taken.PLANNED, Taken.PLANNED]
    assert (requests.waits(), requests.take(), requests.take()) == (0, ALL, None)
    assert requests.waits() is None


def test_the_next_pass_begins_after_the_least_distance(
    requests: PassRequests, clock: Clock
) -> None:
    requests.add(ALL)
    requests.take()
    clock.now = 4

    assert requests.add(ALL) is Taken.PLANNED
    assert requests.waits() == 6
    clock.now = 30
    assert requests.waits() == 0


def test_a_request_for_all_rows_replaces_one_with_a_limit(requests: PassRequests) -> None:
    requests.add(TEN)

    assert requests.add(ALL) is Taken.PLANNED
    assert requests.take() == ALL


@pytest.mark.parametrize("waiting", [ALL, ONE, PassRequest(limit=9)])
def test_a_request_with_a_limit_is_refused_where_the_pass_would_not_keep_to_it(
    requests: PassRequests, waiting: PassRequest
) -> None:
    requests.add(waiting)

    assert requests.add(TEN) is Taken.REFUSED
    assert requests.take() == waiting


def test_equal_requests_with_a_limit_share_a_pass(requests: PassRequests) -> None:
    requests.add(TEN)

    assert requests.add(TEN) is Taken.PLANNED
    assert requests.take() == TEN


def test_a_request_that_could_not_be_served_waits_again(
    requests: PassRequests, clock: Clock
) -> None:
    requests.add(TEN)
    taken = requests.take()
    assert taken
    clock.now = 3
    requests.put_back(taken)

    assert (requests.waits(), requests.take()) == (10, TEN)
