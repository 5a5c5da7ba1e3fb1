"""Which API has an attempt, and which endpoint it was sent to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.api.accounts import Api, endpoint_of, reading
from pipeline.core.api.protocol import task_event
from pipeline.core.rows.rules import Rules
from pipeline.core.states import Failed, Progressed, Succeeded
from tests.core.build import attempt
from tests.fakes.cases import each
from tests.fakes.program import ROOT

PROVIDERS = ROOT / "configs/providers"
V1, V2 = (read_provider(f"apiframe-v{one}", None, Path(), PROVIDERS) for one in (1, 2))


@each("prefix", ["", "v2/", "new/"])
@each("name", ["video", "v2/video", "old/video"])
def test_an_endpoint_is_found_by_each_name_that_its_api_had(prefix: str, name: str) -> None:
    assert endpoint_of(V2, name, prefix) is V2.endpoints["video"]


def test_an_endpoint_that_the_api_does_not_have_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        endpoint_of(V2, "v2/nothing", "v2/")


def test_of_two_apis_with_one_account_an_attempt_belongs_to_the_one_it_was_sent_to() -> None:
    other = Api(V2, "https://api.example", "same", prefix="v2/")
    rules = Rules(
        sheet="s",
        provider=V1,
        endpoint="imagine",
        base_url="https://api.example",
        account="same",
        others=(other,),
    )
    sent = replace(
        attempt(), provider="apiframe-v2", base_url="https://api.example", account="same"
    )

    assert rules.api_of(sent) == other
    assert rules.api_of(replace(sent, provider="apiframe-v1")) == rules.api


def test_stand_ins_that_share_a_key_and_got_other_ports_keep_their_own_attempts() -> None:
    rules = Rules(
        sheet="s",
        provider=V2,
        endpoint="imagine",
        base_url="http://127.0.0.1:1",
        account="same",
        others=(Api(V1, "http://127.0.0.1:2", "same", prefix="old/"),),
    )
    sent = replace(attempt(), provider="apiframe-v1", base_url="http://127.0.0.1:3", account="same")

    assert rules.api_of(sent) == rules.others[0]


@each("vendor", ["apiframe-v1", "bfl", "luma", "piapi", "replicate", "runway"])
def test_the_result_of_an_endpoint_that_was_removed_is_read_like_those_of_others(
    vendor: str,
) -> None:
    provider = read_provider(vendor, None, Path(), ROOT / "configs/providers")
    endpoint = next(iter(provider.endpoints))
    folder = vendor.removesuffix("-v1")
    file = ROOT / "tests/replies" / folder / "finished.txt"
    body = json.loads(file.read_text("utf-8").split("\n\n", 1)[1])
    left = {one: its for one, its in provider.endpoints.items() if one != endpoint}
    changed = replace(provider, endpoints=left)

    event = task_event(changed, reading(changed, endpoint), body, "t")

    assert isinstance(event, Succeeded)
    before = task_event(provider, provider.endpoints[endpoint], body, "t")
    assert isinstance(before, Succeeded)
    assert event.result.urls == before.result.urls


def test_a_result_at_a_place_that_no_other_endpoint_has_is_not_taken_for_a_failure() -> None:
    provider = read_provider("bfl", None, Path(), ROOT / "configs/providers")
    body = {"id": "t", "status": "Ready", "result": {"elsewhere": "https://example.com/1.png"}}

    event = task_event(provider, reading(provider, "gone"), body, "t")

    assert event == Progressed(None, "t")
    failed = task_event(provider, reading(provider, "gone"), {"id": "t", "status": "Error"}, "t")
    assert isinstance(failed, Failed)
