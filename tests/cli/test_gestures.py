"""Edits of a sheet and their results, through the command line, with the API's counts.

People make many edits between two runs, as a team does. Each test checks the sheet afterwards and
how often each prompt was paid.
"""

from __future__ import annotations

import shutil

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team


def test_a_csv_from_excel_with_umlauts_is_filled_and_no_other_byte_changes(
    team: Team, api: Sandbox
) -> None:
    theirs = (
        'Kampagne;Prompt;Preis;Übersicht\r\nFrühling;"Ein Leuchtturm, größer";1.234,50 €;"=1+1"\r\n'
        'Sommer;"Zwei\nZeilen";@home;"mit ""Zitat"""\r\nLeer;;;\r\n'
    )
    team.sheet.write_bytes(b"\xef\xbb\xbf" + theirs.encode())

    ended = team.finish()

    text = team.sheet.read_bytes().decode("utf-8-sig")
    assert (ended.code, ended.said) == (0, "")
    assert api.state()["tasks"] == {"Ein Leuchtturm, größer": 1, "Zwei\nZeilen": 1}
    assert team.sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    assert text.startswith("Kampagne;Prompt;Preis;Übersicht;row_id;status;task_id;image_urls;note")
    for line in theirs.split("\r\n")[1:3]:
        assert line in text
    assert "\r\nLeer;;;" in text


def test_a_sorted_edited_copied_and_overwritten_sheet_pays_only_for_new_rows(
    team: Team, api: Sandbox
) -> None:
    foxes = [f"fox {number}" for number in range(8)]
    team.write("prompt,take,skip", *(f"{fox},," for fox in foxes), "a bad fox [fail],,", "old,,x")
    assert team.finish().code == 1
    before = {row["prompt"]: row for row in team.rows()}

    with team.editing() as rows:
        rows.sort(key=lambda row: row["prompt"], reverse=True)
        at = {row["prompt"]: row for row in rows}
        copied, changed = dict(at["fox 5"]), dict(at["fox 6"])
        changed["prompt"] = "a copied and changed fox"
        at["fox 0"]["prompt"] = "fox 0, edited"
        at["fox 1"]["take"] = "2"
        at["fox 2"]["take"] = "7"
        at["fox 3"] |= dict.fromkeys(("row_id", "status", "task_id", "image_urls"), "")
        at["fox 4"] |= {"status": "scribble", "note": "=1+1", "task_id": "mine"}
        at["a bad fox [fail]"]["prompt"] = "a good fox"
        at["old"]["skip"] = ""
        rows.remove(at["fox 7"])
        rows.insert(0, {"prompt": "+ a new fox"})
        rows += [copied, changed]
    ended = team.finish()

    once = ("fox 0", "fox 3", "fox 4", "fox 5", "fox 6", "fox 7", "fox 2", "a bad fox [fail]")
    new = ("a copied and changed fox", "a good fox", "old", "+ a new fox")
    assert api.state()["tasks"] == {**dict.fromkeys((*once, *new), 1), "fox 1": 2}
    assert ended.code == 1  # take 7 is new to us
    assert (
        "1 row needs your attention: row 8, fox 2: Not sent: take went from 1 to 7." in ended.said
    )
    after = {row["prompt"]: row for row in team.rows() if row["status"] != "copy"}
    for fox in ("fox 3", "fox 4", "fox 5", "fox 6"):
        assert after[fox] == before[fox]
    assert team.said_of("fox 1", *new) == ["done"] * 5
    assert after["fox 1"]["task_id"] != before["fox 1"]["task_id"]
    assert after["fox 2"]["status"] == "invalid"
    for title in ("task_id", "image_urls"):
        assert after["fox 2"][title] == before["fox 2"][title]
    assert after["fox 2"]["note"] == (
        "Not sent: take went from 1 to 7. Write 2 to generate this row again, or 1 to keep it as "
        "it is."
    )
    assert after["fox 0, edited"]["status"] == "edited"
    assert after["fox 0, edited"]["image_urls"] == before["fox 0"]["image_urls"]
    assert after["fox 0, edited"]["note"] == (
        'prompt was "fox 0" when these pictures were made. To generate the new prompt, put 2 '
        "in the take column; or put the old text back."
    )
    (copy,) = (row for row in team.rows() if row["status"] == "copy")
    assert copy["prompt"] == "fox 5"
    assert copy["row_id"] not in ("", before["fox 5"]["row_id"])
    assert copy["note"] == (
        "A copy of another row, so it was not sent. Change its prompt to generate the new one. "
        "To generate the same one again, put 2 in the take column."
    )


def test_changes_in_our_columns_are_corrected_and_cost_nothing(team: Team, api: Sandbox) -> None:
    foxes = [f"fox {number}" for number in range(5)]
    team.write("prompt", *foxes)
    team.finish()
    right = team.rows()

    with team.editing() as rows:  # dragged down
        for row in rows:
            row |= {"row_id": rows[0]["row_id"], "task_id": rows[0]["task_id"]}
    assert (team.run().code, team.rows()) == (0, right)

    with team.editing() as rows:  # two columns sorted alone
        ids = sorted((row["row_id"] for row in rows), reverse=True)
        urls = sorted((row["image_urls"] for row in rows), reverse=True)
        for row, mark, pictures in zip(rows, ids, urls, strict=True):
            row |= {"row_id": mark, "image_urls": pictures}
    assert (team.run().code, team.rows()) == (0, right)

    team.write("prompt", *foxes)  # an old version of the file, saved over the current one
    assert (team.run().code, team.rows()) == (0, right)

    assert api.state()["tasks"] == dict.fromkeys(foxes, 1)


def test_an_undone_edit_and_a_deleted_row_typed_again_cost_nothing(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox", "an owl", "a cat")
    team.finish()
    right = team.rows()

    with team.editing() as rows:
        rows[0]["prompt"] = "a wolf"
        del rows[1]
    assert team.run().code == 0
    assert [row["status"] for row in team.rows()] == ["edited", "done"]
    with team.editing() as rows:
        rows[0]["prompt"] = "a fox"
        rows.insert(1, {"prompt": "an owl"})
    assert team.run().code == 0

    assert team.rows() == right
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1}


def test_a_failed_row_runs_with_its_new_prompt_and_again_with_its_old_one(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "fox [fail]", "owl [refuse]")
    first = team.finish()
    with team.editing() as rows:
        rows[0]["prompt"] = "a fox"
        rows[1]["prompt"] = "owls [refuse]"
    second = team.finish()
    with team.editing() as rows:
        rows[1]["prompt"] = "owl [refuse]"
    third = team.finish()

    assert [first.code, second.code, third.code] == [1, 1, 1]
    assert team.said_of("a fox", "owl [refuse]") == ["done", "failed"]
    assert api.state()["tasks"] == {"fox [fail]": 1, "a fox": 1}
    assert api.state()["submissions"]["refused"] == 3


def test_the_rows_of_a_copied_file_are_copies_and_a_moved_file_is_the_same_sheet(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox", "an owl")
    team.finish()
    shutil.copy(team.sheet, team.folder / "copy.csv")
    copy = team.configure(name="copy", sheet="copy.csv")

    ended = team.start("run", copy)
    assert (ended.code, ended.said) == (0, "")
    assert [row["status"] for row in team.rows("copy.csv")] == ["copy", "copy"]

    place = team.folder / "spring"
    place.mkdir()
    moved = team.configure(name="promptsheet", sheet="spring/prompts.csv")
    shutil.move(team.sheet, place)  # without its claim
    assert (team.start("run", moved).code, team.start("run", moved, "--wait").code) == (0, 0)

    rows = team.rows("spring/prompts.csv")
    assert [row["status"] for row in rows] == ["done", "done"]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_in_a_copied_file_the_teams_own_columns_are_not_written(team: Team, api: Sandbox) -> None:
    team.configure('[columns]\nstatus = "Image status"\nnote = "Image note"\n')
    team.write("prompt,Status,Note", "a fox,live,Ann")
    team.finish()
    shutil.copy(team.sheet, team.folder / "copy.csv")
    before = (team.folder / "copy.csv").read_bytes()

    ended = team.start("run", team.configure(name="copy", sheet="copy.csv"))

    assert ended.code == 2
    assert "copy.csv: Column B, Status, already holds text." in ended.said
    assert (team.folder / "copy.csv").read_bytes() == before
    assert api.state()["tasks"] == {"a fox": 1}


def test_only_approved_rows_are_sent_and_an_approval_covers_only_its_prompt(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,approved", "a fox,TRUE", "an owl,no", "a cat,")
    team.finish()
    assert team.said_of("a fox", "an owl", "a cat") == ["done", "needs approval", "needs approval"]
    assert (
        team.row("an owl")["note"]
        == 'Waiting for approval. Write yes into "approved", or tick it, to generate this row.'
    )

    with team.editing() as rows:
        rows[0] |= {"prompt": "a wolf"}
        rows[1] |= {"approved": "Ann, 3 May"}
        rows[2] |= {"approved": "ja"}
        rows.append({"prompt": "a dog", "approved": "x"})
    team.finish()

    assert team.said_of("a wolf", "an owl", "a cat", "a dog") == [
        *("edited", "needs approval", "done", "done")
    ]
    assert team.row("an owl")["note"].startswith('Not approved: approved says "Ann, 3 May".')
    assert api.state()["tasks"] == {"a fox": 1, "a cat": 1, "a dog": 1}


def test_optional_columns_that_the_team_adds_are_filled(team: Team) -> None:
    team.configure()
    team.write(
        "name,prompt,image_1,grid_url,files,credits,progress,submitted_at,finished_at,endpoint",
        "../first: x,a fox,,,,,,,,",
        ",an owl,,,,,,,,imagin",
    )
    team.finish()

    fox, owl = team.rows()
    assert fox["image_1"] == fox["image_urls"].split("\n")[0]
    assert fox["grid_url"].endswith("-grid.png")
    assert (fox["credits"], fox["progress"]) == ("4", "100%")
    assert fox["submitted_at"] <= fox["finished_at"]
    files = fox["files"].split("\n")
    assert [file.startswith("first-x-r_") for file in files] == [True] * 4
    assert all((team.folder / "media" / file).is_file() for file in files)
    assert owl["status"] == "invalid"
    assert owl["note"] == (
        'Not sent, nothing paid: there is no endpoint "imagin"; write imagine, or set [columns] '
        'ignore = ["endpoint"] if that column is your own.'
    )


def test_the_teams_own_column_with_our_name_stops_the_run_until_it_is_configured(
    team: Team, api: Sandbox
) -> None:
    team.write("Bildidee,Status,Note", "ein Fuchs,live,Ann")
    team.configure('[columns]\nprompt = "Bildidee"\n')
    before = team.sheet.read_bytes()
    stopped = team.run()
    assert (stopped.code, team.sheet.read_bytes()) == (2, before)
    assert stopped.said == (
        "prompts.csv: Column B, Status, already holds text. Rename it, or set "
        '[columns] status = "Image status". If Promptsheet filled it and its '
        "store is lost, run promptsheet doctor --adopt. If another tool filled it for us, run "
        "promptsheet init --adopt."
    )

    team.configure(
        '[columns]\nprompt = "Bildidee"\nstatus = "Image status"\nnote = "Image note"\n'
        '[defaults]\naspect_ratio = "16:9"\n'
    )
    assert team.finish().code == 0

    (row,) = team.rows()
    assert (row["Status"], row["Note"], row["Image status"]) == ("live", "Ann", "done")
    assert api.state()["tasks"] == {"ein Fuchs": 1}


def test_a_lost_column_stops_sending_until_it_is_restored_or_accepted(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,take", "a fox,", "an owl,")
    team.finish()
    with team.editing() as rows:
        rows.append({"prompt": "a cat"})
    whole = team.sheet.read_bytes()

    team.retitle(lambda head: head.replace("take", "taken"))
    held = team.run()
    assert held.code == 1
    assert "prompts.csv: The column take is gone. Put it back" in held.said
    team.sheet.write_bytes(whole.split(b"\n")[0] + b"\n")
    gone = team.run()
    assert gone.code == 1
    assert "prompts.csv: All rows are gone. Put them back" in gone.said
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}

    team.sheet.write_bytes(whole)
    assert team.finish().code == 0
    team.retitle(lambda head: head.replace("take", "taken"))
    believed = team.finish("--accept-columns")
    assert (believed.code, believed.said) == (0, "")
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1}


def test_ratios_that_a_spreadsheet_saved_as_times_are_sent_as_ratios(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,aspect_ratio", "a tall fox,9:16", "a wide fox,16:9")
    assert team.finish().code == 0
    before = team.rows()

    with team.editing() as rows:
        rows[0]["aspect_ratio"], rows[1]["aspect_ratio"] = "09:16", "04:09:00 PM"
        rows.append({"prompt": "a square fox", "aspect_ratio": "1:01"})
    ended = team.finish()

    assert ended.code == 0, ended.said
    assert team.said_of("a tall fox", "a wide fox", "a square fox") == ["done"] * 3
    assert [row["task_id"] for row in team.rows()[:2]] == [row["task_id"] for row in before]
    assert api.state()["tasks"] == {"a tall fox": 1, "a wide fox": 1, "a square fox": 1}


def test_a_drop_down_with_words_of_the_team_approves(team: Team, api: Sandbox) -> None:
    team.configure('[media]\nsave_to = ""\n[rules]\napproved_words = ["Go"]\n')
    team.write("prompt,approved", "a fox,", "an owl,yes", "a hare,go", "a cat,Rejected")

    team.finish()

    assert team.said_of("a fox", "an owl", "a hare", "a cat") == [
        *("needs approval", "needs approval"),
        *("done", "needs approval"),
    ]
    assert 'Write Go into "approved", or tick it' in team.row("a fox")["note"]
    assert team.row("an owl")["note"].endswith("Tick it, or write one of these: Go.")
    assert api.state()["tasks_taken"] == 1
    with team.editing() as rows:
        rows[0]["approved"] = "Go"
    team.finish()
    assert team.said_of("a fox") == ["done"]
