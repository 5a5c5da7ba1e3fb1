"""The words of the status column."""

from __future__ import annotations

import json

import pytest

from pipeline.core import statuses
from pipeline.core.statuses import Status, in_progress, is_ours
from tests.fakes.cases import each


@each("status", Status)
def test_a_status_has_the_same_word_everywhere(status: Status) -> None:
    assert status == status.value
    assert f"{status}" == str(status) == status.value
    assert json.dumps({status: status}) == json.dumps({status.value: status.value})
    assert Status.of(status.value) is status


@each("percent", [None, 0, 1, 40, 100])
def test_a_cell_with_progress_is_read_as_its_status(percent: int | None) -> None:
    text = in_progress(percent)

    assert text == ("in progress" if not percent else f"in progress {percent}%")
    assert Status.of(text) is Status.IN_PROGRESS
    assert is_ours(text)


@each("text", ["", "Done", "done.", "in progressive", "approved by Kim"])
def test_other_text_is_not_a_status(text: str) -> None:
    assert not is_ours(text)
    with pytest.raises(ValueError, match="is not a valid Status"):
        Status.of(text)


def test_the_status_cell_never_says_unrecognized() -> None:
    assert [status for status in Status if not is_ours(status)] == [Status.UNRECOGNIZED]


def test_lists_begin_with_the_rows_that_need_attention() -> None:
    first = list(Status)[: len(statuses.NEEDS_ATTENTION)]

    assert set(first) == statuses.NEEDS_ATTENTION
