"""People with tokens of their own: the history says who did what, and who left is out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.config import PageSettings, Secret, load
from pipeline.core.errors import ConfigError
from pipeline.core.inputs import canonical
from pipeline.core.model import KnownRow
from pipeline.core.pictures.picks import NOTHING_PICKED
from pipeline.core.rows.approval import asked_for
from pipeline.page.auth import Authenticator
from pipeline.store import RowEventKind, Store
from tests.page.test_auth import DONE, FAILED, TOKEN, Clock, PageBench, opened
from tests.store.build import NOON

ANNA, BEA = Secret("the token of anna"), Secret("the token of bea")
HOSTILE = "<b>bea</b>"
PAGE = PageSettings(wanted=True, token=Secret(TOKEN), people={"anna": ANNA, HOSTILE: BEA})


@pytest.fixture
def team(tmp_path: Path) -> Iterator[PageBench]:
    with opened(tmp_path, PAGE) as one:
        yield one


@contextmanager
def signed_in(bench: PageBench, token: Secret) -> Iterator[httpx.Client]:
    with bench.without_cookie(headers={"Origin": bench.address}) as client:
        assert client.post("/login", data={"token": token.reveal()}).status_code == 303
        yield client


def history(client: httpx.Client, row_id: str) -> str:
    page = client.get(f"/row/1/{row_id}/1").text
    found = re.search(r'<ol class="history">(.*?)</ol>', page, re.DOTALL)
    assert found
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


def test_the_history_says_who_asked_and_names_nobody_for_the_common_token(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna, signed_in(team, Secret(TOKEN)) as anyone:
        assert team.press(anna, "again", again="0") == "again"
        assert team.press(anyone, "again", again="0") == "changed"
        assert team.press(anyone, "retry", FAILED, asked="1") == "retry"
        assert "Asked for on the page by anna take 2" in history(anyone, DONE)
        assert "Requested again on the page\n" in history(anyone, FAILED).replace("  ", "\n")
        assert "Signed in as" in anna.get("/").text
        assert "Signed in as" not in anyone.get("/").text

    events = team.store.row_events.of(team.campaign.key, DONE)
    assert [(one.kind, one.take, one.person) for one in events] == [
        (RowEventKind.REQUESTED, 2, "anna")
    ]
    assert team.store.rows.extra_takes(team.campaign.key) == {DONE: 1}


def test_a_name_is_text(team: PageBench) -> None:
    with signed_in(team, BEA) as bea:
        assert team.press(bea, "again", again="0") == "again"
        pages = [bea.get("/").text, bea.get(f"/row/1/{DONE}/1").text]

    for page in pages:
        assert HOSTILE not in page
        assert html.escape(HOSTILE) in page


def test_the_session_of_a_removed_person_or_token_ends_and_no_other(team: PageBench) -> None:
    def sees(page: PageSettings, cookie: str) -> str | None:
        gate = Authenticator(page, team.clock)
        visitor = gate.visitor({gate.cookie: cookie})
        return visitor.person if visitor else None

    def cookie_of(token: Secret) -> str:
        with signed_in(team, token) as client:
            return client.cookies[team.gate.cookie]

    anna, bea, anyone = cookie_of(ANNA), cookie_of(BEA), cookie_of(Secret(TOKEN))
    left = PageSettings(token=Secret(TOKEN), people={"anna": ANNA})
    other = PageSettings(
        token=Secret(TOKEN), people={"anna": Secret("another token"), HOSTILE: BEA}
    )
    renamed = PageSettings(token=Secret(TOKEN), people={"ann": ANNA})

    assert [sees(PAGE, one) for one in (anna, bea, anyone)] == ["anna", HOSTILE, ""]
    assert [sees(left, one) for one in (anna, bea, anyone)] == ["anna", None, ""]
    assert [sees(other, one) for one in (anna, bea, anyone)] == [None, HOSTILE, ""]
    assert sees(renamed, anna) is None


def test_people_alone_stay_signed_in_after_a_restart_and_may_sign_out() -> None:
    page = PageSettings(people={"anna": ANNA})
    first, second = Authenticator(page, Clock()), Authenticator(page, Clock())
    assert first.has_token
    assert "works once" not in first.where_to_sign_in("http://x")
    assert first.cookie == second.cookie != Authenticator(PageSettings(), Clock()).cookie


def test_signing_out_ends_the_session_of_one_person_only(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna, signed_in(team, BEA) as bea:
        cookie = {"Cookie": f"{team.gate.cookie}={anna.cookies[team.gate.cookie]}"}
        assert anna.post("/logout", data={"csrf": team.csrf(anna)}).status_code == 303
        assert anna.get("/", headers=cookie).status_code == 303
        assert bea.get("/").status_code == 200
        # A form of one person is refused from another.
        with signed_in(team, ANNA) as again:
            form = {"csrf": team.csrf(again), "again": "0"}
        assert bea.post(f"/again/1/{DONE}/1", data=form).status_code == 403


def test_wrong_tokens_of_people_are_limited_like_others(team: PageBench) -> None:
    with team.without_cookie(headers={"Origin": team.address}) as client:
        form = {"token": "the token of cleo"}
        answers = [client.post("/login", data=form).status_code for _ in range(7)]
        assert answers == [403] * 5 + [429] * 2
        assert client.post("/login", data={"token": ANNA.reveal()}).status_code == 303


def test_a_tick_in_the_sheet_is_in_the_history_once(tmp_path: Path) -> None:
    row = KnownRow("r_000000001", canonical({"prompt": "a fox"}), 1, since=NOON)
    ticked = replace(row, approved="x", approved_for=asked_for(row, 1, NOTHING_PICKED))
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        for one in (row, ticked, ticked, row):
            store.rows.note("sheet", [one])
        assert store.rows.approve("sheet", row.row_id, row.inputs, "1", 1, "anna")
        assert store.rows.approve("sheet", row.row_id, row.inputs, "", 1, by_sheet=True)
        events = store.row_events.of("sheet", row.row_id)

    assert [(one.kind, one.take, one.person) for one in events] == [
        (RowEventKind.TICKED, 1, ""),
        (RowEventKind.UNTICKED, 1, ""),
        (RowEventKind.APPROVED, 1, "anna"),
        (RowEventKind.UNTICKED, 1, ""),
    ]


def test_each_mistake_in_people_has_a_sentence(tmp_path: Path) -> None:
    def problems(people: str, **environ: str) -> str:
        (tmp_path / "p.toml").write_text(
            f'[sheet]\nsource = "p.csv"\n[page]\ntoken = "env:PAGE"\npeople = {people}\n'
        )
        with pytest.raises(ConfigError) as caught:
            load(
                tmp_path / "p.toml",
                environ={"APIFRAME_API_KEY": "k" * 30, **environ},
                need_key=True,
            )
        return str(caught.value)

    env: dict[str, Any] = {"PAGE": TOKEN, "ANNA": ANNA.reveal()}
    assert "page.people.anna: is the same as page.token" in problems(
        '{ anna = "env:ANNA" }', PAGE=TOKEN, ANNA=TOKEN
    )
    assert "page.people.bea: is the same as page.people.anna" in problems(
        '{ anna = "env:ANNA", bea = "env:ANNA" }', **env
    )
    assert "page.people.anna: is too short" in problems(
        '{ anna = "env:ANNA" }', PAGE=TOKEN, ANNA="x"
    )
    assert 'page.people.anna: "env:NONE" is not set' in problems('{ anna = "env:NONE" }', **env)
    assert "page.people: ' anna' is no name" in problems('{ " anna" = "env:ANNA" }', **env)
    assert ANNA.reveal() not in problems('{ anna = "env:ANNA", bea = "env:ANNA" }', **env)
