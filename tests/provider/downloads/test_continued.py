"""Large downloads that break off are continued, and never put together from two versions."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pipeline.core.errors import DeadLink, NotSaved
from pipeline.provider.downloads import fetching
from pipeline.provider.downloads.unfinished import Note, Unfinished, abandoned
from pipeline.server import event_loop
from tests.fakes.raw_server import Peer, RawServer, Script, answer, head
from tests.provider.downloads.test_fetching import media_in, names_in, save

MB = 1 << 20
FILM = b"\x00\x00\x00\x20ftypisom" + os.urandom(3 * MB)
OTHER_FILM = b"\x00\x00\x00\x20ftypisom" + os.urandom(3 * MB)


def film_server(
    *stops: int | None,
    contents: tuple[bytes, ...] = (FILM,),
    etag: str = '"v{number}"',
    ranges: bool = True,
    waits: bool = False,
) -> Script:
    """Serves a film. Answer number n breaks off, or waits, after `stops[n]` bytes."""
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        while True:
            request = (await peer.request()).decode()
            number = min(asked, len(contents) - 1)
            stop = stops[asked] if asked < len(stops) else None
            asked += 1
            content, version = contents[number], etag.format(number=number)
            headers = {"Content-Type": "video/mp4", "ETag": version}
            found = re.search(r"(?i)range: bytes=(\d+)-\r\nif-range: (\S+)", request)
            at = int(found[1]) if ranges and found and found[2] == version else 0
            if at:
                headers["Content-Range"] = f"bytes {at}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(content) - at)
            await peer.send(head(206 if at else 200, headers) + content[at:][:stop])
            if stop is not None:
                await (asyncio.Event().wait() if waits else peer.closed())
                return

    return script


def ranges_of(server: RawServer) -> list[int]:
    """From which byte on each request asked for the film."""
    found = (re.search(rb"(?i)\r\nrange: bytes=(\d+)-", one) for one in server.requests)
    return [int(one[1]) if one else 0 for one in found]


def wait_for_a_note(folder: Path) -> None:
    # Another process writes it, so that there is no event to wait for.
    while not list(folder.glob(".*.note")):
        time.sleep(0.005)


async def fetched(server: RawServer, folder: Path, times: int = 1) -> list[str]:
    """What each of these passes says: the name, or why it was not saved."""
    said = []
    for _ in range(times):
        async with media_in(folder, allowed=[server.url]) as media:
            try:
                said.append(await save(media, f"{server.url}/film.mp4", "fox"))
            except NotSaved as error:
                said.append(str(error))
    return said


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    server = RawServer(film_server(2 * MB))

    async def run() -> list[str]:
        async with server:
            return await fetched(server, tmp_path)

    assert event_loop.run(run()) == ["fox.mp4"]
    first, second = ranges_of(server)
    assert (first, MB <= second <= 2 * MB) == (0, True)
    assert (tmp_path / "fox.mp4").read_bytes() == FILM
    assert names_in(tmp_path) == ["fox.mp4"]


def test_a_later_pass_goes_on_with_what_an_earlier_one_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CONTINUED", 0)
    server = RawServer(film_server(2 * MB))

    async def run() -> list[str]:
        async with server:
            return await fetched(server, tmp_path, 2)

    assert event_loop.run(run()) == [
        "The connection broke before the whole file had arrived.",
        "fox.mp4",
    ]
    assert ranges_of(server)[1] >= MB
    assert (tmp_path / "fox.mp4").read_bytes() == FILM
    assert names_in(tmp_path) == ["fox.mp4"]


@pytest.mark.parametrize(
    "script",
    [
        film_server(2 * MB, ranges=False),
        film_server(2 * MB, contents=(FILM, OTHER_FILM)),
        film_server(2 * MB, etag='W/"v"'),
    ],
    ids=["a server without ranges", "another version of the file", "a weak ETag"],
)
def test_what_cannot_be_continued_begins_again(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CONTINUED", 0)
    server = RawServer(script)

    async def run() -> list[str]:
        async with server:
            return await fetched(server, tmp_path, 2)

    assert event_loop.run(run())[1] == "fox.mp4"
    assert (tmp_path / "fox.mp4").read_bytes() in (FILM, OTHER_FILM)
    assert names_in(tmp_path) == ["fox.mp4"]


@pytest.mark.parametrize(
    "rest",
    [
        answer(206, FILM[MB:], Content_Range=f"bytes {MB}-{len(FILM) - 1}/{len(FILM)}"),
        answer(206, FILM[:MB], Content_Range="nonsense"),
        answer(206, FILM[:MB]),
        answer(416, b""),
    ],
    ids=["from another byte", "a range that cannot be read", "no range", "no such range"],
)
def test_a_wrong_answer_about_the_rest_never_ends_up_in_the_file(
    tmp_path: Path, rest: bytes
) -> None:
    async def wrong(peer: Peer) -> None:
        await peer.request()
        await peer.send(rest)
        await peer.closed()

    server = RawServer(film_server(2 * MB), wrong, film_server())

    async def run() -> list[str]:
        async with server:
            return await fetched(server, tmp_path)

    assert event_loop.run(run()) == ["fox.mp4"]
    assert (tmp_path / "fox.mp4").read_bytes() == FILM
    assert names_in(tmp_path) == ["fox.mp4"]


def test_a_link_that_died_meanwhile_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "CONTINUED", 0)

    async def dead(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(403))

    async def run() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(RawServer(film_server(2 * MB), dead))
            await fetched(server, tmp_path)
            media = await stack.enter_async_context(media_in(tmp_path, allowed=[server.url]))
            with pytest.raises(DeadLink):
                await save(media, f"{server.url}/film.mp4", "fox")

    event_loop.run(run())

    assert names_in(tmp_path) == []


def test_a_killed_download_goes_on_and_a_running_one_is_left_alone(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from tests.provider.downloads.test_fetching import media_in, save\n"
        "async def run():\n"
        "    async with media_in(pathlib.Path(sys.argv[1]), allowed=[sys.argv[2]]) as media:\n"
        "        await save(media, sys.argv[2] + '/film.mp4', 'fox')\n"
        "asyncio.run(run())"
    )
    waiting, whole = film_server(2 * MB, waits=True), film_server()
    server = RawServer(waiting, whole, whole)

    async def run() -> list[list[str]]:
        async with server:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(tmp_path), server.url
            )
            await asyncio.to_thread(wait_for_a_note, tmp_path)
            beside = await fetched(server, tmp_path)
            (tmp_path / "fox.mp4").unlink()
            child.send_signal(signal.SIGKILL)
            await child.wait()
            return [beside, await fetched(server, tmp_path)]

    assert event_loop.run(run()) == [["fox.mp4"], ["fox.mp4"]]
    _, beside, later = ranges_of(server)
    assert (beside, later >= MB) == (0, True)
    assert (tmp_path / "fox.mp4").read_bytes() == FILM
    assert names_in(tmp_path) == ["fox.mp4"]


def test_the_unfinished_file_of_another_process_is_left_alone(tmp_path: Path) -> None:
    url = "https://cdn.example/fox.png"
    ours = Unfinished.opened(tmp_path, url, None)
    ours.file.write(b"ours")
    ours.path.rename(tmp_path / "fox.png")
    theirs = Unfinished.opened(tmp_path, url, None)
    theirs.file.write(b"theirs")
    theirs.note_down(Note('"1"', "image/png", 2_000_000))

    ours.leave(is_wanted=False)

    assert theirs.path == ours.path
    theirs.leave(is_wanted=True)
    again = Unfinished.opened(tmp_path, url, None)
    assert (again.note, again.file.read()) == (theirs.note, b"theirs")
    again.leave(is_wanted=False)
    assert [path.name for path in tmp_path.iterdir()] == ["fox.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="there, no file says that it is worked on")
def test_a_file_that_is_being_downloaded_is_not_left_behind_however_wrong_the_clock_is(
    tmp_path: Path,
) -> None:
    running = Unfinished.opened(tmp_path, "https://cdn.test/fox.png", None)
    os.utime(running.path, (1e9, 1e9))

    assert abandoned(tmp_path) == []
    running.file.close()
    assert abandoned(tmp_path) == [running.path]


def test_a_file_that_was_saved_before_a_kill_is_not_written_again(tmp_path: Path) -> None:
    url = "https://cdn.example.com/film.mp4"
    first = Unfinished.opened(tmp_path, url, None)
    first.file.write(FILM)
    first.file.close()
    os.link(first.path, tmp_path / "film.mp4")  # and the process is killed

    again = Unfinished.opened(tmp_path, url, None)
    again.file.write(b"begun again")
    again.leave(is_wanted=False)

    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert names_in(tmp_path) == ["film.mp4"]
