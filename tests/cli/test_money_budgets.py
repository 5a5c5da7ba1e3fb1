"""A budget in money, as a team uses it: it is kept, and shown in the unit of the budget."""

from __future__ import annotations

import json

import pytest

from pipeline import wiring
from pipeline.config import load
from pipeline.page.sheet_status import sheet_status_of
from pipeline.page.snapshot import Snapshot
from pipeline.page.texts import texts_of
from pipeline.sandbox import Sandbox
from pipeline.server.metrics import Metrics
from tests.fakes.program import KEY, KEY_NAME
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = '[media]\nsave_to = ""\n'


def configured(team: Team, price: str, tables: str) -> None:
    """Write the configuration with this price of a credit."""
    config = team.configure(tables)
    text = config.read_text()
    config.write_text(text.replace("[provider]\n", f'[provider]\ncredit_price = "{price}"\n'))


def shown(team: Team) -> tuple[str, str, float | None]:
    """What the page says is spent, of what, and what the metrics say of it."""
    with wiring.campaigns([load(team.config)]) as (campaign,):
        page = texts_of(Snapshot(sheet_status=sheet_status_of(campaign, "")))
        labels = {"account": "Apiframe", "currency": "USD"}
        spent = Metrics([campaign]).registry.get_sample_value("promptsheet_money_today", labels)
    return page["spent"], page["budget"], spent


def test_a_budget_in_money_is_kept_and_a_new_price_leaves_what_was_spent(
    team: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(team, "0.01 USD", '[budget]\nper_day = "0.10 USD"\n')
    team.write("prompt", *(f"a fox {number}" for number in range(4)))

    team.finish()

    assert team.statuses() == {"done": 2, "over budget": 2}
    assert "0.08 of 0.10 USD spent today" in team.start("status").said
    configured(team, "0.005 USD", '[budget]\nper_day = "0.10 USD"\n')
    team.finish()
    status = json.loads(team.start("status", "--json").out)
    # 0.02 USD are left: one more row for half the price.
    assert team.statuses() == {"done": 3, "over budget": 1}
    assert (status["per_day"], status["money_today"]) == (
        "0.10 USD",
        {"amount": "0.1", "currency": "USD"},
    )
    monkeypatch.setenv(KEY_NAME, KEY)
    assert shown(team) == ("0.10", "of 0.10 USD today", 0.1)
    configured(team, "0.005 USD", '[budget]\nper_day = "1 USD"\n')
    team.finish()
    assert team.statuses() == {"done": 4}
    assert sum(api.state()["tasks"].values()) == 4


def test_a_row_that_alone_costs_more_than_a_budget_in_money_names_both_amounts(team: Team) -> None:
    configured(team, "0.01 EUR", '[budget]\nper = { prompt = "0.03 EUR" }\n')
    team.write("prompt", "a fox")

    team.finish()

    note = team.row("a fox")["note"]
    assert "This row costs 4 credits (0.04 EUR), and [budget] per allows" in note
    assert "0.03 EUR. Raise that budget" in note
