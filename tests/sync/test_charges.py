"""Charges that the API reports and that differ from the price in the provider file."""

from __future__ import annotations

import csv
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from rich.console import Console

from pipeline import wiring
from pipeline.cli import doctor
from pipeline.config import PageSettings, Settings
from pipeline.core.credits import Credits
from pipeline.open_sheet import open_sheet
from pipeline.page.auth import Authenticator
from pipeline.server import event_loop
from pipeline.store import Store
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.kept_quote import KeptQuote
from pipeline.sync.outcome import Asked, Outcome
from tests.fakes.browser import hosted
from tests.sync.test_submitter import Api, settings_in

ROOT = Path(__file__).parents[2]


class Charges(Api):
    """An API that charges another price than listed, and reports it when the task is done."""

    is_busy = False

    async def _fetch(self, request: web.Request) -> web.Response:
        if self.is_busy:
            return await super()._fetch(request)
        body = await request.json()
        tasks = [
            {"task_id": task, "image_urls": ["http://127.0.0.1/0.png"], "charged": 7}
            for task in body.get("task_ids") or [body["task_id"]]
        ]
        return web.json_response({"tasks": tasks} if "task_ids" in body else tasks[0])


def test_a_charge_above_the_listed_price_is_reported_once_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _list_prices(tmp_path, 4)

    async def ran() -> tuple[Settings, Outcome, Outcome, Credits]:
        api = Charges()
        async with api.served() as url:
            settings = settings_in(tmp_path, url, rows=3)
            first = await wiring.run(settings, Asked(wait=True))
            again = await wiring.run(settings, Asked(wait=True))
            assert isinstance(first, Outcome)
            assert isinstance(again, Outcome)
            with wiring.open_store(settings) as store:
                limits = wiring.limits(settings)
                spent = store.budget.spent(limits.api_key, limits.run, limits.day)
            return settings, first, again, spent.day

    settings, first, again, spent = event_loop.run(ran())
    doctor.run(settings, Console(width=300), repair=False, adopt=False)

    sentence = (
        "Apiframe charged 21 credits for 3 tasks, and 12 were listed. The budget counts what was "
        "charged. promptsheet doctor shows which prices to correct."
    )
    assert (first.counts.done, first.code, first.notices) == (3, 0, [sentence])
    assert again.notices == []
    assert spent == 21
    assert (
        "Apiframe charged 7 credits for imagine, and 4 are listed: 3 tasks since"
        in capsys.readouterr().out
    )
    assert sentence in _page(settings)
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"done"}


@pytest.mark.parametrize("listed", [7, 9])
def test_a_charge_that_is_not_above_the_listed_price_is_not_reported(
    tmp_path: Path, listed: int
) -> None:
    _list_prices(tmp_path, listed)

    async def ran() -> Outcome:
        async with Charges().served() as url:
            outcome = await wiring.run(settings_in(tmp_path, url, rows=3), Asked(wait=True))
        assert isinstance(outcome, Outcome)
        return outcome

    outcome = event_loop.run(ran())

    assert (outcome.counts.done, outcome.code, outcome.notices) == (3, 0, [])
    assert outcome.counts.credits == 21


@pytest.mark.parametrize("is_killed", [False, True])
def test_over_cron_a_quote_is_compared_with_what_was_charged_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    _list_prices(tmp_path, 9)

    async def ran() -> list[Outcome]:
        api = Charges()
        async with api.served() as url:
            settings = settings_in(tmp_path, url, rows=3)
            api.is_busy = True
            with monkeypatch.context() as patched:
                if is_killed:  # before it compared anything
                    patched.setattr(KeptQuote, "end", lambda *_: "")
                passes = [await wiring.run(settings, Asked())]
            api.is_busy = False
            passes.append(await wiring.run(settings, Asked()))
        return [one for one in passes if isinstance(one, Outcome)]

    first, second = event_loop.run(ran())

    # The charge is known with the end of a task.
    assert (first.counts.new, first.counts.credits, first.quote) == (3, 27, "")
    assert (second.counts.new, second.counts.done, second.counts.credits) == (0, 3, 0)
    assert second.quote == "Quoted: 27 credits. It became: 21 credits."


def _list_prices(folder: Path, price: int) -> None:
    """A provider file in the folder: the price of a task, and the field with the charge."""
    text = (ROOT / "configs/providers/apiframe-v1.toml").read_text()
    text = text.replace('status = "status"', 'credits = "charged"\nstatus = "status"', 1)
    (folder / "providers").mkdir()
    (folder / "providers" / "apiframe.toml").write_text(
        text.replace("credits = 4\n", f"credits = {price}\n")
    )


def _page(settings: Settings) -> str:
    """The page of the sheet as HTML."""
    gate = Authenticator(PageSettings(wanted=True))
    with Store(settings.store_url, now=wiring.now) as store:
        campaign = Campaign(settings, store, open_sheet(settings, store).key)
        with hosted([campaign], gate) as address, httpx.Client(trust_env=False) as client:
            headers = {"Origin": address}
            client.post(gate.link(address), headers=headers)
            return client.get(address).text
