"""Prices that an API publishes: read once a day, used where the provider file has none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits
from pipeline.core.errors import NoAnswer
from pipeline.core.inputs import canonical
from pipeline.core.model import Request, Response
from pipeline.core.rows.rules import Rules
from pipeline.sandbox import Sandbox
from pipeline.store import Store
from pipeline.sync.price_list import refresh
from tests.fakes.cases import each
from tests.fakes.program import ROOT
from tests.fakes.team import Team

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PROVIDERS = ROOT / "configs/providers"
V2 = read_provider("apiframe-v2", None, Path(), PROVIDERS)
URL = "https://api.example.com/v2"
MODELS = {
    "models": [
        {"id": "Seedream-4", "costMin": 3, "costMax": 7},
        {"id": "flux-2-pro", "costMax": "9"},
        {"id": "free", "costMax": 0},
        {"id": "odd", "costMax": "-4"},
        {"id": "", "costMax": 4},
        "no entry",
    ]
}


PRICES = {"seedream-4": 7, "flux-2-pro": 6, "flux-2-max": 9}


class Api:
    """Answers with one list, and counts."""

    def __init__(self, body: object = MODELS, status: int = 200) -> None:
        self.body, self.status = body, status
        self.asked: list[str] = []

    def open(self) -> None:
        """There is nothing to open."""

    async def submit(self, request: Request, within: float) -> Response:
        raise AssertionError("a price list buys nothing")

    async def uploaded(self, request: Request, within: float) -> Request:
        return request

    async def ask(self, request: Request, within: float) -> Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.status == 0:
            raise NoAnswer("the connection broke")
        return Response(self.status, {}, json.dumps(self.body).encode())


def read(
    store: Store, api: Api, now: datetime = NOW, provider: Provider = V2
) -> dict[str, Credits]:
    asyncio.run(refresh(store, [(provider, URL, api)], now))
    return dict(store.price_lists.get(provider.name, URL).prices)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield store


def test_the_highest_price_of_each_model_is_kept_for_a_day(store: Store) -> None:
    api = Api()

    assert read(store, api) == {"seedream-4": 7, "flux-2-pro": 9}
    read(store, api, NOW + timedelta(hours=23))
    assert api.asked == ["GET /models"]
    read(store, api, NOW + timedelta(hours=25))
    assert api.asked == ["GET /models"] * 2


def test_of_several_prices_for_one_model_the_highest_counts_for_whatever_it_is(
    store: Store,
) -> None:
    entries = [
        {"id": "kling", "costMax": 9, "pricingMode": "per-second"},
        {"id": "Kling", "costMax": 2, "pricingMode": "flat"},
        {"id": "flux", "costMax": 3, "pricingMode": "flat"},
        {"id": "flux", "costMax": 1, "pricingMode": "flat"},
    ]

    assert read(store, Api(body={"models": entries})) == {"kling": 9, "flux": 3}
    assert store.price_lists.get(V2.name, URL).modes == {"kling": "", "flux": "flat"}


@pytest.mark.parametrize("api", [Api(status=0), Api(status=500), Api(body=[]), Api(body="text")])
def test_a_list_that_cannot_be_read_keeps_the_earlier_one_and_is_tried_again_in_an_hour(
    store: Store, api: Api
) -> None:
    known = read(store, Api())
    later = NOW + timedelta(hours=25)

    assert read(store, api, later) == known
    read(store, api, later + timedelta(minutes=50))
    assert len(api.asked) == 1
    read(store, api, later + timedelta(minutes=70))
    assert len(api.asked) == 2


def test_the_first_list_is_tried_again_after_five_minutes(store: Store) -> None:
    api = Api(status=0)

    assert read(store, api) == {}
    read(store, api, NOW + timedelta(minutes=4))
    assert len(api.asked) == 1
    read(store, api, NOW + timedelta(minutes=6))
    assert len(api.asked) == 2


def test_a_row_waits_while_the_first_list_was_not_read_and_is_sent_afterwards(
    tmp_path: Path, api: Sandbox
) -> None:
    team = Team(tmp_path, "http://127.0.0.1:9", version=2)
    team.write("prompt,endpoint", "a fox,flux", "an owl,imagine")
    away = team.start("run", team.configured())
    assert away.code == 3, away.said
    waits = team.said_of("a fox", "an owl")
    config = Team(tmp_path, api.url, version=2).configured()

    plan = json.loads(team.start("run", config, "--plan", "--json").out)
    ended = team.start("run", config, "--wait")

    assert waits == ["waiting", "queued"]
    assert (plan["requests"], plan["credits"]) == (2, 22)
    assert ended.code == 0, ended.said
    assert team.said_of("a fox", "an owl") == ["done", "done"]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_an_api_without_a_list_is_not_asked(store: Store) -> None:
    api = Api()

    assert read(store, api, provider=read_provider("apiframe-v1", None, Path(), PROVIDERS)) == {}
    assert api.asked == []


@each(
    ("wrote", "price"),
    [
        ({"endpoint": "imagine"}, 16),
        ({"endpoint": "image", "model": "SEEDREAM-4"}, 7),
        ({"endpoint": "image", "model": "seedream-3"}, None),
        ({"endpoint": "image"}, None),
        ({"endpoint": "flux"}, 6),
        ({"endpoint": "flux", "model": "flux-2-max"}, 9),
    ],
)
def test_a_row_without_a_listed_price_costs_what_the_list_says(
    wrote: dict[str, str], price: int | None
) -> None:
    rules = Rules("sheet", V2, "imagine", prices=PRICES)

    assert rules.price(canonical({"prompt": "a fox", **wrote})) == price


VIDEOS = {
    "models": [
        {"id": "kling-3.0", "costMax": 9, "pricingMode": "per-second"},
        {"id": "veo-3.1", "costMax": 9, "pricingMode": "flat"},
        {"id": "wan-2.5", "costMax": 4.5, "pricingMode": "per-second"},
        {"id": "seedance-1-pro", "costMax": 9},
        {"id": "sora-2", "costMax": 9, "pricingMode": "per-moon"},
        {"id": "qwen-image", "costMax": 3, "pricingMode": "per-output"},
        {"id": "seedream-4", "costMax": 3, "pricingMode": "per-output"},
        {"id": "topaz-video-upscale", "costMax": 2, "pricingMode": "per-second"},
    ]
}


@pytest.mark.parametrize(
    ("endpoint", "cells", "price"),
    [
        ("video", {"model": "kling-3.0", "duration": "4"}, 36),
        ("video", {"model": "kling-3.0"}, 9 * 15),  # the longest that it allows
        ("kling", {"duration": "3"}, 27),
        ("video", {"model": "wan-2.5"}, 45),
        ("video", {"model": "wan-2.5", "duration": "5"}, 22.5),
        ("video", {"model": "veo-3.1", "duration": "8"}, 9),
        # The list does not say what its price is for: the larger amount.
        ("video", {"model": "seedance-1-pro"}, 90),
        ("video", {"model": "sora-2", "duration": "4"}, 36),
        ("image", {"model": "qwen-image", "number_of_images": "3"}, 9),
        ("image", {"model": "qwen-image"}, 3),
        ("image", {"model": "seedream-4"}, 3),
    ],
)
def test_a_price_of_a_second_or_of_an_output_is_held_for_all_of_them(
    store: Store, endpoint: str, cells: dict[str, str], price: float
) -> None:
    read(store, Api(VIDEOS))
    kept = store.price_lists.get(V2.name, URL)
    if endpoint == "kling":
        cells = {**cells, "model": "kling-3.0"}
    rules = Rules("s", V2, endpoint, prices=kept.prices, modes=kept.modes)

    assert rules.price(canonical({"prompt": "waves", **cells})) == price


def test_a_list_that_was_kept_without_what_its_prices_are_for_is_read_again(store: Store) -> None:
    api = Api(VIDEOS)
    read(store, api)
    from pipeline.store.price_lists import _name
    from pipeline.store.transactions import keep_value

    with store._database.writing() as connection:
        keep_value(
            connection, _name(V2.name, URL), '{"prices":{"kling-3.0":9},"read_at":1795780800000000}'
        )

    read(store, api)

    assert len(api.asked) == 2
