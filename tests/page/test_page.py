"""The page in a real browser: what people see, and the effects of their clicks."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline import wiring
from pipeline.config import PageSettings, Settings, load
from pipeline.core.inputs import canonical, parsed
from pipeline.core.model import JobKey, KnownRow, Result
from pipeline.core.states import Failed, Succeeded
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.sandbox.pictures import code_of, read_code
from pipeline.sandbox.server import Sandbox
from pipeline.store import Fact, Intent, Limits, Store
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.quick_check import configuration_of
from tests.fakes.browser import Look, browser, hosted, looking
from tests.fakes.program import Program, until
from tests.fakes.service import TOKEN, free_port, is_up, service
from tests.fakes.team import Team
from tests.reports.test_results import demo


@dataclass(frozen=True)
class DemoPage:
    """The page of the demo after its end."""

    address: str
    gate: Authenticator
    campaign: Campaign

    @property
    def link(self) -> str:
        return self.gate.link(self.address)


@pytest.fixture(scope="module")
def chromium(finished: Settings) -> Iterator[Browser]:
    # After the demo, because this thread cannot run an event loop while it controls a browser.
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with demo(tmp_path_factory.mktemp("page")) as run:
        yield run()


@pytest.fixture(scope="module")
def demo_page(finished: Settings) -> Iterator[DemoPage]:
    with Store(finished.store_url, now=wiring.now) as store:
        campaign = Campaign(finished, store, open_sheet(finished, store).key)
        gate = Authenticator(PageSettings(wanted=True))
        with hosted([campaign], gate) as address:
            yield DemoPage(address, gate, campaign)


@pytest.fixture(scope="module")
def window(chromium: Browser, demo_page: DemoPage) -> Iterator[Look]:
    with looking(chromium, demo_page.address, demo_page.link) as look:
        yield look


@pytest.fixture
def look(window: Look, demo_page: DemoPage) -> Iterator[Look]:
    """A window of usual size with the page: tests share it, because each new one takes a second."""
    window.page.goto(demo_page.address)
    yield window
    window.assert_well()


def loaded(page: Page) -> None:
    """True if every visible picture is loaded."""
    in_sight = "one.getBoundingClientRect().top < innerHeight"
    here = f"Array.from(document.images).filter(one => {in_sight})"
    until(lambda: page.evaluate(f"{here}.every(one => one.naturalWidth > 0)"), "pictures")


def codes(page: Page) -> dict[str, list[tuple[str, int]]]:
    """The codes in the pixels of each card on the page, by prompt."""
    found: dict[str, list[tuple[str, int]]] = {}
    for card in page.locator("#board > .card:has(.mosaic)").all():
        links = [one.get_attribute("href") or "" for one in card.locator("a.open").all()]
        read = []
        for link in links:
            whole = link.replace("/row/", "/picture/").replace("?picture=", "/")
            answer = page.request.get(f"{page.url.split('/?')[0].rstrip('/')}{whole}")
            assert answer.headers["content-type"] == "image/png"
            read.append(read_code(answer.body()))
        found[card.locator("h3").inner_text()] = read
    return found


def test_the_page_shows_the_demo_from_its_first_row_to_its_last_picture(
    chromium: Browser, tmp_path: Path
) -> None:
    with Program("demo", "--folder", tmp_path, "--serve") as program:
        said = ""
        while "/enter/" not in said:
            said = program.process.stdout.readline()
            assert said, program.end()
        found = re.search(r"(http://\S+)/enter/\S+", said)
        assert found
        with looking(chromium, found[1], found[0]) as look:
            page = look.page
            expect(page.locator("#board > .card")).to_have_count(12, timeout=30_000)
            assert "/enter/" not in page.url
            sandbox = Sandbox(_api_of(page), "demo")

            # The page updates itself without a reload.
            expect(page.locator("[data-text='pictures']")).to_have_text("32", timeout=60_000)
            expect(page.locator("#board .mosaic a.open")).to_have_count(32, timeout=15_000)
            # The counts follow the sheet, which is written after the pictures are saved.
            for name, text in TEXTS.items():
                expect(page.locator(f"[data-text='{name}']")).to_have_text(text, timeout=30_000)

            prompts = _prompts(tmp_path)
            assert codes(page) == {
                name: [(code_of(prompts[name]), number) for number in range(1, 5)]
                for name in prompts
                if prompts[name] and name not in ("knight", "boats", "hut")
            }

            # One row again: paid once, however often the button is pressed.
            before = sandbox.state()["tasks_taken"]
            page.locator("#board > .card", has_text="hero-morning").locator("a.open").first.click()
            again = page.locator("dialog .buttons > form[action^='/again/']")
            expect(again.locator("button")).to_be_visible()
            inputs = again.locator("input").all()
            form: dict[str, str | float | bool] = {
                one.get_attribute("name") or "": one.input_value() for one in inputs
            }
            action = f"{found[1]}{again.get_attribute('action')}"
            again.locator("button").click()
            expect(page.locator("#said")).to_contain_text("The next run generates this row again.")
            late = page.request.post(action, form=form, headers={"Origin": found[1]})
            assert "Nothing was done, because this has changed in the meantime." in late.text()
            made = page.locator("#board > .card", has=page.locator(".take", has_text="take 2"))
            expect(made.locator(".mosaic a.open")).to_have_count(4, timeout=30_000)
            expect(page.locator("#board > .card").first.locator(".take")).to_have_text("take 2")
            assert sandbox.state()["tasks_taken"] == before + 1
            _compare_and_pick(page, made)
            assert sandbox.state()["tasks_taken"] == before + 1
            with Store(f"sqlite:///{tmp_path}/promptsheet.db") as store:
                (record,) = store.sheets.all()
                takes = [key.take for key in store.jobs.all(record.key)]
            assert sorted(takes) == [1] * 10 + [2]
        program.signal(signal.SIGINT)
        assert program.end().code in (0, 130)


def _compare_and_pick(page: Page, made: Locator) -> None:
    """Open the new take, see it beside the first one, and pick its second picture."""
    made.locator("a.open").first.click()
    dialog = page.get_by_role("dialog")
    takes = dialog.locator(".takes .one")
    expect(takes).to_have_count(2)
    expect(takes.first).to_contain_text("on the page")
    takes.first.get_by_role("button", name="Pick picture 2 of take 2").click()
    picked = takes.first.get_by_role("button", name="Picked picture 2 of take 2")
    expect(picked).to_be_focused()
    expect(dialog.locator(".said")).to_have_text("Picked.")
    expect(takes.last.get_by_role("button")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(made.locator("a.ticked")).to_have_count(1)


TEXTS = {
    "pictures": "32",
    "rows": "12",
    "spent": "36",
    "budget": "of 1,000 credits today",
    "count all": "12",
    "count done": "8",
    "count failed": "2",
    "count invalid": "1",
    "count skipped": "1",
    "count needing": "3",
    "progress": "10 of 12 finished",
}


def _api_of(page: Page) -> str:
    found = re.search(r" at ([\d.:]+)", page.locator(".when").inner_text())
    assert found
    return f"http://{found[1]}"


def _prompts(folder: Path) -> dict[str, str]:
    """Name -> prompt, as the demo's sheet has them."""
    settings = load(folder / "demo.toml")
    with Store(settings.store_url) as store:
        sheet = open_sheet(settings, store)
        grid = sheet.read()
    at = {title: place for place, title in enumerate(grid[0])}
    return {row[at["Name"]]: row[at["Prompt"]] for row in grid[1:]}


def test_rows_are_found_by_their_status_and_their_text(look: Look) -> None:
    page, cards = look.page, look.page.locator("#board > .card")

    page.get_by_role("link", name="failed 2").click()
    expect(cards).to_have_count(2)
    page.get_by_role("link", name="all 12").click()
    page.get_by_role("searchbox").fill("MINT lea")
    expect(cards.locator("h3")).to_have_text(["fox", "pattern-a", "pattern-b"])
    page.get_by_role("searchbox").fill("no such words")
    expect(page.locator("#shown")).to_contain_text("Nothing found")


def test_a_row_can_be_enlarged_with_its_history_its_links_and_its_cost(look: Look) -> None:
    page = look.page
    page.locator("#board > .card", has_text="teehaus").locator("a.open").nth(2).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("h2")).to_have_text("teehaus")
    expect(dialog.locator("#picture")).to_have_attribute("alt", "Picture 3 of 4, teehaus")

    text = dialog.inner_text()
    for words in ("Ein gemütliches Teehaus", "3:2", "imagine", "4 credits", "Submitted"):
        assert words in text
    assert "Delivered 4 results" in " ".join(text.split())
    assert dialog.locator(".links a", has_text="Original").count() == 4
    assert dialog.locator(".links a.id").count() == 4  # the saved files


def test_the_keyboard_reaches_everything(look: Look) -> None:
    page = look.page
    first = page.locator("#board a.open").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    here = page.evaluate("document.activeElement.id")
    assert re.fullmatch(r"open-r_\w{9}-1-4", here)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".strip [aria-current]")).to_have_attribute("href", re.compile("=4$"))
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator(".strip [aria-current]")).to_have_attribute("href", re.compile("=3$"))
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == here


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_page_works_on_a_phone_and_in_dark_mode(
    chromium: Browser, demo_page: DemoPage, width: int, scheme: str
) -> None:
    window = {"width": width, "height": 780}
    with looking(
        chromium, demo_page.address, demo_page.link, viewport=window, color_scheme=scheme
    ) as look:
        loaded(look.page)
        look.assert_well()
        look.assert_for_everybody()
        look.page.locator("#board .mosaic a.open").first.click()
        expect(look.page.get_by_role("dialog").locator("h2")).to_be_visible()
        look.assert_for_everybody()


def test_the_page_works_without_javascript(chromium: Browser, demo_page: DemoPage) -> None:
    with looking(chromium, demo_page.address, demo_page.link, java_script_enabled=False) as look:
        page = look.page
        expect(page.locator("#board > .card")).to_have_count(12)
        page.locator("#board .mosaic a.open").first.click()
        expect(page.locator(".large h2")).to_have_text("hero-morning")
        page.get_by_role("link", name="Close").click()
        expect(page.locator(".large")).to_have_count(0)
        page.get_by_role("searchbox").fill("fox")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#board > .card h3")).to_have_text(["fox"])
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#said")).to_have_text(re.compile(r"^Paused\."))
        assert demo_page.campaign.store.sheets.get(demo_page.campaign.key).paused
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        assert not demo_page.campaign.store.sheets.get(demo_page.campaign.key).paused


def test_changes_by_others_are_shown_at_once(look: Look, demo_page: DemoPage) -> None:
    campaign = demo_page.campaign
    failed = next(
        key
        for key, job in campaign.store.jobs.all(campaign.key).items()
        if "boats" in parsed(job.attempts[-1].inputs)["prompt"]
    )
    page = look.page
    page.get_by_role("listitem").filter(has_text="boats").get_by_role(
        "button", name="Dismiss"
    ).first.click()
    expect(page.locator("#needs-title")).to_have_text("2 rows need attention")
    expect(page.locator("#board > .card")).to_have_count(11)
    page.get_by_role("link", name="dismissed 1").click()
    expect(page.locator("#board > .card")).to_have_count(1)

    campaign.store.jobs.dismiss(failed, away=False)
    expect(page.locator("#board > .card")).to_have_count(0, timeout=10_000)


def test_a_rule_that_stopped_the_sending_says_so_in_its_own_words(
    chromium: Browser, demo_page: DemoPage
) -> None:
    turns, key = demo_page.campaign.store.turns, demo_page.campaign.key
    said = f'The first 5 were all refused alike ("{EVIL[0]} {"ä" * 200}").'
    turns.stop(key, configuration_of(demo_page.campaign.settings), said)
    with looking(chromium, demo_page.address, demo_page.link) as look:
        notice = look.page.locator("#notices .notice")
        expect(notice).to_have_text(
            f"{said} A rule stopped the sending. Nothing more is sent until you press Resume.",
            timeout=20_000,
        )
        look.assert_well()
        look.page.set_viewport_size({"width": 360, "height": 780})
        look.assert_well()
        look.assert_for_everybody()
        look.page.get_by_role("button", name="Resume", exact=True).click()
        expect(notice).to_have_count(0)
    assert turns.why_stopped(key) == ""


def test_a_page_without_rows_says_what_to_do(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text('[sheet]\nsource = "prompts.csv"\n')
    (tmp_path / "prompts.csv").write_text("prompt\n")
    settings = load(tmp_path / "empty.toml")
    gate = Authenticator(PageSettings(wanted=True))
    with Store(settings.store_url, now=wiring.now) as store:
        campaign = Campaign(settings, store, open_sheet(settings, store).key)
        with (
            hosted([campaign], gate) as address,
            looking(chromium, address, gate.link(address)) as look,
        ):
            expect(look.page.locator("#shown")).to_contain_text("No rows yet")
            look.assert_for_everybody()
            look.page.get_by_role("button", name="Sign out").click()
            expect(look.page.locator("main")).to_contain_text("Open the link that was printed")
            look.assert_for_everybody()


def test_the_page_reports_a_stopped_service_and_goes_on_when_it_is_back(
    chromium: Browser, tmp_path: Path
) -> None:
    team, port = Team(tmp_path, "http://127.0.0.1:9"), free_port()
    team.write_prompts(["a fox"])
    config, address = service(team, page=port), f"http://127.0.0.1:{port}"
    with Store(f"sqlite:///{tmp_path}/promptsheet.db", now=wiring.now) as store:
        key = open_sheet(load(config), store).key
        row = KnownRow("r_000000001", canonical({"prompt": "a fox"}), 1, since=wiring.now())
        store.rows.note(key, [row], ["", row.row_id], ("prompt",))
    with looking(chromium, "about:blank") as look:
        look.at, page = f"127.0.0.1:{port}", look.page
        said, state = page.locator("#said"), page.locator("#state")
        with Program("serve", config) as program:
            program.until(lambda: is_up(port), "it serves")
            page.goto(address)
            page.get_by_label("Page token").fill(TOKEN)
            page.get_by_role("button", name="Open the page").click()
            expect(page.locator("#board > .card")).to_have_count(1)
            expect(state).to_have_text("Up to date")
        expect(said).to_contain_text("Promptsheet does not answer.", timeout=15_000)
        expect(state).to_have_text("Out of reach")
        page.get_by_role("button", name="Pause").click()
        expect(said).to_contain_text("Promptsheet does not answer.")
        assert all("ERR_" in one for one in look.complaints)
        look.complaints.clear()

        with Program("serve", config) as program:
            program.until(lambda: is_up(port), "it serves again")
            expect(said).to_have_text("", timeout=15_000)
            expect(state).to_have_text("Up to date")
            page.get_by_role("button", name="Pause").click()
            expect(said).to_contain_text("Paused.")
            look.complaints.clear()


EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\"><svg onload=alert(3)> & ' </li></ol></main>",
    "{{ 7 * 7 }} {% raw %} javascript:alert(4) \u202e \ud800",
)


def test_text_that_looks_like_markup_is_shown_as_text(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "evil.toml").write_text('[sheet]\nsource = "prompts.csv"\n')
    (tmp_path / "prompts.csv").write_text("prompt\n")
    settings = load(tmp_path / "evil.toml")
    gate = Authenticator(PageSettings(wanted=True))
    with Store(settings.store_url, now=wiring.now) as store:
        key = open_sheet(settings, store).key
        ids = [f"r_00000000{number}" for number in range(3)]
        rows = [
            KnownRow(one, canonical({"prompt": text, "aspect_ratio": text}), 1, since=wiring.now())
            for one, text in zip(ids, EVIL, strict=True)
        ]
        store.rows.note(key, rows, ["", *ids], ("prompt",))
        jobs = [JobKey(key, one, 1) for one in ids]
        store.jobs.add(jobs)
        intents = [
            Intent(job, 1, row.inputs, ("prompt",), "imagine", 4, 60)
            for job, row in zip(jobs, rows, strict=True)
        ]
        store.attempts.begin(intents, Limits("key", "run", "day"))
        urls = (
            "javascript:alert(5)",
            "data:text/html,<script>alert(6)</script>",
            'https://x/"><b>',
        )
        store.attempts.record(
            [
                Fact(jobs[0], 1, Failed(EVIL[0], task_id=EVIL[1])),
                Fact(jobs[1], 1, Succeeded(Result(urls), task_id=EVIL[0])),
            ]
        )
        campaign = Campaign(settings, store, key)
        with (
            hosted([campaign], gate) as address,
            looking(chromium, address, gate.link(address)) as look,
        ):
            page = look.page
            assert page.locator("#board .prompt").all_inner_texts()[:2] == [
                text.replace("  ", " ") for text in EVIL[:2]
            ]
            assert page.locator("script:not([src]), #board svg, #board script").count() == 0
            page.locator(f"#open-{ids[1]}-1-1").click()
            links = page.locator("dialog .links a")
            expect(links).to_have_count(1)
            assert [one.get_attribute("href") for one in links.all()] == [urls[2]]
            until(lambda: look.complaints == [], "nothing ran", within=1)
