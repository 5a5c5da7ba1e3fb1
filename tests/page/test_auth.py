"""Access to the page: who may see it, and whose clicks count."""

from __future__ import annotations

import asyncio
import html
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from starlette.requests import Request
from starlette.routing import Route

from pipeline import wiring
from pipeline.callers import caller_of
from pipeline.config import PageSettings, Secret, load
from pipeline.core.errors import ConfigError
from pipeline.core.inputs import canonical
from pipeline.core.model import JobKey, KnownRow, Result, State
from pipeline.core.states import Failed, Lost, Succeeded, state_of
from pipeline.open_sheet import open_sheet
from pipeline.page import auth as gates
from pipeline.page import board as boards
from pipeline.page import routes
from pipeline.page.accounts import Session
from pipeline.page.attempt_limit import EACH_SECOND, MOST_CALLERS, Tries
from pipeline.page.auth import Authenticator
from pipeline.page.board import MANY, PAGE, Board
from pipeline.page.sheet_status import sheet_status_of
from pipeline.store import Fact, Intent, Limits, Store
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.quick_check import configuration_of
from tests.fakes.browser import hosted
from tests.fakes.cases import each
from tests.store.build import save

TOKEN = "a token that nobody can guess"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
DONE, FAILED, LOST = "r_000000001", "r_000000002", "r_000000003"


@dataclass
class Clock:
    """A clock that changes only when the test moves it."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class PageBench:
    """A page with one done row, one failed row, and one without a known outcome."""

    folder: Path
    campaign: Campaign
    gate: Authenticator
    address: str = ""
    clock: Clock = field(default_factory=Clock)

    @property
    def store(self) -> Store:
        return self.campaign.store

    def key(self, row_id: str) -> JobKey:
        return JobKey(self.campaign.key, row_id, 1)

    @contextmanager
    def without_cookie(self, **how: Any) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.address, trust_env=False, **how) as client:
            yield client

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        with self.without_cookie() as client:
            client.headers["Origin"] = self.address
            assert client.post(self.gate.link("").removeprefix("http://")).status_code == 303
            yield client

    def csrf(self, client: httpx.Client) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', client.get("/").text)
        assert found
        return found[1]

    def press(self, client: httpx.Client, what: str, row_id: str = DONE, **more: str) -> str:
        """Press a button; returns the page's text afterwards."""
        form = {"csrf": self.csrf(client), **more}
        answer = client.post(f"/{what}/1/{row_id}/1", data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("said=")[2]


@contextmanager
def opened(folder: Path, page: PageSettings, more: str = "") -> Iterator[PageBench]:
    (folder / "page.toml").write_text(f'[sheet]\nsource = "prompts.csv"\n{more}')
    rows = [(DONE, "a fox"), (FAILED, "an owl"), (LOST, "a crow")]
    lines = [f"{prompt},{row_id},,,," for row_id, prompt in rows]
    header = "prompt,row_id,status,task_id,image_urls,note"
    (folder / "prompts.csv").write_text("\n".join([header, *lines]) + "\n")
    media = folder / "media"
    media.mkdir()
    (media / "fox.png").write_bytes(PNG)
    (folder / "secret.png").write_bytes(PNG)
    settings = load(folder / "page.toml")
    with Store(settings.store_url, now=wiring.now) as store:
        key = open_sheet(settings, store).key
        known = [KnownRow(one, canonical({"prompt": p}), 1, since=wiring.now()) for one, p in rows]
        store.rows.note(key, known, ["", *(one for one, _ in rows)], ("prompt",))
        jobs = [JobKey(key, one, 1) for one, _ in rows]
        store.jobs.add(jobs)
        intents = [
            Intent(job, 1, row.inputs, ("prompt",), "imagine", 4, 60)
            for job, row in zip(jobs, known, strict=True)
        ]
        store.attempts.begin(intents, Limits("key", "run", "day"))
        urls = tuple(f"https://x/{number}" for number in range(1, 7))
        store.attempts.record(
            [
                Fact(jobs[0], 1, Succeeded(Result(urls), task_id="t-1")),
                Fact(jobs[1], 1, Failed("no", task_id="t-2")),
                Fact(jobs[2], 1, Lost("the connection broke")),
            ]
        )
        (media / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        (media / "page.html").write_text("<script>alert(1)</script>")
        (media / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
        (media / "out.png").symlink_to(folder / "secret.png")
        names = ("fox.png", "../secret.png", "drawing.png", "page.html", "out.png", "film.mp4")
        for url, name in zip(urls, names, strict=True):
            save(store, jobs[0], 1, url, name)
        clock = Clock()
        gate = Authenticator(page, clock, sessions=store.sessions, catalogues=[settings.catalogue])
        bench = PageBench(folder, Campaign(settings, store, key), gate, clock=clock)
        with hosted([bench.campaign], bench.gate) as bench.address:
            yield bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PageBench]:
    with opened(tmp_path, PageSettings(wanted=True)) as one:
        yield one


@pytest.fixture
def with_token(tmp_path: Path) -> Iterator[PageBench]:
    with opened(tmp_path, PageSettings(wanted=True, token=Secret(TOKEN))) as one:
        yield one


PLACE = {"sheet": "1", "row_id": DONE, "take": "1", "number": "1", "code": "x", "name": "page.css"}


def paths(bench: PageBench) -> list[tuple[str, str]]:
    """Every route of the page, with real values: method and path."""
    found = []
    for route in routes([bench.campaign], bench.gate):
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: PLACE[m[1]], route.path)
        found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def test_a_signed_in_visitor_does_not_use_up_a_link(bench: PageBench) -> None:
    link = bench.gate.link("").removeprefix("http://")
    origin = {"Origin": bench.address}
    with bench.visitor() as client:
        answers = [client.get(link).headers["location"] for _ in range(2)]
    with (
        bench.without_cookie(headers=origin) as first,
        bench.without_cookie(headers=origin) as second,
    ):
        let_in, kept_out = first.post(link), second.post(link)

    assert answers == ["/", "/"]
    assert (let_in.status_code, kept_out.status_code) == (303, 403)


def test_without_the_cookie_nothing_is_shown_or_done(bench: PageBench) -> None:
    with bench.without_cookie(headers={"Origin": bench.address}) as client:
        answers = {(m, p): client.request(m, p).status_code for m, p in paths(bench)}

    doors = {
        ("GET", "/login"): 200,
        ("POST", "/login"): 403,
        ("GET", "/enter/x"): 403,
        ("POST", "/enter/x"): 403,
        ("GET", "/static/page.css"): 200,
    }
    shows = "/", f"/row/1/{DONE}/1", f"/saved/{DONE}/1/1", "/plan/1"
    shown = dict.fromkeys([("GET", one) for one in shows], 303)
    assert answers == {one: (doors | shown).get(one, 401) for one in answers}
    assert len(answers) == 27
    assert state_of(bench.store.jobs.all(bench.campaign.key)[bench.key(FAILED)]) is State.FAILED
    assert bench.store.rows.extra_takes(bench.campaign.key) == {}


def test_every_answer_has_the_security_headers(bench: PageBench) -> None:
    with bench.visitor() as client:
        answers = [client.request(m, p) for m, p in paths(bench) if "live" not in p]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy in (gates.POLICY, "default-src 'none'; sandbox")
        assert answer.headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in gates.POLICY
    assert gates.POLICY.startswith("default-src 'none'; img-src 'self'; script-src 'self'; ")


def test_a_link_works_once_and_expires(bench: PageBench) -> None:
    first, late = bench.gate.link(bench.address), bench.gate.link(bench.address)
    origin = {"Origin": bench.address}
    with (
        bench.without_cookie(headers=origin) as client,
        bench.without_cookie(headers=origin) as other,
    ):
        # Previews and scanners open a link before the person does.
        assert [other.request(how, first).status_code for how in ("HEAD", "GET", "GET")] == [
            200
        ] * 3
        assert other.get("/").status_code == 303
        assert client.post(first).status_code == 303
        assert client.get("/").status_code == 200
        assert [other.post(first).status_code, other.get(first).status_code] == [403, 403]
        bench.clock.at += gates.LINK_SECONDS + 1
        assert other.post(late).status_code == 403
        assert other.get("/").status_code == 303


def test_the_token_signs_in_and_appears_nowhere_afterwards(
    with_token: PageBench, capfd: pytest.CaptureFixture[str]
) -> None:
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        answer = client.post("/login", data={"token": f" {TOKEN} "})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        page = client.get("/")

    assert page.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    for text in (cookie, page.text, str(page.url), "".join(capfd.readouterr()), repr(with_token)):
        assert TOKEN not in text


def test_wrong_tokens_are_limited_and_the_right_token_still_signs_in(with_token: PageBench) -> None:
    form = {"token": "a guess"}
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        answers = [client.post("/login", data=form).status_code for _ in range(7)]
        assert answers == [403] * 5 + [429] * 2
        assert client.post("/login", data={"token": TOKEN}).status_code == 303
        # Of many requests, only a limited number is checked; a second later the limit ends.
        answers = [client.post("/login", data=form).status_code for _ in range(20)]
        flooded = client.post("/login", data={"token": TOKEN})
        assert (answers, flooded.status_code) == ([429] * 20, 429)
        assert flooded.headers["retry-after"] == "1"
        with_token.clock.at += 1
        assert client.post("/login", data={"token": TOKEN}).status_code == 303


def test_sign_in_and_metrics_share_one_count(with_token: PageBench) -> None:
    gate, address = with_token.gate, ("192.0.2.7", 1)
    asked = Request({"type": "http", "client": address, "headers": []})
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        for number in range(EACH_SECOND):
            wrong = {"Authorization": f"Bearer guess {number}"}
            if number % 2:
                assert client.get("/metrics", headers=wrong).status_code == 401
            else:
                assert client.post("/login", data={"token": "a guess"}).status_code in (403, 429)
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/metrics", headers=right).status_code == 429
        assert client.post("/login", data={"token": TOKEN}).status_code == 429
        with_token.clock.at += 1
        assert client.get("/metrics", headers=right).status_code == 200
        assert client.get("/metrics").status_code == 401
    assert gate.begin_try(asked)


def test_attempts_are_counted_before_their_bodies_arrive(with_token: PageBench) -> None:
    host, port = with_token.address.removeprefix("http://").split(":")
    head = (
        f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {with_token.address}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\n"
    )
    with ExitStack() as stack:
        wires = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            for _ in range(2 * EACH_SECOND)
        ]
        for wire in wires:
            wire.sendall(head.encode())
        # Requests above the limit are answered although their bodies were not sent.
        answers = [wire.recv(12)[9:12] for wire in wires[EACH_SECOND:]]
        for wire in wires[:EACH_SECOND]:
            wire.sendall(b"token=x")
        looked_at = [wire.recv(12)[9:12] for wire in wires[:EACH_SECOND]]
    assert sorted(set(answers)) == [b"429"]
    assert set(looked_at) <= {b"403", b"429"}


@pytest.mark.parametrize(
    ("trusted", "statuses"),
    [("127.0.0.1", [403] * 5 + [429, 403]), ("192.0.2.1", [403] * 5 + [429, 429])],
)
def test_callers_behind_our_own_proxy_are_counted_separately(
    tmp_path: Path, trusted: str, statuses: list[int]
) -> None:
    ours = f'[webhook]\ntrusted_proxies = ["{trusted}"]\n'
    page = PageSettings(wanted=True, token=Secret(TOKEN))
    with opened(tmp_path, page, ours) as bench, bench.without_cookie() as client:
        client.headers["Origin"] = bench.address
        # One network can be written in several ways; it is counted once.
        senders = [*["203.0.113.1", "::ffff:203.0.113.1"] * 3, "203.0.113.2"]
        answers = [
            client.post("/login", data={"token": "a guess"}, headers={"X-Forwarded-For": one})
            for one in senders
        ]

    assert [one.status_code for one in answers] == statuses


def test_the_memory_for_counting_callers_is_limited_to_a_thousand() -> None:
    tries = Tries(Clock())
    for number in range(5000):
        tries.begin(caller_of(f"10.0.{number // 250}.{number % 250}"))
    for number in range(EACH_SECOND):
        assert tries.begin(caller_of(f"2001:db8::{number:x}"))

    assert len(tries) == MOST_CALLERS
    assert not tries.begin(caller_of("2001:db8::ffff"))


@each(
    ("host", "caller"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("\x1b[2J\nforged line", "unknown"),
        ("", "unknown"),
    ],
)
def test_each_caller_has_one_key_without_outside_text(host: str, caller: str) -> None:
    assert caller_of(host) == caller


def test_signing_in_returns_only_to_the_requested_page(
    with_token: PageBench,
) -> None:
    place = f"/row/1/{DONE}/1?picture=2"
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        door = client.get(place).headers["location"]
        hidden = re.search(r'name="then" value="([^"]*)"', client.get(door).text)
        assert hidden
        form = {"token": TOKEN, "then": html.unescape(hidden[1])}
        assert client.post("/login", data=form).headers["location"] == place
        assert client.get(place).status_code == 200

        for elsewhere in (
            *("https://evil.example/", "//evil.example/row/", "/\\evil.example", "javascript:x"),
            *("/row/\r\nSet-Cookie: a=b", "/logout", "row/1", "http:/row/1", "/" + "x" * 2000),
        ):
            answer = client.post("/login", data={"token": TOKEN, "then": elsewhere})
            assert (elsewhere, answer.headers["location"]) == (elsewhere, "/")


def test_a_cookie_is_invalid_after_signing_out(with_token: PageBench) -> None:
    page = PageSettings(wanted=True, token=Secret(TOKEN))
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        client.post("/login", data={"token": TOKEN})
        stolen = dict(client.cookies)
        csrf = with_token.csrf(client)
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
    with with_token.without_cookie(cookies=stolen) as thief:
        assert thief.get("/").headers["location"] == "/login"
        assert thief.get("/live/1").status_code == 401
    # It is also invalid after a restart, which keeps other visitors signed in.
    restarted = Authenticator(page, with_token.clock, sessions=with_token.store.sessions)
    asked = Request({"type": "http", "headers": [(b"cookie", _cookie(stolen))]})
    assert restarted.visitor(stolen)
    assert not asyncio.run(restarted.is_signed_in(asked))


def test_no_news_is_sent_to_a_visitor_who_has_signed_out(bench: PageBench) -> None:
    with bench.visitor() as client, client.stream("GET", "/live/1") as news:
        csrf = bench.csrf(client)
        lines = news.iter_lines()
        assert next(lines).startswith("retry")
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
        client.timeout = httpx.Timeout(20)
        assert len(list(lines)) < 20  # the stream ends


def _cookie(cookies: dict[str, str]) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()


def test_the_page_accepts_no_webhooks(with_token: PageBench) -> None:
    with with_token.without_cookie() as client:
        for path in ("/hooks/x", "/hooks/"):
            assert client.post(path, json={}).status_code == 404


def test_very_long_numbers_in_addresses_cause_no_error(
    with_token: PageBench, caplog: pytest.LogCaptureFixture
) -> None:
    long = "9" * 5000
    with with_token.without_cookie(headers={"Origin": with_token.address}) as client:
        paths = (f"/row/{long}/x/1", f"/live/{long}", f"/row/1/x/{long}", f"/picture/1/x/1/{long}")
        assert {client.get(path).status_code for path in paths} == {404}
    with with_token.visitor() as client:
        assert {client.get(path).status_code for path in paths} == {404}
        assert client.get(f"/row/1/{DONE}/999999999").status_code == 404
    assert [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")] == []


def test_an_aborted_form_is_not_logged(
    with_token: PageBench, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = with_token.address.removeprefix("http://").split(":")
    head = f"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 9\r\n"
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(f"{head}\r\ntok".encode())
    with with_token.without_cookie() as client:
        assert client.get("/login").status_code == 200
    assert [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")] == []


def test_a_changed_or_expired_cookie_is_invalid(bench: PageBench) -> None:
    with bench.visitor() as client:
        good = client.cookies[bench.gate.cookie]
        assert client.get("/").status_code == 200
        for bad in (f"{good}x", good[::-1], good.replace(".", "x", 1), "", "x.y.z"):
            answer = client.get("/", headers={"Cookie": f"{bench.gate.cookie}={bad}"})
            assert (bad, answer.status_code) == (bad, 303)
        other = Authenticator(PageSettings(), bench.clock)
        assert other.visitor({other.cookie: good}) is None
        bench.clock.at += gates.SESSION_SECONDS + 1
        assert client.get("/").status_code == 303


def test_a_visitor_with_the_token_stays_signed_in_after_a_restart(bench: PageBench) -> None:
    page = PageSettings(token=Secret(TOKEN))
    first, second = Authenticator(page, bench.clock), Authenticator(page, bench.clock)
    changed = Authenticator(PageSettings(token=Secret(TOKEN + "2")), bench.clock)
    value = first._accounts[0].cookie(Session("session", int(bench.clock.at)))

    assert second.visitor({second.cookie: value})
    assert changed.visitor({changed.cookie: value}) is None


def test_a_form_is_accepted_only_from_the_page_itself(bench: PageBench) -> None:
    with bench.visitor() as client:
        csrf = bench.csrf(client)
        good = {"csrf": csrf, "again": "0"}
        refused: list[tuple[dict[str, str], dict[str, str]]] = [
            ({"Origin": "https://evil.example"}, good),
            ({"Origin": "null"}, good),
            ({"Origin": bench.address.replace("127.0.0.1", "localhost")}, good),
            ({"Sec-Fetch-Site": "cross-site"}, good),
            ({"Sec-Fetch-Site": "same-site"}, good),
            ({}, {"again": "0"}),
            ({}, {"csrf": csrf[:-1], "again": "0"}),
            ({}, {"csrf": "é", "again": "0"}),
            ({}, good | {"filler": "x" * 20_000}),
        ]
        answers = [
            client.post(f"/again/1/{DONE}/1", headers=headers, data=form).status_code
            for headers, form in refused
        ]
        del client.headers["Origin"]
        answers.append(client.post(f"/again/1/{DONE}/1", data=good).status_code)

    assert answers == [403] * 10
    assert bench.store.rows.extra_takes(bench.campaign.key) == {}


def test_an_unknown_host_name_is_refused(bench: PageBench) -> None:
    port = bench.address.rpartition(":")[2]
    with bench.visitor() as client:
        answers = {
            host: client.get("/", headers={"Host": host}).status_code
            for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example")
        }
        for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "LOCALHOST"):
            assert client.get("/", headers={"Host": host}).status_code == 200
        for path in ("/login/", "/healthz/", "//evil.example/"):
            odd = client.get(path, headers={"Host": "evil.example"})
            assert "evil.example" not in odd.headers.get("location", "")

    assert set(answers.values()) == {421}


def test_behind_a_tunnel_its_host_name_is_accepted_and_the_cookie_is_https_only(
    tmp_path: Path,
) -> None:
    page = PageSettings(wanted=True, public_url="https://pictures.example.com")
    with opened(tmp_path, page) as bench, bench.without_cookie() as client:
        link = bench.gate.link(bench.address)
        assert link.startswith("https://pictures.example.com/enter/")
        path = link.removeprefix("https://pictures.example.com")
        named = {"Host": "pictures.example.com", "Origin": "https://pictures.example.com"}
        answer = client.post(path, headers=named)

        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_only_saved_pictures_are_served_each_with_its_type(bench: PageBench) -> None:
    with bench.visitor() as client:
        answers = [client.get(f"/picture/1/{DONE}/1/{number}") for number in range(9)]
        assert [one.status_code for one in answers] == [404, 200, 404, 404, 404, 404, 200, 404, 404]
        picture, film = answers[1], answers[6]
        strange = [
            *("/picture/1/../../page.toml/1/1", f"/picture/1/{DONE}/1/1/../../x"),
            *("/picture/1/%2e%2e%2fsecret.png/1/1", f"/picture/2/{DONE}/1/1"),
            *(f"/picture/1/{DONE}/7/1", f"/picture/1/{DONE}/1/-1", "/static/..%2fgallery.css"),
        ]
        assert {client.get(path).status_code for path in strange} == {404}

    assert picture.content == PNG
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-disposition"].startswith("inline")
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert film.headers["content-type"] == "video/mp4"
    assert film.headers["content-disposition"].startswith("attachment")


def test_a_range_request_for_a_video_returns_only_that_range(bench: PageBench) -> None:
    with bench.visitor() as client:
        address = f"/picture/1/{DONE}/1/6"
        whole = client.get(address)
        part = client.get(address, headers={"Range": "bytes=4-11"})
        beyond = client.get(address, headers={"Range": "bytes=4000-"})

    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    assert (part.status_code, part.content) == (206, whole.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(whole.content)}"
    assert part.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert beyond.status_code == 416


def test_generate_again_counts_once_for_the_row_as_shown(bench: PageBench) -> None:
    with bench.visitor() as client:
        assert bench.press(client, "again", again="0") == "again"
        assert bench.press(client, "again", again="0") == "changed"
        # Requested and not made yet: a second request would be a jump.
        assert bench.press(client, "again", again="1") == "changed"
        page = client.get("/").text
        assert "Take 2 comes with the next run." in page
        assert "Take 1 was asked for" not in page

    assert bench.store.rows.extra_takes(bench.campaign.key) == {DONE: 1}


def test_an_edited_row_shows_its_current_prompt_and_is_found_by_it(bench: PageBench) -> None:
    store, key = bench.store, bench.campaign.key
    store.rows.note(key, [KnownRow(DONE, canonical({"prompt": "a wolf"}), 1, since=wiring.now())])
    with bench.visitor() as client:
        large = client.get(f"/row/1/{DONE}/1").text
        pages = [client.get(f"/?q={word}").text for word in ("wolf", "fox")]

    assert re.search(r"Now in the sheet:</span>\s*<span[^>]*>a wolf<", large)
    assert "a fox" in large
    assert [page.count('<li class="card') for page in pages] == [1, 1]


def test_retry_requests_one_attempt_and_a_possible_second_payment_needs_confirmation(
    bench: PageBench,
) -> None:
    with bench.visitor() as client:
        assert bench.press(client, "retry", FAILED, asked="1") == "retry"
        assert bench.press(client, "retry", FAILED, asked="1") == "changed"
        assert bench.press(client, "retry", DONE, asked="1") == "changed"
        assert bench.press(client, "retry", LOST, asked="1") == "changed"
        assert bench.press(client, "retry", LOST, asked="1", unknown="yes") == "retry"

    asked = {key.row_id: job.asked for key, job in bench.store.jobs.all(bench.campaign.key).items()}
    assert asked == {DONE: 1, FAILED: 2, LOST: 2}


def test_a_retry_from_a_page_with_an_earlier_failure_requests_nothing(bench: PageBench) -> None:
    with bench.visitor() as client:
        assert bench.press(client, "retry", FAILED, asked="1") == "retry"
        again = Intent(bench.key(FAILED), 2, "{}", ("prompt",), "imagine", 4, 60)
        bench.store.attempts.begin([again], Limits("key", "run", "day"))
        bench.store.attempts.record([Fact(bench.key(FAILED), 2, Failed("no", task_id="t-9"))])

        # It failed again. Two people have had the page open since the first failure.
        for stale in ("1", "0", "", "3", "x"):
            assert bench.press(client, "retry", FAILED, asked=stale) == "changed"
        assert bench.press(client, "retry", FAILED, asked="2") == "retry"

    job = bench.store.jobs.get(bench.key(FAILED))
    assert job
    assert job.asked == 3


def test_a_dismissed_row_returns_at_its_next_event(bench: PageBench) -> None:
    with bench.visitor() as client:
        assert bench.press(client, "dismiss", FAILED) == "dismissed"
        assert bench.press(client, "dismiss", DONE) == "changed"
        assert "an owl" not in client.get("/").text
        assert "an owl" in client.get("/?status=dismissed").text
        bench.store.attempts.record(
            [Fact(bench.key(FAILED), 1, Succeeded(Result(), task_id="t-2"))]
        )
        assert bench.press(client, "dismiss", DONE) == "changed"  # the page reads the store at once
        assert "an owl" in client.get("/").text


def test_a_row_without_a_job_is_dismissed_until_its_status_changes(
    bench: PageBench,
) -> None:
    store, key, row_id = bench.store, bench.campaign.key, "r_000000004"
    known = KnownRow(row_id, canonical({"prompt": "a hen"}), 1, since=wiring.now())
    store.rows.note(key, [known], ["", DONE, FAILED, LOST, row_id])
    sheet = bench.folder / "prompts.csv"
    rows = sheet.read_text()
    cells = f"{rows}a hen,{row_id},invalid,,,The aspect ratio is none."
    sheet.write_text(f"{cells}\n")
    with bench.visitor() as client:
        assert bench.press(client, "dismiss", row_id) == "dismissed"
        assert bench.press(client, "dismiss", row_id) == "changed"
        away = client.get("/").text, client.get("/?status=dismissed").text
        assert ["a hen" in page for page in away] == [False, True]
        assert bench.press(client, "restore", row_id) == "restored"
        assert "a hen" in client.get("/").text

        assert bench.press(client, "dismiss", row_id) == "dismissed"
        store.rows.note(key, [known])  # the next pass reads it unchanged
        bench.press(client, "dismiss", DONE)  # reads the store at once
        assert "a hen" not in client.get("/").text
        sheet.write_text(f"{cells} Nor is the seed.\n")
        bench.press(client, "dismiss", DONE)
        assert "a hen" in client.get("/").text

    assert list(store.rows.dismissed(key)) == [row_id]
    assert store.jobs.all(key).keys() == {bench.key(one) for one in (DONE, FAILED, LOST)}


def crowd(bench: PageBench, most: int) -> list[str]:
    """Add this number of rows to the store, each with a pending job; returns all ids in order."""
    store, key = bench.store, bench.campaign.key
    rows = [
        KnownRow(
            f"r_{number:09d}", canonical({"prompt": f"hen n{number:05d}"}), 1, since=wiring.now()
        )
        for number in range(100, most + 100)
    ]
    ids = ["", DONE, FAILED, LOST, *(row.row_id for row in rows)]
    store.rows.note(key, rows, ids, ("prompt",))
    store.jobs.add([JobKey(key, row.row_id, 1) for row in rows])
    return ids


def test_with_very_many_rows_the_newest_are_shown_before_all_are_counted(bench: PageBench) -> None:
    crowd(bench, MANY)
    with bench.visitor() as client:
        first = client.get("/").text
        parts = []
        while "in a moment" in (found := client.get("/?q=hen+n00100").text):
            parts.append(found)

    assert first.count('<li class="card') == PAGE
    assert "hen n00100<" in first
    assert "These are the newest 60 rows." in first
    assert f'<dd data-text="rows">{MANY + 3:,}</dd>' in first
    # A search shows how many rows were searched so far, and in the end finds all matches.
    assert all(f"of {MANY + 3:,} rows so far." in part for part in parts)
    assert found.count('<li class="card') == 1
    assert f'<b data-text="count all">{MANY + 3:,}</b>' in found


@contextmanager
def asked_of(store: Store) -> Iterator[list[str]]:
    """The tables that are queried in a store, with the number of queries."""
    tables: list[str] = []

    def note(*about: Any) -> None:
        tables.extend(re.findall(r"(?:FROM|JOIN) (\w+)", about[2]))

    event.listen(store._database.engine, "before_cursor_execute", note)
    try:
        yield tables
    finally:
        event.remove(store._database.engine, "before_cursor_execute", note)


def test_without_changes_the_page_reads_no_row_and_no_job_again(bench: PageBench) -> None:
    wall = Board(bench.campaign)
    wall.refresh(at_once=True)
    before = wall.shown.revision, wall.shown.summaries
    with asked_of(bench.store) as tables:
        wall.refresh(at_once=True)

    assert "attempts" not in tables
    # Except dismissed rows, which have an index.
    assert tables.count("known_rows") == 1
    assert (wall.shown.revision, wall.shown.summaries) == before


def test_of_many_rows_only_the_changed_ones_are_computed_again(bench: PageBench) -> None:
    store, key = bench.store, bench.campaign.key
    ids = crowd(bench, 300)
    wall = Board(bench.campaign)
    wall.refresh_until_complete(60)
    sheet, before = bench.folder / "prompts.csv", {one.row_id: one for one in wall.shown.summaries}
    # One changed by a call of the API, one by a run, one in the sheet.
    store.attempts.record([Fact(bench.key(LOST), 1, Failed("no", task_id="t-3"))])
    store.rows.note(key, [KnownRow(FAILED, canonical({"prompt": "a wren"}), 1, since=wiring.now())])
    sheet.write_text(f"{sheet.read_text()}hen n00100,{ids[4]},invalid,,,Write more.\n")
    revision = wall.shown.revision
    wall.refresh(at_once=True)

    changed = {one.row_id for one in wall.shown.summaries if before[one.row_id] is not one}
    assert changed == {LOST, FAILED, ids[4]}
    assert wall.shown.revision == revision + 1
    assert [one.row_id for one in wall.shown.picked("invalid")] == [ids[4]]
    assert [one.row_id for one in wall.shown.picked("failed")] == [FAILED, LOST]


def test_after_a_refresh_that_took_long_on_a_busy_machine_the_page_looks_again_within_ten_seconds(
    bench: PageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(boards, "time", SimpleNamespace(monotonic=lambda: now))
    wall = Board(bench.campaign)
    find = wall._changes.find

    def slowly(*about: Any) -> Any:
        nonlocal now
        now += 5
        return find(*about)

    monkeypatch.setattr(wall._changes, "find", slowly)
    wall.refresh()
    bench.store.attempts.record([Fact(bench.key(LOST), 1, Failed("no", task_id="t-3"))])

    now += 9
    wall.refresh()
    assert LOST not in {one.row_id for one in wall.shown.picked("failed")}
    now += 2
    wall.refresh()
    assert LOST in {one.row_id for one in wall.shown.picked("failed")}


def test_a_moved_row_is_found_by_its_new_number(bench: PageBench) -> None:
    ids = crowd(bench, 50)
    wall = Board(bench.campaign)
    wall.refresh(at_once=True)
    bench.store.rows.note(bench.campaign.key, (), ["", *reversed(ids[1:])])
    wall.refresh(at_once=True)

    assert [one.row_id for one in wall.shown.picked(search="row 54")] == [DONE]
    assert [card.shown.line for card in wall.row(DONE)] == [54]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("status=copy", "No row is “copy”."),
        ("q=zebra", "No row contains “zebra”."),
        ("status=done&q=zebra", "No row is “done” and contains “zebra”."),
    ],
)
def test_an_empty_search_result_names_the_search(
    bench: PageBench, asked: str, sentence: str
) -> None:
    with bench.visitor() as client:
        assert sentence in client.get(f"/?{asked}").text


def test_pause_and_resume_equal_the_commands(bench: PageBench) -> None:
    with bench.visitor() as client:
        form = {"csrf": bench.csrf(client)}
        client.post("/pause/1", data=form)
        assert bench.store.sheets.get(bench.campaign.key).paused
        client.post("/resume/1", data=form)
        assert not bench.store.sheets.get(bench.campaign.key).paused


def test_a_stop_by_a_rule_is_shown_and_ended_by_resume(bench: PageBench) -> None:
    settings, key = bench.campaign.settings, bench.campaign.key
    # A stop under another configuration does not count.
    bench.store.turns.stop(key, "another configuration", "")
    assert not sheet_status_of(bench.campaign, "").stopped
    bench.store.turns.stop(key, configuration_of(settings), "")
    with bench.visitor() as client:
        page = client.get("/").text
        assert 'action="/resume/1"' in page
        said = "A rule stopped the sending. Nothing more is sent until you press Resume."
        assert said in page
        assert said in client.get("/plan/1").text
        assert '<span data-text="state">Stopped</span>' in page
        assert bench.press(client, "retry", FAILED, asked="1") == "retry-paused"

        client.post("/resume/1", data={"csrf": bench.csrf(client)})
        assert bench.store.turns.of(key).stopped == ""
        page = client.get("/").text
    assert 'action="/pause/1"' in page
    assert "A rule stopped" not in page


def test_only_the_form_of_the_page_ends_a_stop(bench: PageBench) -> None:
    stopped = configuration_of(bench.campaign.settings)
    bench.store.turns.stop(bench.campaign.key, stopped, "")
    with bench.visitor() as client:
        assert client.post("/resume/1", data={"csrf": "guessed"}).status_code == 403
    assert bench.store.turns.of(bench.campaign.key).stopped == stopped


def test_a_missing_sheet_is_reported_and_the_page_still_works(bench: PageBench) -> None:
    sheet = bench.folder / "prompts.csv"
    sheet.rename(bench.folder / "away.csv")
    with bench.visitor() as client:
        page = client.get("/").text
        assert "a fox" in page
        assert "prompts.csv does not exist." in page
        assert bench.press(client, "again", again="0") == "changed"
        (bench.folder / "away.csv").rename(sheet)
        assert bench.press(client, "again", again="0") == "again"
        assert "does not exist" not in client.get("/").text


def test_a_locked_store_is_reported_and_nothing_is_done(bench: PageBench) -> None:
    file = bench.folder / "promptsheet.db"
    with bench.visitor() as client:
        csrf = bench.csrf(client)
        bench.store.close()
        file.rename(bench.folder / "away.db")
        file.write_text("no store at all, but some text that is long enough to be read")
        answer = client.post(f"/again/1/{DONE}/1", data={"csrf": csrf, "again": "0"})
        assert answer.headers["location"].endswith("said=full")
        (bench.folder / "away.db").replace(file)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('token = "env:PAGE_TOKEN"', "page.token: is too short to be safe"),
        ('token = "short"', "page.token: name where it is kept"),
        ('listen = "here"', 'page.listen: write a host and a port, such as "127.0.0.1:8641"'),
        ('public_url = "pictures"', "page.public_url: write an address without a path"),
    ],
)
def test_an_insecure_page_configuration_is_refused(
    tmp_path: Path, table: str, sentence: str
) -> None:
    (tmp_path / "c.toml").write_text(f'[sheet]\nsource = "p.csv"\n[page]\n{table}\n')

    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load(tmp_path / "c.toml", environ={"PAGE_TOKEN": "short"})
