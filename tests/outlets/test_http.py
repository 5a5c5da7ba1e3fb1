"""Posts to one address: what each answer and each failure of the network means."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.outlets.http import MOST_OF_ANSWER, Poster, verdict
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.web_service import (
    DROPPED,
    HANGS,
    LOST,
    Call,
    Failure,
    Reply,
    answers,
    serving,
)


def fine(call: Call) -> Reply:
    """Accepts everything."""
    return Reply(200, b"ok")


def posted(
    url: str, *, allow_private: bool = True, within: float = 5.0, body: bytes = b"{}"
) -> Response | Undelivered:
    """What one post to this address gives."""

    async def run() -> Response | Undelivered:
        poster = Poster(url, allow_private=allow_private, within=within)
        try:
            return await poster.post(body)
        finally:
            await poster.close()

    return event_loop.run(run())


def reached(url: str, *, allow_private: bool = True) -> Undelivered | None:
    """What `reach` says about this address."""
    return event_loop.run(Poster(url, allow_private=allow_private).reach())


def trouble_of(result: object) -> Trouble:
    assert isinstance(result, Undelivered)
    return result.trouble


def test_a_post_arrives_byte_for_byte_with_its_headers_at_the_exact_address() -> None:
    body = '{"text": "Füchse ☃"}'.encode()

    async def run(url: str) -> Response | Undelivered:
        poster = Poster(url, headers={"X-Key": "fixed"}, allow_private=True)
        try:
            return await poster.post(body, headers={"X-This": "one"})
        finally:
            await poster.close()

    with serving(fine) as service:
        # Signed addresses are valid letter by letter.
        answer = event_loop.run(run(f"{service.url}/a%2Fb/%7Ec?sig=a%2Bb%3D&x=1+2"))

    assert answer == Response(200, answer.headers, b"ok") if isinstance(answer, Response) else False
    (call,) = service.calls
    assert (call.method, call.path, call.body) == ("POST", "/a%2Fb/%7Ec?sig=a%2Bb%3D&x=1+2", body)
    assert call.headers["content-type"] == "application/json"
    assert (call.headers["x-key"], call.headers["x-this"]) == ("fixed", "one")
    assert call.headers["user-agent"] == "promptsheet"


@each(
    ("status", "trouble"),
    [
        *((code, None) for code in (200, 201, 202, 204)),
        *((code, Trouble.CLOSED) for code in (301, 302, 303, 307, 308)),
        *((code, Trouble.CLOSED) for code in (401, 403, 404, 405, 410)),
        *((code, Trouble.REFUSED) for code in (400, 409, 413, 418, 422)),
        *((code, Trouble.LATER) for code in (408, 425, 429, 502, 503, 504)),
        *((code, Trouble.UNSURE) for code in (500, 501, 505, 520, 599)),
    ],
)
def test_each_status_has_one_meaning(status: int, trouble: Trouble | None) -> None:
    said = verdict(Response(status, {}, b""))

    assert (said.trouble if said else None) == trouble


def test_a_redirect_is_not_followed() -> None:
    with serving(fine) as elsewhere, serving(fine) as service:
        service.fail(answers(302, location=elsewhere.url))
        answer = posted(service.url)

    assert isinstance(answer, Response)
    assert trouble_of(verdict(answer)) is Trouble.CLOSED
    assert (len(service.calls), elsewhere.calls) == (1, [])


@each("wait", ["7", "date"])
def test_the_wait_that_a_server_asks_for_is_passed_on(wait: str) -> None:
    if wait == "date":
        wait = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    said = verdict(Response(429, {"retry-after": wait}, b""))

    assert said is not None
    assert 5.0 <= said.wait <= 8.0


@each("wait", ["", "soon", "nan", "-5", "Wed, 99 Nov 2026 00:00:00 GMT"])
def test_a_wait_that_means_nothing_does_no_harm(wait: str) -> None:
    said = verdict(Response(429, {"retry-after": wait}, b""))

    assert said is not None
    assert 0.0 <= said.wait <= 1.0


@each("failure", [LOST, DROPPED])
def test_without_an_answer_the_message_may_have_arrived_and_is_not_posted_again(
    failure: Failure,
) -> None:
    with serving(fine) as service:
        service.fail(failure)
        result = posted(service.url)

    assert trouble_of(result) is Trouble.UNSURE
    assert len(service.calls) == 1


def test_an_answer_that_takes_too_long_leaves_it_open_whether_the_message_arrived() -> None:
    with serving(fine) as service:
        service.fail(HANGS)
        result = posted(service.url, within=0.2)

    assert trouble_of(result) is Trouble.UNSURE
    assert "no answer within 0.2 s" in str(result)


@each("url", ["http://api.apiframe.invalid", "http://127.0.0.1:{closed}"])
def test_a_message_that_never_left_is_tried_later(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = url.format(closed=taken.getsockname()[1])

        assert trouble_of(posted(url)) is trouble_of(reached(url)) is Trouble.LATER


@each(
    "url",
    [
        *("http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/"),
        *("http://2130706433:{port}/", "http://0x7f.1:{port}/", "http://127.1:{port}/"),
        *("http://[::ffff:127.0.0.1]:{port}/", "http://169.254.169.254/latest/meta-data"),
    ],
)
def test_nothing_is_sent_into_a_private_network_unless_it_is_allowed(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        url = url.format(port=listening.getsockname()[1])
        posting, reaching = (one(url, allow_private=False) for one in (posted, reached))
        with pytest.raises(BlockingIOError):
            listening.accept()

    assert trouble_of(posting) is trouble_of(reaching) is Trouble.CLOSED


@each("url", ["", "nonsense", "ftp://a.test/x", "https://", "http://a b/"])
def test_an_address_that_is_none_is_reported(url: str) -> None:
    assert trouble_of(posted(url)) is trouble_of(reached(url)) is Trouble.CLOSED


def test_reaching_a_server_sends_it_nothing() -> None:
    with serving(fine) as service:
        assert reached(service.url) is None

    assert service.calls == []


def test_a_server_without_tls_is_no_https_server() -> None:
    with serving(fine) as service:
        address = service.url.replace("http:", "https:")
        results = reached(address), posted(address, within=3.0)

    assert {trouble_of(one) for one in results} == {Trouble.LATER}
    assert service.calls == []


def test_a_long_answer_is_cut() -> None:
    with serving(lambda call: Reply(200, b"x" * 5_000_000)) as service:
        answer = posted(service.url)

    assert isinstance(answer, Response)
    assert answer.body == b"x" * MOST_OF_ANSWER


def test_an_answer_that_breaks_off_still_has_its_status() -> None:
    def cut(call: Call) -> Reply:
        return Reply(200, b"ok", {"content-length": "1000"})

    with serving(cut) as service:
        answer = posted(service.url)

    assert isinstance(answer, Response)
    assert verdict(answer) is None


def test_no_reason_and_no_repr_shows_the_address() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/services/T0/B0/s3cr3t?sig=s3cr3t"
        shown = [repr(Poster(url))]
        for address in (url, f"gopher://{url}", url.replace("http://", "http://x y"), f"{url}\n"):
            for private in (True, False):
                shown.append(repr(posted(address, allow_private=private)))
                shown.append(repr(reached(address, allow_private=private)))

    assert not [one for one in shown if "s3cr3t" in one or "127.0.0.1" in one]
