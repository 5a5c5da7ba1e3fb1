"""Videos, sounds and texts on the page, in a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

from pipeline import wiring
from pipeline.config import PageSettings, load
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.browser import browser, hosted, looking
from tests.fakes.program import until
from tests.fakes.team import Team

#: How long a task takes at the API.
TASK_SECONDS = 0


def plays(player: Locator) -> None:
    """Wait until the browser has the length of a video or a sound: it can play it."""
    player.evaluate("one => { one.preload = 'auto'; one.load(); }")
    until(lambda: player.evaluate("one => one.duration > 0"), "the player")


def test_the_page_plays_videos_and_sounds_and_shows_texts(tmp_path: Path, api: Sandbox) -> None:
    api.reset()
    team = Team(tmp_path, api.url)
    config = team.configure('[media]\nsave_to = "media/"\n')
    team.write(
        "name,prompt,endpoint",
        "film,a fox runs,luma-imagine",
        "song,a song of foxes,udio-generate",
        "words,foxes,suno-lyrics",
    )
    assert team.finish().code == 0
    settings = load(config)
    with Store(settings.store_url, now=wiring.now) as store:
        campaign = Campaign(settings, store, open_sheet(settings, store).key)
        gate = Authenticator(PageSettings(wanted=True))
        with (
            hosted([campaign], gate) as address,
            browser() as opened,
            looking(opened, address, gate.link(address)) as look,
        ):
            page = look.page
            cards = page.locator("#board > .card")
            expect(cards).to_have_count(3)
            plays(cards.filter(has_text="a fox runs").locator("video"))
            sounds = cards.filter(has_text="a song of foxes").locator("audio[controls]")
            expect(sounds).to_have_count(2)
            plays(sounds.first)
            expect(page.get_by_text("A stand-in song about foxes")).to_be_visible()
            look.assert_for_everybody()

            ids = {row["name"]: row["row_id"] for row in team.rows()}
            page.goto(f"{address}/row/1/{ids['film']}/1")
            plays(page.locator(".stage video[controls]"))
            look.assert_for_everybody()
            page.goto(f"{address}/row/1/{ids['song']}/1?picture=2")
            plays(page.locator(".stage audio[controls]"))
            look.assert_for_everybody()
            page.goto(f"{address}/row/1/{ids['words']}/1")
            expect(page.locator(".stage .result")).to_contain_text("A stand-in song about foxes")
            look.assert_for_everybody()
