"""A receiver that is killed under load or has a full disk keeps every call that it acknowledged."""

from __future__ import annotations

import asyncio
import resource
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pipeline.core.model import JobKey, State
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.store.rescue_file import SIZE
from tests.fakes.called_back import SHEET, desk_in, final, proof, settings_in, to_bytes, token_of
from tests.fakes.receiver_process import receiver_process

CONNECTIONS, ENOUGH = 16, 500
#: The rescue file has space for about eighty results like this one.
LONG = tuple(f"https://cdn.example.com/{number}/{'x' * 800}.png" for number in range(4))


class Caller:
    """The API's side: it calls until there is no answer any more, and counts the answers."""

    def __init__(self, url: str, keys: list[JobKey]) -> None:
        self._place, self._waiting = urlsplit(url), iter(keys)
        self.answered: set[JobKey] = set()
        self.called: set[JobKey] = set()

    async def call_until_it_is_gone(self, enough: int, kill: asyncio.Event) -> None:
        """Call over several connections at once; set `kill` after this number of answers."""
        await asyncio.gather(*(self._connection(enough, kill) for _ in range(CONNECTIONS)))

    async def _connection(self, enough: int, kill: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        with suppress(OSError, asyncio.IncompleteReadError):  # it was killed
            for key in self._waiting:
                self.called.add(key)
                writer.write(_call(key))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 "), head
                self.answered.add(key)
                if len(self.answered) >= enough:
                    kill.set()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _call(key: JobKey) -> bytes:
    token, body = token_of(key), to_bytes(final(f"t-{key.row_id}"))
    (secret,) = proof(token).values()
    head = f"POST /hooks/{token} HTTP/1.1\r\nhost: x\r\nx-webhook-secret: {secret}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def test_every_call_acknowledged_before_a_kill_is_in_the_store(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        keys = desk.begin(1200)

    async def load(url: str, kill_it: asyncio.Event) -> Caller:
        caller = Caller(url, keys)
        await caller.call_until_it_is_gone(ENOUGH, kill_it)
        return caller

    async def until_killed() -> Caller:
        with receiver_process(tmp_path) as (process, url):
            now = asyncio.Event()
            calling = asyncio.create_task(load(url, now))
            await now.wait()
            process.send_signal(signal.SIGKILL)
            return await calling

    caller = event_loop.run(until_killed())

    with Store(settings_in(tmp_path).store_url) as store:
        kept = _kept(store)
    assert len(caller.answered) > ENOUGH - 1
    assert caller.answered - kept == set()
    # Calls that were open at the kill may be in the store or not; nothing else is.
    assert kept <= caller.called
    assert len(caller.called - caller.answered) <= CONNECTIONS
    assert len(caller.called) < len(keys), "it was killed while calls came in"


def test_on_a_full_disk_acknowledged_calls_are_kept_and_others_get_an_error(
    tmp_path: Path,
) -> None:
    with desk_in(tmp_path) as desk:
        keys = desk.begin(200)
        desk.store.attempts.reserve()
    with receiver_process(tmp_path) as (process, url), httpx.Client(base_url=url) as client:

        def call(key: JobKey) -> int:
            token = token_of(key)
            said = to_bytes(final(f"t-{key.row_id}", LONG))
            return client.post(f"/hooks/{token}", content=said, headers=proof(token)).status_code

        # No file of the process may grow any more. The store's log has some space left and the
        # rescue file all of its space; both get full.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SIZE, resource.RLIM_INFINITY))
        answers = {key: call(key) for key in keys}
        with Store(settings_in(tmp_path).store_url) as store:
            before = _kept(store)
            rescued = store.attempts.rescued()
            kept = _kept(store)
        no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, no_limit)
        again = {call(key) for key, status in answers.items() if status == 503}
        with Store(settings_in(tmp_path).store_url) as store:
            at_last = _kept(store)

    assert set(answers.values()) == {200, 503}
    assert {key for key, status in answers.items() if status == 200} == kept
    assert len(kept) - len(before) == rescued > 0
    assert again == {200}
    assert at_last == set(keys)


def _kept(store: Store) -> set[JobKey]:
    jobs = store.jobs.all(SHEET)
    return {key for key, job in jobs.items() if job.attempts[0].state is State.SUCCEEDED}
