"""Outlets are opened from a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import MissingExtra
from pipeline.core.outlets.outbox import Delivered
from pipeline.open_outlets import open_outlet
from pipeline.outlets import Outlet
from pipeline.server import event_loop
from tests.fakes.outlets.chat_services import channel
from tests.fakes.outlets.mail_server import mail_server
from tests.outlets.test_chats import row


def opened(folder: Path, table: str, **environ: str) -> Outlet:
    """The outlet of this table."""
    file = folder / "promptsheet.toml"
    file.write_text(f'[sheet]\nsource = "prompts.csv"\n[[outlets]]\n{table}\n')
    (settings,) = load(file, need_key=False, environ=environ).outlets
    return open_outlet(settings, link="https://pictures.example.com")


@pytest.mark.parametrize("kind", ["slack", "teams", "discord"])
def test_a_chat_is_opened_with_the_keys_of_its_table(tmp_path: Path, kind: str) -> None:
    with channel(kind) as (place, _, url):
        outlet = opened(tmp_path, f'kind = "{kind}"\nurl = "env:U"\npictures = 1', U=url)

        async def run() -> object:
            results = await outlet.deliver([row(1), row(2)])
            await outlet.close()
            return results

        assert event_loop.run(run()) == [Delivered()] * 2

    assert len(place.pictures()) == 1
    assert "Open the page" in str(place.posted)


def test_apprise_is_opened_with_the_keys_of_its_table(tmp_path: Path) -> None:
    file = tmp_path / "fox.png"
    file.write_bytes(b"x")
    with mail_server() as server:
        outlet = opened(
            tmp_path,
            'kind = "apprise"\nurl = "env:U"\nattach = true\nsend = "rows"',
            U=f"mailto://user:pw@127.0.0.1:{server.port}?from=us@example.com&to=a@example.com",
        )
        assert event_loop.run(outlet.deliver([row(1, files=(file,))])) == [Delivered()]

    assert outlet.pace.most == 1
    assert server.mails[0]["subject"] == "fox-1"
    assert [one.get_filename() for one in server.mails[0].iter_attachments()] == ["fox.png"]


@pytest.mark.parametrize(
    ("table", "address", "extra"),
    [
        ('kind = "apprise"\nurl = "env:U"', "json://localhost", "chat"),
        (
            'kind = "airtable"\ntoken = "env:U"\nbase = "appX1234567890123"\ntable = "t"',
            "p",
            "airtable",
        ),
        (f'kind = "notion"\ntoken = "env:U"\ndatabase = "{"1a" * 16}"', "ntn", "notion"),
        ('kind = "sql"\nurl = "env:U"\ntable = "t"', "postgresql://a@db/x", "postgresql"),
        ('kind = "sql"\nurl = "env:U"\ntable = "t"', "mysql://a@db/x", "mysql"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, address: str, extra: str
) -> None:
    monkeypatch.setattr("pipeline.open_outlets.find_spec", lambda name: None)
    for driver in ("psycopg", "pymysql"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(MissingExtra, match=rf"promptsheet\[{extra}\]"):
        opened(tmp_path, table, U=address)
