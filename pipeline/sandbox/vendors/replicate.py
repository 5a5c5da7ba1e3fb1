"""Replicate: `POST /v1/models/OWNER/NAME/predictions`, `GET /v1/predictions/ID`.

Shapes from the vendor's Python client (replicate 1.0.7) and replicate.com/docs, read 2026-11-27.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pipeline.sandbox.vendors.vendor import (
    Call,
    Order,
    Refused,
    Task,
    Vendor,
    VendorAnswer,
    ratio_of,
    stamp,
)

WORDS = {
    "waiting": "starting",
    "running": "processing",
    "done": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}
#: The events of Standard Webhooks that a submission can choose from -> the stage that calls.
EVENTS = {"start": "waiting", "completed": "done"}
#: Models that always give a list; the others give one address.
LISTS = ("schnell", "dev")


class Replicate(Vendor):
    """Predictions; the webhooks follow Standard Webhooks."""

    title = "Replicate"
    base = "/v1"
    submissions = ("/models/{owner}/{name}/predictions", "/predictions")
    status = "/predictions/{id}"
    cancel = ("POST", "/predictions/{id}/cancel")
    wrong_key = Refused(401, "You did not pass a valid authentication token")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`. The prompt is in `input`, as all that the model reads."""
        given = said.get("input")
        if not isinstance(given, dict):
            raise Refused(422, "- input is required")
        if "owner" not in path and not said.get("version"):
            raise Refused(422, "- version is required")
        prompt = given.get("prompt")
        if not isinstance(prompt, str):
            raise Refused(422, "- input: prompt is required")
        model = f"{path['owner']}/{path['name']}" if "owner" in path else str(said["version"])
        count = given.get("num_outputs", 1)
        if count not in range(1, 5):
            raise Refused(422, "- input.num_outputs: Must be between 1 and 4")
        webhook = str(said.get("webhook") or "")
        chosen = said.get("webhook_events_filter") or list(EVENTS)
        if not isinstance(chosen, list) or not set(chosen) <= {*EVENTS, "output", "logs"}:
            raise Refused(422, "- webhook_events_filter: unknown event")
        ends = ("done", "failed", "canceled") if "completed" in chosen else ()
        return Order(
            prompt,
            model,
            given,
            ratio=ratio_of(given.get("aspect_ratio")),
            count=count,
            webhook=webhook,
            events=(*(("waiting",) if "start" in chosen else ()), *ends),
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`: the prediction itself."""
        return VendorAnswer(201, self.shown(task, now))

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`."""
        stage = task.stage(now)
        output: object = None
        if stage == "done":
            is_list = task.order.model.endswith(LISTS) or task.order.count > 1
            output = task.results if is_list else task.results[0]
        address = f"{task.base_url}{self.base}/predictions/{task.id}"
        return {
            "id": task.id,
            "model": task.order.model,
            "version": "hidden",
            "input": dict(task.order.said),
            "logs": "",
            "output": output,
            "data_removed": False,
            "error": task.failure if stage == "failed" else None,
            "source": "api",
            "status": WORDS[stage],
            "created_at": stamp(task.created),
            "urls": {"cancel": f"{address}/cancel", "get": address},
        }

    def error(self, status: int, words: str) -> object:
        """See `Vendor`: problem details, as of RFC 7807."""
        titles = {
            401: "Unauthenticated",
            402: "Insufficient credit",
            422: "Input validation failed",
        }
        if status == 429:
            return {
                "detail": "Request was throttled. Your rate limit resets in ~1s.",
                "status": 429,
            }
        return {"title": titles.get(status, "Error"), "detail": words, "status": status}

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """See `Vendor`: the account names no credits."""
        account = {"type": "organization", "username": "team", "name": "Team", "github_url": None}
        return {"/account": account, "/webhooks/default/secret": {"key": signing_secret(key)}}

    def call(self, task: Task, moment: float, key: str) -> Call:
        """See `Vendor`. Signed: id, time and body, with the secret of the account."""
        body = json.dumps(self.shown(task, moment)).encode()
        name, at = f"msg_{uuid4().hex}", str(int(time.time()))
        signed = b".".join((name.encode(), at.encode(), body))
        secret = b64decode(signing_secret(key).removeprefix("whsec_"))
        proof = b64encode(hmac.digest(secret, signed, "sha256")).decode()
        headers = {
            "webhook-id": name,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{proof}",
        }
        return Call(task.order.webhook, headers, body)

    def new_id(self) -> str:
        """See `Vendor`: 26 lower-case letters and digits."""
        return uuid4().hex[:26]


def signing_secret(key: str) -> str:
    """The secret of an account's webhooks: always the same for one API key."""
    return "whsec_" + b64encode(hashlib.sha256(f"signing {key}".encode()).digest()[:24]).decode()
