"""Random requests to every route: no errors, and no refused request changes a job.

The last test removes the check of the proof, and shows that this suite would notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from starlette.types import ASGIApp, Message, Scope

from pipeline.core.api.webhook import PATH, Proofs
from pipeline.core.model import JobKey, State
from pipeline.core.states import Accepted, Lost, Postponed
from pipeline.server.app import receiver as app
from pipeline.store import Fact
from tests.fakes.called_back import Desk, desk_in, final, progress, proof, to_bytes, token_of

QUICK = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KNOWN = JobKey("sheet", "r_000000000", 1)


@dataclass
class RandomCaller:
    """Calls an app as a server does, but without sockets, which is faster."""

    app: ASGIApp
    loop: asyncio.AbstractEventLoop

    def request(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        chunks: Sequence[bytes] = (b"",),
        leaves: bool = False,
    ) -> int:
        """Send a request; returns the status, or 0 if the caller left and got no answer."""
        parts: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": leaves or at < len(chunks) - 1}
            for at, chunk in enumerate(chunks)
        ]
        parts += [{"type": "http.disconnect"}]
        waiting, statuses = iter(parts), []

        async def receive() -> Message:
            return next(waiting)

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in headers],
            "client": ("203.0.113.9", 4711),
            "server": ("127.0.0.1", 80),
        }
        self.loop.run_until_complete(self.app(scope, receive, send))
        assert len(statuses) <= 1
        return statuses[0] if statuses else 0

    def call(self, token: str, said: object, headers: dict[str, str]) -> int:
        """A call of the API, or a forged one."""
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self.request("POST", PATH + token, sent, [to_bytes(said)])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        desk.begin(3)
        yield desk


@pytest.fixture
def caller(desk: Desk) -> Iterator[RandomCaller]:
    with asyncio.Runner() as runner:
        yield RandomCaller(app([desk.campaign]), runner.get_loop())


TOKEN = token_of(KNOWN)
GENUINE = proof(TOKEN)["x-webhook-secret"]
methods = st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT", "TRACE", "BREW"])
paths = st.one_of(
    st.just(PATH + TOKEN),
    st.sampled_from(["/", "/healthz", "/hooks", "/hooks/", f"/hooks/{TOKEN}/", "/healthz/x", "//"]),
    st.text(max_size=40).map(lambda text: f"/hooks/{text}"),
    st.text(max_size=40).map(lambda text: f"/{text}"),
)
header_values = st.one_of(
    st.sampled_from([GENUINE, GENUINE.upper(), GENUINE[:-1], f" {GENUINE}", "", "0" * 64]),
    st.text(st.characters(max_codepoint=255), max_size=30),
).map(lambda text: text.encode("latin-1"))
header_names = st.sampled_from(
    [b"x-webhook-secret", b"content-length", b"content-type", b"x-forwarded-for", b"expect"]
)
words = st.sampled_from(
    [*("task_id", "taskId", "status", "percentage", "message", "error", "image_urls"), "tasks"]
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["finished", "failed", "t-1", "https://x.example/1.png", "1e999", "99%"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
bodies = st.one_of(
    st.dictionaries(words, values, max_size=5).map(to_bytes),
    values.map(to_bytes),
    st.binary(max_size=200),
    st.sampled_from([b"[" * 50_000, b'{"a":' * 50_000, b" " * 1_100_000, b'{"a":1' + b"0" * 5000]),
)


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """The body in pieces."""
    ends = sorted({place % (len(body) + 1) for place in places})
    return [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]


def random_requests(caller: RandomCaller, desk: Desk, examples: int) -> None:
    """Send this number of requests of all kinds: no 5xx, and only proved calls change a job."""
    at_first = desk.all_states()

    @settings(QUICK, max_examples=examples)
    @given(
        methods,
        paths,
        st.lists(st.tuples(header_names, header_values), max_size=3),
        bodies,
        st.lists(st.integers(0, 2**20), max_size=3),
        st.booleans(),
    )
    def any_request(
        method: str,
        path: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        places: list[int],
        leaves: bool,
    ) -> None:
        before = desk.all_states()
        status = caller.request(method, path, headers, cut(body, places), leaves)

        assert status < 500
        proofs = [value for name, value in headers if name == b"x-webhook-secret"]
        proved = path == PATH + TOKEN and proofs[-1:] == [GENUINE.encode()]
        if status != 200 or not proved:
            assert desk.all_states() == before
        if proved and status == 200:
            assert method == "POST"
        assert {key: one for key, one in desk.all_states().items() if key != KNOWN} == {
            key: one for key, one in at_first.items() if key != KNOWN
        }

    any_request()


def test_no_request_causes_an_error_or_changes_a_job_unless_it_is_proved(
    caller: RandomCaller, desk: Desk
) -> None:
    random_requests(caller, desk, examples=250)


@pytest.mark.soak
def test_none_of_very_many_requests_causes_an_error_or_changes_a_job(
    caller: RandomCaller, desk: Desk
) -> None:
    random_requests(caller, desk, examples=20_000)


def test_these_requests_would_notice_a_missing_check(
    caller: RandomCaller, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Proofs, "may_be_met", lambda *_: True)
    monkeypatch.setattr(Proofs, "are_met", lambda *_: True)

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        random_requests(caller, desk, examples=2_000)


# -- reordered, doubled, forged --------------------------------------------------------------------


class Calls(RuleBasedStateMachine):
    """The API's calls in any order, any number of times, mixed with forged calls and answers."""

    folder: Path
    machines = 0

    @initialize()
    def open(self) -> None:
        type(self).machines += 1
        place = self.folder / str(type(self).machines)
        place.mkdir()
        self._opened = desk_in(place)
        self.desk = self._opened.__enter__()
        self.keys = self.desk.begin(3)
        self.runner = asyncio.Runner()
        self.caller = RandomCaller(app([self.desk.campaign]), self.runner.get_loop())
        self.reached = dict.fromkeys(self.keys, 0)
        self.ended: dict[JobKey, bool] = {}
        self.genuine = self.forged = 0

    @rule(of=st.integers(0, 2), percent=st.integers(0, 100), as_text=st.booleans())
    def progresses(self, of: int, percent: int, as_text: bool) -> None:
        self._genuine(of, progress(str(percent) if as_text else percent, f"t-{of}"))

    @rule(of=st.integers(0, 2), named=st.booleans(), times=st.integers(1, 3))
    def succeeds(self, of: int, named: bool, times: int) -> None:
        for _ in range(times):
            self._genuine(of, final(f"t-{of}" if named else ""))
        self.ended[self.keys[of]] = True

    @rule(of=st.integers(0, 2))
    def fails(self, of: int) -> None:
        self._genuine(of, {"task_id": f"t-{of}", "status": "failed", "message": "no"})

    @rule(
        of=st.integers(0, 2),
        event=st.sampled_from([Lost("no answer"), Postponed("busy"), Accepted("")]),
    )
    def is_answered(self, of: int, event: Any) -> None:
        named = Accepted(f"t-{of}") if isinstance(event, Accepted) else event
        self.desk.store.attempts.record([Fact(self.keys[of], 1, named)])

    @rule(
        of=st.integers(0, 2),
        other=st.integers(0, 2),
        said=st.sampled_from([final(), progress(99), {"status": "failed"}]),
    )
    def is_forged(self, of: int, other: int, said: dict[str, Any]) -> None:
        token = token_of(self.keys[of])
        borrowed = proof(token_of(self.keys[other])) if other != of else {}
        before = self.desk.all_states()

        assert self.caller.call(token, said, borrowed) == 404
        assert self.desk.all_states() == before
        self.forged += 1

    @precondition(lambda self: self.desk.attempt(self.keys[0]).task_id)
    @rule()
    def names_another_task(self) -> None:
        token, before = token_of(self.keys[0]), self.desk.all_states()

        assert self.caller.call(token, final("t-foreign"), proof(token)) == 404
        assert self.desk.all_states() == before

    @invariant()
    def nothing_goes_backwards(self) -> None:
        for key in self.keys:
            attempt = self.desk.attempt(key)
            assert attempt.task_id in ("", f"t-{self.keys.index(key)}")
            assert (attempt.progress or 0) >= self.reached[key]
            self.reached[key] = attempt.progress or 0
            if key in self.ended:
                assert attempt.state is State.SUCCEEDED

    def teardown(self) -> None:
        if hasattr(self, "caller"):
            self.runner.close()
            self._opened.__exit__(None, None, None)

    def _genuine(self, of: int, said: dict[str, Any]) -> None:
        token = token_of(self.keys[of])

        assert self.caller.call(token, said, proof(token)) == 200
        self.genuine += 1


def test_calls_in_any_order_and_number_never_revert_a_state_and_forged_ones_change_nothing(
    tmp_path: Path,
) -> None:
    machine: Any = type("CallsHere", (Calls,), {"folder": tmp_path})

    run_state_machine_as_test(
        machine, settings=settings(QUICK, max_examples=12, stateful_step_count=20)
    )
