"""No one gets in: who may see the page, and whose clicks count."""

from __future__ import annotations

import asyncio
import html
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
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
from pipeline.page import routes
from pipeline.page.attempt_limit import EACH_SECOND, MOST_CALLERS, Tries
from pipeline.page.auth import Authenticator
from pipeline.page.board import MANY, PAGE, Board
from pipeline.store import Fact, Intent, Limits, Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import hosted

TOKEN = "a token that nobody can guess"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
DONE, FAILED, LOST = "r_000000001", "r_000000002", "r_000000003"


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class House:
    """A page with one row that is done, one that failed, and one that nobody knows of."""

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
    def stranger(self, **how: Any) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.address, trust_env=False, **how) as client:
            yield client

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        with self.stranger() as client:
            client.headers["Origin"] = self.address
            assert client.post(self.gate.link("").removeprefix("http://")).status_code == 303
            yield client

    def csrf(self, client: httpx.Client) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', client.get("/").text)
        assert found
        return found[1]

    def press(self, client: httpx.Client, what: str, row_id: str = DONE, **more: str) -> str:
        """Press a button: what the page says afterwards."""
        form = {"csrf": self.csrf(client), **more}
        answer = client.post(f"/{what}/1/{row_id}/1", data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("said=")[2]


@contextmanager
def opened(folder: Path, page: PageSettings, more: str = "") -> Iterator[House]:
    (folder / "page.toml").write_text(f'[sheet]\nsource = "prompts.csv"\n{more}')
    rows = [(DONE, "a fox"), (FAILED, "an owl"), (LOST, "a crow")]
    lines = [f"{prompt},{row_id},,,," for row_id, prompt in rows]
    header = "prompt,row_id,status,task_id,image_urls,note"
    (folder / "prompts.csv").write_text("\n".join([header, *lines]) + "\n")
    media = folder / "media"
    media.mkdir()
    (media / "fox.png").write_bytes(PNG)
    (folder / "secret.png").write_bytes(PNG)
    settings = wiring.load(folder / "page.toml")
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
            store.jobs.save_file(jobs[0], 1, url, name)
        clock = Clock()
        gate = Authenticator(page, clock, sessions=store.sessions)
        house = House(folder, Campaign(settings, store, key), gate, clock=clock)
        with hosted([house.campaign], house.gate) as house.address:
            yield house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, PageSettings(wanted=True)) as one:
        yield one


@pytest.fixture
def with_token(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, PageSettings(wanted=True, token=Secret(TOKEN))) as one:
        yield one


PLACE = {"sheet": "1", "row_id": DONE, "take": "1", "number": "1", "code": "x", "name": "page.css"}


def paths(house: House) -> list[tuple[str, str]]:
    """Every route of the page, with real words in it: method and path."""
    found = []
    for route in routes([house.campaign], house.gate):
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: PLACE[m[1]], route.path)
        found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def test_who_is_in_already_does_not_use_up_a_link(house: House) -> None:
    link = house.gate.link("").removeprefix("http://")
    origin = {"Origin": house.address}
    with house.visitor() as client:
        told = [client.get(link).headers["location"] for _ in range(2)]
    with house.stranger(headers=origin) as first, house.stranger(headers=origin) as second:
        let_in, kept_out = first.post(link), second.post(link)

    assert told == ["/", "/"]
    assert (let_in.status_code, kept_out.status_code) == (303, 403)


def test_without_the_cookie_nothing_is_shown_and_nothing_is_done(house: House) -> None:
    with house.stranger(headers={"Origin": house.address}) as client:
        told = {(m, p): client.request(m, p).status_code for m, p in paths(house)}

    doors = {
        ("GET", "/login"): 200,
        ("POST", "/login"): 403,
        ("GET", "/enter/x"): 403,
        ("POST", "/enter/x"): 403,
        ("GET", "/static/page.css"): 200,
    }
    shown = {("GET", "/"): 303, ("GET", f"/row/1/{DONE}/1"): 303}
    assert told == {one: (doors | shown).get(one, 401) for one in told}
    assert len(told) == 21
    assert state_of(house.store.jobs.all(house.campaign.key)[house.key(FAILED)]) is State.FAILED
    assert house.store.rows.extra_takes(house.campaign.key) == {}


def test_every_answer_says_what_a_browser_must_not_do(house: House) -> None:
    with house.visitor() as client:
        answers = [client.request(m, p) for m, p in paths(house) if "live" not in p]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy in (gates.POLICY, "default-src 'none'; sandbox")
        assert answer.headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in gates.POLICY
    assert gates.POLICY.startswith("default-src 'none'; img-src 'self'; script-src 'self'; ")


def test_a_link_works_once_and_not_for_ever(house: House) -> None:
    first, late = house.gate.link(house.address), house.gate.link(house.address)
    origin = {"Origin": house.address}
    with house.stranger(headers=origin) as client, house.stranger(headers=origin) as other:
        # Previews and scanners look at a link before the person does.
        assert [other.request(how, first).status_code for how in ("HEAD", "GET", "GET")] == [
            200
        ] * 3
        assert other.get("/").status_code == 303
        assert client.post(first).status_code == 303
        assert client.get("/").status_code == 200
        assert [other.post(first).status_code, other.get(first).status_code] == [403, 403]
        house.clock.at += gates.LINK_SECONDS + 1
        assert other.post(late).status_code == 403
        assert other.get("/").status_code == 303


def test_the_token_opens_and_is_found_nowhere_afterwards(
    with_token: House, capfd: pytest.CaptureFixture[str]
) -> None:
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
        answer = client.post("/login", data={"token": f" {TOKEN} "})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        page = client.get("/")

    assert page.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    for text in (cookie, page.text, str(page.url), "".join(capfd.readouterr()), repr(with_token)):
        assert TOKEN not in text


def test_who_guesses_is_warned_and_the_right_token_gets_in_all_the_same(with_token: House) -> None:
    form = {"token": "a guess"}
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
        told = [client.post("/login", data=form).status_code for _ in range(7)]
        assert told == [403] * 5 + [429] * 2
        assert client.post("/login", data={"token": TOKEN}).status_code == 303
        # Of a flood, no more are looked at than a token stands; a second later it is over.
        told = [client.post("/login", data=form).status_code for _ in range(20)]
        flooded = client.post("/login", data={"token": TOKEN})
        assert (told, flooded.status_code) == ([429] * 20, 429)
        assert flooded.headers["retry-after"] == "1"
        with_token.clock.at += 1
        assert client.post("/login", data={"token": TOKEN}).status_code == 303


def test_sign_in_and_metrics_share_one_count(with_token: House) -> None:
    gate, address = with_token.gate, ("192.0.2.7", 1)
    asked = Request({"type": "http", "client": address, "headers": []})
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
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


def test_tries_are_counted_before_their_bodies_are_there(with_token: House) -> None:
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
        # Those that are too many are answered though nobody has sent a body.
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
def test_who_guesses_behind_a_proxy_is_counted_alone_if_the_proxy_is_ours(
    tmp_path: Path, trusted: str, statuses: list[int]
) -> None:
    ours = f'[webhook]\ntrusted_proxies = ["{trusted}"]\n'
    page = PageSettings(wanted=True, token=Secret(TOKEN))
    with opened(tmp_path, page, ours) as house, house.stranger() as client:
        client.headers["Origin"] = house.address
        # One network may be written in several ways; it is still one.
        senders = [*["203.0.113.1", "::ffff:203.0.113.1"] * 3, "203.0.113.2"]
        told = [
            client.post("/login", data={"token": "a guess"}, headers={"X-Forwarded-For": one})
            for one in senders
        ]

    assert [one.status_code for one in told] == statuses


def test_a_crowd_of_guessers_takes_no_more_room_than_a_thousand() -> None:
    tries = Tries(Clock())
    for number in range(5000):
        tries.begin(caller_of(f"10.0.{number // 250}.{number % 250}"))
    for number in range(EACH_SECOND):
        assert tries.begin(caller_of(f"2001:db8::{number:x}"))

    assert len(tries) == MOST_CALLERS
    assert not tries.begin(caller_of("2001:db8::ffff"))


@pytest.mark.parametrize(
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
def test_one_caller_has_one_name_and_no_text_from_outside(host: str, caller: str) -> None:
    assert caller_of(host) == caller


def test_signing_in_returns_to_what_was_asked_for_and_leads_nowhere_else(
    with_token: House,
) -> None:
    place = f"/row/1/{DONE}/1?picture=2"
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
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


def test_a_cookie_opens_nothing_after_its_owner_has_signed_out(with_token: House) -> None:
    page = PageSettings(wanted=True, token=Secret(TOKEN))
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
        client.post("/login", data={"token": TOKEN})
        stolen = dict(client.cookies)
        csrf = with_token.csrf(client)
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
    with with_token.stranger(cookies=stolen) as thief:
        assert thief.get("/").headers["location"] == "/login"
        assert thief.get("/live/1").status_code == 401
    # Nor does it after a restart, which keeps everybody else signed in.
    restarted = Authenticator(page, with_token.clock, sessions=with_token.store.sessions)
    asked = Request({"type": "http", "headers": [(b"cookie", _cookie(stolen))]})
    assert restarted.visitor(stolen)
    assert not asyncio.run(restarted.is_signed_in(asked))


def test_news_are_no_longer_sent_to_a_visitor_who_has_signed_out(house: House) -> None:
    with house.visitor() as client, client.stream("GET", "/live/1") as news:
        csrf = house.csrf(client)
        lines = news.iter_lines()
        assert next(lines).startswith("retry")
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
        client.timeout = httpx.Timeout(20)
        assert len(list(lines)) < 20  # it comes to an end


def _cookie(cookies: dict[str, str]) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()


def test_the_page_takes_no_calls_of_the_api(with_token: House) -> None:
    with with_token.stranger() as client:
        for path in ("/hooks/x", "/hooks/"):
            assert client.post(path, json={}).status_code == 404


def test_numbers_in_addresses_that_are_too_long_are_no_trouble(
    with_token: House, caplog: pytest.LogCaptureFixture
) -> None:
    long = "9" * 5000
    with with_token.stranger(headers={"Origin": with_token.address}) as client:
        paths = (f"/row/{long}/x/1", f"/live/{long}", f"/row/1/x/{long}", f"/picture/1/x/1/{long}")
        assert {client.get(path).status_code for path in paths} == {404}
    with with_token.visitor() as client:
        assert {client.get(path).status_code for path in paths} == {404}
        assert client.get(f"/row/1/{DONE}/999999999").status_code == 404
    assert [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")] == []


def test_who_leaves_in_the_middle_of_a_form_leaves_no_trace_in_the_log(
    with_token: House, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = with_token.address.removeprefix("http://").split(":")
    head = f"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 9\r\n"
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(f"{head}\r\ntok".encode())
    with with_token.stranger() as client:
        assert client.get("/login").status_code == 200
    assert [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")] == []


def test_a_cookie_that_was_touched_or_is_too_old_is_none(house: House) -> None:
    with house.visitor() as client:
        good = client.cookies[house.gate.cookie]
        assert client.get("/").status_code == 200
        for bad in (f"{good}x", good[::-1], good.replace(".", "x", 1), "", "x.y.z"):
            answer = client.get("/", headers={"Cookie": f"{house.gate.cookie}={bad}"})
            assert (bad, answer.status_code) == (bad, 303)
        other = Authenticator(PageSettings(), house.clock)
        assert other.visitor({other.cookie: good}) is None
        house.clock.at += gates.SESSION_SECONDS + 1
        assert client.get("/").status_code == 303


def test_who_came_in_by_the_token_stays_in_when_the_page_is_started_anew(house: House) -> None:
    page = PageSettings(token=Secret(TOKEN))
    first, second = Authenticator(page, house.clock), Authenticator(page, house.clock)
    changed = Authenticator(PageSettings(token=Secret(TOKEN + "2")), house.clock)
    value = str(first._cookies.dumps(["session", int(house.clock.at)]))

    assert second.visitor({second.cookie: value})
    assert changed.visitor({changed.cookie: value}) is None


def test_a_form_counts_only_if_the_page_sent_it(house: House) -> None:
    with house.visitor() as client:
        csrf = house.csrf(client)
        good = {"csrf": csrf, "again": "0"}
        refused: list[tuple[dict[str, str], dict[str, str]]] = [
            ({"Origin": "https://evil.example"}, good),
            ({"Origin": "null"}, good),
            ({"Origin": house.address.replace("127.0.0.1", "localhost")}, good),
            ({"Sec-Fetch-Site": "cross-site"}, good),
            ({"Sec-Fetch-Site": "same-site"}, good),
            ({}, {"again": "0"}),
            ({}, {"csrf": csrf[:-1], "again": "0"}),
            ({}, {"csrf": "é", "again": "0"}),
            ({}, good | {"filler": "x" * 20_000}),
        ]
        told = [
            client.post(f"/again/1/{DONE}/1", headers=headers, data=form).status_code
            for headers, form in refused
        ]
        del client.headers["Origin"]
        told.append(client.post(f"/again/1/{DONE}/1", data=good).status_code)

    assert told == [403] * 10
    assert house.store.rows.extra_takes(house.campaign.key) == {}


def test_another_name_for_this_machine_is_not_answered(house: House) -> None:
    port = house.address.rpartition(":")[2]
    with house.visitor() as client:
        told = {
            host: client.get("/", headers={"Host": host}).status_code
            for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example")
        }
        for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "LOCALHOST"):
            assert client.get("/", headers={"Host": host}).status_code == 200
        for path in ("/login/", "/healthz/", "//evil.example/"):
            odd = client.get(path, headers={"Host": "evil.example"})
            assert "evil.example" not in odd.headers.get("location", "")

    assert set(told.values()) == {421}


def test_behind_a_tunnel_its_name_is_answered_and_the_cookie_is_for_https_only(
    tmp_path: Path,
) -> None:
    page = PageSettings(wanted=True, public_url="https://pictures.example.com")
    with opened(tmp_path, page) as house, house.stranger() as client:
        link = house.gate.link(house.address)
        assert link.startswith("https://pictures.example.com/enter/")
        path = link.removeprefix("https://pictures.example.com")
        named = {"Host": "pictures.example.com", "Origin": "https://pictures.example.com"}
        answer = client.post(path, headers=named)

        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_only_saved_pictures_are_given_and_each_as_what_it_is(house: House) -> None:
    with house.visitor() as client:
        told = [client.get(f"/picture/1/{DONE}/1/{number}") for number in range(9)]
        assert [one.status_code for one in told] == [404, 200, 404, 404, 404, 404, 200, 404, 404]
        picture, film = told[1], told[6]
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


def test_a_part_of_a_film_is_a_part_and_not_the_whole_of_it(house: House) -> None:
    with house.visitor() as client:
        address = f"/picture/1/{DONE}/1/6"
        whole = client.get(address)
        part = client.get(address, headers={"Range": "bytes=4-11"})
        beyond = client.get(address, headers={"Range": "bytes=4000-"})

    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    assert (part.status_code, part.content) == (206, whole.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(whole.content)}"
    assert part.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert beyond.status_code == 416


def test_make_again_counts_once_for_what_the_page_showed(house: House) -> None:
    with house.visitor() as client:
        assert house.press(client, "again", again="0") == "again"
        assert house.press(client, "again", again="0") == "changed"
        # Asked for, and not made yet: a second one would be a jump.
        assert house.press(client, "again", again="1") == "changed"
        page = client.get("/").text
        assert "Take 2 comes with the next run." in page
        assert "Take 1 was asked for" not in page

    assert house.store.rows.extra_takes(house.campaign.key) == {DONE: 1}


def test_an_edited_row_shows_what_its_sheet_says_now_and_is_found_by_it(house: House) -> None:
    store, key = house.store, house.campaign.key
    store.rows.note(key, [KnownRow(DONE, canonical({"prompt": "a wolf"}), 1, since=wiring.now())])
    with house.visitor() as client:
        large = client.get(f"/row/1/{DONE}/1").text
        pages = [client.get(f"/?q={word}").text for word in ("wolf", "fox")]

    assert re.search(r"Now in the sheet:</span>\s*<span[^>]*>a wolf<", large)
    assert "a fox" in large
    assert [page.count('<li class="card') for page in pages] == [1, 1]


def test_retry_asks_for_one_more_attempt_and_for_what_may_be_paid_only_who_was_told(
    house: House,
) -> None:
    with house.visitor() as client:
        assert house.press(client, "retry", FAILED, asked="1") == "retry"
        assert house.press(client, "retry", FAILED, asked="1") == "changed"
        assert house.press(client, "retry", DONE, asked="1") == "changed"
        assert house.press(client, "retry", LOST, asked="1") == "changed"
        assert house.press(client, "retry", LOST, asked="1", unknown="yes") == "retry"

    asked = {key.row_id: job.asked for key, job in house.store.jobs.all(house.campaign.key).items()}
    assert asked == {DONE: 1, FAILED: 2, LOST: 2}


def test_a_retry_from_a_page_that_shows_an_earlier_failure_asks_for_nothing(house: House) -> None:
    with house.visitor() as client:
        assert house.press(client, "retry", FAILED, asked="1") == "retry"
        again = Intent(house.key(FAILED), 2, "{}", ("prompt",), "imagine", 4, 60)
        house.store.attempts.begin([again], Limits("key", "run", "day"))
        house.store.attempts.record([Fact(house.key(FAILED), 2, Failed("no", task_id="t-9"))])

        # It failed once more. Two people have had the page open since the first failure.
        for stale in ("1", "0", "", "3", "x"):
            assert house.press(client, "retry", FAILED, asked=stale) == "changed"
        assert house.press(client, "retry", FAILED, asked="2") == "retry"

    job = house.store.jobs.get(house.key(FAILED))
    assert job
    assert job.asked == 3


def test_what_was_dismissed_comes_back_when_something_happens_to_it(house: House) -> None:
    with house.visitor() as client:
        assert house.press(client, "dismiss", FAILED) == "dismissed"
        assert house.press(client, "dismiss", DONE) == "changed"
        assert "an owl" not in client.get("/").text
        assert "an owl" in client.get("/?status=dismissed").text
        house.store.attempts.record(
            [Fact(house.key(FAILED), 1, Succeeded(Result(), task_id="t-2"))]
        )
        assert house.press(client, "dismiss", DONE) == "changed"  # it looks at once
        assert "an owl" in client.get("/").text


def test_a_row_that_no_job_answers_for_is_put_out_of_sight_until_it_says_anything_else(
    house: House,
) -> None:
    store, key, row_id = house.store, house.campaign.key, "r_000000004"
    known = KnownRow(row_id, canonical({"prompt": "a hen"}), 1, since=wiring.now())
    store.rows.note(key, [known], ["", DONE, FAILED, LOST, row_id])
    sheet = house.folder / "prompts.csv"
    rows = sheet.read_text()
    cells = f"{rows}a hen,{row_id},invalid,,,The aspect ratio is none."
    sheet.write_text(f"{cells}\n")
    with house.visitor() as client:
        assert house.press(client, "dismiss", row_id) == "dismissed"
        assert house.press(client, "dismiss", row_id) == "changed"
        away = client.get("/").text, client.get("/?status=dismissed").text
        assert ["a hen" in page for page in away] == [False, True]
        assert house.press(client, "restore", row_id) == "restored"
        assert "a hen" in client.get("/").text

        assert house.press(client, "dismiss", row_id) == "dismissed"
        store.rows.note(key, [known])  # the next pass reads it, as it was
        house.press(client, "dismiss", DONE)  # looks at once
        assert "a hen" not in client.get("/").text
        sheet.write_text(f"{cells} Nor is the seed.\n")
        house.press(client, "dismiss", DONE)
        assert "a hen" in client.get("/").text

    assert list(store.rows.dismissed(key)) == [row_id]
    assert store.jobs.all(key).keys() == {house.key(one) for one in (DONE, FAILED, LOST)}


def crowd(house: House, most: int) -> list[str]:
    """Put so many more rows into the store, each with a job whose turn comes: all ids in order."""
    store, key = house.store, house.campaign.key
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


def test_of_very_many_rows_the_newest_are_there_before_all_are_counted(house: House) -> None:
    crowd(house, MANY)
    with house.visitor() as client:
        first = client.get("/").text
        parts = []
        while "in a moment" in (found := client.get("/?q=hen+n00100").text):
            parts.append(found)

    assert first.count('<li class="card') == PAGE
    assert "hen n00100<" in first
    assert "These are the newest 60 rows." in first
    assert f'<dd data-text="rows">{MANY + 3:,}</dd>' in first
    # Whoever looks for something is told how far it was looked for, and in the end has all of it.
    assert all(f"of {MANY + 3:,} rows so far." in part for part in parts)
    assert found.count('<li class="card') == 1
    assert f'<b data-text="count all">{MANY + 3:,}</b>' in found


@contextmanager
def asked_of(store: Store) -> Iterator[list[str]]:
    """The tables that a store is asked for, each as often as it is."""
    tables: list[str] = []

    def note(*about: Any) -> None:
        tables.extend(re.findall(r"(?:FROM|JOIN) (\w+)", about[2]))

    event.listen(store._database.engine, "before_cursor_execute", note)
    try:
        yield tables
    finally:
        event.remove(store._database.engine, "before_cursor_execute", note)


def test_a_wall_at_which_nothing_changed_reads_no_row_and_no_job_again(house: House) -> None:
    wall = Board(house.campaign)
    wall.refresh(at_once=True)
    before = wall.shown.revision, wall.shown.summaries
    with asked_of(house.store) as tables:
        wall.refresh(at_once=True)

    assert "attempts" not in tables
    # But for those that somebody put out of sight, which an index knows.
    assert tables.count("known_rows") == 1
    assert (wall.shown.revision, wall.shown.summaries) == before


def test_of_many_rows_only_those_are_worked_out_again_that_changed(house: House) -> None:
    store, key = house.store, house.campaign.key
    ids = crowd(house, 300)
    wall = Board(house.campaign)
    wall.refresh_until_complete(60)
    sheet, before = house.folder / "prompts.csv", {one.row_id: one for one in wall.shown.summaries}
    # One is told by the API, one was noted by a run, one says something else in the sheet.
    store.attempts.record([Fact(house.key(LOST), 1, Failed("no", task_id="t-3"))])
    store.rows.note(key, [KnownRow(FAILED, canonical({"prompt": "a wren"}), 1, since=wiring.now())])
    sheet.write_text(f"{sheet.read_text()}hen n00100,{ids[4]},invalid,,,Write more.\n")
    revision = wall.shown.revision
    wall.refresh(at_once=True)

    changed = {one.row_id for one in wall.shown.summaries if before[one.row_id] is not one}
    assert changed == {LOST, FAILED, ids[4]}
    assert wall.shown.revision == revision + 1
    assert [one.row_id for one in wall.shown.picked("invalid")] == [ids[4]]
    assert [one.row_id for one in wall.shown.picked("failed")] == [FAILED, LOST]


def test_a_row_that_moves_in_its_sheet_is_found_by_its_new_number(house: House) -> None:
    ids = crowd(house, 50)
    wall = Board(house.campaign)
    wall.refresh(at_once=True)
    house.store.rows.note(house.campaign.key, (), ["", *reversed(ids[1:])])
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
def test_where_nothing_is_found_it_says_what_was_looked_for(
    house: House, asked: str, sentence: str
) -> None:
    with house.visitor() as client:
        assert sentence in client.get(f"/?{asked}").text


def test_pause_and_resume_are_those_of_the_commands(house: House) -> None:
    with house.visitor() as client:
        form = {"csrf": house.csrf(client)}
        client.post("/pause/1", data=form)
        assert house.store.sheets.get(house.campaign.key).paused
        client.post("/resume/1", data=form)
        assert not house.store.sheets.get(house.campaign.key).paused


def test_the_sheet_need_not_be_there_and_where_it_is_not_that_is_said(house: House) -> None:
    sheet = house.folder / "prompts.csv"
    sheet.rename(house.folder / "away.csv")
    with house.visitor() as client:
        page = client.get("/").text
        assert "a fox" in page
        assert "prompts.csv does not exist." in page
        assert house.press(client, "again", again="0") == "changed"
        (house.folder / "away.csv").rename(sheet)
        assert house.press(client, "again", again="0") == "again"
        assert "does not exist" not in client.get("/").text


def test_a_store_that_is_locked_is_said_and_nothing_is_done(house: House) -> None:
    file = house.folder / "promptsheet.db"
    with house.visitor() as client:
        csrf = house.csrf(client)
        house.store.close()
        file.rename(house.folder / "away.db")
        file.write_text("no store at all, but some text that is long enough to be read")
        answer = client.post(f"/again/1/{DONE}/1", data={"csrf": csrf, "again": "0"})
        assert answer.headers["location"].endswith("said=full")
        (house.folder / "away.db").replace(file)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('token = "env:PAGE_TOKEN"', "page.token: is too short to be safe"),
        ('token = "short"', "page.token: name where it is kept"),
        ('listen = "here"', 'page.listen: write a host and a port, such as "127.0.0.1:8641"'),
        ('public_url = "pictures"', "page.public_url: write an address without a path"),
    ],
)
def test_a_page_that_cannot_be_safe_is_refused(tmp_path: Path, table: str, sentence: str) -> None:
    (tmp_path / "c.toml").write_text(f'[sheet]\nsource = "p.csv"\n[page]\n{table}\n')

    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load(tmp_path / "c.toml", environ={"PAGE_TOKEN": "short"})
