"""Leonardo.Ai: `POST /api/rest/v1/generations`, `GET …/ID`. No webhook for a single request.

Shapes from the vendor's Python client (leonardo-ai-sdk 7.0.0) and docs.leonardo.ai, read on
2026-11-27.
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

WORDS = {"waiting": "PENDING", "running": "PENDING", "done": "COMPLETE", "failed": "FAILED"}
#: Where the job is in the answer to a submission.
JOBS = {"image": "sdGenerationJob", "video": "motionVideoGenerationJob"}


class Leonardo(Vendor):
    """Generations; their prices are only in the answers."""

    title = "Leonardo.Ai"
    base = "/api/rest/v1"
    submissions = (
        "/generations",
        "/generations-text-to-video",
        "/generations-image-to-video",
    )
    status = "/generations/{id}"
    wrong_key = Refused(401, "Authentication hook unauthorized this request")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`. A submission without `modelId` is one for a video."""
        prompt = text_of(said, "prompt", most=1500)
        is_video = "modelId" not in said
        width, height = said.get("width") or 1024, said.get("height") or 768
        for name, side in (("width", width), ("height", height)):
            if side not in range(32, 1537, 8):
                raise Refused(400, f"{name} must be between 32 and 1536, and a multiple of 8")
        image = str(said.get("imageId", ""))
        if "imageType" in said and not image:
            raise Refused(400, "imageId is required")
        count = 1 if is_video else said.get("num_images", 4)
        if count not in range(1, 9):
            raise Refused(400, "num_images must be between 1 and 8")
        return Order(
            prompt,
            str(said.get("model") if is_video else said["modelId"]),
            said,
            ratio=ratio_of(f"{width}:{height}"),
            count=count,
            kind="video" if is_video else "image",
            cost=0.02 * count,
            follows=(image.rpartition("-")[0],) if image else (),
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`: the job, without a status."""
        job = {
            "generationId": task.id,
            "apiCreditCost": None,
            "cost": {"amount": f"{task.order.cost:.4f}", "unit": "DOLLARS"},
        }
        return VendorAnswer(200, {JOBS[task.order.kind]: job})

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`: the results are in `generated_images`, those of a video too."""
        stage, order = task.stage(now), task.order
        images: list[dict[str, object]] = []
        for number, address in enumerate(task.results, 1):
            is_video = order.kind == "video"
            images.append(
                {
                    "id": f"{task.id}-{number}",
                    "url": address,
                    "nsfw": False,
                    "likeCount": 0,
                    "motionMP4URL": address if is_video else None,
                    "generated_image_variation_generics": [],
                }
            )
        return {
            "generations_by_pk": {
                "id": task.id,
                "status": WORDS[stage],
                "createdAt": stamp(task.created),
                "prompt": order.prompt,
                "modelId": order.said.get("modelId"),
                "imageWidth": order.said.get("width"),
                "imageHeight": order.said.get("height"),
                "public": False,
                "generated_images": images if stage == "done" else [],
            }
        }

    def error(self, status: int, words: str) -> object:
        """See `Vendor`."""
        codes = {401: "access-denied", 400: "bad-request", 429: "rate-limited"}
        return {"error": words, "path": "$", "code": codes.get(status, "unexpected")}

    def unknown(self, task_id: str) -> VendorAnswer:
        """See `Vendor`: null, not an error."""
        return VendorAnswer(200, {"generations_by_pk": None})

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """See `Vendor`."""
        user = {
            "user": {"id": "00000000-0000-4000-8000-000000000000", "username": "team"},
            "apiConcurrencySlots": 10,
            "apiPaidTokens": int(left),
            "apiSubscriptionTokens": 0,
            "paidTokens": 0,
            "subscriptionTokens": 0,
        }
        return {"/me": {"user_details": [user]}}
