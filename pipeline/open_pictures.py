"""Opens saved pictures that are on another machine: their previews, and their whole files.

Only files of the place that the configuration names are read; their addresses come from the store,
never from a cell. A picture that has no preview on this machine is read once, and gets one.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Self, TypeVar, cast
from urllib.parse import unquote, urlsplit

from pipeline.config import Settings
from pipeline.core.errors import FileGone, MissingExtra, NoPlace, NotRead, PartUnread
from pipeline.core.messages import reasons
from pipeline.core.pictures.filetypes import ENOUGH, MEDIA_TYPES, ending_of
from pipeline.provider.input_files import InputFiles, input_files
from pipeline.provider.input_folder import MOST_BYTES, Content

if TYPE_CHECKING:
    from pipeline.provider.downloads.destination import About, Destination
    from pipeline.provider.downloads.previews import Previews

#: The address of a file in Google Drive, as a browser shows it.
IN_DRIVE: Final = r"https://drive\.google\.com/file/d/[\w-]+/view(?:\?.*)?"
#: Bytes that are read at a time.
PIECE: Final = 2 << 20
#: Files that are read at the same time.
AT_ONCE: Final = 4
#: Seconds for which a place that cannot be read is not asked again.
PAUSE: Final = 30.0
#: Seconds for which `Pictures.trouble` says what was wrong, if nothing was read since.
SHOWN_FOR: Final = 600.0
#: Files of which `Pictures.facts` remembers the answer.
REMEMBERED: Final = 10_000
#: Bytes of a file that are kept in memory; a larger one is on disk while it is open.
IN_MEMORY: Final = 4 << 20

T = TypeVar("T")


def is_elsewhere(path: str) -> bool:
    """True if a saved file is on another machine, by its path in the store."""
    return "://" in path


def name_of(path: str) -> str:
    """The name of a saved file on another machine; empty if its address does not say it."""
    name = PurePosixPath(urlsplit(path).path).name
    return name if "." in name else ""


def kind_of(path: str, url: str) -> str:
    """The media type of a saved file, as the names of the file and of the result say it.

    A result whose names say nothing is taken for a picture: most are.
    """
    for name in (path, url):
        ending = PurePosixPath(urlsplit(name).path).suffix.removeprefix(".").casefold()
        if ending in MEDIA_TYPES:
            return MEDIA_TYPES[ending]
    return MEDIA_TYPES["png"]


def path_of_link(settings: Settings, link: str) -> str:
    """The path of a saved file, as the store keeps it, by the link of it that cells show.

    Empty for a link that does not lead to a file in the place that the configuration names, or that
    only the page can open.
    """
    remote, public = settings.remote, settings.public_url
    if remote and remote.kind == "drive":
        return link if re.fullmatch(IN_DRIVE, link) else ""
    if not public or not link.startswith(f"{public}/"):
        return ""
    name = unquote(link.removeprefix(f"{public}/"))
    if re.search(r"[?#\\\0]", name) or {"", ".", ".."} & {*name.split("/")}:
        return ""
    return f"{remote.address.rstrip('/')}/{name}" if remote else name


def request_files(settings: Settings) -> InputFiles | None:
    """The files that requests of a configuration may need; None if they need none."""
    return input_files(settings, SavedElsewhere(settings) if settings.remote else None)


class SavedElsewhere:
    """Saved pictures on another machine, from which later takes start."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def problem(self, name: str, kind: str = "") -> str:
        """Why this picture cannot be sent, as the end of a sentence; empty if it can be.

        It is not looked for there: a plan asks no other machine.
        """
        if not is_elsewhere(name):
            return reasons.told(reasons.NO_NAME)
        return "" if kind_of(name, "").startswith(kind) else reasons.told(reasons.NO_PICTURE)

    def read(self, name: str) -> Content:
        """The picture with this path. Raises PartUnread with the end of a sentence."""
        try:
            with Pictures(self._settings) as pictures:
                facts = pictures.facts(name, kind_of(name, ""))
                if facts.size > MOST_BYTES:
                    size = MOST_BYTES // 1_000_000
                    raise PartUnread(reasons.FILE_TOO_LARGE.format(size=size))
                data = b"".join(pictures.pieces(name, 0, facts.size))
        except NotRead as error:
            raise PartUnread(str(error).rstrip(".")) from error
        if not facts.type:
            raise PartUnread(reasons.FILE_ODD)
        return Content(PurePosixPath(facts.name).name, data, facts.type)


class Facts(NamedTuple):
    """What a saved file is."""

    #: Its name in its place; it may have folders.
    name: str
    #: Its length in bytes.
    size: int
    #: Its media type by its first bytes; empty for no known kind.
    type: str


class Pictures:
    """The saved files of a configuration that are on another machine. Any thread may use it.

    The methods block, and raise NotRead. Nothing is opened before the first file.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock, self._turns = Lock(), BoundedSemaphore(AT_ONCE)
        self._place: Destination | None = None
        self._previews: Previews | None = None
        #: The last error that concerns all files, and when that was, on the monotonic clock.
        self._trouble: tuple[float, NotRead] | None = None
        #: Addresses of files that are no pictures.
        self._no_pictures: set[str] = set()
        #: Address -> what the file there is; it never changes.
        self._facts: dict[str, Facts] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._place is not None:
            asyncio.run(self._place.close())

    @property
    def trouble(self) -> str:
        """Why files cannot be read at the moment, as a sentence; empty if they can."""
        known = self._trouble
        is_new = known and time.monotonic() < known[0] + SHOWN_FOR
        return str(known[1]) if known and is_new else ""

    def preview(self, path: str, *, may_read: bool = True) -> Path | None:
        """A small version of a saved picture, as a file on this machine; None if it is no picture.

        A missing one is made from the whole file; without `may_read`, None is returned then.
        """
        previews = self._small()
        found = previews.find(path)
        if found or not may_read or path in self._no_pictures:
            return found
        with self.whole(path) as content:
            try:
                made = previews.make(path, content)
            except OSError as error:
                why = error.strerror or type(error).__name__
                raise NotRead(f"A small version of the picture cannot be saved: {why}.") from error
        if made is None:
            self._no_pictures.add(path)
        return made

    def facts(self, path: str, called: str) -> Facts:
        """What a saved file is; `called` is the media type that its name says."""
        if known := self._facts.get(path):
            return known
        about = self._about(path)
        start = b"".join(self.pieces(path, 0, min(ENOUGH, about.size)))
        kind = MEDIA_TYPES.get(ending_of(start, called), "")
        facts = Facts(about.name, about.size, kind)
        if len(self._facts) < REMEMBERED:
            self._facts[path] = facts
        return facts

    def pieces(self, path: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in pieces."""
        while start < end:
            at, length = start, min(PIECE, end - start)
            piece = self._asked(lambda place, at=at, length=length: place.read(path, at, length))  # type: ignore[misc]
            if not piece:
                raise FileGone("The file is shorter than it was.")
            yield piece
            start += len(piece)

    def whole(self, path: str) -> BinaryIO:
        """A saved file, open for reading: a copy that is gone when it is closed."""
        size = self._about(path).size
        copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
        try:
            for piece in self.pieces(path, 0, size):
                copy.write(piece)
            copy.seek(0)
        except BaseException as error:
            copy.close()
            if isinstance(error, OSError):
                why = error.strerror or type(error).__name__
                raise NotRead(f"The file cannot be copied to this machine: {why}.") from error
            raise
        return copy

    def _about(self, path: str) -> About:
        about = self._asked(lambda place: place.about(path))
        from pipeline.provider.downloads.destination import MOST_BYTES

        if about.size > MOST_BYTES:
            raise FileGone(f"{about.name} is larger than {MOST_BYTES / 1e6:.3g} MB.")
        return about

    def _asked(self, ask: Callable[[Destination], T]) -> T:
        """The answer of the place. An error that concerns all files is not asked for again soon."""
        with self._turns:
            if (known := self._trouble) and time.monotonic() < known[0] + PAUSE:
                raise type(known[1])(str(known[1]))
            try:
                answer = ask(self._opened())
            except FileGone:
                raise
            except NotRead as error:
                self._trouble = time.monotonic(), error
                raise
            self._trouble = None
            return answer

    def _opened(self) -> Destination:
        with self._lock:
            if self._place is None:
                if self._settings.remote is None:
                    raise FileGone("[media] save_to no longer names the place of this file.")
                from pipeline.provider.downloads.places import destination_of

                try:
                    self._place = destination_of(self._settings)
                except (MissingExtra, NoPlace) as error:
                    raise NotRead(str(error)) from error
            return self._place

    def _small(self) -> Previews:
        with self._lock:
            if self._previews is None:
                from pipeline.provider.downloads.places import previews_of

                self._previews = previews_of(self._settings)
            return self._previews
