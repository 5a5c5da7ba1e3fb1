"""Runway: `POST /v1/text_to_image` and others, `GET /v1/tasks/ID`. It sends no webhooks.

Shapes from the vendor's Python client (runwayml 5.24.0), read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.sandbox.vendors.vendor import (
    Order,
    Refused,
    Task,
    Vendor,
    VendorAnswer,
    ratio_of,
    stamp,
)
from pipeline.sandbox.vendors.vendor import text as text_of

WORDS = {
    "waiting": "PENDING",
    "running": "RUNNING",
    "done": "SUCCEEDED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}
VERSION = "2024-11-06"
#: Path -> its models, with credits for one picture or one second.
MODELS: Mapping[str, Mapping[str, int]] = {
    "text_to_image": {"gen4_image": 8, "gen4_image_turbo": 2, "gemini_2.5_flash": 5},
    "text_to_video": {"gen4.5": 12, "veo3.1": 40, "veo3.1_fast": 15},
    "image_to_video": {"gen4_turbo": 5, "gen4.5": 12, "veo3.1": 40, "veo3.1_fast": 15},
}
SMALL = ("1280:720", "720:1280", "720:720", "960:720", "720:960", "1680:720")


class Runway(Vendor):
    """Tasks. A request must name the version of the API."""

    title = "Runway"
    base = "/v1"
    submissions = ("/{kind}",)
    status = "/tasks/{id}"
    cancel = ("DELETE", "/tasks/{id}")
    wrong_key = Refused(401, "The API key provided is not valid.")

    def check(self, headers: Mapping[str, str]) -> None:
        """See `Vendor`."""
        if headers.get("x-runway-version") != VERSION:
            raise Refused(400, "A valid X-Runway-Version header is required.")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`."""
        kind = path["kind"]
        if kind not in MODELS:
            raise Refused(404, "Not found")
        model = str(said.get("model"))
        if model not in MODELS[kind]:
            raise Refused(400, "Validation of body failed: model")
        seconds = said.get("duration", 10 if kind == "image_to_video" else 8)
        if not isinstance(seconds, int) or not 2 <= seconds <= 10:
            raise Refused(400, "Validation of body failed: duration")
        if ratio_of(said.get("ratio"), "") == "":
            raise Refused(400, "Validation of body failed: ratio")
        if kind == "image_to_video" and not said.get("promptImage"):
            raise Refused(400, "Validation of body failed: promptImage")
        prompt = str(said.get("promptText", ""))
        if kind != "image_to_video":
            prompt = text_of(said, "promptText", most=1000)
        each = MODELS[kind][model]
        if model == "gen4_image" and said["ratio"] in SMALL:
            each = 5
        is_video = kind != "text_to_image"
        return Order(
            prompt,
            model,
            said,
            ratio=ratio_of(said["ratio"]),
            kind="video" if is_video else "image",
            cost=each * seconds if is_video else each,
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`: an id and the highest price, no status."""
        return VendorAnswer(200, {"id": task.id, "estimatedCost": {"credits": task.order.cost}})

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`: each status has its own fields. A failed task is refunded."""
        stage = task.stage(now)
        says: dict[str, object] = {
            "id": task.id,
            "status": WORDS[stage],
            "createdAt": stamp(task.created),
        }
        if stage in ("waiting", "running"):
            says["estimatedCost"] = {"credits": task.order.cost}
        if stage == "running":
            says["progress"] = round(task.part(now), 2)
        if stage == "done":
            says |= {"output": task.results, "cost": {"credits": task.order.cost}}
        if stage == "failed":
            says |= {"failure": task.failure, "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"}
        if stage in ("failed", "canceled"):
            says["cost"] = {"credits": 0}
        return says

    def error(self, status: int, words: str) -> object:
        """See `Vendor`."""
        return {"error": words, "docUrl": "https://docs.dev.runwayml.com/api"}

    def canceled(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`: no content."""
        return VendorAnswer(204, None)

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """See `Vendor`."""
        models = {name for models in MODELS.values() for name in models}
        limits = {"maxConcurrentGenerations": 2, "maxDailyGenerations": 500}
        return {
            "/organization": {
                "creditBalance": int(left),
                "tier": {
                    "maxMonthlyCreditSpend": 100_000,
                    "models": dict.fromkeys(sorted(models), limits),
                },
                "usage": {"models": {name: {"dailyGenerations": 0} for name in sorted(models)}},
            }
        }
