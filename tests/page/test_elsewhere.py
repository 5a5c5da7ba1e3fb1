"""Pictures that are saved on another machine: on the page, in the gallery, a zip and a notebook."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from PIL import Image

from pipeline import notebook, wiring
from pipeline.config import PageSettings, Settings, load
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.reports.gallery import write_gallery
from pipeline.sandbox import Sandbox, pictures
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import hosted
from tests.fakes.buckets import S3_KEY, s3_server
from tests.fakes.google.account import EMAIL
from tests.fakes.google_drive import address, google_drive
from tests.fakes.sftp_server import PASSWORD, USER, sftp_server
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0
#: An address where no server listens.
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Place:
    """A place for pictures on another machine, as `[media]` names it."""

    save_to: str
    key: str
    base_url: str = ""
    #: How many files were read there, where the server counts that.
    reads: Callable[[], int] = lambda: 0


@contextmanager
def s3(folder: Path) -> Iterator[Place]:
    server = s3_server()
    yield Place(f"s3://{server.new_bucket()}/spring", S3_KEY, server.url)


@contextmanager
def sftp(folder: Path) -> Iterator[Place]:
    with sftp_server(folder / "server") as server:
        server.known_hosts(folder)
        yield Place(f"sftp://{USER}@127.0.0.1:{server.port}/shared", PASSWORD)


@contextmanager
def drive(folder: Path) -> Iterator[Place]:
    with google_drive() as google:
        shared = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        where = google.files.by_hand("Spring", parent=shared.id, drive=shared.id)

        def reads() -> int:
            return sum(one.query.get("alt") == ["media"] for one in google.log)

        yield Place(address(where), json.dumps(google.key), google.url, reads)


PLACES = {"s3": s3, "sftp": sftp, "Google Drive": drive}


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with PLACES[request.param](tmp_path) as found:
        yield found


def ran(team: Team, place: Place, **media: object) -> Settings:
    """The settings of a team that has saved eight pictures and a video there."""
    (team.folder / "place.key").write_text(place.key)
    (team.folder / "place.key").chmod(0o600)
    keys = {"credentials": "file:place.key", **media}
    if place.base_url:
        keys["base_url"] = place.base_url
    config = team.configured("promptsheet", media=place.save_to, tables={"media": keys})
    team.write(
        "name,prompt,endpoint,files", "Fox,a fox,,", "Owl,an owl,,", "Film,a film,luma-imagine,"
    )
    ended = team.finish()
    assert ended.code == 0, ended.said
    return load(config)


@contextmanager
def visiting(settings: Settings) -> Iterator[httpx.Client]:
    """A visitor of the page who has signed in."""
    with Store(settings.store_url, now=wiring.now) as store:
        campaign = Campaign(settings, store, open_sheet(settings, store).key)
        gate = Authenticator(PageSettings(wanted=True))
        with (
            hosted([campaign], gate) as page,
            httpx.Client(base_url=page, trust_env=False, timeout=30) as client,
        ):
            client.headers["Origin"] = page
            client.post(gate.link("").removeprefix("http://"))
            yield client


def out_of_reach(settings: Settings) -> Settings:
    """The same settings, and nothing answers at the place."""
    assert settings.remote
    (settings.path.parent / ".ssh" / "known_hosts").unlink(missing_ok=True)
    remote = replace(settings.remote, base_url=NOWHERE)
    return replace(settings, remote=remote)


def unpacked(content: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def drawn(prompt: str) -> list[bytes]:
    return [pictures.draw(prompt, "1:1", 1, n, plain=True) for n in (1, 2, 3, 4)]


def test_pictures_elsewhere_are_shown_and_downloaded_like_those_of_a_folder(
    team: Team, api: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ran(team, place)
    fox, film = team.row("a fox"), team.row("a film")
    previews = [path for path in settings.previews.rglob("*") if path.is_file()]
    before = place.reads()

    with visiting(settings) as client:
        board = client.get("/").text
        card = f"1/{fox['row_id']}/1"
        smalls = [client.get(f"/small/{card}/{n}") for n in (1, 2, 3, 4)]
        no_reads = place.reads()
        wholes = [client.get(f"/picture/{card}/{n}") for n in (1, 2, 3, 4)]
        video = f"/picture/1/{film['row_id']}/1/1"
        whole, part = (client.get(video, headers=h) for h in ({}, {"Range": "bytes=100-299"}))
        end, head = client.get(video, headers={"Range": "bytes=-10"}), client.head(video)
        large = client.get(f"/row/{card}?picture=2").text
        all_files = unpacked(client.get("/zip/1").content)
        client.cookies.clear()
        refused = [client.get(f"/{what}/{card}/1").status_code for what in ("small", "picture")]
        # A picture that was saved before there were previews is read once.
        shutil.rmtree(settings.previews)
    with visiting(settings) as client:
        again = [client.get(f"/small/{card}/1") for _ in (1, 2)]

    assert len(previews) == 8  # the video has none
    assert no_reads == before
    assert board.count(f"/small/{card}/") == 4
    assert f'src="{video}?v=' in board
    for small in (*smalls, *again):
        assert small.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(small.content)).size == (384, 384)
    assert [one.content for one in wholes] == drawn("a fox")
    assert {one.headers["content-type"] for one in wholes} == {"image/png"}
    assert all(one.headers["content-disposition"].startswith("inline") for one in wholes)
    assert (whole.headers["content-type"], whole.status_code) == ("video/mp4", 200)
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole.content)}"
    assert end.content == whole.content[-10:]
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    assert f'id="picture" src="/picture/{card}/2?v=' in large
    assert sorted(all_files.values()) == sorted([*drawn("a fox"), *drawn("an owl"), whole.content])
    assert any("Fox" in name and name.endswith(".png") for name in all_files)
    assert refused == [401, 401]

    said: list[str] = []
    page = write_gallery(settings, team.folder / "gallery.html", tell=said.append).read_text()
    assert page.count('<img src="data:image/webp;base64,') == 8
    assert page.count('src="data:video/mp4;base64,') == 1
    assert said == []
    if place.reads():
        assert place.reads() > before


def test_a_place_out_of_reach_is_named_and_the_pictures_with_previews_are_still_there(
    team: Team, api: Sandbox, place: Place
) -> None:
    public = "https://cdn.example.com/p"
    settings = out_of_reach(ran(team, place, public_url=public))
    fox, owl = team.row("a fox"), team.row("an owl")
    with visiting(settings) as client:
        client.get("/")
        answers = {
            what: client.get(f"/{what}/1/{row['row_id']}/1/1")
            for what, row in (("small", fox), ("picture", owl))
        }
        files = unpacked(client.get("/zip/1").content)
        for _ in range(3):
            board = client.get("/").text
        card = client.get(f"/row/1/{fox['row_id']}/1").text
    shutil.rmtree(settings.previews)
    with visiting(settings) as client:
        missing = client.get(f"/small/1/{fox['row_id']}/1/1")
    said: list[str] = []
    page = write_gallery(settings, team.folder / "gallery.html", tell=said.append).read_text()

    assert answers["small"].status_code == 200
    assert answers["picture"].status_code == missing.status_code == 503
    sentence = answers["picture"].text
    assert re.match(r"Pictures cannot be read from .*\.$", sentence)
    assert re.match(r"Pictures cannot be read from .*\.$", missing.text)
    assert list(files) == ["MISSING.txt"]
    assert files["MISSING.txt"].decode().count("Pictures cannot be read from") == 9
    assert "the page shows small versions" in board
    assert f'id="picture" src="/small/1/{fox["row_id"]}/1/1?v=' in card
    assert "Pictures cannot be read from" in card
    assert said[0].startswith("9 saved files are not in this gallery. Pictures cannot be read from")
    assert "data:image" not in page
    assert "9 saved files are not in this gallery." in page
    # Links in a gallery last, where the place has any.
    lasting = "https://drive.google.com/file/d/" if "drive.google" in place.save_to else public
    assert page.count(f'href="{lasting}') == 9
    for text in (sentence, said[0], board):
        assert PASSWORD not in text
        assert S3_KEY not in text


def test_a_notebook_shows_pictures_from_another_machine(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    with s3(tmp_path) as place:
        settings = ran(team, place)
        results = notebook.open(settings.path)
        files = results.jobs().set_index("prompt")["files"]
        figure = results.gallery(n=8)
        shutil.rmtree(settings.previews)
        again = notebook.open(settings.path).gallery(n=8)

    assert files["a fox"] == team.row("a fox")["files"].split("\n")
    for one in (figure, again):
        assert [len(axes.images) for axes in one.axes] == [1] * 8
        assert not [text for axes in one.axes for text in axes.texts]
