"""`promptsheet forget`: old words leave the store, and nothing is paid again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.config import load
from pipeline.core.rows.forgetting import stays_by
from pipeline.sandbox import Sandbox
from pipeline.store import Store, Terms
from pipeline.sync.last_pass import last_pass_of
from pipeline.sync.quick_check import configuration_of
from tests.fakes.program import Ended, call
from tests.fakes.team import Team
from tests.gestures.office import called
from tests.page.test_approval import desk_with
from tests.server.test_watcher import loaded

TASK_SECONDS = 0
TEAM_TABLES = None
WORDS = ("a vermilion fox", "an ultramarine owl", "a refused heron")


def forget(team: Team, *words: str) -> Ended:
    now = datetime.now(UTC).isoformat()
    return team.start("forget", team.config, "--before", now, "--yes", *words)


def content_of(team: Team) -> bytes:
    """The files of the store and of the media folder."""
    files = [*team.folder.glob("promptsheet.db*"), *team.folder.glob("media/*.jsonl")]
    return b"".join(file.read_bytes() for file in files)


def in_store(team: Team) -> list[str]:
    """The prompts and addresses that are in a file of the store or of the media folder."""
    content = content_of(team)
    return [word for word in (*WORDS, "/media/") if word.encode() in content]


def writings(team: Team) -> int:
    """A number that SQLite raises when it rewrites the whole file."""
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection:
        return int(connection.execute("PRAGMA schema_version").fetchone()[0])


def cells(team: Team) -> list[dict[str, str]]:
    """The cells but those in which a reason may be quoted."""
    return [{name: text for name, text in row.items() if name != "note"} for row in team.rows()]


def campaign(team: Team, api: Sandbox) -> None:
    """Two rows that are done and one that failed."""
    team.configure()
    team.write("prompt,take,image_1,files", f"{WORDS[0]},,,", f"{WORDS[1]},,,")
    team.finish()
    api.set(fail="next 1")
    with team.editing() as rows:
        rows.append({"prompt": WORDS[2]})
    team.finish()
    assert team.said_of(*WORDS) == ["done", "done", "failed"]


def test_old_words_and_results_leave_the_store_and_nothing_is_paid_again(
    team: Team, api: Sandbox
) -> None:
    campaign(team, api)
    before, held, paid = cells(team), in_store(team), api.state()["tasks"]
    files = {*team.folder.glob("media/*.png")}

    ended = forget(team, "--files", "--log-format", "json")
    after = in_store(team)
    runs = [team.finish() for _ in range(2)]
    receipt = team.start("receipt", team.config, "--out", "charges.csv")
    doctor = team.start("doctor", team.config)
    history = json.loads(team.start("status", team.config, "--row", "2", "--json").out)["history"]

    assert held == [*WORDS, "/media/"]
    assert (ended.code, after) == (0, []), ended
    assert [json.loads(line)["event"] for line in ended.err.splitlines()] == ["forgotten"] * 3
    assert "3 rows ended before" in ended.out
    assert "with 2 results" in ended.out
    assert files
    assert not [*team.folder.glob("media/*.png")]
    assert [run.code for run in runs] == [0, 0], runs
    assert api.state()["tasks"] == paid
    assert cells(team) == before
    assert in_store(team) == []
    assert receipt.code == 0
    assert "(forgotten)" in (team.folder / "charges.csv").read_text()
    assert [one for one in ("does not show", "not saved") if one in doctor.out] == [], doctor.out
    assert [one["kind"] for one in history][-2:] == ["succeeded", "forgotten"]


def test_what_a_stop_said_of_forgotten_rows_leaves_the_store_and_the_stop_stays(
    team: Team, api: Sandbox
) -> None:
    team.configure()
    team.write("prompt", *(f"a fox {number} [refuse]" for number in range(5)))
    said = team.run().said
    settings = loaded(team.config)
    with wiring.campaigns([settings]) as (campaign,):
        store, key, stop = campaign.store, campaign.key, last_pass_of(campaign.store, campaign.key)
        assert stop
        store.turns.stop(key, configuration_of(settings), stop.stop)
    held = content_of(team)
    assert forget(team).code == 0
    left = content_of(team)
    status = team.start("status", team.config).said

    quoted = 'The first 5 were all refused alike ("{}"), so nothing more was sent.'
    assert quoted.format("banned word in the prompt: refuse") in said
    assert held.count(b"banned word in the prompt") > 5
    assert left.count(b"banned word in the prompt") == 0
    assert quoted.format("the reason was forgotten") in status
    assert "until you run promptsheet resume" in status


def test_the_page_of_a_forgotten_row_does_not_promise_a_picture(tmp_path: Path) -> None:
    with desk_with(tmp_path, "prompt\na fox\n") as desk:
        desk.run()
        row = desk.team.rows()[0]["row_id"]
        now = datetime.now(UTC).isoformat()
        assert call("forget", desk.config, "--before", now, "--yes").code in (0, 1)
        page = desk.client.get(f"/row/1/{row}/1").text

    assert page.count("What it was made from, and its result, were forgotten") == 2
    assert "There is no picture yet." not in page


def test_a_changed_row_is_edited_and_a_retyped_one_is_recognized(team: Team, api: Sandbox) -> None:
    campaign(team, api)
    forget(team)
    urls = team.row(WORDS[0])["image_urls"]
    with team.editing() as rows:
        rows[0]["prompt"] = "another fox"
        rows[1] |= dict.fromkeys(("row_id", "status"), "")
        rows.reverse()
    team.finish()
    edited, retyped = team.row("another fox"), team.row(WORDS[1])
    with team.editing() as rows:
        rows[-1]["prompt"] = WORDS[0]
    team.finish()
    back = team.row(WORDS[0])["status"], team.row(WORDS[0])["note"]
    with team.editing() as rows:
        rows[-1]["take"] = "2"
    team.finish()

    assert edited["status"] == "edited"
    assert (
        "prompt was another text (forgotten since) when these pictures were made." in edited["note"]
    )
    assert edited["image_urls"] == urls
    assert retyped["status"] == "done"
    assert retyped["row_id"]
    assert back == ("done", "")
    assert api.state()["tasks"] == {WORDS[0]: 2, WORDS[1]: 1, WORDS[2]: 1}
    assert team.row(WORDS[0])["image_urls"] not in ("", urls)


def test_doctor_does_not_promise_a_forgotten_result_of_a_row_that_was_deleted(
    team: Team, api: Sandbox
) -> None:
    campaign(team, api)
    with team.editing() as rows:
        del rows[0]
    team.finish()
    kept = team.start("doctor", team.config).out
    forget(team)

    assert "1 row with results in the store is not in the sheet. Nothing is lost" in kept
    assert "Nothing is lost" not in team.start("doctor", team.config).out


def test_a_lower_take_does_not_show_the_pictures_of_a_higher_one(team: Team, api: Sandbox) -> None:
    campaign(team, api)
    forget(team)
    with team.editing() as rows:
        rows[0]["take"] = "2"
    team.finish()
    with team.editing() as rows:
        rows[0]["take"] = "1"
    team.finish()

    row = team.row(WORDS[0])
    assert (row["status"], row["image_urls"], row["image_1"]) == ("done", "", "")
    assert team.row(WORDS[1])["image_urls"]
    assert api.state()["tasks"][WORDS[0]] == 2


def test_only_what_was_finished_before_that_day_is_forgotten(team: Team, api: Sandbox) -> None:
    campaign(team, api)

    early = team.start("forget", team.config, "--before", "2026-01-01", "--yes")
    unasked = team.start("forget", team.config, "--before", datetime.now(UTC).isoformat())
    future = team.start("forget", team.config, "--before", "2226-01-01", "--yes")
    kept = in_store(team)
    first, second = forget(team), forget(team)

    assert (early.code, "nothing to forget" in early.out) == (0, True)
    assert (unasked.code, "Add --yes" in unasked.err) == (2, True)
    assert (future.code, "in the future" in future.err) == (2, True)
    assert kept == [*WORDS, "/media/"]
    assert ("Forgotten: 3 rows." in first.out, "nothing to forget" in second.out) == (True, True)


def test_forget_says_that_another_program_keeps_the_words_in_the_file(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign(team, api)
    # It would wait half a minute for the other program.
    monkeypatch.setattr(wiring, "Store", partial(Store, patience=0.2))
    now = datetime.now(UTC).isoformat()
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM attempts").fetchone()
        ended = called("forget", team.config, "--before", now, "--yes", "--files")
        held = in_store(team)

    assert (ended.code, "run promptsheet forget again" in ended.said) == (1, True), ended
    assert held


def test_a_second_forget_overwrites_what_a_stopped_one_had_removed(
    team: Team, api: Sandbox
) -> None:
    campaign(team, api)
    settings = load(team.config)
    with wiring.open_store(settings) as store:
        (sheet,) = store.sheets.all()
        rules, now = wiring.rules(settings, sheet.key, store), datetime.now(UTC)
        rows = store.forgetting.old(sheet.key, now).row_ids
        # The first start is stopped before the file is rewritten.
        store.forgetting.forget(sheet.key, rows, Terms(stays_by(rules), rules.links))
    before = writings(team)
    second = forget(team, "--files")

    assert len(rows) == 3
    assert (second.code, "nothing to forget" in second.out) == (0, True), second
    assert writings(team) > before


def test_a_failed_row_is_sent_again_with_its_words_only_if_a_person_asks(
    team: Team, api: Sandbox
) -> None:
    campaign(team, api)
    forget(team)
    team.finish()
    failed = team.row(WORDS[2])
    retried = team.start("retry", team.config, "--log-format", "json")
    team.finish()

    assert [json.loads(line)["event"] for line in retried.err.splitlines()] == ["asked"]
    assert failed["status"] == "failed"
    assert "the reason was forgotten" in failed["note"]
    assert team.row(WORDS[2])["status"] == "done"
    assert api.state()["tasks"] == {WORDS[0]: 1, WORDS[1]: 1, WORDS[2]: 2}


def test_a_child_says_that_the_picture_of_its_parent_was_forgotten(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    text = team.config.read_text()
    team.config.write_text(
        text.replace("[provider]\n", "[provider]\ncredits = { imagine-video = 5 }\n")
    )
    team.write("name,prompt,endpoint,image,take", f"one,{WORDS[0]},imagine,,")
    team.finish()
    forget(team)
    with team.editing() as rows:
        rows.append({"prompt": WORDS[1], "endpoint": "imagine-video", "image": "one"})
    team.finish()
    held = team.row(WORDS[1])
    with team.editing() as rows:
        rows[0]["take"] = "2"
    team.finish()

    assert "was forgotten on" in held["note"]
    assert held["task_id"] == ""
    assert team.said_of(*WORDS[:2]) == ["done", "done"]
    assert api.state()["tasks_taken"] == 3


def test_results_of_rows_whose_cells_were_sorted_alone_are_put_back(team: Team) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,take", *(f"{word}," for word in WORDS))
    team.finish()
    before = cells(team)
    forget(team)
    with team.editing() as rows:
        for name in ("image_urls", "task_id"):
            texts = [row[name] for row in rows]
            for row, text in zip(rows, reversed(texts), strict=True):
                row[name] = text
    run = team.finish()

    assert run.code == 0
    assert cells(team) == before
