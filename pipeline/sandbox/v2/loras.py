"""LoRAs of version 2: models that are trained with a client's own images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pipeline.sandbox.answers import Reply, say
from pipeline.sandbox.calls import Call
from pipeline.sandbox.multipart import FormPart, parts
from pipeline.sandbox.shapes import Problem, is_uuid
from pipeline.sandbox.tasks import Files, Order, Task
from pipeline.sandbox.uploads import type_of
from pipeline.sandbox.v2.jobs import signed, stamp
from pipeline.sandbox.v2.prices import LORA
from pipeline.sandbox.v2.replies import hook_of, invalid, refused
from pipeline.sandbox.v2.shapes import body_problems, form_fields, query_problems
from pipeline.sandbox.webhooks import Letter

if TYPE_CHECKING:
    from pipeline.sandbox.desk import Desk

PATH = "/v2/loras"
LORAS_A_PAGE = 24
#: So many are trained at once; one more is answered 429.
AT_ONCE = 3
#: The most bytes of one image.
MOST_BYTES = 10 << 20
IMAGES = ("image/jpeg", "image/png", "image/webp")
STATUSES = {
    "staged": "PENDING",
    "pending": "UPLOADING",
    "finished": "READY",
    "failed": "FAILED",
}


class Loras:
    """The LoRAs: tasks of the desk that are read in their own way."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._archived: set[str] = set()

    def create(self, call: Call) -> Reply:
        """`POST /v2/loras`: a form with 15 to 30 images."""
        form = parts(call.header("content-type"), call.body)
        images = form.get("images", [])
        texts = {
            name: found[0].data.decode("utf-8", "replace")
            for name, found in form.items()
            if name != "images"
        }
        fields = form_fields(PATH, texts) | {"images": ["file"] * len(images)}
        if not images:
            del fields["images"]
        if wrong := [*body_problems(PATH, fields), *_more_problems(fields, images)]:
            return invalid(wrong)
        running = [t for t in self._all() if call.now < t.ends]
        if len(running) >= AT_ONCE:
            return self._desk.too_many(call, "max_running")
        events = str(fields.get("webhookEvents", ""))
        fields |= {"webhookEvents": [event for event in events.split(",") if event]}
        cost = LORA + self._desk.settings.surcharge
        if full := self._desk.admit(call, cost):
            return full
        order = Order(
            "v2/loras",
            str(fields["name"]),
            cost,
            {**fields, "images": len(images)},
            own_prompt=str(fields["name"]),
            files=Files(),
            hook=hook_of(fields),
            model="flux-lora-training",
        )
        task = self._desk.take(call, order)
        says = {"id": task.id, "status": "PENDING", "imageCount": len(images)}
        return say(says, 202, "accepted", task=task)

    def listing(self, call: Call) -> Reply:
        """`GET /v2/loras`: the latest first."""
        asked = dict(parse_qsl(call.query, keep_blank_values=True))
        if wrong := query_problems(PATH, asked):
            return invalid(wrong)
        has_archived = asked.get("includeArchived") == "true"
        loras = [t for t in self._all() if has_archived or t.id not in self._archived]
        if cursor := asked.get("cursor"):
            place = next((n for n, task in enumerate(loras) if task.id == cursor.lower()), None)
            if place is None:
                return refused("Invalid cursor")
            loras = loras[place + 1 :]
        limit = int(asked.get("limit", LORAS_A_PAGE))
        page = loras[:limit]
        cursor_after = page[-1].id if len(loras) > limit else None
        says = [self._shown(task, call.now) for task in page]
        return say({"items": says, "nextCursor": cursor_after})

    def one(self, call: Call) -> Reply:
        """`GET /v2/loras/{id}`."""
        task = self._found(call)
        return say(self._shown(task, call.now)) if isinstance(task, Task) else task

    def archive(self, call: Call) -> Reply:
        """`DELETE /v2/loras/{id}`: it is archived, and can still be read."""
        task = self._found(call)
        if not isinstance(task, Task):
            return task
        self._archived.add(task.id)
        return Reply(204, b"", ())

    def problem(self, params: Mapping[str, Any], now: float) -> Reply | None:
        """The refusal of a job whose LoRA cannot be used."""
        task = self._desk.tasks.get(str(params["loraId"]).lower())
        if task is None or task.endpoint != "v2/loras" or task.id in self._archived:
            return refused("LoRA not found", 404)
        return None if task.has_results(now) else refused("The LoRA is not ready", 409)

    def letter(self, task: Task, moment: float) -> Letter | None:
        """The final webhook; there is no other for a training."""
        event = "failed" if task.failure else "completed"
        if task.hook is None or moment < task.ends or event not in task.hook.events:
            return None
        says = {
            "event": event,
            "loraId": task.id,
            "status": "FAILED" if task.failure else "READY",
            "error": task.failure or None,
        }
        return signed(event, says, self._desk.settings, self._desk.key_v2)

    def _all(self) -> list[Task]:
        return [t for t in reversed(self._desk.tasks.values()) if t.endpoint == "v2/loras"]

    def _found(self, call: Call) -> Task | Reply:
        if not is_uuid(call.params["id"]):
            return refused("Invalid LoRA id")
        task = self._desk.tasks.get(call.params["id"].lower())
        is_lora = task is not None and task.endpoint == "v2/loras"
        return task if task and is_lora else refused("LoRA not found", 404)

    def _shown(self, task: Task, now: float) -> dict[str, object]:
        fields, is_done = task.fields, now >= task.ends
        is_ready = task.has_results(now)
        status = STATUSES.get(task.status(now), "TRAINING")
        return {
            "id": task.id,
            "userId": self._desk.user_id,
            "teamId": self._desk.team_id,
            "name": fields["name"],
            "subjectKind": fields.get("subjectKind", "person"),
            "gender": fields.get("gender"),
            "ethnicity": fields.get("ethnicity"),
            "age": fields.get("age"),
            "status": "ARCHIVED" if task.id in self._archived else status,
            "imageCount": fields["images"],
            "steps": fields.get("steps", 1000),
            "loraRank": fields.get("loraRank", 32),
            "isReady": is_ready,
            "error": (task.failure or None) if is_done else None,
            "createdAt": stamp(task.created),
            "startedAt": None if status in ("PENDING", "UPLOADING") else stamp(task.created),
            "completedAt": stamp(task.created + task.seconds) if is_done else None,
            "hasWeights": is_ready,
            "triggerWord": f"TOK{task.id[:3].upper()}" if is_ready else None,
        }


def _more_problems(fields: Mapping[str, object], images: list[FormPart]) -> list[Problem]:
    found: list[Problem] = []
    if fields.get("subjectKind", "person") == "person":
        found += [
            Problem(name, "is required for a person")
            for name in ("gender", "ethnicity")
            if name not in fields
        ]
    for number, image in enumerate(images):
        kind = type_of(image.data)
        if kind is None or kind[0] not in IMAGES:
            found.append(Problem(f"images.{number}", "must be a JPEG, PNG or WebP image"))
        elif len(image.data) > MOST_BYTES:
            found.append(Problem(f"images.{number}", "must be at most 10 MB"))
    events = [event for event in str(fields.get("webhookEvents", "")).split(",") if event]
    if not set(events) <= {"progress", "completed", "failed"}:
        found.append(Problem("webhookEvents", "must be a list of progress, completed, failed"))
    return found
