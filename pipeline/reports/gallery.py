"""All pictures in one HTML file that can be sent to others and opened in any browser.

The file loads nothing from the network. It contains scaled-down pictures and no script. Text from a
sheet or from the API is always escaped. Raises StoreError and ConfigError.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core import language
from pipeline.core.credits import Credits
from pipeline.core.errors import NotRead
from pipeline.core.language import NOTHING, Catalogue, Said, figures, say, say_counted
from pipeline.core.messages.dates import moment
from pipeline.core.money.costs import OWN, Cost, in_words, summed
from pipeline.core.pictures.filetypes import ENOUGH, MEDIA_TYPES, ending_of
from pipeline.core.statuses import Status
from pipeline.core.text import duration, joined
from pipeline.images import scaled
from pipeline.open_pictures import Pictures, kind_of, name_of
from pipeline.plain_files import open_plain
from pipeline.reports.output_files import check_output, write_output
from pipeline.reports.results import Shown, results_and_waiting_rows

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
#: (most pictures, longer side in pixels): the more pictures, the smaller each is, so that a gallery
#: of a thousand pictures is small enough for an e-mail.
SIDES: Final = ((80, 640), (300, 420), (1000, 280))
SMALLEST: Final = 200
#: Bytes of videos and sounds in a gallery, and of each of them; what is larger is a link. So the
#: file can be sent by e-mail.
MOST_PLAYED: Final = 12_000_000
MOST_OF_ONE: Final = 4_000_000
#: The order of the statuses at the top of the page: done first, then those that need attention.
STATUSES: Final = (
    Status.DONE,
    Status.EDITED,
    Status.IN_PROGRESS,
    Status.SENDING,
    Status.CHECK_NEEDED,
    Status.FAILED,
    Status.INVALID,
    Status.OVER_BUDGET,
    Status.NEEDS_APPROVAL,
    Status.UNRECOGNIZED,
    Status.QUEUED,
    Status.WAITING,
    Status.COPY,
    Status.SKIPPED,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A result of a job. Without `source` it is not saved, too large, or of another kind."""

    number: int
    #: The picture, video or sound itself, as a `data:` address.
    source: str = ""
    width: int = 0
    height: int = 0
    #: The lasting web address of its saved file, else its address at the API; only http(s).
    url: str = ""
    #: The saved file's name.
    file: str = ""
    #: `image`, `video` or `audio`.
    kind: str = "image"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the gallery."""

    shown: Shown
    pictures: tuple[Picture, ...]

    @property
    def family(self) -> Status:
        """Its status without a percentage."""
        return Status.of(self.shown.status)

    @property
    def shape(self) -> str:
        """The shape of its pictures: a word for the style sheet."""
        first = next((p for p in self.pictures if p.height), None)
        ratio = first.width / first.height if first else 1.0
        return "wide" if ratio > 1.4 else "tall" if ratio < 0.85 else "square"

    @property
    def asked(self) -> dict[str, str]:
        """The inputs besides the prompt."""
        return further_inputs(self.shown)


def write_gallery(
    settings: Settings,
    to: Path,
    now: Callable[[], datetime] = wiring.now,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Write the gallery of all rows of the sheet, and return the path of the file.

    An existing file of that name is replaced in one step, or stays unchanged. `tell` gets a
    sentence if pictures on another machine could not be read. Raises StoreError before the first
    run, and ConfigError if the file cannot be written.
    """
    check_output(to, settings)
    with Pictures(settings) as pictures:
        saved = _Saved(pictures)
        page = _page(settings, results_and_waiting_rows(settings), saved, now())
    if saved.trouble:
        tell(saved.trouble)
    return write_output(to, page.encode("utf-8", "replace"), settings)


def further_inputs(one: Shown) -> dict[str, str]:
    """The inputs of a row besides its prompt, with readable names."""
    beside = ("prompt", "endpoint", "parent")
    return {name.replace("_", " "): text for name, text in one.inputs.items() if name not in beside}


def environment(folder: Path, catalogue: Catalogue) -> Environment:
    """The templates of a folder in one language.

    Whatever `say` returns is said in that language where it is written out. Values are escaped, and
    a missing value is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=catalogue.text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "in_words": in_words, "figures": _figures}
    made.globals |= {"say": say, "say_counted": _say_counted, "language": catalogue.language}
    return made


def _figures(number: Credits) -> Said:
    """A number as people write it: 1,234."""
    return figures(f"{number:,}")


def _say_counted(number: Credits, one: str, more: str, **values: object) -> Said:
    return language.say_counted(number, one, more, number=_figures(number), **values)


@cache
def _environment(catalogue: Catalogue) -> Environment:
    """The templates of the gallery, which are compiled once for a process."""
    return environment(TEMPLATES, catalogue)


def _page(settings: Settings, shown: Sequence[Shown], saved: _Saved, now: datetime) -> str:
    from markupsafe import Markup

    entries = _entries(shown, saved)
    style = "".join((TEMPLATES / name).read_text("utf-8") for name in ("base.css", "gallery.css"))
    return (
        _environment(settings.catalogue)
        .get_template("gallery.html.j2")
        .render(
            title=settings.source.name,
            api=settings.provider.title,
            made_with=settings.provider.full_title,
            at=_other_host(settings),
            entries=entries,
            counts=_counts(entries),
            pictures=sum(p.height > 0 for entry in entries for p in entry.pictures),
            costs=_costs(shown),
            typical=_typical(shown),
            trouble=saved.trouble,
            now=now.astimezone(ZoneInfo(settings.timezone)),
            when=moment(now, ZoneInfo(settings.timezone), "%H:%M"),
            # Our own style sheet is not escaped. The page allows only the style with this digest.
            style=Markup(style),  # noqa: S704
            digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _costs(shown: Sequence[Shown]) -> Sequence[Cost]:
    """What all jobs cost at each account; a sum of 0 if they cost nothing."""
    costs = summed((cost.account, cost.amount) for one in shown for cost in one.costs)
    return costs or (Cost(0, OWN),)


def _other_host(settings: Settings) -> str:
    """The host of the API if it is not the usual one, so that simulated results are marked."""
    usual = settings.base_url == settings.provider.base_url.rstrip("/")
    return "" if usual else urlsplit(settings.base_url).netloc


def _entries(shown: Sequence[Shown], saved: _Saved) -> list[Entry]:
    side = _side(sum(len(one.files) + len(one.elsewhere) for one in shown))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
        # Pillow releases the interpreter lock while it scales, so threads are enough.
        room = _Room(MOST_PLAYED)
        pictures = threads.map(lambda one: _pictures(one, side, room, saved), shown)
        return [Entry(one, its_pictures) for one, its_pictures in zip(shown, pictures, strict=True)]


def _side(pictures: int) -> int:
    return next((side for most, side in SIDES if pictures <= most), SMALLEST)


class _Room:
    """How many bytes of videos and sounds the gallery may still hold."""

    def __init__(self, left: int) -> None:
        self._left, self._lock = left, Lock()

    def takes(self, size: int) -> bool:
        """True if a file of this size fits; its room is then taken."""
        with self._lock:
            fits = size <= min(self._left, MOST_OF_ONE)
            self._left -= size if fits else 0
            return fits


class _Saved:
    """The saved files on another machine, and how many of them could not be read."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures, self._lock = pictures, Lock()
        self._unread: list[NotRead] = []

    @property
    def trouble(self) -> Said:
        """What could not be read, as a sentence; empty if everything could."""
        if not self._unread:
            return NOTHING
        number = len(self._unread)
        missing = say_counted(
            number,
            "{number} saved file is not in this gallery.",
            "{number} saved files are not in this gallery.",
            number=_figures(number),
        )
        return joined(missing, str(self._unread[0]))

    def small(self, address: str) -> Path | None:
        """A small version of a picture, on this machine."""
        try:
            return self._pictures.preview(address)
        except NotRead as error:
            self._note(error)
            return None

    def played(self, address: str, kind: str, room: _Room) -> str:
        """A video or a sound as a `data:` address; empty if there is no room for it."""
        try:
            facts = self._pictures.facts(address, kind)
            if not (_is_played(facts.type) and room.takes(facts.size)):
                return ""
            content = b"".join(self._pictures.pieces(address, 0, facts.size))
        except NotRead as error:
            self._note(error)
            return ""
        return f"data:{facts.type};base64,{base64.b64encode(content).decode()}"

    def _note(self, error: NotRead) -> None:
        with self._lock:
            self._unread.append(error)


def _pictures(shown: Shown, side: int, room: _Room, saved: _Saved) -> tuple[Picture, ...]:
    found = (
        _elsewhere(number, url, shown.elsewhere[url], side, room, saved)
        if url in shown.elsewhere
        else _picture(number, shown.files.get(url), side, room)
        for number, url in enumerate(shown.urls, start=1)
    )
    links = (_link(shown.links.get(url, url)) for url in shown.urls)
    return tuple(replace(one, url=link) for one, link in zip(found, links, strict=True))


def _link(url: str) -> str:
    # Only http(s) addresses become links: `javascript:` would run in the page.
    return url if url.lower().startswith(("https://", "http://")) else ""


def _elsewhere(
    number: int, url: str, address: str, side: int, room: _Room, saved: _Saved
) -> Picture:
    name, kind = name_of(address), kind_of(address, url)
    if _is_played(kind):
        source = saved.played(address, kind, room)
        return Picture(number, source, file=name, kind=kind.partition("/")[0])
    return _scaled(number, saved.small(address), side, name)


def _picture(number: int, file: Path | None, side: int, room: _Room) -> Picture:
    if file and (kind := _played(file)):
        name = kind.partition("/")[0]
        return Picture(number, _source(file, kind, room), file=file.name, kind=name)
    return _scaled(number, file, side, file.name if file else "")


def _scaled(number: int, file: Path | None, side: int, name: str) -> Picture:
    small = scaled(file, side) if file else None
    if small is None:
        return Picture(number, file=name)
    source = f"data:image/webp;base64,{base64.b64encode(small.webp).decode()}"
    return Picture(number, source, small.width, small.height, file=name)


def _played(file: Path) -> str:
    """The media type of a file that is a video or a sound by its first bytes; else empty."""
    called = MEDIA_TYPES.get(file.suffix.removeprefix(".").casefold(), "")
    if not _is_played(called):
        return ""
    try:
        with open_plain(file) as opened:
            kind = MEDIA_TYPES.get(ending_of(opened.read(ENOUGH), called), "")
    except OSError:
        return ""
    return kind if _is_played(kind) else ""


def _is_played(kind: str) -> bool:
    return kind.startswith(("video/", "audio/"))


def _source(file: Path, kind: str, room: _Room) -> str:
    """The whole file as a `data:` address; empty if there is no room for it."""
    try:
        with open_plain(file) as opened:
            if not room.takes(os.fstat(opened.fileno()).st_size):
                return ""
            content = opened.read(MOST_OF_ONE)
    except OSError:
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _counts(entries: Iterable[Entry]) -> list[tuple[str, int]]:
    found = Counter(entry.family for entry in entries)
    return [(status, found[status]) for status in STATUSES if found[status]]


def _typical(shown: Iterable[Shown]) -> float | None:
    waits = [one.seconds for one in shown if one.seconds is not None and one.urls]
    return median(waits) if waits else None
