"""Digests from the real program: what people read in each chat after a run."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.outlets.chat_services import Channel, SlackChannel, channel
from tests.fakes.outlets.mail_server import mail_server
from tests.fakes.program import Program, until
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, serving

ROWS = 12
CHATS = ("slack", "teams", "discord")


def outlet(team: Team, kind: str, url: str, more: str = "") -> str:
    """The table of an outlet at this address."""
    (team.folder / f"{kind}.url").write_text(url)
    return f'[[outlets]]\nkind = "{kind}"\nurl = "file:{kind}.url"\n{more}'


def with_rows(team: Team, tables: str) -> Path:
    team.write("prompt,name", *(f"a fox,fox <{n}>" for n in range(ROWS)), "no fox [refuse],bad one")
    return team.configure(f'[media]\nsave_to = ""\n{tables}')


def done(text: str) -> list[int]:
    """How many rows are done, by each digest in this text."""
    return list(map(int, re.findall(r"\bDone:?\s(\d+)", text)))


def test_a_run_ends_with_one_digest_in_each_place(team: Team) -> None:
    with ExitStack() as stack:
        chats: dict[str, Channel] = {}
        tables = ""
        for kind in CHATS:
            chats[kind], _, url = stack.enter_context(channel(kind))
            tables += outlet(team, kind, url)
        server = stack.enter_context(mail_server())
        mail = f"mailto://us:pw@127.0.0.1:{server.port}?from=us@example.com&to=team@example.com"
        with_rows(team, tables + outlet(team, "apprise", mail))
        team.finish()
        team.finish()

    texts = {kind: chat.shown() for kind, chat in chats.items()}
    (sent,) = server.mails
    body = sent.get_body(("plain",))
    assert body is not None
    texts["mail"] = f"{sent['subject']}\n{body.get_content()}"
    for kind, text in texts.items():
        assert done(text) == [ROWS], kind
        assert f"{ROWS} done, 1 needs attention" in text
        assert f"Row {ROWS + 2} · bad one (failed)" in text
        assert "Apiframe credits" in text
    assert {kind: len(chat.posted) for kind, chat in chats.items()} == dict.fromkeys(CHATS, 1)


def test_each_row_can_be_told_by_itself(team: Team) -> None:
    with channel("slack") as (place, _, url):
        with_rows(team, outlet(team, "slack", url, 'send = "rows"\nwhen = ["failed"]\n'))
        team.finish()

    assert len(place.posted) == 1
    assert place.shown().startswith("bad one")


def test_a_digest_that_may_have_arrived_is_repeated_and_says_so(team: Team) -> None:
    place, running = SlackChannel(), list[Program]()

    def accept(call: Call) -> Reply:
        reply = place.accept(call)
        if running:  # after the message was posted, and before the answer
            running.pop().kill()
        return reply

    with serving(accept) as service:
        config = with_rows(team, outlet(team, "slack", service.url + place.path))
        with Program("run", config, "--wait", folder=team.folder) as program:
            running.append(program)
            assert program.end().code == -9
        until(lambda: team.finish().code >= 0 and sum(done(place.shown())) >= ROWS, "all are told")

    assert "Possibly a repeat: the first try may have arrived." in place.shown()
    assert sum(done(place.shown())) >= ROWS
    assert team.statuses() == {"done": ROWS, "failed": 1}


@pytest.mark.parametrize("kind", CHATS)
def test_an_address_of_another_service_stops_a_run_before_it_pays(team: Team, kind: str) -> None:
    wrong = {"slack": "https://discord.com/api/webhooks/1/s3cr3t"}
    with_rows(team, outlet(team, kind, wrong.get(kind, "https://hooks.slack.com/services/s3cr3t")))
    ended = team.finish()

    assert ended.code == 2
    assert "address; write kind =" in ended.err
    assert "s3cr3t" not in ended.err
    assert "task_id" not in team.sheet.read_text()
