"""What proves the webhooks of a configuration: its secrets and keys, for each of its APIs."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config import Settings
from pipeline.core.api.accounts import Api
from pipeline.core.api.webhook import Proofs
from pipeline.core.rows.rules import Rules


def proofs_of(settings: Settings, rules: Rules) -> Iterator[tuple[Api, Proofs]]:
    """Each API of a configuration that sends webhooks, and what its calls are proved with."""
    ours = settings.webhook
    secrets = tuple(one.reveal() for one in (ours.secret, ours.previous_secret) if one)
    for api, its in zip(rules.apis, settings.apis, strict=True):
        if webhook := api.provider.webhook:
            private = its.api_key, its.vendor_secret
            api_key, vendor_secret = (one.reveal() if one else "" for one in private)
            match webhook.proof:  # What does not prove a call must not tell two groups apart.
                case "signature":
                    yield api, Proofs(webhook, (), api_key)
                case "standard":
                    yield api, Proofs(webhook, (), "", vendor_secret)
                case "none":
                    yield api, Proofs(webhook, ())
                case _:
                    yield api, Proofs(webhook, secrets)
