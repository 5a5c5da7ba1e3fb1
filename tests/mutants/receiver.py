"""Faults in the receiver of webhooks and on the page."""

from __future__ import annotations

from tests.mutants.fault import Fault

_WEBHOOK = "pipeline/core/webhook.py"

FAULTS = (
    Fault(
        "a signature made without a key counts",
        "P7",
        _WEBHOOK,
        "return bool(self.api_key) and is_signed(given, body, self.api_key)",
        "return is_signed(given, body, self.api_key)",
        "tests/core/test_webhook.py",
    ),
    Fault(
        "without a key, a signature is looked at",
        "P7",
        _WEBHOOK,
        "return bool(self.api_key) and _SIGNATURE.fullmatch(given) is not None",
        "return _SIGNATURE.fullmatch(given) is not None",
        "tests/core/test_webhook.py",
    ),
)
