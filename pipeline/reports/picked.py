"""The picked pictures of a report, as small JPEG pictures inside the page.

A report has a limit of bytes, so that it can be sent by e-mail. Pictures on another machine are
read from there, unless a small version is on this one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.core.errors import NotRead
from pipeline.images import reduced
from pipeline.open_pictures import Pictures, kind_of
from pipeline.reports.results import Shown

#: Pictures of a report, the longer side of each in pixels, and the bytes of all.
MOST: Final = 90
SIDE: Final = 340
MOST_BYTES: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Picked:
    """A picture: the job that made it, and the picture itself as a `data:` address."""

    shown: Shown
    source: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures to show, and how many there are."""

    pictures: tuple[Picked, ...]
    #: All pictures that were picked and can be read; without picks, all saved ones.
    of: int
    #: False if nothing was picked; then the newest pictures are shown.
    are_picked: bool
    #: How many picked pictures have no file any more, or a damaged one.
    missing: int = 0
    #: How many picked results are no pictures: videos and sounds.
    others: int = 0
    #: Why pictures on another machine could not be read; empty if they could.
    trouble: str = ""


def gallery(shown: Sequence[Shown], pictures: Pictures) -> Gallery:
    """The newest picked pictures of these jobs, one of each job first."""
    are_picked = any(one.picked for one in shown)
    every = list(_files(shown, are_picked))
    # One of each job first, so that a report shows as many rows as possible.
    every.sort(key=lambda one: (one[0], -_time(one[1])))
    found: list[Picked] = []
    trouble, room, left_out = "", MOST_BYTES, 0
    picks = [_is_picture(url, _all_files(one).get(url, "")) for one in shown for url in one.picked]
    missing = sum(picks) - len(every) if are_picked else 0
    for _, one, file in every:
        try:
            small = file if isinstance(file, Path) else pictures.preview(file)
            content = reduced(small, SIDE) if small else None
            missing += are_picked and content is None
        except NotRead as error:
            trouble = trouble or str(error)
            content = None
        if content is None:
            left_out += 1
            continue
        source = _address(content)
        if len(found) == MOST or len(source) > room:
            break
        room -= len(source)
        found.append(Picked(one, source))
    number, others = len(every) - left_out, len(picks) - sum(picks)
    return Gallery(tuple(found), number, are_picked, max(missing, 0), others, trouble)


def _files(shown: Sequence[Shown], are_picked: bool) -> Iterator[tuple[int, Shown, Path | str]]:
    """Which picture of its job it is, from 0; the job; and the saved file or its address."""
    for one in shown:
        files = _all_files(one)
        its = [url for url in (one.picked if are_picked else one.urls) if url in files]
        drawn = [url for url in its if _is_picture(url, files[url])]
        yield from ((at, one, files[url]) for at, url in enumerate(drawn))


def _all_files(one: Shown) -> dict[str, Path | str]:
    return {**one.files, **one.elsewhere}


def _is_picture(url: str, file: Path | str) -> bool:
    name = file.name if isinstance(file, Path) else file
    return kind_of(name, url).startswith("image/")


def _time(one: Shown) -> float:
    return (one.finished_at or datetime.min.replace(tzinfo=UTC)).timestamp()


def _address(content: bytes) -> str:
    kind = "jpeg" if content.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
