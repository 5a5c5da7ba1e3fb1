"""Luma Dream Machine: `POST /dream-machine/v1/generations/image` or `/video`, `GET …/ID`.

Shapes from the vendor's Python client (lumaai 1.21.0) and docs.lumalabs.ai, read 2026-11-27. Calls
to `callback_url` carry no proof.
"""

from __future__ import annotations

import json
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
from pipeline.sandbox.vendors.vendor import text as text_of

WORDS = {"waiting": "queued", "running": "dreaming", "done": "completed", "failed": "failed"}
#: Kind -> its models, with US cents for one (a video: 720p, five seconds).
MODELS: Mapping[str, Mapping[str, int]] = {
    "image": {"photon-1": 2, "photon-flash-1": 1},
    "video": {"ray-2": 71, "ray-flash-2": 24},
}
RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21")


class Luma(Vendor):
    """Generations: the answer to a submission is the generation itself."""

    title = "Luma"
    base = "/dream-machine/v1"
    submissions = ("/generations/{kind}",)
    status = "/generations/{id}"
    wrong_key = Refused(401, "Not authenticated")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`."""
        kind = path["kind"]
        if kind not in MODELS:
            raise Refused(404, "Not Found")
        model = str(said.get("model"))
        if model not in MODELS[kind]:
            raise Refused(400, "Invalid model")
        ratio = said.get("aspect_ratio", "16:9")
        if ratio not in RATIOS:
            raise Refused(400, "Invalid aspect ratio")
        frames = said.get("keyframes")
        prompt = said.get("prompt", "") if frames else text_of(said, "prompt", least=3)
        for frame in (frames or {}).values():
            if not isinstance(frame, dict) or frame.get("type") not in ("image", "generation"):
                raise Refused(400, "Invalid keyframe")
            if not frame.get("url" if frame["type"] == "image" else "id"):
                raise Refused(400, "Invalid keyframe")
        follows = [one["id"] for one in (frames or {}).values() if one["type"] == "generation"]
        return Order(
            str(prompt),
            model,
            said,
            ratio=ratio_of(ratio),
            kind="video" if kind == "video" else "image",
            cost=MODELS[kind][model],
            follows=tuple(follows),
            webhook=str(said.get("callback_url") or ""),
            events=("running", "done", "failed"),
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`."""
        return VendorAnswer(201, self.shown(task, now))

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`."""
        stage, order = task.stage(now), task.order
        assets = {order.kind: task.results[0]} if stage == "done" else {}
        return {
            "id": task.id,
            "generation_type": order.kind,
            "state": WORDS[stage],
            "failure_reason": task.failure if stage == "failed" else None,
            "created_at": stamp(task.created),
            "assets": {"image": None, "video": None, "progress_video": None} | assets,
            "model": order.model,
            "request": {"generation_type": order.kind, **order.said},
        }

    def error(self, status: int, words: str) -> object:
        """See `Vendor`."""
        return {"detail": words}

    def pages(self, left: float, key: str) -> Mapping[str, object]:
        """See `Vendor`: the balance is in US cents."""
        return {"/credits": {"credit_balance": left}, "/ping": {"message": "pong"}}

    def call(self, task: Task, moment: float, key: str) -> Call:
        """See `Vendor`: the generation, and nothing that proves who sends it."""
        return Call(task.order.webhook, {}, json.dumps(self.shown(task, moment)).encode())
