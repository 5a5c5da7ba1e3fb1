"""Each kind of damage is found by `doctor`, repaired as it says, and then found no more.

The rows stay as they are, nothing is paid, and the next run has nothing to do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import Ended
from tests.fakes.service import free_port
from tests.fakes.team import Row, Team

TASK_SECONDS = 0
TEAM_TABLES = '[media]\nsave_to = "media/"\n'
PROMPTS = ("a fox", "an owl", "a hare")
Damage = Callable[[Team, Sandbox], None]
DAMAGES: list[tuple[Damage, str]] = []


def found_by(words: str) -> Callable[[Damage], Damage]:
    """Mark a damage: `doctor` says these words about it."""

    def kept(damage: Damage) -> Damage:
        DAMAGES.append((damage, words))
        return damage

    return kept


def pictures(team: Team) -> list[Path]:
    return sorted((team.folder / "media").rglob("*.png"))


def change(team: Team, do: Callable[[list[Row]], None]) -> None:
    with team.editing() as rows:
        do(rows)


@found_by("have an id that is there twice")
def an_id_is_copied_over_another(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(row_id=rows[0]["row_id"]))


@found_by("Row 3 has lost its id")
def an_id_is_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(row_id=""))


@found_by("Rows 2, 3 and 4 have lost their id")
def the_column_of_ids_is_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: [row.update(row_id="") for row in rows])  # type: ignore[arg-type]


@found_by("Row 2 does not show the result in the store")
def a_status_is_overwritten(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[0].update(status="almost"))


@found_by("Row 4 does not show the result in the store")
def the_addresses_of_a_row_are_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[2].update(image_urls=""))


@found_by("Rows 2 and 3 do not show the result in the store")
def the_task_ids_of_two_rows_change_places(team: Team, api: Sandbox) -> None:
    def swap(rows: list[Row]) -> None:
        rows[0]["task_id"], rows[1]["task_id"] = rows[1]["task_id"], rows[0]["task_id"]

    change(team, swap)


@found_by("Row 3 does not show the result in the store")
def a_note_of_ours_is_replaced(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(note="call Ann"))


@found_by("do not show the result in the store")
def an_old_version_of_the_file_is_saved_over_it(team: Team, api: Sandbox) -> None:
    def as_before(rows: list[Row]) -> None:
        for row in rows:
            row.update(dict.fromkeys(("status", "task_id", "image_urls", "note"), ""))

    change(team, as_before)


@found_by("1 saved picture is missing on disk")
def a_saved_picture_is_deleted(team: Team, api: Sandbox) -> None:
    pictures(team)[0].unlink()


@found_by("12 saved pictures are missing on disk")
def the_folder_of_pictures_is_emptied(team: Team, api: Sandbox) -> None:
    for picture in pictures(team):
        picture.unlink()


@found_by("1 saved picture is damaged")
def a_saved_picture_is_cut_off(team: Team, api: Sandbox) -> None:
    picture = pictures(team)[3]
    picture.write_bytes(picture.read_bytes()[:100])


@found_by("1 saved picture is damaged")
def a_saved_picture_is_empty(team: Team, api: Sandbox) -> None:
    pictures(team)[5].write_bytes(b"")


@found_by("2 saved pictures are damaged")
def two_saved_pictures_change_places(team: Team, api: Sandbox) -> None:
    one, other = pictures(team)[0], pictures(team)[4]
    first, second = one.read_bytes(), other.read_bytes()
    assert first != second
    one.write_bytes(second)
    other.write_bytes(first)


@found_by("4 pictures are not saved yet")
def notes_about_saved_pictures_are_lost(team: Team, api: Sandbox) -> None:
    """As after a crash of a program without a journal."""
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection, connection:
        connection.execute("delete from files where job = 1")


@pytest.fixture
def campaign(team: Team) -> Team:
    team.write("prompt", *PROMPTS)
    assert team.finish().code == 0
    return team


def doctor(team: Team, *words: str) -> Ended:
    return team.start("doctor", team.config, *words)


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=[one.__name__ for one, _ in DAMAGES])
def test_each_damage_is_found_and_repaired_and_then_found_no_more(
    campaign: Team, api: Sandbox, damage: Damage, words: str
) -> None:
    healthy = doctor(campaign)
    before = campaign.rows()
    damage(campaign, api)

    found = doctor(campaign)
    repaired = doctor(campaign, "--repair")
    again = doctor(campaign)

    assert healthy.code == 0, healthy.said
    assert (found.code, words in found.said) == (1, True), found.said
    assert repaired.code == 0, repaired.said
    assert (again.code, words in again.said) == (0, False), again.said
    assert campaign.rows() == before
    # A file that holds something else stays; the picture is saved beside it.
    assert len(pictures(campaign)) >= 12
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert (campaign.run().code, campaign.run().said) == (0, "")
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


# -- what only a person can repair -----------------------------------------------------------------


def test_a_webhook_address_that_leads_nowhere_is_found(campaign: Team) -> None:
    campaign.config.write_text(
        f'{campaign.config.read_text()}[webhook]\npublic_url = "http://127.0.0.1:{free_port()}"\n'
        'secret = "file:hook-secret"\n'
    )
    (campaign.folder / "hook-secret").write_text("0123456789abcdef0123456789abcdef")

    found = doctor(campaign)

    assert found.code == 1
    assert "Webhooks do not reach this program" in found.said
    assert "cannot be reached (ConnectError)" in found.said


def test_a_webhook_address_that_leads_to_another_program_is_found(
    campaign: Team, api: Sandbox
) -> None:
    (campaign.folder / "hook-secret").write_text("0123456789abcdef0123456789abcdef")
    campaign.config.write_text(
        f'{campaign.config.read_text()}[webhook]\npublic_url = "{api.url}"\n'
        'secret = "file:hook-secret"\n'
    )

    found = doctor(campaign)

    assert found.code == 1
    assert "and not as Promptsheet does" in found.said


def test_rows_that_are_gone_from_the_sheet_are_named_and_nothing_is_wrong(campaign: Team) -> None:
    with campaign.editing() as rows:
        del rows[1]

    told = doctor(campaign)

    assert told.code == 0
    assert "1 row with results in the store is not in the sheet" in told.said


def test_an_open_task_is_collected_by_the_repair(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=30)
    team.write("prompt", "a fox")
    team.run()
    assert team.statuses() == {"in progress": 1}
    api.finish()

    assert doctor(team, "--repair").code == 0

    assert team.statuses() == {"done": 1}
    assert json.dumps(api.state()["tasks"]) == '{"a fox": 1}'
