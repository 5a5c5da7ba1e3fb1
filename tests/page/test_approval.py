"""Rows approved on the page: paid once, and only for the prompt that was shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pipeline import wiring
from pipeline.config import PageSettings, load
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.sandbox.server import Sandbox
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import hosted
from tests.fakes.program import KEY, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team


@dataclass
class Desk:
    """A sheet that needs approval, and a visitor of its page."""

    team: Team
    config: Path
    sandbox: Sandbox
    client: httpx.Client

    def run(self) -> None:
        """One pass to its end."""
        ended = call("run", self.config, "--wait")
        assert ended.code in (0, 1), ended.said

    def form(self, what: str, row: int = 0) -> tuple[str, dict[str, str]]:
        """The address and the fields of a button on the page, for the row at that position."""
        row_id = self.team.rows()[row]["row_id"]
        button = rf'<form method="post" action="(/{what}/[^"]+)">(.*?)</form>'

        def found() -> re.Match[str] | None:
            return re.search(button, self.client.get(f"/row/1/{row_id}/1").text, re.DOTALL)

        # The page shows a change of the sheet within a second or two.
        until(found, f"there is a button {what}", every=0.1)
        form = found()
        assert form
        return form[1], dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))

    def offers(self, what: str, row: int = 0) -> bool:
        """True if the page shows that button for the row."""
        row_id = self.team.rows()[row]["row_id"]
        return f'action="/{what}/1/{row_id}/' in self.client.get(f"/row/1/{row_id}/1").text

    def press(self, address: str, form: dict[str, str]) -> str:
        """Press the button; returns the word for the outcome."""
        to = self.client.post(address, data=form).headers["location"]
        return parse_qs(urlsplit(to).query)["said"][0]

    @property
    def paid(self) -> int:
        """The tasks that the API accepted."""
        taken: int = self.sandbox.state()["tasks_taken"]
        return taken

    def edit(self, old: str, new: str) -> None:
        text = self.team.sheet.read_text()
        assert old in text
        self.team.sheet.write_text(text.replace(old, new))


@contextmanager
def desk_with(folder: Path, sheet: str, approval: bool = False, **rules: object) -> Iterator[Desk]:
    with sandbox_process(KEY, task_seconds=0.05, plain_pictures="true") as sandbox:
        team = Team(folder, sandbox.url)
        team.sheet.write_text(sheet)
        config = team.configured(tables={"rules": {"approval": approval, **rules}})
        settings = load(config)
        with Store(settings.store_url, now=wiring.now) as store:
            key = open_sheet(settings, store).key
            gate = Authenticator(PageSettings(wanted=True))
            with (
                hosted([Campaign(settings, store, key)], gate) as address,
                httpx.Client(base_url=address, trust_env=False) as client,
            ):
                client.headers["Origin"] = address
                assert client.post(gate.link("").removeprefix("http://")).status_code == 303
                yield Desk(team, config, sandbox, client)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_with(tmp_path, "prompt,approved,take\na fox,,\nan owl,false,\n") as one:
        one.run()
        assert one.team.statuses() == {"needs approval": 2}
        assert one.paid == 0
        yield one


def test_an_approved_row_is_sent_once_however_often_the_button_is_pressed(desk: Desk) -> None:
    desk.run()  # nothing changed: only the quick check runs
    address, form = desk.form("approve")
    assert [desk.press(address, form) for _ in range(3)] == ["approved", "changed", "changed"]
    assert "Approved on this page" in desk.client.get("/").text
    desk.run()
    desk.run()

    assert [row["status"] for row in desk.team.rows()] == ["done", "needs approval"]
    assert desk.paid == 1
    assert not desk.offers("approve")
    assert not desk.offers("unapprove")
    # The cell belongs to the team and is not changed.
    assert [row["approved"] for row in desk.team.rows()] == ["", "false"]


def test_the_note_of_a_row_made_again_says_that_its_next_take_waits_for_approval(
    desk: Desk,
) -> None:
    assert desk.press(*desk.form("approve")) == "approved"
    desk.run()
    assert desk.press(*desk.form("again")) == "again"
    desk.run()

    until(lambda: desk.offers("approve"), "there is a button approve", every=0.1)
    shown = desk.client.get("/").text
    assert "Take 2 waits for approval." in shown
    assert "Take 2 comes" not in shown
    assert desk.press(*desk.form("approve")) == "approved"
    assert "Take 2 comes with the next run." in desk.client.get("/").text
    desk.run()
    assert (desk.team.rows()[0]["status"], desk.paid) == ("done", 2)


def test_a_row_changed_after_its_approval_is_not_sent(desk: Desk) -> None:
    assert desk.press(*desk.form("approve")) == "approved"
    desk.edit("a fox", "a wolf")
    desk.run()

    assert (desk.team.statuses()["needs approval"], desk.paid) == (2, 0)
    # The current prompt can be approved as well.
    assert desk.press(*desk.form("approve")) == "approved"
    desk.run()
    assert (desk.team.rows()[0]["status"], desk.paid) == ("done", 1)


def test_the_page_and_the_sheet_agree_on_what_waits_for_approval(tmp_path: Path) -> None:
    with desk_with(tmp_path, "prompt,approved,take\nno fox [refuse],yes,\nan owl,yes,\n") as desk:
        desk.run()
        assert desk.team.statuses() == {"failed": 1, "done": 1}
        desk.edit("no fox [refuse]", "a hen")
        with desk.team.editing() as rows:
            rows[1]["take"] = "2"
        desk.run()
        assert desk.team.statuses() == {"needs approval": 2}

        def counted() -> bool:
            return 'data-text="count needs approval">2<' in desk.client.get("/").text

        until(counted, "the page counts both rows", every=0.1)
        listed = desk.client.get("/", params={"status": "needs approval"}).text
        assert ("a hen" in listed, "no fox" in listed, "an owl" in listed) == (True, False, True)
        assert "needs attention" not in listed.casefold()
        assert not desk.offers("retry"), "it would not be sent without an approval"
        for row in (0, 1):
            assert desk.press(*desk.form("approve", row)) == "approved"
        desk.run()
        assert desk.team.statuses() == {"done": 2}
        assert desk.sandbox.state()["tasks"] == {"an owl": 2, "a hen": 1}


def test_a_rejection_in_the_sheet_withdraws_an_approval_on_the_page(desk: Desk) -> None:
    assert desk.press(*desk.form("approve")) == "approved"
    desk.edit("a fox,,", "a fox,rejected,")
    desk.run()
    desk.edit("a fox,rejected,", "a fox,,")
    desk.run()
    desk.run()

    assert (desk.team.statuses()["needs approval"], desk.paid) == (2, 0)
    assert desk.press(*desk.form("approve")) == "approved"
    desk.run()
    assert (desk.team.rows()[0]["status"], desk.paid) == ("done", 1)


def test_a_button_of_an_older_page_does_nothing(desk: Desk) -> None:
    old = desk.form("approve")
    desk.edit("a fox", "a wolf")
    desk.run()

    assert desk.press(*old) == "changed"
    forged = old[0], {**old[1], "shown": ""}
    assert desk.press(*forged) == "changed"
    desk.run()
    assert (desk.team.statuses()["needs approval"], desk.paid) == (2, 0)


def test_an_approval_covers_one_take_and_can_be_withdrawn_before_sending(desk: Desk) -> None:
    assert desk.press(*desk.form("approve")) == "approved"
    assert desk.press(*desk.form("unapprove")) == "unapproved"
    desk.run()
    assert desk.paid == 0

    assert desk.press(*desk.form("approve")) == "approved"
    desk.run()
    assert desk.paid == 1
    desk.edit("a fox,,,", "a fox,,2,")
    desk.run()
    assert desk.paid == 1
    address, form = desk.form("approve")
    assert desk.press(address, form) == "approved"
    desk.run()
    assert (desk.team.rows()[0]["status"], desk.paid) == ("done", 2)


def test_an_approval_on_the_page_counts_without_a_column_in_the_sheet(tmp_path: Path) -> None:
    with desk_with(tmp_path, "prompt\na fox\nan owl\n", approval=True) as desk:
        desk.run()
        assert desk.press(*desk.form("approve", 1)) == "approved"
        desk.run()

        assert [row["status"] for row in desk.team.rows()] == ["needs approval", "done"]
        assert desk.paid == 1


def test_on_a_paused_sheet_a_button_says_when_it_takes_effect(desk: Desk) -> None:
    assert call("pause", desk.config).code == 0
    page = desk.client.get("/").text
    assert re.search(r"Approve\s*<small>4 credits, after Resume</small>", page)
    assert desk.press(*desk.form("approve")) == "approved-paused"
    desk.run()
    assert desk.paid == 0
    assert call("resume", desk.config).code == 0
    desk.run()
    assert (desk.team.rows()[0]["status"], desk.paid) == ("done", 1)


def test_the_rest_is_sent_once_somebody_continues_after_the_sample(tmp_path: Path) -> None:
    sheet = "\n".join(["prompt", *(f"fox {number}" for number in range(5))])
    with desk_with(tmp_path, f"{sheet}\n", sample=2) as desk:
        desk.run()
        page = desk.client.get("/").text
        form = re.search(r'action="(/continue/1)">(.*?)</form>', page, re.DOTALL)
        assert form
        assert "3 rows wait until you have looked at the sample" in form[2]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))

        said = [desk.press(form[1], fields) for _ in range(2)]
        desk.run()

        assert said == ["continued", "changed"]
        assert desk.team.statuses() == {"done": 5}
        assert desk.paid == 5
        assert 'action="/continue/1"' not in desk.client.get("/").text
