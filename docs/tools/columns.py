"""The words of the column `status`, with what each means for a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docs.tools.blocks import code, table
from pipeline.core.statuses import FINISHED, NEEDS_ATTENTION, NOT_SENT, ON_THE_WAY, Status

README = Path(__file__).parents[2] / "README.md"


def statuses() -> str:
    """Each status: whether the row was sent, is finished, and needs a person, and what it means."""
    titles = ["status", "sent", "finished", "needs attention", "meaning"]
    return table(titles, _statuses())


def _statuses() -> Iterator[list[str]]:
    meanings = dict(_meanings(README.read_text("utf-8")))
    for one in Status:
        sent = "not yet" if one in NOT_SENT & ON_THE_WAY else "no" if one in NOT_SENT else "yes"
        marks = ["yes" if one in group else "no" for group in (FINISHED, NEEDS_ATTENTION)]
        yield [code(one), sent, *marks, meanings[one]]


def _meanings(readme: str) -> Iterator[tuple[Status, str]]:
    """What the README says of each status."""
    part = readme.split("## What `status` says\n")[1].split("\n## ")[0]
    for words, meaning in re.findall(r"(?m)^\| (`.*?) \| (.*) \|$", part):
        yield from ((Status.of(word), meaning) for word in re.findall(r"`([^`]+)`", words))
