"""Saved files, through the command line: each paid picture has its own file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.model import Result, State
from pipeline.sandbox import Sandbox, pictures
from pipeline.store import Store
from pipeline.sync.quick_check import Found, check
from tests.core.build import attempt
from tests.fakes.buckets import BUCKET, google_storage
from tests.fakes.program import KEY, KEY_NAME
from tests.fakes.team import Team

LONG = "Autumn campaign hero picture for the landing page and the newsletter of October"
ROWS = [f"{LONG} {n},a fox in picture {n}," for n in (1, 2, 3)]


#: Pictures are saved.
TEAM_TABLES = ""


def drawn(prompt: str, task: int = 1) -> list[bytes]:
    """The pictures of a prompt's `task`-th task, as the sandbox draws them."""
    return [pictures.draw(prompt, "1:1", task, n, plain=True) for n in (1, 2, 3, 4)]


def kept(team: Team, files: str) -> list[bytes]:
    """The contents of the files that a row names."""
    return [(team.folder / "media" / name).read_bytes() for name in files.split("\n") if name]


def asked(team: Team, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as store, store:
        return store.execute(statement).fetchall()


def time_passes(team: Team) -> None:
    """Move the time forward until links are tried again."""
    asked(team, "update files set next_at = 1 where next_at is not null")


def test_rows_with_similar_long_names_keep_their_own_pictures_of_every_take(
    team: Team, api: Sandbox
) -> None:
    team.write("name,prompt,take,files", *(f"{row}," for row in ROWS))
    assert team.finish().code == 0
    first = {row["prompt"]: row["files"] for row in team.rows()}
    with team.editing() as rows:
        rows[0]["take"] = "2"
    assert team.finish().code == 0
    second = team.rows()[0]

    for prompt, files in first.items():
        assert kept(team, files) == drawn(prompt)
    assert kept(team, second["files"]) == drawn(second["prompt"], task=2)
    assert len(list((team.folder / "media").glob("*.png"))) == 16
    assert all(
        name.startswith(LONG.replace(" ", "-")[:50]) for name in first[second["prompt"]].split("\n")
    )
    assert sum(api.state()["tasks"].values()) == 4


def test_pictures_saved_by_a_later_run_replace_no_earlier_ones(team: Team, api: Sandbox) -> None:
    team.write("prompt,files", "a fox,")
    api.set(dead_links="1.0 /pictures/*-[34].png")
    team.finish()
    api.set(dead_links="off")
    assert len(kept(team, team.row("a fox")["files"])) == 2
    time_passes(team)
    team.run()

    assert kept(team, team.row("a fox")["files"]) == drawn("a fox")


def test_a_request_that_the_api_did_not_accept_does_not_change_file_names(
    team: Team, api: Sandbox
) -> None:
    team.write("name,prompt,files", "Fox,a fox,")
    api.set(unavailable="next 1 retry")
    team.finish()

    row = team.row("a fox")
    assert row["files"].split("\n") == [f"Fox-{row['row_id']}-1-{n}.png" for n in (1, 2, 3, 4)]


def test_pictures_of_a_second_success_that_are_saved_already_are_not_saved_again(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,files", "a fox,", "an owl,")
    team.finish()
    other = tuple(team.row("an owl")["image_urls"].split("\n"))
    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        (sheet,) = store.sheets.all()
        (key,) = (
            key for key in store.jobs.all(sheet.key) if key.row_id == team.row("a fox")["row_id"]
        )
        first = store.jobs.all(sheet.key)[key].attempts[0]
        ended = first.ended_at
        again = attempt(
            State.SUCCEEDED, number=2, result=Result(other), ended_at=ended, sent_at=ended
        )
        assert store.jobs.adopt(key, again)
    team.run()

    with Store(f"sqlite:///{team.folder / 'promptsheet.db'}") as store:
        files = store.jobs.all(sheet.key)[key].files
    assert kept(team, "\n".join(files[url] for url in first.result.urls)) == drawn("a fox")
    assert kept(team, "\n".join(files[url] for url in other)) == drawn("an owl")
    assert [files[url] for url in other] == team.row("an owl")["files"].split("\n")
    assert len(list((team.folder / "media").glob("*.png"))) == 8
    assert len(manifest(team)) == 12
    assert team.start("doctor", team.config).code == 0


def manifest(team: Team) -> list[dict[str, object]]:
    lines = (team.folder / "media" / "manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_manifest_says_of_each_file_what_it_is(team: Team, api: Sandbox) -> None:
    team.write("name,prompt,files,image_urls,task_id", "Fox,=a fox,,,")
    team.finish()

    row, lines = team.rows()[0], sorted(manifest(team), key=lambda one: str(one["number"]))
    assert [one["file"] for one in lines] == row["files"].split("\n")
    assert [one["url"] for one in lines] == row["image_urls"].split("\n")
    for one in lines:
        content = (team.folder / "media" / str(one["file"])).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["bytes"] == len(content)
        assert (one["prompt"], one["task_id"], one["take"]) == ("=a fox", row["task_id"], 1)
        assert one["width"] == one["height"]
        assert one["endpoint"] == "imagine"
        assert datetime.fromisoformat(str(one["submitted_at"])).tzinfo


def test_names_follow_the_template_and_no_two_pictures_share_a_file(
    team: Team, api: Sandbox
) -> None:
    name = "{Campaign}/{name}-{take}-{n}.{ext}"
    team.configure(f'[media]\nfile_name = "{name}"\n')
    team.write(
        "name,campaign,prompt,files",
        "Fox,Spring 2027,a fox,",
        "fox,Spring 2027,an owl,",
        f"{'x' * 300},../../etc,a gull,",
        ",,a crow,",
    )
    assert team.finish().code == 0

    for row in team.rows():
        assert sorted(kept(team, row["files"])) == sorted(drawn(row["prompt"]))
    names = [name for row in team.rows() for name in row["files"].split("\n")]
    assert len(set(map(str.casefold, names))) == 16
    fox, owl = team.rows()[:2]
    assert names[0] == f"Spring-2027/Fox-1-1-{fox['row_id']}.png"
    assert names[4] == f"Spring-2027/fox-1-1-{owl['row_id']}.png"
    assert team.start("doctor", team.config).code == 0
    assert names[8].startswith("etc/xxx")
    assert names[8].endswith("x-1-1.png")
    assert names[12] == "1-1.png"
    assert {path.parent.name for path in (team.folder / "media").rglob("*.png")} == {
        *("Spring-2027", "etc", "media")
    }


def test_cells_show_lasting_links_if_that_is_wanted(team: Team, api: Sandbox) -> None:
    team.configure('[media]\nlinks = "ours"\npublic_url = "https://cdn.example.com/p"\n')
    team.write("name,prompt,files,image_urls,image_1", "Fox,a fox,,,")
    team.finish()
    row = team.rows()[0]
    team.configure('[media]\npublic_url = "https://cdn.example.com/p"\n')
    team.run()
    later = team.rows()[0]

    files = row["files"].split("\n")
    assert row["image_urls"].split("\n") == [f"https://cdn.example.com/p/{one}" for one in files]
    assert row["image_1"] == f"https://cdn.example.com/p/{files[0]}"
    assert later["image_1"].startswith(team.url)
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_folder_that_cannot_be_written_costs_few_downloads(team: Team, api: Sandbox) -> None:
    team.write("prompt", *(f"a fox in picture {n}" for n in range(12)))
    (team.folder / "media").mkdir()
    (team.folder / "media" / "manifest.jsonl").mkdir()  # the manifest cannot be written

    stopped = team.finish()
    (team.folder / "media" / "manifest.jsonl").rmdir()
    well = team.run()

    assert stopped.code == 3
    assert "pictures were not saved. Pictures cannot be saved in" in stopped.said
    assert api.state()["requests"]["/pictures"] < 48 + 40
    assert well.code == 0
    assert len(list((team.folder / "media").glob("*.png"))) == 48


def as_an_earlier_version_left_it(team: Team) -> Path:
    """Record one file for all pictures of all rows; it contains only the last picture."""
    media = team.folder / "media"
    for path in media.iterdir():
        path.unlink()
    (media / "Autumn.png").write_bytes(drawn("a fox in picture 3")[3])
    asked(team, "update files set path = 'Autumn.png'")
    return media / "Autumn.png"


def test_doctor_finds_pictures_that_share_a_file_and_saves_them_again(
    team: Team, api: Sandbox
) -> None:
    team.write("name,prompt,files", *ROWS)
    team.finish()
    shared = as_an_earlier_version_left_it(team)

    found = team.start("doctor", team.config)
    repaired = team.start("doctor", team.config, "--repair")
    well = team.start("doctor", team.config)

    assert found.code == 1
    assert (
        "! 12 pictures were saved in only 1 file, so only the last one of each is there "
        f'(row 2 ("{LONG[:39]}…"), row 3 ("{LONG[:39]}…"), row 4 ("{LONG[:39]}…")). '
        "Run promptsheet doctor --repair soon: it saves them again, as long as their links work."
    ) in found.said
    assert "Repaired: 0 rows done, 12 pictures saved." in repaired.said
    assert (repaired.code, well.code) == (0, 0)
    for row in team.rows():
        assert kept(team, row["files"]) == drawn(row["prompt"])
    assert shared.read_bytes() == drawn("a fox in picture 3")[3]
    assert sum(api.state()["tasks"].values()) == 3


def test_doctor_names_the_rows_whose_pictures_cannot_be_saved_again(
    team: Team, api: Sandbox
) -> None:
    team.write("name,prompt", "Fox,a fox", "Owl,an owl")
    team.finish()
    shared = as_an_earlier_version_left_it(team)
    asked(team, "update files set path = 'Owl.png' where job = 2")
    (team.folder / "media" / "Owl.png").write_bytes(b"one of the owls")
    api.set(dead_links="1.0")

    repaired = team.start("doctor", team.config, "--repair")

    assert repaired.code == 1
    for name, number, file in (("Fox", 2, shared), ("Owl", 3, shared.with_name("Owl.png"))):
        assert (
            f'! 4 pictures of row {number} ("{name}") could not be saved again. The old file '
            f"{file.name} stays where it is; it shows one of them."
        ) in repaired.said
        assert file.exists()


def test_a_dead_link_is_reported_once_listed_and_no_longer_tried(team: Team, api: Sandbox) -> None:
    team.write("name,prompt,files", "Fox,a fox,", "Owl,an owl,")
    api.set(dead_links="1.0 /pictures/*-[24].png")
    first = team.finish()
    asked_first = api.state()["requests"]["/pictures"]
    second = team.run()
    asked_second = api.state()["requests"]["/pictures"]
    status = team.start("status", team.config)

    note = (
        "Pictures 2 and 4 of 4 could not be saved. The link is dead: it answers 404. Later runs "
        "try again; to pay for new ones, add a column named take and put 2 in it."
    )
    assert (first.code, second.code, status.code) == (1, 0, 1)
    assert [(row["status"], row["note"]) for row in team.rows()] == [("check needed", note)] * 2
    assert "2 check needed" in status.said
    assert "an owl" in status.said
    assert second.said == ""
    assert asked_first == asked_second == 8
    for row in team.rows():
        assert kept(team, row["files"]) == drawn(row["prompt"])[::2]
        assert len(row["image_urls"].split("\n")) == 4


def test_a_link_is_given_up_after_a_few_tries_until_doctor_repairs_it(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt,files", "a fox,")
    api.set(dead_links="1.0")
    runs = [team.finish()]
    for _ in range(5):
        time_passes(team)
        runs.append(team.run())
    asked_at_last = api.state()["requests"]["/pictures"]
    at_last = team.row("a fox")["note"]
    api.set(dead_links="off")
    repaired = team.start("doctor", team.config, "--repair")

    assert [one.code for one in runs] == [1, 0, 0, 0, 0, 0]
    assert asked_at_last == 3 * 4
    assert at_last == (
        "None of the 4 pictures could be saved. The link is dead: it answers 404. To try again, "
        "run promptsheet doctor --repair; to pay for new ones, add a column named take and put 2 "
        "in it."
    )
    assert repaired.said.startswith("Repaired: 0 rows done, 4 pictures saved.")
    assert repaired.code == 0
    row = team.row("a fox")
    assert (row["status"], row["note"], kept(team, row["files"])) == ("done", "", drawn("a fox"))
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_sheet_with_only_given_up_links_has_nothing_to_do(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.write("prompt", "a fox")
    api.set(dead_links="1.0")
    team.finish()
    asked(team, "update attempts set sent_at = sent_at - 100000000000")  # a day and more
    time_passes(team)
    team.run()

    assert asked(team, "select count(*) from files where lost and next_at is null") == [(4,)]
    monkeypatch.setenv(KEY_NAME, KEY)
    assert check(load(team.config).sources).found is Found.UNCHANGED


def test_unsaved_pictures_are_reported_only_for_sheets_that_save_files(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox")
    api.set(dead_links="1.0")
    team.finish()
    team.configure('[media]\nsave_to = ""\n')
    team.run()

    assert team.said_of("a fox") == ["done"]
    assert team.start("status", team.config).code == 0


def test_the_api_is_asked_once_for_new_links_in_place_of_dead_ones(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n')
    team.write("prompt,files,image_urls", "a fox,,")
    team.finish()
    asked(team, "update attempts set result = replace(result, '/pictures/', '/pictures/old-')")
    asked(team, "update sheets set moved = moved + 1")
    asked(team, "update jobs set moved = (select max(moved) from sheets)")
    polls = api.state()["requests"].get("/fetch", 0)
    team.configure()
    again = team.run()

    row = team.row("a fox")
    assert (again.code, row["status"]) == (0, "done")
    assert kept(team, row["files"]) == drawn("a fox")
    assert "/pictures/old-" in row["image_urls"]
    assert api.state()["requests"]["/fetch"] == polls + 1
    assert api.state()["tasks"] == {"a fox": 1}


def test_nothing_is_downloaded_for_a_bucket_that_refuses_and_a_later_run_saves_all(
    team: Team, api: Sandbox
) -> None:
    with google_storage() as store:
        place = {"base_url": f"http://127.0.0.1:{store.port}", "credentials": "file:place.key"}
        (team.folder / "place.key").write_text('"anon"')
        (team.folder / "place.key").chmod(0o600)
        team.configured("promptsheet", media=f"gs://{BUCKET}/spring", tables={"media": place})
        team.write("prompt,files", "a fox,", "an owl,")
        store.says = 403
        refused = team.finish()
        downloads, uploads = api.state()["most_pictures_in_flight"], store.uploads
        store.says = 0
        saved = team.finish()

    assert refused.code == 3
    assert refused.said.count("Pictures cannot be saved in") == 1
    assert "8 pictures were not saved" in refused.said
    assert (downloads, uploads) == (0, 1)
    assert (saved.code, saved.said) == (0, "")
    assert [len(row["files"].split("\n")) for row in team.rows()] == [4, 4]
    assert sum(name.endswith(".png") for name in store.files) == 8
