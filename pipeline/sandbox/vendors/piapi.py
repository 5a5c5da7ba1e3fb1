"""PiAPI: `POST /api/v1/task`, `GET /api/v1/task/ID`, the task in `data`.

Shapes from piapi.ai/docs (unified API, webhook) and the vendor's command line, read 2026-11-27.
"""

from __future__ import annotations

import json
import time
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

WORDS = {"waiting": "pending", "running": "processing", "done": "completed", "failed": "failed"}
#: (model, kind of task) -> kind of result, and tenths of a US cent for one.
TASKS: Mapping[tuple[str, str], tuple[str, float]] = {
    ("Qubico/flux1-schnell", "txt2img"): ("image", 1.5),
    ("Qubico/flux1-dev", "txt2img"): ("image", 15),
    ("gemini", "nano-banana-pro"): ("image", 105),
    ("kling", "video_generation"): ("video", 500),
}


class PiApi(Vendor):
    """One path for all models; the webhook returns the secret of the submission."""

    title = "PiAPI"
    base = "/api/v1"
    submissions = ("/task",)
    status = "/task/{id}"
    wrong_key = Refused(401, "Invalid API key")

    def key(self, headers: Mapping[str, str]) -> str:
        """See `Vendor`."""
        return headers.get("x-api-key", "")

    def order(self, path: Mapping[str, str], said: Mapping[str, Any]) -> Order:
        """See `Vendor`."""
        given = said.get("input")
        known = TASKS.get((str(said.get("model")), str(said.get("task_type"))))
        if known is None:
            raise Refused(400, "invalid model or task_type")
        if not isinstance(given, dict) or not isinstance(given.get("prompt"), str):
            raise Refused(400, "input.prompt is required")
        kind, cost = known
        width, height = given.get("width", 1024), given.get("height", 1024)
        if width * height > 1 << 20:
            raise Refused(400, "width * height must be at most 1048576")
        count = given.get("batch_size", 1)
        if count not in range(1, 5):
            raise Refused(400, "batch_size must be 1 to 4")
        hook = said.get("config", {}).get("webhook_config", {})
        return Order(
            given["prompt"],
            str(said["model"]),
            said,
            ratio=ratio_of(given.get("aspect_ratio", f"{width}:{height}")),
            count=count,
            kind="video" if kind == "video" else "image",
            cost=cost * count,
            webhook=str(hook.get("endpoint") or ""),
            webhook_secret=str(hook.get("secret") or ""),
        )

    def accepted(self, task: Task, now: float) -> VendorAnswer:
        """See `Vendor`."""
        return VendorAnswer(200, self.shown(task, now))

    def shown(self, task: Task, now: float) -> dict[str, object]:
        """See `Vendor`."""
        return {"code": 200, "data": self._data(task, now), "message": "success"}

    def _data(self, task: Task, now: float) -> dict[str, object]:
        stage, order = task.stage(now), task.order
        output: dict[str, object] = {}
        if stage == "done" and order.kind == "video":
            output = {"type": "m2v_txt2video", "status": 99, "video_url": task.results[0]}
        elif stage == "done" and order.count > 1:
            output = {"image_url": "", "image_urls": task.results}
        elif stage == "done":
            output = {"image_url": task.results[0], "image_urls": None}
        failed = stage == "failed"
        return {
            "task_id": task.id,
            "model": order.model,
            "task_type": order.said["task_type"],
            "status": WORDS[stage],
            "config": {"service_mode": "public"},
            "input": order.said["input"],
            "output": output,
            "meta": {"created_at": stamp(task.created)},
            "detail": None,
            "logs": [],
            "error": {
                "code": 10000 if failed else 0,
                "raw_message": task.failure if failed else "",
                "message": task.failure if failed else "",
                "detail": None,
            },
        }

    def error(self, status: int, words: str) -> object:
        """See `Vendor`: the code of the answer again, and a task that is empty."""
        error = {"code": 10000, "raw_message": words, "message": words, "detail": None}
        data = {"task_id": "", "status": "", "output": None, "error": error}
        return {"code": status, "data": data, "message": words}

    def call(self, task: Task, moment: float, key: str) -> Call:
        """See `Vendor`: the task as in an answer, and the secret as it was given."""
        body = {"timestamp": int(time.time()), "data": self._data(task, moment)}
        secret = task.order.webhook_secret
        headers = {"x-webhook-secret": secret} if secret else {}
        return Call(task.order.webhook, headers, json.dumps(body).encode())
