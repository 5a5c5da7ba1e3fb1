"""When a failed download is tried again, and when it is reported."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.core.errors import BadLink, DeadLink, NotSaved
from pipeline.core.model import Unsaved
from pipeline.sync.download_retries import missed
from tests.core.build import NOW


def tried(error: NotSaved, sent_at: datetime = NOW) -> list[tuple[timedelta, bool]]:
    """All tries until the download is given up: time since the first try, and what is reported."""
    seen: list[tuple[timedelta, bool]] = []
    before, now = None, NOW
    while True:
        before = missed(error, before, sent_at, now)
        seen.append((now - NOW, before.lost))
        if before.next_at is None:
            return seen
        assert before.next_at > now
        now = before.next_at


def test_a_failing_server_is_tried_less_and_less_often_for_two_days() -> None:
    times = tried(NotSaved("The server behind the link answers 503."))

    assert [lost for _, lost in times] == [False] * 15 + [True]
    pauses = [later - sooner for (sooner, _), (later, _) in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(minutes=1)
    assert timedelta(days=1) < times[-1][0] < timedelta(days=3)


def test_a_dead_link_of_a_recent_task_is_reported_and_tried_twice_more() -> None:
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
def test_a_permanent_failure_is_tried_once(error: NotSaved, age: timedelta) -> None:
    assert tried(error, NOW - age) == [(timedelta(0), True)]


def test_a_link_that_dies_while_its_server_fails_is_reported() -> None:
    before = Unsaved("The server behind the link answers 503.", 7, NOW, lost=False)

    now = missed(DeadLink("The link is dead: it answers 410."), before, NOW, NOW)

    assert now == Unsaved("The link is dead: it answers 410.", 8, None, lost=True)
