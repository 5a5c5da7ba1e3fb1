"""Lasting links in cells: those of the page, for places without a public address."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline import wiring
from pipeline.config import PageSettings, Secret, Settings, load
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.sandbox import Sandbox, pictures
from pipeline.store import Store as OurStore
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import hosted
from tests.fakes.buckets import BUCKET, Store, google_storage
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0
#: The page as people reach it. In these tests it is at another address.
PAGE = "https://pictures.example.com"
TOKEN = "a token for these tests"
HEADER = "name,prompt,take,files,image_urls,image_1,task_id"


def drawn(prompt: str, task: int = 1) -> list[bytes]:
    return [pictures.draw(prompt, "1:1", task, n, plain=True) for n in (1, 2, 3, 4)]


@pytest.fixture
def bucket(team: Team) -> Iterator[Store]:
    """A bucket that only the program can read, and a configuration with it."""
    with google_storage() as store:
        (team.folder / "place.key").write_text('"anon"')
        (team.folder / "place.key").chmod(0o600)
        configured(team, store)
        yield store


def configured(team: Team, store: Store, public_url: str = "", links: str = "ours") -> Path:
    media = {
        "base_url": f"http://127.0.0.1:{store.port}",
        "credentials": "file:place.key",
        "links": links,
        "public_url": public_url,
    }
    tables = {"media": media, "page": {"public_url": PAGE}}
    return team.configured("promptsheet", media=f"gs://{BUCKET}/spring", tables=tables)


@contextmanager
def visiting(*several: Settings) -> Iterator[tuple[httpx.Client, str]]:
    """A client that has not signed in, and the path that signs it in."""
    with ExitStack() as stack:
        campaigns = []
        for settings in several:
            store = stack.enter_context(OurStore(settings.store_url, now=wiring.now))
            campaigns.append(Campaign(settings, store, open_sheet(settings, store).key))
        gate = Authenticator(PageSettings(wanted=True, token=Secret(TOKEN)))
        page = stack.enter_context(hosted(campaigns, gate))
        client = stack.enter_context(httpx.Client(base_url=page, trust_env=False, timeout=30))
        client.headers["Origin"] = page
        yield client, gate.link("").removeprefix("http://")


def links_of(team: Team, prompt: str) -> list[str]:
    return team.row(prompt)["image_urls"].split("\n")


def test_cells_show_addresses_of_the_page_that_last_and_ask_to_sign_in(
    team: Team, api: Sandbox, bucket: Store
) -> None:
    team.write(HEADER, "Fox,a fox,,,,,", "Owl,an owl,,,,,")
    assert team.finish().code == 0
    first, owl = links_of(team, "a fox"), links_of(team, "an owl")
    row_id = team.row("a fox")["row_id"]
    image_1 = team.row("a fox")["image_1"]
    with team.editing() as rows:
        rows[0]["take"] = "2"
        rows.reverse()
    assert team.finish().code == 0
    second = links_of(team, "a fox")
    with team.editing() as rows:
        rows[:] = [row for row in rows if row["prompt"] != "an owl"]
    quiet = team.run()

    assert first == [f"{PAGE}/saved/{row_id}/1/{n}" for n in (1, 2, 3, 4)]
    assert second == [f"{PAGE}/saved/{row_id}/2/{n}" for n in (1, 2, 3, 4)]
    assert image_1 == first[0]
    assert quiet.code == 0
    other = Team(team.folder / "other", team.url)
    other.folder.mkdir()
    other.write("prompt", "a gull")
    assert other.configured("promptsheet", store="../promptsheet.db").exists()
    other.finish()
    settings = load(team.config), load(other.config)
    with visiting(*reversed(settings)) as (client, _):  # another order
        path = first[1].removeprefix(PAGE)
        asked = client.get(path)
        login = client.get(asked.headers["location"]).text
        signed_in = client.post("/login", data={"token": TOKEN, "then": path})
        found = {
            prompt: [client.get(link.removeprefix(PAGE)).content for link in links]
            for prompt, links in {"fox": first, "second": second, "owl": owl}.items()
        }
        person = [
            client.get(links[1].removeprefix(PAGE), headers={"Sec-Fetch-Dest": "document"})
            for links in (first, second)
        ]
        cards = [client.get(one.headers["location"]).text for one in person]
        missing = [
            client.get(f"/saved/{where}").status_code
            for where in (f"{row_id}/1/5", f"{row_id}/3/1", "r_000000000/1/1", f"{row_id}/1/0")
        ]

    assert asked.status_code == 303
    assert asked.headers["location"] == f"/login?then={path.replace('/', '%2F')}"
    assert f'value="{path}"' in login
    assert signed_in.headers["location"] == path
    assert found == {"fox": drawn("a fox"), "second": drawn("a fox", 2), "owl": drawn("an owl")}
    assert missing == [404] * 4
    for take, (answer, card) in enumerate(zip(person, cards, strict=True), start=1):
        assert answer.headers["location"] == f"/row/2/{row_id}/{take}?picture=2"
        assert f'id="picture" src="/picture/2/{row_id}/{take}/2?v=' in card


def test_cells_follow_the_configuration_and_nothing_of_ours_stays_in_emptied_rows(
    team: Team, api: Sandbox, bucket: Store
) -> None:
    team.write(HEADER, "Fox,a fox,,,,,", "Owl,an owl,,,,,")
    team.finish()
    on_page = links_of(team, "a fox")
    configured(team, bucket, links="api")
    team.run()
    of_api = links_of(team, "a fox")
    configured(team, bucket)
    team.run()
    again = links_of(team, "a fox")
    with team.editing() as rows:
        rows[0]["prompt"] = rows[0]["name"] = ""
    team.run()
    emptied = team.rows()[0]

    assert on_page[0].startswith(f"{PAGE}/saved/")
    assert of_api[0].startswith(team.url)
    assert again == on_page
    assert not any(emptied[name] for name in ("row_id", "image_urls", "image_1", "task_id"))
    assert sum(api.state()["tasks"].values()) == 2


def without_store(team: Team) -> None:
    """The machine is lost; the sheet and the bucket are still there."""
    for path in team.folder.glob("*promptsheet.db*"):
        path.unlink()
    shutil.rmtree(team.folder / ".promptsheet-previews")


def test_own_addresses_are_no_results_of_the_api_for_a_new_store(
    team: Team, api: Sandbox, bucket: Store
) -> None:
    team.write(HEADER, "Fox,a fox,,,,,", "Owl,an owl,,,,,")
    team.finish()
    before = [{**row} for row in team.rows()]
    files = dict(bucket.files)
    without_store(team)
    adopted = team.start("doctor", team.config, "--adopt")
    ended = team.finish()

    assert "0 with pictures, 2 with an open task" in adopted.said
    assert ended.code == 0
    assert team.rows() == before
    assert bucket.files == files
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_public_addresses_of_saved_files_are_known_to_a_new_store(
    team: Team, api: Sandbox, bucket: Store
) -> None:
    public = "https://cdn.example.com/spring"
    configured(team, bucket, public)
    team.write(HEADER, "Fox,a fox,,,,,")
    team.finish()
    row, files = {**team.rows()[0]}, dict(bucket.files)
    asked = api.state()["requests"]["/pictures"]
    without_store(team)
    with team.editing() as rows:
        rows.append({**rows[0], "prompt": "a gull", "row_id": "", "task_id": "", "name": "Gull"})
        rows[1]["image_urls"] = f"{public}/../../other-bucket/secret.png\n{public}/a//b.png"
        rows[1]["image_1"] = rows[1]["files"] = ""
    adopted = team.start("doctor", team.config, "--adopt")
    ended = team.run("--wait")

    assert "2 with pictures" in adopted.said
    assert team.rows()[0] == row
    assert row["image_urls"].startswith(f"{public}/")
    assert row["files"].startswith(f"gs://{BUCKET}/spring/")
    # Only what is no file of the place is looked for on the web.
    assert api.state()["requests"]["/pictures"] == asked
    assert bucket.files == files
    assert "Traceback" not in ended.said
    with visiting(load(team.config)) as (client, sign_in):
        client.post(sign_in)
        path = f"/saved/{row['row_id']}/1"
        assert [client.get(f"{path}/{n}").content for n in (1, 2, 3, 4)] == drawn("a fox")
        gull = team.row("a gull")["row_id"]
        assert client.get(f"/saved/{gull}/1/1").status_code == 404
