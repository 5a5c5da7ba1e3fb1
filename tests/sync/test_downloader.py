"""When a picture that could not be saved is tried again, and when a person has to know."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.core.errors import BadLink, DeadLink, NotSaved
from pipeline.core.model import Unsaved
from pipeline.sync.downloader import missed
from tests.core.build import NOW


def tried(error: NotSaved, sent_at: datetime = NOW) -> list[tuple[timedelta, bool]]:
    """Until it is given up: how long after the first try each further one is, and who knows."""
    seen: list[tuple[timedelta, bool]] = []
    before, now = None, NOW
    while True:
        before = missed(error, before, sent_at, now)
        seen.append((now - NOW, before.lost))
        if before.next_at is None:
            return seen
        assert before.next_at > now
        now = before.next_at


def test_a_server_in_trouble_is_asked_ever_less_often_and_given_up_after_two_days() -> None:
    times = tried(NotSaved("The server behind the link answers 503."))

    assert [lost for _, lost in times] == [False] * 15 + [True]
    pauses = [later - sooner for (sooner, _), (later, _) in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(minutes=1)
    assert timedelta(days=1) < times[-1][0] < timedelta(days=3)


def test_a_dead_link_of_a_young_task_is_tried_twice_more_while_people_know() -> None:
    gone = DeadLink("The link is dead: it answers 404.")

    assert tried(gone) == [
        (timedelta(0), True),
        (timedelta(minutes=10), True),
        (timedelta(minutes=130), True),
    ]


@pytest.mark.parametrize(
    ("error", "age"),
    [
        (DeadLink("The link is dead: it answers 404."), timedelta(days=2)),
        (BadLink("The link is not a web address."), timedelta(0)),
    ],
)
def test_what_no_later_try_can_change_is_tried_once(error: NotSaved, age: timedelta) -> None:
    assert tried(error, NOW - age) == [(timedelta(0), True)]


def test_a_link_that_dies_while_its_server_is_in_trouble_is_reported() -> None:
    before = Unsaved("The server behind the link answers 503.", 7, NOW, lost=False)

    now = missed(DeadLink("The link is dead: it answers 410."), before, NOW, NOW)

    assert now == Unsaved("The link is dead: it answers 410.", 8, None, lost=True)
