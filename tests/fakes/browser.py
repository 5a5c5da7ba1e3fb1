"""A real browser with the page: Debian's Chromium, driven by Playwright.

Every use of a window checks that the page loads nothing from other hosts, that the console has no
errors, and that nothing is wider than the window.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline.page import routes
from pipeline.page.auth import Authenticator
from pipeline.server import app as web
from pipeline.server.metrics import Metrics
from pipeline.server.serve import hosting
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.hasty import hasty

SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium. If it is missing, the test fails and is not skipped."""
    place = shutil.which("chromium")
    assert place, "There is no chromium on this machine. Install it: apt-get install chromium."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=place, args=list(SWITCHES))
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def hosted(campaigns: Sequence[Campaign], gate: Authenticator) -> Iterator[str]:
    """Serve the page of these campaigns in a thread of this process; yields its address."""
    addresses: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        app = web.page(campaigns, [*routes(campaigns, gate), Metrics(campaigns).route(gate)])
        async with hosting(app, "127.0.0.1:0") as address:
            addresses.append(address)
            ready.set()
            await ended.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run, name="page")
    with hasty():
        thread.start()
        ready.wait(20)
        try:
            yield addresses[0]
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(30)


@dataclass
class Look:
    """A window with the page, and all problems found in it."""

    page: Page
    at: str
    #: Without them there is nobody to measure for us.
    scripts: bool = True
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Record every event that must never happen."""
        self.page.on("console", lambda m: self._complain(m.type, m.text))
        self.page.on("pageerror", lambda e: self._complain("error", str(e)))
        self.page.on("request", lambda r: self._asked(r.url))
        self.page.on("dialog", lambda d: self._complain("error", f"a dialog: {d.message}"))

    def _complain(self, kind: str, words: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(words)

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "about:")) and urlsplit(url).netloc != self.at:
            self.complaints.append(f"asked of another place: {url}")

    def assert_well(self) -> None:
        """Check that there were no problems and that nothing is too wide."""
        assert self.complaints == []
        if not self.scripts:
            return
        wide, there = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= there, f"{wide} px in a window of {there}"

    def assert_for_everybody(self) -> None:
        """Check that axe finds no accessibility problem."""
        response: dict[str, Any] = Axe().run(self.page).response
        found = [
            (one["id"], [node["target"] for node in one["nodes"]]) for one in response["violations"]
        ]
        assert found == []


@contextmanager
def looking(opened: Browser, address: str, link: str = "", **how: Any) -> Iterator[Look]:
    """A new window, signed in by the link if there is one; checked at the end."""
    # End animations at once, so that the final colours are measured.
    how = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **how}
    context = opened.new_context(**how)
    try:
        scripts = how.get("java_script_enabled", True)
        look = Look(context.new_page(), urlsplit(address).netloc, scripts)
        look.watch()
        look.page.goto(link or address)
        if "/enter/" in look.page.url:
            with look.page.expect_navigation():
                look.page.get_by_role("button", name="Open the page").click()
        yield look
        look.assert_well()
    finally:
        context.close()
