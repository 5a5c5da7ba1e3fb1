"""What people take from the page: addresses of rows, files, the team's own columns."""

from __future__ import annotations

import io
import os
import re
import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from pipeline import wiring
from pipeline.config import PageSettings, Secret
from pipeline.config.addresses import account_of
from pipeline.core.inputs import canonical
from pipeline.core.model import JobKey, KnownRow, Result
from pipeline.core.money.currency import Cap
from pipeline.core.states import Succeeded
from pipeline.images import Scaled
from pipeline.page import downloads
from pipeline.page.board import Board
from pipeline.page.thumbnails import saved
from pipeline.store import Fact, Intent, Limits
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import Look, looking
from tests.page.test_auth import DONE, FAILED, PNG, PageBench, opened
from tests.page.test_page import DemoPage, chromium, demo_page, finished, look, window
from tests.store.build import save

__all__ = ["chromium", "demo_page", "finished", "look", "window"]


def unpacked(content: bytes) -> dict[str, bytes]:
    """Name -> content of an intact zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def page_bench(tmp_path: Path) -> PageBench:  # type: ignore[misc]
    with opened(tmp_path, PageSettings(wanted=True)) as one:
        yield one


def test_the_files_of_a_row_are_one_zip_with_their_saved_names(
    page_bench: PageBench,
) -> None:
    with page_bench.visitor() as client:
        answer = client.get(f"/zip/1/{DONE}/1")
        nothing = client.get(f"/zip/1/{FAILED}/1")
        missing = [client.get(path).status_code for path in ("/zip/2", "/zip/1/r_x/1")]
    with page_bench.without_cookie() as client:
        assert client.get(f"/zip/1/{DONE}/1").status_code == 401

    # Only our saved files, each with its type: no HTML page, no link to another place.
    assert unpacked(answer.content).keys() == {"fox.png", "film.mp4"}
    assert unpacked(answer.content)["fox.png"] == PNG
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{DONE}.zip"')
    assert unpacked(nothing.content) == {}
    assert missing == [404, 404]


def test_a_download_has_exactly_the_selected_rows(page_bench: PageBench) -> None:
    store, key = page_bench.store, page_bench.campaign.key
    row = KnownRow("r_000000009", canonical({"prompt": "a gull"}), 1, since=wiring.now())
    store.rows.note(key, [row], ["", DONE, row.row_id])
    job = JobKey(key, row.row_id, 1)
    store.jobs.add([job])
    store.attempts.begin(
        [Intent(job, 1, row.inputs, ("prompt",), "imagine", 4, 60)], Limits("k", "r", "d")
    )
    store.attempts.record([Fact(job, 1, Succeeded(Result(("https://x/g",)), task_id="t-9"))])
    folder = page_bench.folder / "media"
    (folder / "gull.png").write_bytes(PNG)
    save(store, job, 1, "https://x/g", "gull.png")
    with page_bench.visitor() as client:
        wall = client.get("/?q=gull").text
        link = re.search(r'href="(/zip/1\?[^"]*)"', wall)
        assert link
        found = {
            "gull": client.get(link[1]),
            "all": client.get("/zip/1"),
            "failed": client.get("/zip/1?status=failed"),
        }

    names = {what: set(unpacked(one.content)) for what, one in found.items()}
    assert names == {
        "gull": {"gull.png"},
        "all": {"gull.png", "fox.png", "film.mp4"},
        "failed": set(),
    }


def test_a_zip_of_any_size_needs_little_memory_and_omits_missing_files(tmp_path: Path) -> None:
    names = [f"film-{number}.mp4" for number in range(8)]
    for name in names:
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(8_000_000))
    files = [one for name in names if (one := saved(tmp_path, name))]
    (tmp_path / names[3]).unlink()
    tracemalloc.start()
    size = sum(map(len, downloads.zipped([*files, files[0]], tmp_path)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 7 * 8_000_000
    assert most < 5_000_000
    assert len(unpacked(b"".join(downloads.zipped([*files, files[0]], tmp_path)))) == 7


def test_titles_from_outside_cannot_change_a_header() -> None:
    headers = downloads.headers('a "b"\r\nSet-Cookie: x; 日本\x1b')
    assert all(text.isascii() and text.isprintable() for text in headers.values())
    assert 'filename="a-b-Set-Cookie-x.zip"' in headers["Content-Disposition"]


def test_a_card_opens_from_its_title_and_its_text(look: Look) -> None:
    page, dialog = look.page, look.page.get_by_role("dialog")
    card = page.locator("#board > .card", has_text="teehaus")
    for part in ("h3", ".prompt"):
        card.locator(part).click()
        expect(dialog.locator("h2")).to_have_text("teehaus")
        page.keyboard.press("Escape")
    # A row without a picture opens in the same way.
    page.locator("#board > .card", has_text="boats").locator(".prompt").click()
    expect(dialog.locator("h2")).to_have_text("boats")


def test_a_row_has_an_address_that_a_colleague_can_open(
    look: Look, chromium: Browser, demo_page: DemoPage
) -> None:
    page = look.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#board > .card", has_text="teehaus").locator("h3").click()
    page.get_by_role("link", name="Link to this row").click()
    expect(page.get_by_role("link", name="The link is copied")).to_be_visible()
    address = page.evaluate("navigator.clipboard.readText()")
    assert urlsplit(address).path.startswith("/row/1/r_")

    with looking(chromium, demo_page.address, demo_page.link) as other:
        other.page.goto(address)
        expect(other.page.locator("h2")).to_have_text("teehaus")
        other.assert_for_everybody()
        # Without scripts and clipboard it is a normal link.
        link = other.page.locator("a.permalink")
        assert link.get_attribute("href") == urlsplit(address).path


def test_times_have_a_time_zone(page_bench: PageBench) -> None:
    with page_bench.visitor() as client:
        page = client.get(f"/row/1/{DONE}/1").text
    assert re.search(r"<dt>submitted</dt><dd>\d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC</dd>", page)


def test_the_teams_own_columns_are_on_cards_and_in_the_search(page_bench: PageBench) -> None:
    sheet = page_bench.folder / "prompts.csv"
    header, fox, *others = sheet.read_text().splitlines()
    lines = [f"{header},Channel,Owner", f"{fox},Spring <b>shop</b>,Zoë", *others]
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with page_bench.visitor() as client:
        page_bench.press(client, "dismiss", FAILED)  # the page reads the store at once
        pages = {word: client.get("/", params={"q": word}).text for word in ("zoë", "SHOP", "x9")}
        large = client.get(f"/row/1/{DONE}/1").text

    assert {word: page.count('<li class="card') for word, page in pages.items()} == {
        "zoë": 1,
        "SHOP": 1,
        "x9": 0,
    }
    for page in (pages["zoë"], large):
        assert "Spring &lt;b&gt;shop&lt;/b&gt;" in page
        assert re.search(r"<dt[^>]*>Channel</dt>", page)


def test_rows_are_counted_once_whether_made_again_or_dismissed(page_bench: PageBench) -> None:
    store, key = page_bench.store, page_bench.campaign.key
    again = JobKey(key, DONE, 2)
    store.jobs.add([again])

    def numbers(page: str) -> dict[str, int]:
        found = re.findall(r'data-text="(rows|count all)">([\d,]+)<', page)
        other = re.findall(r">(dismissed|earlier takes) <b>(\d+)</b>", page)
        return {name: int(number) for name, number in [*found, *other]}

    with page_bench.visitor() as client:
        page_bench.press(client, "dismiss", FAILED)
        wall = client.get("/").text
        assert numbers(wall) == {"rows": 3, "count all": 2, "dismissed": 1, "earlier takes": 1}
        assert wall.count('<li class="card') == 2
        earlier = client.get("/?status=earlier takes").text
    assert re.findall(r'id="card-(r_\w+-\d)"', earlier) == [f"{DONE}-1"]


def test_on_a_paused_sheet_every_button_that_costs_says_when_it_takes_effect(
    page_bench: PageBench,
) -> None:
    with page_bench.visitor() as client:
        assert page_bench.store.sheets.get(page_bench.campaign.key).paused is False
        csrf = page_bench.csrf(client)
        client.post("/pause/1", data={"csrf": csrf})
        pages = [client.get("/").text, client.get(f"/row/1/{DONE}/1").text]
        said = page_bench.press(client, "retry", FAILED, asked="1")
        shown = client.get(f"/?said={said}").text

    for page in pages:
        prices = re.findall(r"<small>([^<]*)</small>", page)
        assert prices
        assert all(price == "4 credits, after Resume" for price in prices)
    assert "It is sent after you press Resume." in shown


def test_credits_of_one_account_are_counted_once_whatever_its_spelling(
    page_bench: PageBench,
) -> None:
    settings = replace(page_bench.campaign.settings, api_key=Secret("k"))

    def spent(address: str) -> Cap | None:
        here = replace(settings, base_url=address)
        wall = Board(Campaign(here, page_bench.store, page_bench.campaign.key))
        wall.refresh(at_once=True)
        return wall.shown.sheet_status.spent

    first = replace(settings, base_url="http://127.0.0.1:40001")
    store, key = page_bench.store, page_bench.campaign.key
    job = JobKey(key, DONE, 2)
    store.jobs.add([job])
    store.attempts.begin(
        [Intent(job, 1, "{}", ("prompt",), "imagine", 4, 60)], wiring.limits(first)
    )

    # The sandbox has another port at each start.
    assert [spent("http://127.0.0.1:40002"), spent("http://localhost:40003")] == [4, 4]
    assert spent("https://api.example.com") == 0
    same = ("https://api.example.com", "https://API.example.com.:443/", "https://api.example.com/")
    accounts = {account_of(one) for one in same}
    assert accounts == {"https://api.example.com"}
    for other in ("https://api.example.com:8443", "https://api.example.com/v2"):
        assert account_of(other) not in accounts
    for one, spelled in (
        ("https://[2001:db8::1]", "https://[2001:0DB8:0:0::1]:443"),
        ("https://192.0.2.1", "https://[::ffff:192.0.2.1]"),
        ("https://xn--bcher-kva.example", "https://Bücher.example."),
        ("http://127.0.0.1:1", "http://[::ffff:127.0.0.1]:2"),
    ):
        assert account_of(one) == account_of(spelled)


def test_a_zip_has_a_short_name_that_is_not_a_path_whatever_the_name_of_the_row() -> None:
    for title in ("x" * 32_767, "../../etc/passwd", "a\r\nSet-Cookie: b", "\ud800", "ключ", ""):
        name = downloads.headers(title)["Content-Disposition"]

        assert len(name) < 500
        assert name.isascii()
        assert name.isprintable()
        assert re.fullmatch(
            r"""attachment; filename="[A-Za-z0-9_-]+\.zip"; filename\*=UTF-8''[^/\\"]+""", name
        )


def test_a_zip_omits_files_that_became_links_and_accepts_any_time(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    media = tmp_path / "media"
    media.mkdir()
    for name in ("old.png", "late.png", "link.png"):
        (media / name).write_bytes(PNG)
    os.utime(media / "old.png", (0, 0))
    os.utime(media / "late.png", (8e9, 8e9))
    files = [file for name in ("old.png", "late.png", "link.png") if (file := saved(media, name))]
    assert len(files) == 3
    (media / "link.png").unlink()
    (media / "link.png").symlink_to(tmp_path / "secret")

    found = unpacked(b"".join(downloads.zipped(files, media)))

    assert found == {"old.png": PNG, "late.png": PNG}


def test_a_hidden_tab_closes_its_connection(look: Look) -> None:
    show = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    look.page.wait_for_selector("[data-live]")
    # A page that is hidden before its script runs opens no connection.
    with look.page.expect_response("**/live/*"):
        look.page.reload()
    for _ in range(2):
        with look.page.expect_event("requestfailed", lambda one: "/live/" in one.url):
            look.page.evaluate(show, True)
        with look.page.expect_response("**/live/*"):
            look.page.evaluate(show, False)
    expect(look.page.locator("[data-text='state']")).not_to_have_text("Out of reach")


def test_only_rows_with_files_are_offered_as_a_zip(page_bench: PageBench) -> None:
    with page_bench.visitor() as client:
        every, failed = client.get("/").text, client.get("/?status=failed").text

    assert "Download the files of 1 row (zip)" in every
    assert 'class="card s-failed"' in failed
    assert "(zip)" not in failed


def test_the_address_of_a_missing_row_leads_back_to_the_rows(page_bench: PageBench) -> None:
    with page_bench.visitor() as client:
        gone = client.get("/row/1/r_gone00000/1")

    assert gone.status_code == 404
    assert "This row was not found." in gone.text
    assert '<a href="/?sheet=1">Show all rows</a>' in gone.text


def test_slow_scaling_of_pictures_delays_no_other_request(
    page_bench: PageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def scaled(path: Path, side: int) -> Scaled:
        begun.release()
        assert go_on.wait(30)
        return Scaled(PNG, 1, 1)

    monkeypatch.setattr("pipeline.images.scaled", scaled)
    with page_bench.visitor() as client, ThreadPoolExecutor(40) as browsers:
        small = [browsers.submit(client.get, f"/small/1/{DONE}/1/1", timeout=40) for _ in range(40)]
        try:
            assert begun.acquire(timeout=20)
            assert begun.acquire(timeout=20)
            assert client.get("/", timeout=20).status_code == 200
        finally:
            go_on.set()
        assert {one.result().content for one in small} == {PNG}
