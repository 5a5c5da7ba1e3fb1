"""Black Forest Labs (FLUX): `POST /v1/MODEL`, `GET /v1/get_result?id=ID`.

Shapes from docs.bfl.ai and the vendor's own repository of skills (2026-02), read 2026-11-27. That
an explicit null is answered 500 was seen by an integrator.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Mapping
from typing import Any

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

WORDS = {"waiting": "Pending", "running": "Generating", "done": "Ready", "failed": "Error"}
#: Model -> cents for one picture, or for the first megapixel and for each further one.
PRICES: Mapping[str, tuple[float, float]] = {
    "flux-2-pro": (3, 1.5),
    "flux-2-max": (7, 3),
    "flux-2-flex": (5, 5),
    "flux-pro-1.1": (4, 0),
    "flux-pro-1.1-ultra": (6, 0),
    "flux-kontext-pro": (4, 0),
    "flux-kontext-max": (8, 0),
}
MODERATED = "Request Moderated"


class Bfl(Vendor):
    """One path for each model; the answer to a submission names the address to ask."""

    title = "Black Forest Labs"
    base = "/v1"
    submissions = ("/{model}",)
    status = "/get_result"
    wrong_key = Refused(403, "Not authenticated - Invalid Authentication")

    def key(self, headers: Mapping[str, str]) -> str:
        """See `Vendor`."""
        return headers.get("x-key", "")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`."""
        model = path["model"]
        if model not in PRICES:
            raise Refused(404, "Not Found")
        if None in said.values():
            raise Refused(500, "Internal Server Error")
        if not isinstance(said.get("prompt"), str):
            raise Refused(422, "prompt: Field required")
        width, height = said.get("width", 1024), said.get("height", 1024)
        for name, side in (("width", width), ("height", height)):
            if not isinstance(side, int) or side < 64 or side % 16:
                raise Refused(422, f"{name}: Input should be a multiple of 16, at least 64")
        if width * height > 4 << 20:
            raise Refused(422, "width: width times height is at most 4 megapixels")
        first, more = PRICES[model]
        pictures = sum(name.startswith("input_image") for name in said)
        area = max(0, math.ceil(width * height / (1 << 20)) - 1) + pictures
        ratio = said.get("aspect_ratio", f"{width}:{height}")
        return Order(
            said["prompt"],
            model,
            said,
            ratio=ratio_of(ratio),
            cost=first + area * more,
            webhook=str(said.get("webhook_url") or ""),
            webhook_secret=str(said.get("webhook_secret") or ""),
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`: an id, the address to ask, and what it costs."""
        address = f"{task.base_url}{self.base}{self.status}?id={task.id}"
        return VendorAnswer(200, {"id": task.id, "polling_url": address, "cost": task.order.cost})

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`: the result is there once the status is Ready."""
        stage = task.stage(now)
        status = MODERATED if stage == "failed" and task.failure == MODERATED else WORDS[stage]
        result = {"sample": task.results[0], "prompt": task.order.prompt, "seed": 42}
        error = {"error": task.failure} if status == "Error" else {}
        return {
            **error,
            "id": task.id,
            "status": status,
            "result": result if stage == "done" else None,
            "progress": round(task.part(now), 2) if stage == "running" else None,
            "details": {"Moderation Reasons": ["Content"]} if status == MODERATED else None,
            "preview": None,
        }

    def error(self, status: int, words: str) -> object:
        """See `Vendor`: a list of places for 422, else a sentence."""
        if status != 422:
            return {"detail": words}
        name, _, message = words.partition(": ")
        return {"detail": [{"loc": ["body", name], "msg": message, "type": "value_error"}]}

    def unknown(self, task_id: str) -> VendorAnswer:
        """See `Vendor`: a status, not an error."""
        return VendorAnswer(200, {"id": task_id, "status": "Task not found", "result": None})

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """See `Vendor`."""
        return {"/credits": {"credits": left}}

    def call(self, task: Task, moment: float, key: str) -> Call:
        """See `Vendor`. Signed with the secret of the submission, if it gave one."""
        body = json.dumps(self.shown(task, moment) | {"timestamp": stamp(task.created)}).encode()
        secret = task.order.webhook_secret.encode()
        proof = f"sha256={hmac.digest(secret, body, 'sha256').hex()}"
        return Call(task.order.webhook, {"x-bfl-signature": proof} if secret else {}, body)
