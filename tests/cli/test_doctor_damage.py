"""Each kind of damage is found by `doctor`, in the words of its list (`doctor/checks.py`).

What is safe is repaired, and then found no more: the rows stay as they are, nothing is paid, and
the next run has nothing to do. What only a person can repair is found again, and nothing is paid.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.cli.doctor.checks import CHECKS
from pipeline.core.states import Progressed
from pipeline.sandbox import Sandbox
from pipeline.store import Fact, Store
from tests.fakes.program import ROOT, Ended
from tests.fakes.service import free_port
from tests.fakes.team import Row, Team

TASK_SECONDS = 0
#: Pictures are saved.
TEAM_TABLES = '[media]\nsave_to = "media/"\n'
PROMPTS = ("a fox", "an owl", "a hare")
Damage = Callable[[Team, Sandbox], None]
#: Damage, the check that finds it, and more words that it says: what is repaired, and what stays.
REPAIRED: list[tuple[Damage, str, str]] = []
STAYING: list[tuple[Damage, str, str]] = []
#: Checks whose damage is injected in other files, and words of that test.
ELSEWHERE = {
    "outlet-messages": ("cli/test_outlets_at_a_terminal.py", "is set aside"),
    "outlet-tables": ("cli/test_outlets_of_sheets.py", "another table or another"),
    "former-account": ("cli/test_remedies.py", "1 task is at apiframe-v1"),
    "endings": ("cli/test_endings.py", "doctor"),
    "limit": ("cli/test_doctor_prices.py", "is capped at"),
    "balance": ("cli/test_account.py", "went down by"),
    "price-list": ("cli/test_doctor_prices.py", "The price list of Apiframe says up to"),
    "charges": ("cli/test_doctor_prices.py", "charged 15 credits for suno"),
    "clock": ("cli/test_doctor_checks.py", "The clock of this machine is"),
    "prices-old": ("cli/test_doctor_checks.py", "were read on"),
    "room": ("cli/test_doctor_checks.py", "are free on the disk of"),
    "links-dead": ("cli/test_doctor_checks.py", "do not work any more"),
    "silent": ("cli/test_doctor_checks.py", "and the last run ended"),
    "answers-lost": ("cli/test_doctor_lost_answers.py", "taken after all"),
    "google-key": ("cli/test_doctor_google.py", "The key of"),
    "google-consent": ("cli/test_doctor_google.py", "The consent of"),
}
#: A configuration that cannot be read ends doctor before its first check.
BEFORE = {"configuration"}


def found_by(
    check: str, words: str = "", into: list[tuple[Damage, str, str]] = REPAIRED
) -> Callable[[Damage], Damage]:
    """Mark a damage: this check finds it and says these words, too."""

    def kept(damage: Damage) -> Damage:
        into.append((damage, check, words))
        return damage

    return kept


def stays(check: str, words: str = "") -> Callable[[Damage], Damage]:
    """The same for a damage that only a person can repair."""
    return found_by(check, words, STAYING)


def said_by(check: str) -> re.Pattern[str]:
    """The words of a check, as its list has them."""
    (says,) = (one.says for one in CHECKS if one.id == check)
    return re.compile(".*".join(re.escape(words.strip()) for words in says.split("…")))


def sql(team: Team, *statements: str) -> None:
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def pictures(team: Team) -> list[Path]:
    return sorted((team.folder / "media").rglob("*.png"))


def change(team: Team, do: Callable[[list[Row]], None]) -> None:
    with team.editing() as rows:
        do(rows)


@found_by("ids-twice", "have an id that is there twice")
def an_id_is_copied_over_another(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(row_id=rows[0]["row_id"]))


@found_by("ids-lost", "Row 3 has lost its id")
def an_id_is_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(row_id=""))


@found_by("ids-lost", "Rows 2, 3 and 4 have lost their id")
def the_column_of_ids_is_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: [row.update(row_id="") for row in rows])  # type: ignore[arg-type]


@found_by("results-not-shown", "Row 2 does not show the result in the store")
def a_status_is_overwritten(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[0].update(status="almost"))


@found_by("results-not-shown", "Row 4 does not show the result in the store")
def the_addresses_of_a_row_are_cleared(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[2].update(image_urls=""))


@found_by("results-not-shown", "Rows 2 and 3 do not show the result in the store")
def the_task_ids_of_two_rows_change_places(team: Team, api: Sandbox) -> None:
    def swap(rows: list[Row]) -> None:
        rows[0]["task_id"], rows[1]["task_id"] = rows[1]["task_id"], rows[0]["task_id"]

    change(team, swap)


@found_by("results-not-shown", "Row 3 does not show the result in the store")
def a_note_of_ours_is_replaced(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows[1].update(note="call Ann"))


@found_by("results-not-shown", "do not show the result in the store")
def an_old_version_of_the_file_is_saved_over_it(team: Team, api: Sandbox) -> None:
    def as_before(rows: list[Row]) -> None:
        for row in rows:
            row.update(dict.fromkeys(("status", "task_id", "image_urls", "note"), ""))

    change(team, as_before)


@found_by("files-missing", "1 saved picture is missing on disk")
def a_saved_picture_is_deleted(team: Team, api: Sandbox) -> None:
    pictures(team)[0].unlink()


@found_by("files-missing", "12 saved pictures are missing on disk")
def the_folder_of_pictures_is_emptied(team: Team, api: Sandbox) -> None:
    for picture in pictures(team):
        picture.unlink()


@found_by("files-damaged", "1 saved picture is damaged")
def a_saved_picture_is_cut_off(team: Team, api: Sandbox) -> None:
    picture = pictures(team)[3]
    picture.write_bytes(picture.read_bytes()[:100])


@found_by("files-damaged", "1 saved picture is damaged")
def a_saved_picture_is_empty(team: Team, api: Sandbox) -> None:
    pictures(team)[5].write_bytes(b"")


@found_by("files-damaged", "2 saved pictures are damaged")
def two_saved_pictures_change_places(team: Team, api: Sandbox) -> None:
    one, other = pictures(team)[0], pictures(team)[4]
    first, second = one.read_bytes(), other.read_bytes()
    assert first != second
    one.write_bytes(second)
    other.write_bytes(first)


@found_by("files-unsaved", "4 pictures are not saved yet")
def notes_about_saved_pictures_are_lost(team: Team, api: Sandbox) -> None:
    """As after a crash of a program without a journal."""
    sql(team, "delete from files where job = 1")


@found_by("claim", "prompts.csv does not say any more")
def the_claim_beside_the_sheet_is_deleted(team: Team, api: Sandbox) -> None:
    (team.folder / "prompts.csv.promptsheet").unlink()


@found_by("files-shared", "4 pictures were saved in only 1 file")
def an_early_version_saved_the_pictures_of_a_row_in_one_file(team: Team, api: Sandbox) -> None:
    path = "(select path from files where job = 1 and number = 1 limit 1)"
    sql(team, f"update files set path = {path}, sha256 = '' where job = 1")


@found_by("rescued", "1 report of the API came while the disk was full")
def a_report_waits_in_the_rescue_file(team: Team, api: Sandbox) -> None:
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        (sheet,) = store.sheets.all()
        key = next(iter(store.jobs.all(sheet.key)))
        store.attempts.rescue([Fact(key, 1, Progressed(50))])


@found_by("downloads-left", "1 unfinished download of earlier runs, 0.1 MB")
def a_killed_run_left_an_unfinished_download(team: Team, api: Sandbox) -> None:
    part = team.folder / "media" / f".{'a' * 24}.part"
    part.write_bytes(bytes(100_000))
    os.utime(part, (1e9, 1e9))


# -- what only a person can repair -----------------------------------------------------------------


@stays("read-only")
def the_sheet_is_read_only(team: Team, api: Sandbox) -> None:
    team.sheet.chmod(0o444)


@stays("open", "prompts.csv is open in LibreOffice (by Ann on desk)")
def the_sheet_is_open_in_libreoffice(team: Team, api: Sandbox) -> None:
    lock = team.folder / f".~lock.{team.sheet.name}#"
    lock.write_text("Ann,desk/ann,desk,22.11.2026 14:23,file:///tmp;")


@stays("open", "is open in Excel")
def the_sheet_is_open_in_excel(team: Team, api: Sandbox) -> None:
    (team.folder / f"~${team.sheet.name}").write_bytes(b"\x03Ann")


@stays("saved-twice", "prompts.csv.conflict, prompts.csv.conflict-2. Compare both")
def the_sheet_was_saved_twice(team: Team, api: Sandbox) -> None:
    for name in ("prompts.csv.conflict", "prompts.csv.conflict-2", "prompts.csv.conflicts.md"):
        (team.folder / name).write_text("prompt\n")


@stays("place", "That is no folder")
def a_file_lies_where_pictures_are_saved(team: Team, api: Sandbox) -> None:
    (team.folder / "blocked").write_text("")
    team.config.write_text(team.config.read_text().replace('"media/"', '"blocked/inside/"'))


@stays("store", "Put a backup in its place, then run promptsheet doctor.")
def a_part_of_the_store_is_overwritten(team: Team, api: Sandbox) -> None:
    with (team.folder / "promptsheet.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 4))


@stays("store", "If there is none, move the store away and run promptsheet doctor --adopt")
def the_store_is_cut_off(team: Team, api: Sandbox) -> None:
    file = team.folder / "promptsheet.db"
    os.truncate(file, file.stat().st_size - 9000)


@stays("store", "belongs to no line of jobs")
def a_job_is_deleted_from_the_store(team: Team, api: Sandbox) -> None:
    sql(team, "delete from jobs where id = 2")


@stays("language", "into nl")
def a_language_lacks_messages(team: Team, api: Sandbox) -> None:
    (team.folder / "messages").mkdir()
    (team.folder / "messages" / "nl.po").write_text('msgid "a"\nmsgstr "b"\n')
    line = '[sheet]\nlanguage = "nl"\n'
    team.config.write_text(team.config.read_text().replace("[sheet]\n", line))


@stays("sheet", "prompts.csv does not exist")
def the_sheet_is_deleted(team: Team, api: Sandbox) -> None:
    team.sheet.unlink()


@stays("hold", "belongs to another store")
def the_claim_is_that_of_another_store(team: Team, api: Sandbox) -> None:
    claim = team.folder / "prompts.csv.promptsheet"
    fields = json.loads(claim.read_text())
    claim.write_text(json.dumps({**fields, "store": "another"}))


@stays("unrecognized", "1 row has results that Promptsheet did not write here.")
def another_tool_filled_a_row(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows.append({"prompt": "a cat", "image_urls": "https://a.b/1.png"}))


@stays("needing", "1 row with the status invalid")
def a_row_asks_for_an_endpoint_that_does_not_exist(team: Team, api: Sandbox) -> None:
    team.retitle(lambda head: head + ",endpoint")
    change(team, lambda rows: rows.append({"prompt": "a cat", "endpoint": "nope"}))


@stays("columns", "campaign")
def a_budget_is_for_a_column_that_is_not_there(team: Team, api: Sandbox) -> None:
    more = "[budget]\nper_day = 100\nper = { campaign = 50 }\n"
    team.config.write_text(team.config.read_text() + more)


@stays("outlets", "CHAT_URL_THAT_NOBODY_SETS")
def the_address_of_an_outlet_is_not_set(team: Team, api: Sandbox) -> None:
    more = '[[outlets]]\nname = "mine"\nkind = "slack"\nurl = "env:CHAT_URL_THAT_NOBODY_SETS"\n'
    team.config.write_text(team.config.read_text() + more)


@stays("webhook", "cannot be reached (ConnectError)")
def the_webhook_address_leads_nowhere(team: Team, api: Sandbox) -> None:
    webhook(team, f"http://127.0.0.1:{free_port()}")


@stays("webhook", "This configuration receives none: its [webhook] listen is not set.")
def nothing_receives_webhooks(team: Team, api: Sandbox) -> None:
    webhook(team, f"http://127.0.0.1:{free_port()}")


@stays("webhook", "and not as Promptsheet does")
def the_webhook_address_leads_to_another_program(team: Team, api: Sandbox) -> None:
    webhook(team, api.url)


@stays("ping", "nothing listens there")
def nothing_listens_where_the_service_of_ping_url_was(team: Team, api: Sandbox) -> None:
    more = f'[schedule]\nping_url = "http://127.0.0.1:{free_port()}/ping/4e1d"\n'
    team.config.write_text(team.config.read_text() + more)


@stays("key", "Apiframe refused the API key (401)")
def the_key_is_refused(team: Team, api: Sandbox) -> None:
    (team.folder / "key").write_text("wrong")
    line = '[provider]\napi_key = "file:key"\n'
    team.config.write_text(team.config.read_text().replace("[provider]\n", line))


def webhook(team: Team, address: str) -> None:
    """Configure an address for webhooks."""
    team.config.write_text(
        f'{team.config.read_text()}[webhook]\npublic_url = "{address}"\n'
        'secret = "file:hook-secret"\n'
    )
    (team.folder / "hook-secret").write_text("0123456789abcdef0123456789abcdef")


@stays("rows-gone", "1 row with results in the store is not in the sheet")
def a_row_is_deleted(team: Team, api: Sandbox) -> None:
    change(team, lambda rows: rows.pop(1))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(api: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, Path]:
    """A team whose rows are all done, and a copy of its folder."""
    folder = tmp_path_factory.mktemp("damage")
    team = Team(folder / "team", api.url)
    team.folder.mkdir()
    team.configure(TEAM_TABLES)
    team.write("prompt", *PROMPTS)
    assert team.finish().code == 0
    return team, shutil.copytree(team.folder, folder / "copy")


@pytest.fixture
def campaign(finished: tuple[Team, Path]) -> Team:
    """The rows are all done; each test finds the same files in the same folder."""
    team, copy = finished
    shutil.rmtree(team.folder)
    shutil.copytree(copy, team.folder)
    return team


def doctor(team: Team, *words: str) -> Ended:
    return team.start("doctor", team.config, *words)


def names(damages: list[tuple[Damage, str, str]]) -> list[str]:
    return [damage.__name__ for damage, _, _ in damages]


@pytest.mark.parametrize(("damage", "check", "words"), REPAIRED, ids=names(REPAIRED))
def test_each_damage_is_found_and_repaired_and_then_found_no_more(
    campaign: Team, api: Sandbox, damage: Damage, check: str, words: str
) -> None:
    before = campaign.rows()
    damage(campaign, api)

    found = doctor(campaign)
    repaired = doctor(campaign, "--repair")
    again = doctor(campaign)

    assert said_by(check).search(found.said), found.said
    assert words in found.said, found.said
    assert found.code == (0 if check in REMARKS else 1), found.said
    assert repaired.code == 0, repaired.said
    assert again.code == 0, again.said
    assert not said_by(check).search(again.said), again.said
    assert campaign.rows() == before
    # A file that holds something else stays; the picture is saved beside it.
    assert len(pictures(campaign)) >= 12
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
    assert (campaign.run().code, campaign.run().said) == (0, "")
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


@pytest.mark.parametrize(("damage", "check", "words"), STAYING, ids=names(STAYING))
def test_a_damage_that_only_a_person_can_repair_stays_and_nothing_is_paid(
    campaign: Team, api: Sandbox, damage: Damage, check: str, words: str
) -> None:
    damage(campaign, api)

    found = doctor(campaign)
    repaired = doctor(campaign, "--repair")

    for ended in (found, repaired):
        assert said_by(check).search(ended.said), ended.said
        assert words in ended.said, ended.said
        assert check != "store" or ended.said.count("The store ") == 1, ended.said
        assert (ended.code == 0) == (check in REMARKS), ended.said
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)


#: Checks whose findings are no reason for another exit code.
REMARKS = {"downloads-left", "rows-gone"}


def test_a_healthy_sheet_gives_no_finding(campaign: Team) -> None:
    told = doctor(campaign)

    assert told.code == 0, told.said
    assert [line[0] for line in told.out.splitlines() if line[0] in "✓!✗"] == ["✓"] * 3, told.out


def test_the_damage_of_each_check_is_injected_by_a_test() -> None:
    injected = {check for _, check, _ in (*REPAIRED, *STAYING)}

    assert injected | ELSEWHERE.keys() | BEFORE == {one.id for one in CHECKS}
    for file, words in ELSEWHERE.values():
        assert words in (ROOT / "tests" / file).read_text(), (file, words)


def test_without_a_backup_of_a_damaged_store_the_results_in_the_sheet_are_taken_over(
    campaign: Team, api: Sandbox
) -> None:
    before = campaign.rows()
    a_part_of_the_store_is_overwritten(campaign, api)
    for file in campaign.folder.glob("promptsheet.db*"):
        file.unlink()

    adopted = doctor(campaign, "--adopt", "--repair")
    again = doctor(campaign)

    assert "3 with pictures" in adopted.said
    assert (again.code, campaign.run().code) == (0, 0), again.said
    assert [row["image_urls"] for row in campaign.rows()] == [row["image_urls"] for row in before]
    assert api.state()["tasks"] == dict.fromkeys(PROMPTS, 1)
