"""Downloads: complete under their names or not there at all, and never from private networks."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core.errors import NoPlace, NotSaved
from pipeline.core.picture_findings import SeenPicture
from pipeline.provider.downloads import looking
from pipeline.provider.downloads.fetching import Fetcher
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.downloads.media import Media
from pipeline.provider.public_network import is_public
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.raw_server import (
    RawServer,
    Script,
    answer,
    answers,
    answers_then,
    closes_after_reading,
    half,
    head,
    keeps_silent,
    trickles,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
PICTURE = answer(200, PNG, Content_Type="image/png")


def test_a_picture_is_kept_byte_for_byte_under_its_stem(tmp_path: Path) -> None:
    name = event_loop.run(saved(tmp_path, PICTURE, stem="r_k3f9-1"))

    assert (name, (tmp_path / name).read_bytes()) == ("r_k3f9-1.png", PNG)
    assert names_in(tmp_path) == ["r_k3f9-1.png"]


@pytest.mark.parametrize(
    ("kind", "start", "ending"),
    [
        ("image/jpeg", b"\xff\xd8\xff\xe0", "jpg"),
        ("image/webp", b"RIFF\x00\x00\x00\x00WEBP", "webp"),
        ("IMAGE/GIF; charset=binary", b"GIF89a", "gif"),
        ("image/avif", b"\x00\x00\x00\x20ftypavif", "avif"),
        ("video/mp4", b"\x00\x00\x00\x20ftypisom", "mp4"),
        ("video/webm", b"\x1aE\xdf\xa3", "webm"),
        ("audio/mpeg", b"ID3\x04", "mp3"),
        ("audio/mp4", b"\x00\x00\x00\x20ftypM4A ", "m4a"),
        ("audio/wav", b"RIFF\x00\x00\x00\x00WAVE", "wav"),
        ("audio/ogg", b"OggS", "ogg"),
        ("application/octet-stream", b"\x89PNG\r\n\x1a\n", "png"),
        ("binary/octet-stream", b"\x00\x00\x00\x20ftypisom", "mp4"),
    ],
)
def test_the_file_extension_follows_from_the_type(
    tmp_path: Path, kind: str, start: bytes, ending: str
) -> None:
    text = answer(200, start + b"\x00" * 100, Content_Type=kind)

    assert event_loop.run(saved(tmp_path, text)) == f"fox.{ending}"


def test_a_file_without_a_type_is_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    assert event_loop.run(saved(tmp_path, answer(200, PNG))) == "fox.png"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (answer(404, b"gone"), "The link is dead: it answers 404."),
        (answer(403, b"<Error>Expired</Error>"), "The link is dead: it answers 403."),
        (
            answer(200, b"\n <!DOCTYPE html><title>Sign in</title>", Content_Type="image/png"),
            "The link shows a page or a message instead of a picture.",
        ),
        (
            answer(200, b'{"error": "expired"}', Content_Type="image/png"),
            "The link shows a page or a message instead of a picture.",
        ),
        (
            answer(200, b"<svg onload=alert(1)>", Content_Type="image/svg+xml"),
            "The link shows a page or a message instead of a picture.",
        ),
        (
            answer(200, b"MZ" * 50, Content_Type="application/x-msdownload"),
            "The link leads to no picture, video or sound of a known kind "
            "(application/x-msdownload).",
        ),
        (
            answer(200, b"MZ" * 50),
            "The link leads to no picture, video or sound of a known kind "
            "(application/octet-stream).",
        ),
        (answer(200, b"", Content_Type="image/png"), "The file behind the link is empty."),
        (
            answer(200, PNG * 300, Content_Type="image/png"),
            "The file is larger than 0.5 MB.",
        ),
        (
            head(200, {"Content-Type": "image/png", "Connection": "close"}) + PNG * 300,
            "The file is larger than 0.5 MB.",
        ),
        (b"220 ESMTP\r\n\r\n", "The connection broke before the whole file had arrived."),
    ],
)
def test_a_refused_download_gives_a_clear_sentence_and_leaves_no_file(
    tmp_path: Path, text: bytes, why: str
) -> None:
    assert event_loop.run(refused(tmp_path, answers(text))) == why
    assert names_in(tmp_path) == []


BROKE = "The connection broke before the whole file had arrived."
LATE = "The file took longer than 0.4 s."


@pytest.mark.parametrize(
    ("script", "within", "why"),
    [
        (closes_after_reading, 10.0, BROKE),
        (half(PICTURE, reset=False), 10.0, BROKE),
        (half(PICTURE, reset=True), 10.0, BROKE),
        (keeps_silent, 0.4, LATE),
        (trickles(PICTURE, every=0.1), 0.4, LATE),
    ],
    ids=["closed", "half, then FIN", "half, then RST", "silence", "a trickle"],
)
def test_an_incomplete_file_is_not_kept(
    tmp_path: Path, script: Script, within: float, why: str
) -> None:
    (tmp_path / "fox.png").write_bytes(b"the one from before")

    assert event_loop.run(refused(tmp_path, script, within)) == why
    assert names_in(tmp_path) == ["fox.png"]
    assert (tmp_path / "fox.png").read_bytes() == b"the one from before"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none on this file system"])
def test_a_file_with_other_content_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    (tmp_path / "fox.png").write_bytes(b"the one from before")
    (tmp_path / "fox_2.png").symlink_to(tmp_path / "nowhere")

    names = [event_loop.run(saved(tmp_path, PICTURE)) for _ in range(2)]

    assert names == ["fox_3.png", "fox_3.png"]
    assert names_in(tmp_path) == ["fox.png", "fox_2.png", "fox_3.png"]
    assert (tmp_path / "fox.png").read_bytes() == b"the one from before"
    assert (tmp_path / "fox_3.png").read_bytes() == PNG


def test_a_file_saved_by_a_killed_start_is_used(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(PNG)

    assert event_loop.run(saved(tmp_path, PICTURE)) == "fox.png"
    assert names_in(tmp_path) == ["fox.png"]


def test_an_empty_file_that_a_killed_start_left_is_filled(tmp_path: Path) -> None:
    (tmp_path / "fox.png").touch()

    assert event_loop.run(saved(tmp_path, PICTURE)) == "fox.png"
    assert (tmp_path / "fox.png").read_bytes() == PNG
    assert names_in(tmp_path) == ["fox.png"]


def test_a_file_that_cannot_get_its_name_leaves_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(os, "link", fails)

    with pytest.raises(NotSaved):
        event_loop.run(saved(tmp_path, PICTURE))
    assert names_in(tmp_path) == []


def test_a_pipe_with_the_name_of_the_file_causes_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fox.png")

    assert event_loop.run(saved(tmp_path, PICTURE)) == "fox_2.png"


def test_a_link_is_requested_exactly_as_given_without_cookie_or_key(tmp_path: Path) -> None:
    server = RawServer(answers(answer(200, PNG, Content_Type="image/png", Set_Cookie="a=b")))

    async def run() -> None:
        async with server, media_in(tmp_path, allowed=[server.url]) as media:
            for _ in range(2):
                await save(media, f"{server.url}/a%2Fb/%7Efox.png?X=1%3D%2B&s=a+b", "fox")

    event_loop.run(run())

    first, *lines = server.requests[1].decode().lower().split("\r\n")
    assert first == "get /a%2fb/%7efox.png?x=1%3d%2b&s=a+b http/1.1"
    assert not [line for line in lines if line.startswith(("cookie", "authorization"))]


def test_a_dying_kept_connection_loses_no_picture(tmp_path: Path) -> None:
    server = RawServer(answers_then(closes_after_reading, PICTURE), answers(PICTURE))

    async def run() -> list[str]:
        async with server, media_in(tmp_path, allowed=[server.url]) as media:
            return [await save(media, f"{server.url}/{n}.png", f"fox{n}") for n in (1, 2)]

    assert event_loop.run(run()) == ["fox1.png", "fox2.png"]
    assert (server.read, server.connections) == (3, 2)


def test_a_redirect_on_the_same_host_is_followed(tmp_path: Path) -> None:
    moved = answer(302, b"", Location="/other")

    assert event_loop.run(saved(tmp_path, moved, moved, moved, PICTURE)) == "fox.png"


def test_a_redirect_loop_is_given_up(tmp_path: Path) -> None:
    why = event_loop.run(refused(tmp_path, answers(answer(302, b"", Location="/round"))))

    assert why == "The link redirects more than 3 times."


PRIVATE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0x7f000001:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://１２７.0.0.1:{port}/",
]
NO_ADDRESS = [
    "http://2130706433:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://[::ffff:127.0.0.001]:{port}/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "//cdn.example.com/1.png",
    "http://",
    "/etc/passwd",
    "",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_address_is_never_requested(tmp_path: Path, url: str) -> None:
    assert "private network" in event_loop.run(tried(tmp_path, url))


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_only_plain_web_addresses_are_requested(tmp_path: Path, url: str) -> None:
    assert event_loop.run(tried(tmp_path, url)) in (
        "The link is not a web address.",
        "The link cannot be read.",
    )


@pytest.mark.parametrize("url", [*PRIVATE, *NO_ADDRESS[:-1]])
def test_a_redirect_to_a_private_or_other_address_is_not_followed(tmp_path: Path, url: str) -> None:
    secret = RawServer(answers(PICTURE))

    async def run() -> str:
        async with secret:
            place = url.format(port=secret.port)
            moved = answers(answer(302, b"", Location=place), answer(404))
            return await refused(tmp_path, moved)

    event_loop.run(run())

    assert (secret.connections, names_in(tmp_path)) == (0, [])


@pytest.mark.parametrize("places", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
def test_a_host_name_is_checked_with_the_addresses_used_for_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: list[str]
) -> None:
    asked: list[str] = []

    def answered(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", answered)

    async def run() -> None:
        async with media_in(tmp_path) as media:
            await save(media, "http://cdn.test/1.png", "fox")

    with pytest.raises(NotSaved, match=r"private network \(cdn\.test\)"):
        asyncio.run(run())  # the standard event loop calls the function replaced here
    assert asked == ["cdn.test"]


@each(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("ff02::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("::", False),
        ("::ffff:93.184.216.34", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("64:ff9b::93.184.216.34", True),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
    ],
)
def test_each_address_is_recognised_as_public_or_not(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_a_dead_link_is_reported_as_dead(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        async def run() -> None:
            async with media_in(tmp_path, allowed=[url]) as media:
                await save(media, f"{url}/1.png", "fox")

        with pytest.raises(NotSaved, match="cannot be reached"):
            event_loop.run(run())


@pytest.mark.parametrize(
    "stem",
    ["", "../x", "/a", "a//b", "a/", "a/../b", "a/ b", "a\\b", "C:x", "a\x00b", "a\nb", "a.b"],
)
def test_a_stem_is_never_a_path(tmp_path: Path, stem: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        event_loop.run(saved(tmp_path, PICTURE, stem=stem))
    assert names_in(tmp_path) == []


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    with no_file_beyond(1000):
        why = event_loop.run(refused(tmp_path, answers(PICTURE)))

    assert why == (
        f"Pictures cannot be saved in {tmp_path}: File too large. Make it a folder with room, in "
        "which this account may write, or change [media] save_to."
    )
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    why = event_loop.run(refused(tmp_path / "file" / "media", answers(PICTURE)))

    assert "media: Not a directory. Make it a folder" in why


def test_a_kill_during_a_download_leaves_no_partial_file_under_the_name(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from tests.provider.downloads.test_fetching import media_in, save\n"
        "async def run():\n"
        "    async with media_in(pathlib.Path(sys.argv[1]), allowed=[sys.argv[2]]) as media:\n"
        "        await save(media, sys.argv[2] + '/1.png', 'fox')\n"
        "asyncio.run(run())"
    )

    async def run() -> list[str]:
        # All but the last ten bytes of a large file have arrived; then nothing more arrives.
        text = answer(200, PNG * 100, Content_Type="image/png")
        async with RawServer(trickles(text, every=60.0)) as server:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(tmp_path), server.url
            )
            await asyncio.to_thread(wait_for_half_a_file, tmp_path)
            child.send_signal(signal.SIGKILL)
            await child.wait()
            return names_in(tmp_path)

    left = event_loop.run(run())

    assert [Path(name).suffix for name in left] == [".part"]


def test_leftovers_of_a_killed_process_are_deleted_after_an_hour(tmp_path: Path) -> None:
    for name, age in ((".old.part", 3700.0), (".new.part", 10.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    event_loop.run(saved(tmp_path, PICTURE))

    assert names_in(tmp_path) == [".new.part", "fox.png"]


def test_a_download_that_somebody_deletes_before_it_is_looked_at_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at(path: Path, ending: str) -> SeenPicture:
        path.unlink()
        return looking.looked_at(path, ending)

    monkeypatch.setattr("pipeline.provider.downloads.media.looked_at", looked_at)

    async def run() -> None:
        async with RawServer(answers(PICTURE)) as server:
            fetcher = Fetcher(tmp_path, allowed=[server.url])
            async with Media(fetcher, Folder(tmp_path), checks=True) as media:
                await save(media, f"{server.url}/1.png", "fox")

    with pytest.raises(NoPlace):
        event_loop.run(run())


def media_in(
    folder: Path,
    *,
    allowed: Sequence[str] = (),
    sheet: Path | None = None,
    most_bytes: int = 200_000_000,
    within: float = 120.0,
) -> Media:
    fetcher = Fetcher(folder, allowed=allowed, sheet=sheet, most_bytes=most_bytes, within=within)
    return Media(fetcher, Folder(folder, sheet=sheet))


async def save(media: Media, url: str, stem: str) -> str:
    async with media.fetched(url) as file:
        return (await media.keep(file, stem)).path


async def saved(folder: Path, *texts: bytes, stem: str = "fox") -> str:
    async with (
        RawServer(answers(*texts)) as server,
        media_in(folder, allowed=[server.url]) as media,
    ):
        return await save(media, f"{server.url}/1.png", stem)


async def refused(folder: Path, script: Script, within: float = 5.0) -> str:
    async with (
        RawServer(script) as server,
        media_in(folder, allowed=[server.url], most_bytes=500_000, within=within) as media,
    ):
        with pytest.raises(NotSaved) as refusal:
            await save(media, f"{server.url}/1.png", "fox")
        return str(refusal.value)


async def tried(folder: Path, url: str) -> str:
    """The error for a link to a listening server, which must not receive a request."""
    async with RawServer(answers(PICTURE)) as secret:
        async with media_in(folder, allowed=["http://127.0.0.1:1"], within=5.0) as media:
            with pytest.raises(NotSaved) as refusal:
                await save(media, url.format(port=secret.port), "fox")
        assert (secret.connections, names_in(folder)) == (0, [])
        return str(refusal.value)


def wait_for_half_a_file(folder: Path) -> None:
    # Another process writes it, so that there is no event to wait for.
    while not [path for path in folder.glob(".*.part") if path.stat().st_size > 100_000]:
        time.sleep(0.005)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Similar to a full disk: the system does not allow a file to grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
