"""Which pictures of a row a person picked: the column `pick`, and the ticks on the page.

The cell names pictures of the row as its cells show them now, by their numbers in the list of
addresses. A filled cell counts instead of the ticks. Nothing is sent because of a pick alone. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pipeline.core.inputs import without_decimals
from pipeline.core.invisible import visible
from pipeline.core.model import Attempt, Job
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.states import shown, with_results

PICK: Final = "pick"
PICKED: Final = "picked"
_BETWEEN: Final = re.compile(r"[\s,;+&/]+")
_NUMBER: Final = re.compile(r"#?([0-9]{1,4})")


class Picture(NamedTuple):
    """A picture of a row."""

    job: Job
    #: Its number among the results of the job, and its address.
    number: int
    url: str

    @property
    def name(self) -> str:
        """A name that no other picture of its row has, and that it keeps."""
        key = self.job.key
        return f"{key.take}/{key.part}/{self.attempt.number}/{self.number}"

    @property
    def attempt(self) -> Attempt:
        """The attempt that made it."""
        attempt = shown(self.job)
        assert attempt is not None, "only an attempt has pictures"
        return with_results(self.job, attempt)


class Picked(NamedTuple):
    """What is picked of some pictures."""

    pictures: tuple[Picture, ...] = ()
    #: True if the cell names no pictures, or others than there are.
    is_wrong: bool = False


NOTHING_PICKED: Final = Picked()


def pictures_of(jobs: Iterable[Job]) -> list[Picture]:
    """All pictures of these jobs, in the order in which a cell lists them."""
    found: dict[str, Picture] = {}
    for job in jobs:
        if attempt := shown(job):
            for number, url in enumerate(with_results(job, attempt).result.urls, start=1):
                found.setdefault(url, Picture(job, number, url))
    return list(found.values())


def newest_pictures(
    jobs: Iterable[Job], before: int | None, order: Mapping[str, int]
) -> list[Picture]:
    """The pictures of the newest take that has any, of one row.

    Only takes before this one count, where one is given. `order` gives the place of each of the
    row's generations in the list.
    """
    by_take: dict[int, list[Job]] = {}
    for job in jobs:
        if before is None or job.key.take < before:
            by_take.setdefault(job.key.take, []).append(job)
    for take in sorted(by_take, reverse=True):
        its = sorted(by_take[take], key=lambda job: (order.get(job.key.part, len(order)), job.key))
        if found := pictures_of(its):
            return found
    return []


def numbers_in(cell: str) -> tuple[int, ...]:
    """The numbers in a cell such as `2` or `1, 3`, each once; none if it holds anything else."""
    words = [word for word in _BETWEEN.split(without_decimals(visible(cell))) if word]
    found = [_NUMBER.fullmatch(word) for word in words]
    return tuple(dict.fromkeys(int(one[1]) for one in found if one)) if all(found) else ()


def picked_of(cell: str, pictures: Sequence[Picture]) -> Picked:
    """What is picked of these pictures: what the cell says, else the ticks on the page."""
    if not visible(cell):
        return Picked(tuple(one for one in pictures if one.number in one.job.picked))
    numbers = numbers_in(cell)
    if not numbers or not all(1 <= number <= len(pictures) for number in numbers):
        return Picked(is_wrong=True)
    return Picked(tuple(pictures[number - 1] for number in numbers))


def addresses_of(picked: Iterable[Picture], links: CellLinks) -> tuple[str, ...]:
    """The addresses of picked pictures, as the cells of their row show them."""
    return tuple(links.shown_in(one.job).links.get(one.url, one.url) for one in picked)
