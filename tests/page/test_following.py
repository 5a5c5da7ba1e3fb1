"""Rows that follow a picked picture: a person asks on the page, and a pass adds the row once."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline import wiring
from pipeline.config import load
from pipeline.core.errors import MaybeWritten, SheetError
from pipeline.server import event_loop
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store.wanted_rows import WantedRows
from pipeline.sync.outcome import Asked
from tests.fakes.program import KEY, KEY_NAME, call, until
from tests.page.test_approval import Desk, desk_with

SHEET = "name,prompt,endpoint,parent,index,take,remark\nfox,a fox,,,,,ours\n"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv(KEY_NAME, KEY)
    with desk_with(tmp_path, SHEET) as one:
        one.run()
        yield one


def run_here(desk: Desk) -> None:
    """One pass in this process, where it can be disturbed."""
    settings = load(desk.config, need_key=True)
    event_loop.run(wiring.run(settings, Asked(wait=True)))


def row_page(desk: Desk, row: int = 0, take: int = 1, part: str = "") -> str:
    generation = "-".join(filter(None, (desk.team.rows()[row]["row_id"], part)))
    return html.unescape(desk.client.get(f"/row/1/{generation}/{take}?picture=2").text)


def form(desk: Desk, take: int = 1, part: str = "", **fields: str) -> tuple[str, dict[str, str]]:
    """The form for a follow-up row of a picture of the first row, filled in."""
    page = row_page(desk, take=take, part=part)
    found = re.search(r'<form method="post" action="(/follow/[^"]+)">(.*?)</form>', page, re.DOTALL)
    assert found
    return found[1], dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2])) | fields


def test_a_follow_up_row_is_added_and_paid_once_however_often_it_is_asked_for(desk: Desk) -> None:
    before = desk.team.rows()
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert "upscale-1x, 2 credits" in row_page(desk)
    address, fields = form(desk, endpoint="upscale-1x", prompt="not for this endpoint")
    assert [desk.press(address, fields) for _ in range(3)] == ["followed", "changed", "changed"]
    assert "the row is added by the next run" in row_page(desk)
    desk.run()
    desk.run()

    old, new = desk.team.rows()
    assert {name: old[name] for name in before[0]} == before[0]
    cells = {
        name: new[name] for name in ("name", "prompt", "endpoint", "parent", "index", "remark")
    }
    assert cells == {
        **dict.fromkeys(("name", "prompt", "remark"), ""),
        "endpoint": "upscale-1x",
        "parent": f"{old['row_id']}@1",
        "index": "2",
    }
    assert (new["status"], desk.paid) == ("done", 2)
    assert f"/row/1/{new['row_id']}/1" in row_page(desk)
    # A second one is asked for on purpose.
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    desk.run()
    assert (desk.team.statuses(), desk.paid) == ({"done": 3}, 3)


@pytest.mark.parametrize("when", ["before it is in the sheet", "before that is noted"])
def test_a_run_that_is_killed_adds_the_row_once_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    place = (CsvSheet, "append") if when.startswith("before it") else (WantedRows, "note_added")

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place[0], place[1], killed)
        with pytest.raises(Killed):
            run_here(desk)
    rows = len(desk.team.rows())
    # A person edits the sheet in between, and sorts it.
    with desk.team.editing() as edited:
        edited.reverse()
        edited.append({"name": "hen", "prompt": "a hen"})
    desk.run()
    desk.run()

    assert rows == (1 if when.startswith("before it") else 2)
    found = desk.team.rows()
    assert sorted(row["endpoint"] for row in found) == ["", "", "upscale-1x"]
    assert (desk.team.statuses(), desk.paid) == ({"done": 3}, 3)


def followed(desk: Desk) -> dict[str, str]:
    """Which task each upscale was made from: parent cell -> task id of that take or part."""
    asked = "select task_id, take, part, inputs, body from attempts join jobs on jobs.id = job"
    with closing(sqlite3.connect(desk.team.folder / "promptsheet.db")) as connection:
        sent = connection.execute(asked).fetchall()
    made = {task: f"{take} {part}" for task, take, part, _, _ in sent}
    return {
        wrote["parent"]: made[task]
        for *_, inputs, body in sent
        if "parent" in (wrote := json.loads(inputs))
        for task in json.loads(body).values()
        if task in made
    }


def test_a_follow_up_row_is_made_from_the_take_that_the_person_saw(desk: Desk) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    assert desk.press(*desk.form("again")) == "again"
    desk.run()
    desk.run()
    fox, first = desk.team.rows()
    assert (desk.team.statuses(), desk.paid) == ({"done": 2}, 3)
    assert followed(desk) == {first["parent"]: "1 "}
    # The earlier take can still be followed, and so can the new one.
    until(lambda: "/follow/" in row_page(desk, take=2), "there is a form", every=0.1)
    for take in (1, 2):
        assert desk.press(*form(desk, take=take, endpoint="upscale-1x")) == "followed"
    desk.run()

    assert (desk.team.statuses(), desk.paid) == ({"done": 4}, 5)
    assert followed(desk) == {f"{fox['row_id']}@{take}": f"{take} " for take in (1, 2)}


@pytest.mark.parametrize(
    ("column", "cell", "parts"),
    [
        ("ratios", "16:9 1:1", {"16x9": "16x9", "1x1": "1x1"}),
        ("count", "2", {"": "_1", "_2": "_2"}),
    ],
)
def test_each_part_of_a_row_can_be_followed(
    tmp_path: Path, column: str, cell: str, parts: dict[str, str]
) -> None:
    sheet = f"prompt,endpoint,parent,index,{column}\na fox,,,,{cell}\n"
    with desk_with(tmp_path, sheet) as desk:
        desk.run()
        for part in parts:
            until(lambda: "/follow/" in row_page(desk, part=part), "a form", every=0.1)  # noqa: B023
            assert desk.press(*form(desk, part=part, endpoint="upscale-1x")) == "followed"
        desk.run()
        desk.run()

        row_id = desk.team.rows()[0]["row_id"]
        assert (desk.team.statuses(), desk.paid) == ({"done": 3}, 4)
        assert followed(desk) == {f"{row_id}@1:{name}": f"1 {part}" for part, name in parts.items()}


def test_a_row_that_was_deleted_after_it_was_added_does_not_come_back(desk: Desk) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    desk.run()
    with desk.team.editing() as edited:
        del edited[1]
    desk.run()

    assert len(desk.team.rows()) == 1
    assert desk.paid == 2


def test_a_sheet_that_cannot_be_written_gets_the_row_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"

    def refuse(*_: Any) -> None:
        raise SheetError("prompts.csv is open in another program.")

    with monkeypatch.context() as patch:
        patch.setattr(CsvSheet, "append", refuse)
        run_here(desk)
    assert "prompts.csv is open in another program." in row_page(desk)
    assert len(desk.team.rows()) == 1
    desk.run()
    assert (desk.team.statuses(), desk.paid) == ({"done": 2}, 2)


def withdrawal(desk: Desk) -> tuple[str, dict[str, str]]:
    """The address and the fields of the button that withdraws a row, as the page shows it now."""
    button = r'<form method="post" action="(/withdraw/[^"]+)">(.*?)</form>'
    found = re.search(button, row_page(desk), re.DOTALL)
    assert found, row_page(desk)
    return found[1], dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2]))


def test_a_row_can_be_withdrawn_until_a_run_begins_to_add_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    first = withdrawal(desk)
    assert [desk.press(*first) for _ in range(2)] == ["withdrawn", "changed"]
    desk.run()
    assert (len(desk.team.rows()), desk.paid) == (1, 1)

    # A sheet that could not be written certainly has no new row.
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"

    def refuse(*_: Any) -> None:
        raise SheetError("prompts.csv is open in another program.")

    with monkeypatch.context() as patch:
        patch.setattr(CsvSheet, "append", refuse)
        run_here(desk)
    assert desk.press(*withdrawal(desk)) == "withdrawn"
    desk.run()
    assert (len(desk.team.rows()), desk.paid) == (1, 1)

    # While a run adds the row, and when nobody knows if it did, it is too late.
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    second, said = withdrawal(desk), []

    def press(*_: Any) -> None:
        said.append(desk.press(*second))
        raise MaybeWritten("No answer came.")

    with monkeypatch.context() as patch:
        patch.setattr(CsvSheet, "append", press)
        run_here(desk)
    said.append(desk.press(*second))
    assert said == ["changed", "changed"]
    assert "/withdraw/" not in row_page(desk)
    desk.run()
    assert (desk.team.statuses(), desk.paid) == ({"done": 2}, 2)
    assert desk.press(*second) == "changed"


def test_a_row_that_is_withdrawn_just_before_a_run_adds_it_is_not_added(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
    button, begin = withdrawal(desk), WantedRows.begin_adding

    def withdrawn_first(self: WantedRows, *of: Any) -> set[str]:
        assert desk.press(*button) == "withdrawn"
        return begin(self, *of)

    with monkeypatch.context() as patch:
        patch.setattr(WantedRows, "begin_adding", withdrawn_first)
        run_here(desk)
    desk.run()

    assert (len(desk.team.rows()), desk.paid) == (1, 1)


@pytest.mark.parametrize(
    ("approved", "says"),
    [("", "for 2 credits in the same run"), (",approved", "for 2 credits once it is approved")],
)
def test_a_plan_says_which_rows_are_added_and_what_they_cost(
    tmp_path: Path, approved: str, says: str
) -> None:
    sheet = f"prompt,endpoint,parent,index{approved}\na fox,,,{',yes' if approved else ''}\n"
    with desk_with(tmp_path, sheet) as desk:
        desk.run()
        until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
        assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
        plan = " ".join(call("run", desk.config, "--plan").said.split())
        page = " ".join(desk.client.get("/plan/1").text.split())
        as_json = json.loads(call("run", desk.config, "--plan", "--json").said)
        before = desk.paid
        desk.run()
        after = call("run", desk.config, "--plan").said

    said = f"1 row that was asked for on the page is added, {says}: upscale-1x of picture 2 of take"
    assert f"{said} 1 of row 2." in plan
    assert said in page
    assert (as_json["rows_to_add"], as_json["credits_to_add"], before) == (1, 2, 1)
    assert "asked for on the page" not in after


def test_an_endpoint_that_needs_a_prompt_gets_one_as_text(desk: Desk) -> None:
    until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
    needing = re.search(r'<option value="([^"]+)">[^<]*, needs a prompt', row_page(desk))
    assert needing
    assert desk.press(*form(desk, endpoint=needing[1], prompt=" ")) == "changed"
    assert desk.press(*form(desk, endpoint="imagine", prompt="x")) == "changed"
    hostile = "<script>alert(1)</script>, dusk"
    assert desk.press(*form(desk, endpoint=needing[1], prompt=hostile)) == "followed"
    desk.run()

    assert [row["prompt"] for row in desk.team.rows()] == ["a fox", hostile]
    assert hostile not in desk.client.get("/").text


def test_a_new_row_waits_for_approval_where_the_sheet_asks_for_it(tmp_path: Path) -> None:
    sheet = "prompt,endpoint,parent,index,approved\na fox,,,,yes\n"
    with desk_with(tmp_path, sheet) as desk:
        desk.run()
        until(lambda: "/follow/" in row_page(desk), "there is a form", every=0.1)
        assert desk.press(*form(desk, endpoint="upscale-1x")) == "followed"
        desk.run()
        assert [row["status"] for row in desk.team.rows()] == ["done", "needs approval"]
        assert desk.paid == 1
        assert desk.press(*desk.form("approve", 1)) == "approved"
        desk.run()
        assert (desk.team.statuses(), desk.paid) == ({"done": 2}, 2)


def test_the_page_says_which_columns_to_add(tmp_path: Path) -> None:
    with desk_with(tmp_path, "prompt,endpoint\na fox,\n") as desk:
        desk.run()
        said = "The sheet has no columns parent and index: add them in its first row."
        until(lambda: said in row_page(desk), "the page names them", every=0.1)
        assert "/follow/" not in row_page(desk)
