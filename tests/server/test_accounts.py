"""Whose calls may be about whose tasks: accounts are compared, not the names of provider files."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from pipeline import config, wiring
from pipeline.core.api.accounts import Api
from pipeline.core.model import Attempt, JobKey, State
from pipeline.server.app import receiver
from pipeline.store import Intent, Limits, Store
from pipeline.sync.configured_sheet import Campaign
from tests.fakes.called_back import proof, served, to_bytes
from tests.fakes.program import ROOT

FILES = ROOT / "configs/providers"
FIRST, SECOND, OLD = "afk_first", "afk_second", "old"
ENVIRONMENT = {"FIRST": FIRST, "SECOND": SECOND, "OLD": OLD, "HOOKS": "s" * 32}
RESULT = {"id": "t-1", "status": "COMPLETED", "result": {"images": ["https://x/1.png"]}}
V1_RESULT = {"task_id": "t-1", "image_urls": ["https://x/1.png"]}
V1 = "https://api.apiframe.pro"


@dataclass
class Vendors:
    """Configurations in one store, and a receiver of the calls to all of them."""

    folder: Path
    store: Store
    stack: ExitStack
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    url: str = ""

    def configure(self, sheet: str, provider: str, more: str = "") -> None:
        """Add a configuration for this sheet, in a folder of its own."""
        (self.folder / sheet).mkdir(exist_ok=True)
        path = self.folder / sheet / "promptsheet.toml"
        path.write_text(
            f'[sheet]\nsource = "rows.csv"\n[provider]\n{provider}\n[webhook]\n'
            f'public_url = "https://hooks.example.com"\nsecret = "env:HOOKS"\n{more}'
        )
        settings = config.load(path, need_key=True, environ=ENVIRONMENT)
        self.campaigns[sheet] = Campaign(settings, self.store, sheet)

    def own_file(self, sheet: str, name: str, text: str) -> None:
        """Put a provider file beside the configuration of a sheet."""
        (self.folder / sheet / "providers").mkdir(parents=True)
        (self.folder / sheet / "providers" / f"{name}.toml").write_text(text)

    def serve(self) -> None:
        app = receiver([*self.campaigns.values()])
        self.url = self.stack.enter_context(served(app))

    def apis(self, sheet: str) -> tuple[Api, ...]:
        return wiring.rules(self.campaigns[sheet].settings, sheet).apis

    def begin(self, sheet: str, api: Api, token: str, provider: str = "") -> JobKey:
        """Begin an attempt at this API, as a pass does."""
        key = JobKey(sheet, f"r_{token}", 1)
        self.store.jobs.add([key])
        intent = Intent(
            *(key, 1, "{}", (), "imagine", 4, 60),
            hook=token,
            provider=provider or api.provider.name,
            base_url=api.base_url,
        )
        limits = Limits(api.account, "run", "2026-03-01")
        (begun,) = self.store.attempts.begin([intent], limits)
        assert isinstance(begun, Attempt)
        return key

    def state(self, key: JobKey) -> State:
        job = self.store.jobs.get(key)
        assert job
        return job.attempts[0].state

    def call(self, token: str, said: object, headers: Mapping[str, str]) -> int:
        sent = httpx.post(
            f"{self.url}/hooks/{token}", content=to_bytes(said), headers=headers, trust_env=False
        )
        return sent.status_code


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with Store(f"sqlite:///{tmp_path}/promptsheet.db") as store, ExitStack() as stack:
        yield Vendors(tmp_path, store, stack)


def signed(key: str, said: object = RESULT) -> dict[str, str]:
    """The header of a call that version 2 signs with the key of an account."""
    digest = hashlib.sha256(key.encode()).digest()
    made = hmac.new(digest, json.dumps(said).encode(), hashlib.sha256).hexdigest()
    return {"x-webhook-signature": made}


def test_two_configurations_with_two_accounts_of_one_vendor_get_their_own_calls(
    vendors: Vendors,
) -> None:
    vendors.configure("one", 'api_key = "env:FIRST"')
    vendors.configure("two", 'api_key = "env:SECOND"')
    vendors.serve()
    one = vendors.begin("one", vendors.apis("one")[0], "token-1")
    two = vendors.begin("two", vendors.apis("two")[0], "token-2")

    assert vendors.call("token-1", RESULT, signed(SECOND)) == 404
    assert vendors.call("token-2", RESULT, signed(FIRST)) == 404
    assert [vendors.state(key) for key in (one, two)] == [State.SUBMITTING] * 2
    assert vendors.call("token-1", RESULT, signed(FIRST)) == 200
    assert vendors.call("token-2", RESULT, signed(SECOND)) == 200
    assert [vendors.state(key) for key in (one, two)] == [State.SUCCEEDED] * 2


@pytest.mark.parametrize(
    "more",
    ['[provider.former]\nname = "apiframe-v2"\napi_key = "env:FIRST"', ""],
    ids=["former", "other"],
)
def test_two_accounts_of_one_vendor_in_one_configuration_get_their_own_calls(
    vendors: Vendors, more: str
) -> None:
    more = more or '[providers.second]\nname = "apiframe-v2"\napi_key = "env:FIRST"'
    vendors.configure("one", 'api_key = "env:SECOND"', more)
    vendors.serve()
    own, other = vendors.apis("one")
    assert own.provider.name == other.provider.name
    key = vendors.begin("one", other, "token-1")

    assert vendors.call("token-1", RESULT, signed(SECOND)) == 404
    assert vendors.state(key) is State.SUBMITTING
    assert vendors.call("token-1", RESULT, signed(FIRST)) == 200
    assert vendors.state(key) is State.SUCCEEDED


def test_a_provider_file_under_another_name_still_gets_the_calls_of_its_account(
    vendors: Vendors,
) -> None:
    vendors.own_file("one", "ours", (FILES / "apiframe-v2.toml").read_text())
    vendors.configure("one", 'name = "ours"\napi_key = "env:FIRST"')
    vendors.serve()
    key = vendors.begin("one", vendors.apis("one")[0], "token-1", provider="apiframe-v2")

    assert vendors.call("token-1", RESULT, signed(SECOND)) == 404
    assert vendors.call("token-1", RESULT, signed(FIRST)) == 200
    assert vendors.state(key) is State.SUCCEEDED


def test_two_files_of_one_name_each_read_the_calls_about_their_own_sheet(
    vendors: Vendors,
) -> None:
    v1 = (FILES / "apiframe-v1.toml").read_text()
    other = v1.replace('"image_urls[]"', '"pictures[]"').replace('"image_urls"', '"pictures"')
    assert other != v1
    for sheet, text in (("one", v1), ("two", other)):
        vendors.own_file(sheet, "ours", text)
        vendors.configure(sheet, 'name = "ours"\napi_key = "env:OLD"')
    vendors.serve()
    one = vendors.begin("one", vendors.apis("one")[0], "token-1")
    two = vendors.begin("two", vendors.apis("two")[0], "token-2")
    other_result = {"task_id": "t-2", "pictures": ["https://x/2.png"]}

    assert vendors.call("token-1", V1_RESULT, proof("token-1")) == 200
    assert vendors.call("token-2", other_result, proof("token-2")) == 200
    assert [vendors.state(key) for key in (one, two)] == [State.SUCCEEDED] * 2


def test_both_versions_in_one_sheet_accept_their_own_proof_only(vendors: Vendors) -> None:
    former = '[provider.former]\nname = "apiframe-v1"\napi_key = "env:OLD"'
    vendors.configure("one", 'api_key = "env:FIRST"', former)
    vendors.serve()
    v2, v1 = vendors.apis("one")
    new, old = vendors.begin("one", v2, "token-1"), vendors.begin("one", v1, "token-2")

    assert vendors.call("token-1", RESULT, proof("token-1")) == 404
    assert vendors.call("token-2", V1_RESULT, signed(FIRST, V1_RESULT)) == 404
    assert vendors.call("token-1", RESULT, signed(FIRST)) == 200
    assert vendors.call("token-2", V1_RESULT, proof("token-2")) == 200
    assert [vendors.state(key) for key in (new, old)] == [State.SUCCEEDED] * 2


def test_the_secret_of_a_submission_is_enough_after_the_address_of_the_api_has_changed(
    vendors: Vendors,
) -> None:
    vendors.configure("one", f'api_key = "env:OLD"\nbase_url = "{V1}"')
    before = vendors.apis("one")[0]
    vendors.configure("one", 'api_key = "env:OLD"\nbase_url = "https://api.apiframe.ai"')
    vendors.serve()
    key = vendors.begin("one", before, "token-1")

    assert vendors.call("token-1", V1_RESULT, proof("token-1", "t" * 32)) == 404
    assert vendors.call("token-1", V1_RESULT, proof("token-1")) == 200
    assert vendors.state(key) is State.SUCCEEDED


def test_a_signed_call_about_the_task_of_another_row_is_refused_also_before_the_answer(
    vendors: Vendors,
) -> None:
    """The signature does not say to which address the call was sent."""
    vendors.configure("one", 'api_key = "env:FIRST"')
    vendors.serve()
    (api,) = vendors.apis("one")
    its, other = vendors.begin("one", api, "token-1"), vendors.begin("one", api, "token-2")
    progress = {"id": "t-1", "status": "PROCESSING"}

    assert vendors.call("token-1", progress, signed(FIRST, progress)) == 200
    assert vendors.call("token-2", RESULT, signed(FIRST)) == 404
    assert vendors.state(other) is State.SUBMITTING

    own = {**RESULT, "id": "t-2"}
    assert vendors.call("token-2", own, signed(FIRST, own)) == 200
    assert vendors.call("token-1", RESULT, signed(FIRST)) == 200
    assert [vendors.state(key) for key in (its, other)] == [State.SUCCEEDED] * 2


def test_a_signed_call_that_names_no_task_is_refused(vendors: Vendors) -> None:
    vendors.configure("one", 'api_key = "env:FIRST"')
    vendors.serve()
    (api,) = vendors.apis("one")
    key = vendors.begin("one", api, "token-1")
    nameless = {"status": "COMPLETED", "result": {"images": ["https://x/9.png"]}}

    assert vendors.call("token-1", nameless, signed(FIRST, nameless)) == 404
    assert vendors.state(key) is State.SUBMITTING
