"""People pick pictures and give feedback, as a team uses both columns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.model import JobKey
from pipeline.core.rows.feedback import on_page
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from tests.fakes.buckets import BUCKET, google_storage
from tests.fakes.team import Team

TASK_SECONDS = 0
HEADER = "prompt,name,take,pick,feedback,picked"


@pytest.fixture
def flux(api: Sandbox, tmp_path: Path) -> Team:
    """A team whose rows are for an endpoint that takes pictures to start from."""
    api.reset()
    team = Team(tmp_path, api.url, version=2)
    team.configured("promptsheet", tables={"provider": {"endpoint": "flux"}})
    return team


def sent(team: Team) -> list[dict[str, Any]]:
    """The bodies of all requests that were paid, the first one first."""
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection:
        found = connection.execute("select body from attempts order by job, number").fetchall()
    return [json.loads(body) for (body,) in found]


def test_a_pick_is_shown_and_a_wrong_one_is_explained_and_neither_sends_anything(
    team: Team, api: Sandbox
) -> None:
    team.write(HEADER, "a fox,fox,,,,", "an owl,owl,,,,", "a cat,cat,,3,,")
    team.finish()
    with team.editing() as rows:
        rows[0]["pick"] = "4; 1"
        rows[1]["pick"] = "5"

    assert team.finish().code == 0
    fox, owl, cat = team.rows()
    urls = fox["image_urls"].split("\n")
    assert fox["picked"].split("\n") == [urls[3], urls[0]]
    assert (owl["picked"], owl["status"]) == ("", "done")
    assert owl["note"].startswith('pick is "5", and this row has the pictures 1 to 4')
    assert cat["picked"] == cat["image_urls"].split("\n")[2]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1}

    details = json.loads(team.start("status", team.config, "--json").said)["details"]
    assert [one["picked"] for one in details] == [[urls[3], urls[0]], [], [cat["picked"]]]


def test_a_tick_on_the_page_is_shown_until_the_cell_says_something_else(team: Team) -> None:
    team.write(HEADER, "a fox,fox,,,,")
    team.finish()
    fox = team.row("a fox")
    with closing(Store(f"sqlite:///{team.folder / 'promptsheet.db'}")) as store:
        (sheet,) = store.sheets.all()
        assert store.picks.set(JobKey(sheet.key, fox["row_id"], 1), [2], (), "on the page by anna")

    team.finish()
    urls = fox["image_urls"].split("\n")
    assert team.row("a fox")["picked"] == urls[1]
    history = json.loads(team.start("status", team.config, "--json", "--row", "fox").said)
    assert "picture 2, on the page by anna" in str(history["history"])

    with team.editing() as rows:
        rows[0]["pick"] = "1"
    team.finish()
    assert (team.row("a fox")["picked"], team.row("a fox")["pick"]) == (urls[0], "1")


def test_feedback_sends_nothing_and_the_next_take_is_made_with_it(team: Team, api: Sandbox) -> None:
    team.write(HEADER, "a fox --ar 3:2,fox,,,too early,")
    first = team.run("--plan").said
    assert "The feedback is not used in the first take" in " ".join(first.split())
    team.finish()
    with team.editing() as rows:
        rows[0]["feedback"] = "Make it warmer"
    assert team.finish().code == 0
    (fox,) = team.rows()
    assert (fox["status"], fox["note"]) == (
        "done",
        "To use the feedback, put 2 in the take column.",
    )
    assert api.state()["tasks"] == {"a fox --ar 3:2": 1}

    with team.editing() as rows:
        rows[0]["take"] = "2"
    finished = "a fox. Make it warmer --ar 3:2"
    plan = team.run("--plan").said
    assert finished in plan
    assert "Sent from the sheet: feedback, prompt." in plan
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox --ar 3:2": 1, finished: 1}
    (fox,) = team.rows()
    assert (fox["status"], fox["note"]) == ("done", "")

    with team.editing() as rows:
        rows[0]["feedback"] = "Now cooler"
    assert team.finish().code == 0
    (fox,) = team.rows()
    assert (fox["status"], fox["note"]) == (
        "done",
        "To use the feedback, put 3 in the take column.",
    )
    with team.editing() as rows:
        rows[0]["prompt"] = "a wolf"
    assert team.finish().code == 0
    assert team.rows()[0]["status"] == "edited"
    assert sum(api.state()["tasks"].values()) == 2


def test_the_next_take_starts_from_the_picked_picture(flux: Team, api: Sandbox) -> None:
    flux.write(HEADER + ",image", "a fox,fox,,,,,https://example.com/own.png")
    assert flux.finish().code == 0
    (fox,) = flux.rows()
    first = fox["image_urls"].split("\n")
    with flux.editing() as rows:
        rows[0] |= {"take": "2", "pick": "1", "feedback": "add snow"}

    assert flux.finish().code == 0, flux.rows()
    (fox,) = flux.rows()
    own, again = sent(flux)
    assert own["fluxParams"]["input_images"] == ["https://example.com/own.png"]
    assert again["prompt"] == "a fox. add snow"
    assert again["fluxParams"]["input_images"] == [first[0]]
    assert (fox["status"], fox["note"]) == ("done", "")
    assert fox["picked"] in fox["image_urls"].split("\n")
    assert fox["picked"] not in first
    assert flux.finish().code == 0
    assert len(sent(flux)) == 2


def test_a_picked_picture_whose_link_has_expired_is_sent_as_the_saved_file(
    flux: Team, api: Sandbox
) -> None:
    flux.configured("promptsheet", tables={"provider": {"endpoint": "flux"}}, media="media")
    flux.write(HEADER + ",image", "a fox,fox,,,,,")
    assert flux.finish().code == 0
    long_ago = "update attempts set ended_at = ended_at - 100 * 24 * 3600 * 1000000"
    with closing(sqlite3.connect(flux.folder / "promptsheet.db")) as connection, connection:
        connection.execute(long_ago)
    with flux.editing() as rows:
        rows[0] |= {"take": "2", "pick": "1", "feedback": "add snow"}
        (saved,) = (one.name for one in (flux.folder / "media").glob("*.png"))
        rows.append({"prompt": "an owl", "image": f"saved://{saved}"})

    assert flux.finish().code == 1
    fox, owl = flux.rows()
    (start,) = sent(flux)[1]["fluxParams"]["input_images"]
    assert start.startswith(api.url)
    assert start not in fox["image_urls"]
    assert (fox["status"], fox["note"]) == ("done", "")
    # A cell can never name a saved file.
    assert (owl["status"], len(sent(flux))) == ("invalid", 2)


def test_a_picked_picture_whose_link_has_expired_is_read_again_from_the_bucket(
    flux: Team, api: Sandbox
) -> None:
    with google_storage() as store:
        (flux.folder / "place.key").write_text('"anon"')
        (flux.folder / "place.key").chmod(0o600)
        media = {"save_to": f"gs://{BUCKET}/spring", "credentials": "file:place.key"}
        media["base_url"] = f"http://127.0.0.1:{store.port}"
        tables = {"provider": {"endpoint": "flux"}, "media": media}
        flux.configured("promptsheet", tables=tables)
        flux.write(HEADER, "a fox,fox,,,,")
        assert flux.finish().code == 0
        long_ago = "update attempts set ended_at = ended_at - 100 * 24 * 3600 * 1000000"
        with closing(sqlite3.connect(flux.folder / "promptsheet.db")) as connection, connection:
            connection.execute(long_ago)
        with flux.editing() as rows:
            rows[0] |= {"take": "2", "pick": "1", "feedback": "add snow"}
        assert flux.finish().code == 0
        (second,) = flux.rows()
        (start,) = sent(flux)[1]["fluxParams"]["input_images"]
        store.files.clear()
        with closing(sqlite3.connect(flux.folder / "promptsheet.db")) as connection, connection:
            connection.execute(long_ago)
        with flux.editing() as rows:
            rows[0] |= {"take": "3"}
        flux.finish()
        (third,) = flux.rows()

    assert start.startswith(api.url)
    assert (second["status"], second["note"]) == ("done", "")
    assert (third["status"], api.state()["tasks_taken"]) == ("failed", 2)
    assert "The file is no longer in gs://pictures" in third["note"]


def test_feedback_and_a_tick_of_the_page_make_one_take_and_no_cell_is_changed(flux: Team) -> None:
    flux.write(HEADER, "a fox,fox,,,too much sky,")
    flux.finish()
    (fox,) = flux.rows()
    with closing(Store(f"sqlite:///{flux.folder / 'promptsheet.db'}")) as store:
        (sheet,) = store.sheets.all()
        assert store.picks.set(JobKey(sheet.key, fox["row_id"], 1), [1], ())
        asked = [
            store.rows.ask_again(sheet.key, fox["row_id"], 0, on_page(2, "add snow"))
            for _ in range(2)
        ]

    assert asked == [True, False]
    assert flux.finish().code == 0
    assert flux.finish().code == 0
    _, again = sent(flux)
    assert again["prompt"] == "a fox. add snow"
    assert again["fluxParams"]["input_images"] == fox["image_urls"].split("\n")[:1]
    (now,) = flux.rows()
    assert (now["take"], now["pick"], now["feedback"]) == ("", "", "too much sky")
    assert now["status"] == "done"
    # Asked again in the sheet, the cell says what counts.
    with flux.editing() as rows:
        rows[0]["take"] = "2"
    assert flux.finish().code == 0
    assert [one["prompt"] for one in sent(flux)] == [
        "a fox",
        "a fox. add snow",
        "a fox. too much sky",
    ]


def test_an_endpoint_without_pictures_makes_the_next_take_from_the_words_alone(
    team: Team, api: Sandbox
) -> None:
    team.write(HEADER, "a fox.,fox,,,,")
    team.finish()
    with team.editing() as rows:
        rows[0] |= {"take": "2", "pick": "3", "feedback": "add snow"}

    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox.": 1, "a fox. add snow": 1}
    assert "image" not in str(sent(team)[1]).casefold()


def test_a_take_with_feedback_and_a_pick_that_is_no_picture_is_not_paid(
    flux: Team, api: Sandbox
) -> None:
    flux.write(HEADER, "a fox,fox,,,,")
    flux.finish()
    with flux.editing() as rows:
        rows[0] |= {"take": "2", "pick": "99", "feedback": "add snow"}
    assert flux.finish().code == 1
    (fox,) = flux.rows()
    assert fox["status"] == "invalid"
    assert "take 2 cannot start from pick: correct or clear it" in fox["note"]
    with flux.editing() as rows:
        rows[0]["pick"] = ""
    assert flux.finish().code == 0
    assert [one["prompt"] for one in sent(flux)] == ["a fox", "a fox. add snow"]


def test_feedback_that_changes_after_the_approval_of_its_take_needs_a_new_one(
    team: Team, api: Sandbox
) -> None:
    team.write(HEADER + ",approved", "a fox,fox,,,,,yes")
    team.finish()
    with team.editing() as rows:
        rows[0] |= {"feedback": "warmer", "take": "2", "approved": ""}
    team.finish()
    assert team.said_of("a fox") == ["needs approval"]
    with team.editing() as rows:
        rows[0]["approved"] = "yes"
    team.run("--limit", "0")
    with team.editing() as rows:
        rows[0]["feedback"] = "cooler"
    assert team.finish().code == 0
    assert team.said_of("a fox") == ["needs approval"]
    assert api.state()["tasks"] == {"a fox": 1}
    with team.editing() as rows:
        rows[0]["approved"] = "ok"
    team.finish()
    assert api.state()["tasks"] == {"a fox": 1, "a fox. cooler": 1}


def test_an_approval_in_the_sheet_is_for_the_picture_that_was_ticked_on_the_page_then(
    flux: Team,
) -> None:
    flux.write(HEADER + ",approved", "a fox,fox,,,,,yes")
    flux.finish()
    (fox,) = flux.rows()
    urls = fox["image_urls"].split("\n")
    with closing(Store(f"sqlite:///{flux.folder / 'promptsheet.db'}")) as store:
        (sheet,) = store.sheets.all()
        key = JobKey(sheet.key, fox["row_id"], 1)
        assert store.picks.set(key, [1], ())
        with flux.editing() as rows:
            rows[0] |= {"feedback": "add snow", "take": "2", "approved": "ok"}
        flux.run("--limit", "0")
        assert store.picks.set(key, [], [1])
        flux.finish()
        (now,) = flux.rows()
        assert (now["status"], len(sent(flux))) == ("needs approval", 1)
        assert now["note"].startswith("The picked pictures are not those that were approved.")
        assert store.picks.set(key, [1], [])

    flux.finish()
    _, again = sent(flux)
    assert again["fluxParams"]["input_images"] == urls
    assert flux.rows()[0]["status"] == "done"


def test_each_generation_of_a_row_has_the_feedback_and_starts_from_its_own_picture(
    flux: Team,
) -> None:
    flux.write(HEADER + ",ratios", 'a fox,fox,,,,,"16:9, 1:1"')
    assert flux.finish().code == 0
    urls = flux.rows()[0]["image_urls"].split("\n")
    half = len(urls) // 2
    with flux.editing() as rows:
        rows[0] |= {"take": "2", "pick": f"1, {half + 1}", "feedback": "add snow"}
    assert flux.finish().code == 0, flux.rows()

    started = {
        one["fluxParams"]["aspect_ratio"]: one["fluxParams"]["input_images"]
        for one in sent(flux)[2:]
    }
    assert started == {"16:9": [urls[0]], "1:1": [urls[half]]}


def test_a_template_puts_prompt_and_feedback_together(team: Team, api: Sandbox) -> None:
    config = team.config.read_text()
    team.config.write_text(config + '[prompt]\nfeedback = "{feedback}, please: {prompt}"\n')
    team.write(HEADER, "a fox,fox,,,,")
    team.finish()
    with team.editing() as rows:
        rows[0] |= {"take": "2", "feedback": "Warmer"}
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox": 1, "Warmer, please: a fox": 1}

    team.config.write_text(config + '[prompt]\nfeedback = "{prompt}"\n')
    wrong = team.run()
    assert (wrong.code, "prompt.feedback: write {prompt} and {feedback}" in wrong.err) == (2, True)


def as_of_version_13(team: Team) -> None:
    """The store as the program left it before it had these columns."""
    with closing(Store(f"sqlite:///{team.folder / 'promptsheet.db'}")) as store:
        engine = store._database.engine
        with engine.connect() as connection, connection.begin():
            for name in ("pick", "feedback", "old_feedback", "feedback_on_page"):
                connection.exec_driver_sql(f"ALTER TABLE known_rows DROP COLUMN {name}")
            connection.exec_driver_sql("ALTER TABLE jobs DROP COLUMN picked")
            connection.exec_driver_sql("ALTER TABLE attempts DROP COLUMN credit_price")
            connection.exec_driver_sql("ALTER TABLE attempts DROP COLUMN forgotten")
            connection.exec_driver_sql("ALTER TABLE wanted_rows DROP COLUMN adding_at")
            connection.exec_driver_sql("DROP TABLE turns")
            connection.exec_driver_sql("UPDATE promptsheet SET value = '13' WHERE name = 'version'")


def test_remarks_from_before_an_upgrade_are_never_sent(team: Team, api: Sandbox) -> None:
    team.write("prompt,take,feedback,picked", "a fox,,ask Bob,yes", "an owl,,,", "a cat,,,no")
    config = team.config.read_text()
    team.config.write_text(config + '[columns]\nignore = ["feedback", "picked"]\n')
    team.finish()
    as_of_version_13(team)
    team.config.write_text(config)

    assert team.finish().code == 0
    assert [row["note"] for row in team.rows()] == ["", "", ""]
    assert [row["picked"] for row in team.rows()] == ["yes", "", "no"]
    with team.editing() as rows:
        rows[0]["take"] = "2"
        rows[1] |= {"take": "2", "feedback": "warmer"}
    assert team.finish().code == 1
    assert team.said_of("a fox", "an owl") == ["invalid", "done"]
    assert "feedback holds text from before" in team.row("a fox")["note"]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a cat": 1, "an owl. warmer": 1}

    with team.editing() as rows:
        rows[0]["feedback"] = "cooler"
    assert team.finish().code == 0
    assert api.state()["tasks"]["a fox. cooler"] == 1
    assert [row["picked"] for row in team.rows()] == ["yes", "", "no"]
