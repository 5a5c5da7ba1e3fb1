"""Webhooks: what a submission tells the API, and which calls are accepted.

The digests here were made with `openssl dgst -sha256 -mac HMAC`, not with the code that is tested.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from random import Random

import pytest

from pipeline.core.api.webhook import (
    STANDARD_BYTES,
    STANDARD_PREFIX,
    Callback,
    Proof,
    Proofs,
    Webhook,
    is_signed,
    is_standard,
    new_token,
    proving,
    secret_for,
    standard_signature,
)
from tests.fakes.cases import each

APIFRAME = Webhook("webhook_url", "x-webhook-secret", secret_field="webhook_secret")
SIGNED = Webhook(
    "webhookUrl",
    "X-Webhook-Signature",
    proof="signature",
    fields={"webhookEvents": ["progress", "completed", "failed"]},
)
SECRET, TOKEN = "s" * 32, "tokentokentokentokentokentoken12"
DERIVED = "ae13a706a66a8f6d3f224c867ca6355e7398e085ec024dfae1d1564260e201b6"
API_KEY, BODY = "afk_example", b'{"event":"completed","jobId":"j-1","status":"COMPLETED"}'
#: The key of the HMAC: the digest of the API key as bytes, and as text.
BY_BYTES = "c6714652507d1f1caa93fe380c09949bcba6b3dadd3d02ba35b051753bfab2d9"
BY_TEXT = "0e6823322226174688fda2ca6699a40593bf9329faaa83155b87cb65ea4850bc"


def test_the_secret_of_an_attempt_is_derived_from_its_token() -> None:
    assert secret_for(SECRET, TOKEN) == DERIVED
    assert secret_for(SECRET, TOKEN[:-1]) != DERIVED


def test_a_submission_has_the_webhook_address_and_the_secret() -> None:
    asked = Callback(APIFRAME, "https://hooks.example.com", SECRET)

    assert asked.shown(TOKEN) == {"webhook_url": f"https://hooks.example.com/hooks/{TOKEN}"}
    assert asked.hidden(TOKEN) == {"webhook_secret": DERIVED}
    assert SECRET not in repr(asked)


def test_an_api_that_signs_gets_no_secret_and_the_list_of_events() -> None:
    asked = Callback(SIGNED, "https://hooks.example.com", SECRET)

    assert asked.hidden(TOKEN) == {}
    assert asked.shown(TOKEN) == {
        "webhookUrl": f"https://hooks.example.com/hooks/{TOKEN}",
        "webhookEvents": ["progress", "completed", "failed"],
    }


@each("made", [BY_BYTES, BY_TEXT])
@each("prefix", ["", "sha256="])
def test_a_signature_is_accepted_in_each_form_that_the_vendors_pages_allow(
    made: str, prefix: str
) -> None:
    proofs = Proofs(SIGNED, (), API_KEY)

    assert is_signed(prefix + made, BODY, API_KEY)
    assert proofs.are_met(TOKEN, {"x-webhook-signature": prefix + made}, BODY)
    assert not proofs.are_met(TOKEN, {"x-webhook-signature": prefix + made}, BODY + b" ")
    assert not Proofs(SIGNED, (), "afk_other").are_met(
        TOKEN, {"x-webhook-signature": prefix + made}, BODY
    )


def signed_with(key: bytes) -> str:
    """A signature of BODY with any key."""
    return hmac.new(key, BODY, "sha256").hexdigest()


@each(
    "given",
    [
        *("", "sha256=", DERIVED, "schön", BY_BYTES.upper(), f"sha256={BY_BYTES[:-1]}"),
        # With no key, with the API key itself, with the secret.
        *(signed_with(key) for key in (b"", API_KEY.encode(), SECRET.encode())),
    ],
)
def test_any_other_signature_is_refused(given: str) -> None:
    headers = {"x-webhook-signature": given}

    assert not Proofs(SIGNED, (SECRET,), API_KEY).are_met(TOKEN, headers, BODY)


def test_without_an_api_key_every_signature_is_refused_even_one_with_an_empty_key() -> None:
    empty = hashlib.sha256(b"")
    proofs = Proofs(SIGNED, (SECRET,), "")

    for made in map(signed_with, (b"", empty.digest(), empty.hexdigest().encode())):
        headers = {"x-webhook-signature": made}
        assert not proofs.may_be_met(TOKEN, headers)
        assert not proofs.are_met(TOKEN, headers, BODY)


def test_a_secret_is_accepted_only_for_its_token_also_after_a_key_change() -> None:
    before, after, both = ("b" * 32,), (SECRET,), (SECRET, "b" * 32)
    header = {"x-webhook-secret": DERIVED}

    believed = [
        Proofs(APIFRAME, secrets).are_met(token, header, BODY)
        for secrets in (before, after, both, ())
        for token in (TOKEN, "another")
    ]
    assert believed == [False, False, True, False, True, False, False, False]


@each("headers", [{}, {"x-webhook-secret": ""}, {"x-webhook-secret": "ö"}])
def test_a_call_without_its_proof_is_refused(headers: dict[str, str]) -> None:
    assert not Proofs(APIFRAME, (SECRET, "")).are_met(TOKEN, headers, BODY)


def test_a_hook_token_fits_into_a_url_and_has_192_random_bits() -> None:
    chance = Random(1)
    tokens = {new_token(chance) for _ in range(1000)}

    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {32}
    assert all(token.replace("-", "").replace("_", "").isalnum() for token in tokens)


@each("seconds", ["9" * 4000, "9" * 5000, "nan", "inf", "", "-1"])
def test_a_call_with_a_strange_time_is_refused(seconds: str) -> None:
    def is_accepted(stamp: str) -> bool:
        signature = standard_signature(b"k" * 24, "m-1", stamp, BODY)
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = dict(zip(names, ("m-1", stamp, signature), strict=True))
        return is_standard(headers, BODY, "whsec_" + "a2tr" * 8, 1_700_000_000.0)

    assert is_accepted("1700000000")
    assert not is_accepted(seconds)


@pytest.mark.parametrize("proof", ["secret", "body", "signature", "standard"])
def test_a_call_that_we_prove_ourselves_is_accepted_and_proves_nothing_with_another_secret(
    proof: Proof,
) -> None:
    webhook = Webhook("url", "x-proof", proof)
    ours = Proofs(webhook, ("a secret",), "a key", standard_secret(b"a"))
    others = Proofs(webhook, ("another",), "another", standard_secret(b"b"))

    headers = {
        name.lower(): value for name, value in (proving(ours, TOKEN, BODY, 9.5) or {}).items()
    }

    assert [one.are_met(TOKEN, headers, BODY, 9.5) for one in (ours, others)] == [True, False]


def standard_secret(letter: bytes) -> str:
    """A secret for Standard Webhooks."""
    return STANDARD_PREFIX + b64encode(letter * STANDARD_BYTES).decode()
