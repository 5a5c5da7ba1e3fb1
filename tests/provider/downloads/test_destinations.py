"""What every place for saved files does: the same calls, with the same results."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pipeline.config import Secret
from pipeline.config.remote import RemotePlace
from pipeline.core.errors import FileGone, NoPlace
from pipeline.provider.downloads.buckets import Bucket
from pipeline.provider.downloads.destination import Destination
from pipeline.provider.downloads.drive import Drive
from pipeline.provider.downloads.drive_account import account_of
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.downloads.sftp import Sftp
from pipeline.server import event_loop
from tests.fakes.buckets import (
    BUCKET,
    S3_KEY,
    azure_connection,
    azure_storage,
    google_storage,
    s3_server,
)
from tests.fakes.google.account import EMAIL
from tests.fakes.google_drive import google_drive
from tests.fakes.sftp_server import PASSWORD, USER, sftp_server

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
OTHER = PNG + b"other"


@dataclass(frozen=True)
class Place:
    """A real place: `opened` connects to it anew, `files` are its files as others see them."""

    opened: Callable[[], Destination]
    #: Names and contents, in order; the names without what the place adds to them.
    files: Callable[[], list[tuple[str, bytes]]]
    #: Make it impossible to save anything there.
    spoil: Callable[[], object]


def bare(found: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """The files, without the digests and numbers in their names."""
    return sorted((re.sub(r"(-[0-9a-f]{12}|_2)(?=\.)", "", name), found[name]) for name in found)


@contextmanager
def local_folder(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "media"

    def files() -> list[tuple[str, bytes]]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return bare({path.relative_to(folder).as_posix(): path.read_bytes() for path in found})

    def spoil() -> None:
        folder.write_text("a file where the folder should be")

    yield Place(lambda: Folder(folder), files, spoil)


@contextmanager
def google_drive_folder(tmp_path: Path) -> Iterator[Place]:
    with google_drive() as google:
        drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        folder = google.files.by_hand("Pictures", parent=drive.id, drive=drive.id)
        account = account_of(json.dumps(google.key))

        def files() -> list[tuple[str, bytes]]:
            found = google.files.within(folder).items()
            return sorted((path, file.content) for path, files in found for file in files)

        yield Place(
            lambda: Drive(folder.id, account, base=google.url),
            files,
            lambda: setattr(folder, "trashed", True),
        )


@contextmanager
def s3(tmp_path: Path) -> Iterator[Place]:
    server = s3_server()
    bucket = server.new_bucket()
    remote = RemotePlace("s3", f"s3://{bucket}", Secret(S3_KEY), server.url)
    files, spoil = partial(server.files, bucket), partial(server.drop, bucket)
    yield Place(lambda: Bucket(remote), lambda: bare(files()), spoil)


@contextmanager
def google(tmp_path: Path) -> Iterator[Place]:
    with google_storage() as store:
        url = f"http://127.0.0.1:{store.port}"
        remote = RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url)

        def spoil() -> None:
            store.has_bucket = False

        yield Place(lambda: Bucket(remote), lambda: bare(store.files), spoil)


@contextmanager
def azure(tmp_path: Path) -> Iterator[Place]:
    with azure_storage() as store:
        remote = RemotePlace("az", f"az://{BUCKET}", Secret(azure_connection(store)))

        def spoil() -> None:
            store.has_bucket = False

        yield Place(lambda: Bucket(remote), lambda: bare(store.files), spoil)


@contextmanager
def sftp(tmp_path: Path) -> Iterator[Place]:
    home = os.environ["HOME"]
    with sftp_server(tmp_path / "server") as server:
        os.environ["HOME"] = str(tmp_path)
        server.known_hosts(tmp_path)
        address = f"sftp://{USER}@127.0.0.1:{server.port}/shared/media"
        remote = RemotePlace("sftp", address, Secret(PASSWORD))

        def files() -> list[tuple[str, bytes]]:
            found = server.files()
            return bare({name.removeprefix("shared/media/"): found[name] for name in found})

        def spoil() -> None:
            server.is_writable = False

        yield Place(lambda: Sftp(remote), files, spoil)
    os.environ["HOME"] = home


#: Name of each kind -> what starts its server, if it has one.
KINDS: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "folder": local_folder,
    "Google Drive": google_drive_folder,
    "s3": s3,
    "gs": google,
    "az": azure,
    "sftp": sftp,
}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with KINDS[request.param](tmp_path) as found:
        yield found


def a_file(tmp_path: Path, content: bytes = PNG) -> Path:
    path = tmp_path / f".{len(list(tmp_path.iterdir()))}.part"
    path.write_bytes(content)
    return path


def test_a_file_is_kept_byte_for_byte_under_its_name(place: Place, tmp_path: Path) -> None:
    async def run() -> str:
        destination = place.opened()
        await destination.check()
        reserved = await destination.reserve()
        kept = await destination.keep(a_file(tmp_path), "fox-1.png", "image/png", reserved)
        await destination.close()
        return kept.path

    path = event_loop.run(run())

    assert place.files() == [("fox-1.png", PNG)]
    assert "fox-1" in path or path.startswith("https://")


def test_a_name_may_have_folders(place: Place, tmp_path: Path) -> None:
    async def run() -> None:
        destination = place.opened()
        for name in ("spring/fox-1.png", "spring/owl-1.png"):
            reserved = await destination.reserve()
            await destination.keep(a_file(tmp_path, name.encode()), name, "image/png", reserved)
        await destination.close()

    event_loop.run(run())

    assert [name for name, _ in place.files()] == ["spring/fox-1.png", "spring/owl-1.png"]


def test_a_repeated_call_saves_no_second_file(place: Place, tmp_path: Path) -> None:
    async def run() -> set[str]:
        first = place.opened()
        reserved = await first.reserve()
        one = await first.keep(a_file(tmp_path), "fox-1.png", "image/png", reserved)
        await first.close()
        later = place.opened()  # a later pass, which knows only the reserved id
        two = await later.keep(a_file(tmp_path), "fox-1.png", "image/png", reserved)
        await later.close()
        return {one.path, two.path}

    paths = event_loop.run(run())

    assert len(paths) == 1
    assert place.files() == [("fox-1.png", PNG)]


def test_other_content_under_the_same_name_replaces_nothing(place: Place, tmp_path: Path) -> None:
    async def run() -> set[str]:
        destination = place.opened()
        paths = set()
        for content in (PNG, OTHER):
            reserved = await destination.reserve()
            file = a_file(tmp_path, content)
            paths.add((await destination.keep(file, "fox-1.png", "image/png", reserved)).path)
        await destination.close()
        return paths

    paths = event_loop.run(run())

    assert len(paths) == 2
    assert place.files() == [("fox-1.png", PNG), ("fox-1.png", OTHER)]


def test_many_files_at_once_are_all_kept(place: Place, tmp_path: Path) -> None:
    names = [f"fox-{n}.png" for n in range(12)]
    files = [a_file(tmp_path, PNG + name.encode()) for name in names]

    async def run() -> None:
        destination = place.opened()
        ids = [await destination.reserve() for _ in names]
        await asyncio.gather(
            *(
                destination.keep(file, name, "image/png", reserved)
                for file, name, reserved in zip(files, names, ids, strict=True)
            )
        )
        await destination.close()

    event_loop.run(run())

    assert place.files() == sorted((name, PNG + name.encode()) for name in names)


def test_a_place_that_cannot_be_used_is_named_with_what_to_do(place: Place, tmp_path: Path) -> None:
    place.spoil()

    async def run() -> list[str]:
        said = []
        destination = place.opened()
        for use in (
            destination.check,
            lambda: destination.keep(a_file(tmp_path), "fox-1.png", "image/png", "some-id"),
        ):
            with pytest.raises(NoPlace) as refusal:
                await use()
            said.append(str(refusal.value))
        await destination.close()
        return said

    for sentence in event_loop.run(run()):
        assert "save_to" in sentence
        assert sentence.endswith(".")


def test_a_saved_file_is_read_again_whole_and_in_part(place: Place, tmp_path: Path) -> None:
    name = "spring/füchse-1.png"

    async def run() -> str:
        destination = place.opened()
        kept = await destination.keep(
            a_file(tmp_path), name, "image/png", await destination.reserve()
        )
        await destination.close()
        return kept.path

    path = event_loop.run(run())
    above = path.rpartition("/")[0]
    later = place.opened()  # the page is another process
    about = later.about(path)
    pieces = [later.read(path, at, 1000) for at in range(0, about.size, 1000)]
    ends = later.read(path, 2000, 10_000_000), later.read(path, 7, 1), later.read(path, 5, 0)
    with pytest.raises(FileGone):
        later.read(path.replace("1", "2").replace("/d/", "/d/x"), 0, 10)
    for elsewhere in (
        *("https://example.com/fox.png", "s3://other/fox.png", "sftp://127.0.0.1:1/shared/x.png"),
        *("../secret.png", "/etc/hostname", f"{above}/../../secret.png", "file:///etc/x"),
    ):
        for read in (later.about, lambda one: later.read(one, 0, 10)):
            with pytest.raises(FileGone):
                read(elsewhere)
    event_loop.run(later.close())

    assert about.size == len(PNG)
    assert b"".join(pieces) == PNG
    assert ends == (PNG[2000:], PNG[7:8], b"")
    assert re.sub("-[0-9a-f]{12}", "", about.name).endswith("füchse-1.png")


def test_a_drive_file_that_the_program_did_not_save_is_not_read(tmp_path: Path) -> None:
    with google_drive() as google:
        drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        folder = google.files.by_hand("Pictures", parent=drive.id, drive=drive.id)
        secret = google.files.by_hand("salaries.png", parent=drive.id, drive=drive.id)
        place = Drive(folder.id, account_of(json.dumps(google.key)), base=google.url)
        address = f"https://drive.google.com/file/d/{secret.id}/view"

        for read in (place.about, lambda one: place.read(one, 0, 10)):
            with pytest.raises(FileGone):
                read(address)

        assert google.asked("GET", secret.id)
        assert not [one for one in google.log if "alt" in one.query]
        event_loop.run(place.close())


def test_without_hard_links_a_file_of_another_process_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, taken = tmp_path / "a.part", tmp_path / "media" / "fox.png"
    part.write_bytes(PNG)

    def link(_: Path, target: Path) -> None:
        if target == taken:
            taken.write_bytes(OTHER)  # another process, a moment earlier
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    kept = event_loop.run(Folder(tmp_path / "media").keep(part, "fox.png", "image/png", ""))

    assert (kept.path, taken.read_bytes()) == ("fox_2.png", OTHER)
    assert (tmp_path / "media" / kept.path).read_bytes() == PNG
