"""The call of `[schedule] ping_url` after each pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import ConfigError
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from pipeline.sync import heartbeat
from tests.fakes.cases import each
from tests.fakes.monitor import Monitor, monitoring
from tests.fakes.program import KEY, KEY_NAME, ROOT, Program
from tests.fakes.service import service
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = None


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with monitoring() as its:
        yield its


def configure(team: Team, monitor: Monitor, more: str = "") -> None:
    team.configure(f'[media]\nsave_to = ""\n[schedule]\nping_url = "{monitor.url}"\n{more}')


def a_minute_later(team: Team) -> None:
    """The last call was a minute ago."""
    with Store(
        f"sqlite:///{team.folder / 'promptsheet.db'}",
        now=lambda: datetime.now(UTC) - timedelta(seconds=61),
    ) as store:
        # A time in the future counts as none.
        assert store.heartbeats.take(heartbeat.name_of(team.config), timedelta(days=1))


def test_each_pass_calls_the_service_at_most_once_a_minute(
    team: Team, monitor: Monitor, api: Sandbox
) -> None:
    configure(team, monitor)
    team.write("prompt", "a fox", "an owl [refuse]")

    assert team.finish().code == 1  # a row needs a person: the pass worked
    assert monitor.calls == ["/ping/4e1d?a=b"]
    team.run()
    assert len(monitor.calls) == 1
    a_minute_later(team)
    team.run()
    team.run()
    assert monitor.calls == ["/ping/4e1d?a=b"] * 2
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_pass_with_nothing_to_do_calls_it_and_loads_neither_store_nor_client(
    team: Team, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_NAME, KEY)
    configure(team, monitor)
    team.write("prompt", "a fox")
    assert team.finish().code == team.finish().code == 0
    a_minute_later(team)

    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", "run", team.config],
        capture_output=True,
        text=True,
        check=True,
    )

    assert monitor.calls == ["/ping/4e1d?a=b"] * 2
    assert not any(name in done.stderr for name in ("sqlalchemy", "httpx", "aiohttp"))


def test_a_pass_that_failed_calls_it_with_fail(team: Team, monitor: Monitor) -> None:
    configure(team, monitor)
    team.write("prompt", "a fox")
    team.sheet.chmod(0)
    team.sheet.unlink()
    team.sheet.mkdir()

    assert team.run().code >= 2
    assert monitor.calls == ["/ping/4e1d/fail?a=b"]


def test_watch_calls_it(team: Team, monitor: Monitor) -> None:
    team.write_prompts(["a fox"])
    config = service(team, schedule={"every": "1s", "ping_url": monitor.url})
    with Program("watch", config) as program:
        program.until(lambda: team.statuses()["done"] == 1, "the row is done")
        program.until(lambda: bool(monitor.calls), "the service was called")

    assert monitor.calls == ["/ping/4e1d?a=b"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_the_service_answers_changes_nothing_and_its_address_is_in_no_log(
    team: Team, monitor: Monitor, status: int
) -> None:
    monitor.status = status
    configure(team, monitor)
    team.write("prompt", "a fox")
    ended = team.finish("-v")

    assert (ended.code, team.rows()[0]["status"]) == (0, "done")
    assert monitor.calls == ["/ping/4e1d?a=b"]  # no redirect was followed
    assert f"ping_url was not reached: {status}" in ended.err
    assert "4e1d" not in ended.said


def test_a_service_that_is_not_there_changes_nothing(team: Team) -> None:
    configure(team, Monitor("http://127.0.0.1:9/ping"))
    team.write("prompt", "a fox")
    ended = team.finish()

    assert (ended.code, ended.said, team.rows()[0]["status"]) == (0, "", "done")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x4e1d",
        "http://127.0.0.1.example.com/x4e1d",
        "ftp://127.0.0.1/x4e1d",
        "https:///x4e1d",
        "https://a:b@example.com/x4e1d",
        "https://example.com:x/x4e1d",
        "https://example.com/x 4e1d",
        "example.com/x4e1d",
    ],
)
def test_an_address_that_others_could_read_on_the_way_is_refused(team: Team, url: str) -> None:
    team.configure(f'[schedule]\nping_url = "{url}"\n')
    with pytest.raises(ConfigError, match=r"schedule\.ping_url") as caught:
        load(team.config)

    assert "4e1d" not in str(caught.value)


def test_the_address_may_be_kept_outside_the_configuration(team: Team) -> None:
    path: Path = team.configure('[schedule]\nping_url = "env:PING"\n')
    settings = load(path, environ={"PING": "https://hc-ping.com/4e1d", KEY_NAME: KEY})

    assert settings.schedule.ping_url
    assert settings.schedule.ping_url.reveal() == "https://hc-ping.com/4e1d"
    assert "4e1d" not in repr(settings)
    with pytest.raises(ConfigError, match=r"schedule\.ping_url"):
        load(path, need_key=True, environ={KEY_NAME: KEY})


@each(
    ("url", "called"),
    [
        ("https://a.example/x", "https://a.example/x/fail"),
        ("https://a.example/x/", "https://a.example/x/fail"),
        ("https://a.example/x?status=up", "https://a.example/x/fail?status=up"),
    ],
)
def test_fail_is_at_the_end_of_the_path(url: str, called: str) -> None:
    assert heartbeat.address_of(url, worked=False) == called
    assert heartbeat.address_of(url, worked=True) == url


def test_doctor_reaches_the_service_without_a_call_and_never_shows_its_address(
    team: Team, monitor: Monitor
) -> None:
    configure(team, monitor)
    team.write("prompt", "a fox")
    team.finish()
    calls = list(monitor.calls)
    doctor = team.start("doctor", team.config)

    assert "The service of [schedule] ping_url can be reached. It was not called" in doctor.out
    assert monitor.calls == calls
    assert "4e1d" not in doctor.out
