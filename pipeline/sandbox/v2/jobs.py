"""What a job of version 2 says of itself: in `GET /v2/jobs`, and in its webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.sandbox.answers import compact
from pipeline.sandbox.settings import SandboxSettings
from pipeline.sandbox.tasks import Task
from pipeline.sandbox.webhooks import Letter

#: Statuses of version 1 -> those of version 2. A status of neither is shown as it is.
STATUSES = {
    "staged": "QUEUED",
    "pending": "QUEUED",
    "starting": "PROCESSING",
    "processing": "PROCESSING",
    "finished": "COMPLETED",
    "failed": "FAILED",
}
#: The events that are posted if the submission names none.
EVENTS = ("completed", "failed")
TRACK_SECONDS = 184.2


def status_of(task: Task, now: float, settings: SandboxSettings) -> str:
    """QUEUED, PROCESSING, COMPLETED, FAILED, or an odd word."""
    status = task.status(now)
    word = STATUSES.get(status, status.upper())
    return word.lower() if settings.status_as == "lower" else word


def progress_of(task: Task, now: float) -> int | None:
    """0 to 100; none for a job that failed."""
    if now >= task.ends:
        return None if task.failure else 100
    return 0 if task.status(now) in ("staged", "pending") else task.percent(now)


def result_of(task: Task, settings: SandboxSettings) -> object:
    """The result of a completed job."""
    files = task.files
    pictures = [task.address("picture", n) for n in range(1, files.pictures + 1)]
    videos = [task.address("video", n) for n in range(1, files.videos + 1)]
    if settings.result_as == "url":
        return (videos or ([task.address("audio", 1)] if files.sounds else pictures))[0]
    if files.sounds:
        return {"tracks": [_track(task, n) for n in range(1, files.sounds + 1)]}
    if videos:
        return {"videos": videos} if len(videos) > 1 else {"videoUrl": videos[0]}
    grid = {"gridUrl": task.address("picture", 0)} if files.has_grid else {}
    return {"images": pictures, **grid}


def track_ids(task: Task) -> list[str]:
    """The ids of a job's tracks."""
    return [f"{task.id[:-12]}{n:012}" for n in range(1, task.files.sounds + 1)]


def job(
    task: Task, now: float, settings: SandboxSettings, webhook_status: str | None
) -> dict[str, object]:
    """The job as `GET /v2/jobs` lists it."""
    is_done = now >= task.ends
    is_expired = settings.link_seconds > 0 and now > task.ends + settings.link_seconds
    return {
        "id": task.id,
        "status": status_of(task, now, settings),
        "model": task.model,
        "progress": progress_of(task, now),
        "result": result_of(task, settings) if task.has_results(now) else None,
        "error": _error(task) if is_done else None,
        "creditCost": task.cost,
        "webhookStatus": webhook_status,
        "createdAt": stamp(task.created),
        "completedAt": stamp(task.created + task.seconds) if is_done else None,
        "expired": is_expired and not task.failure,
    }


def letter(task: Task, moment: float, settings: SandboxSettings, key: str) -> Letter | None:
    """The webhook of that moment, signed; None if its event is not wanted."""
    is_done = moment >= task.ends
    event = ("failed" if task.failure else "completed") if is_done else "progress"
    if task.hook is None or event not in task.hook.events:
        return None
    says: dict[str, object] = {
        "event": event,
        "jobId": task.id,
        "status": status_of(task, moment, settings),
    }
    if event == "failed":
        says |= {"error": _error(task)}
    else:
        says |= {"progress": progress_of(task, moment)}
    if event == "completed":
        says |= {
            "result": result_of(task, settings),
            "creditCost": task.cost,
            "completedAt": stamp(task.created + task.seconds),
        }
    return signed(event, says | {"model": task.model}, settings, key)


def signed(event: str, says: Mapping[str, object], settings: SandboxSettings, key: str) -> Letter:
    """A webhook with its signature: HMAC-SHA256 of the body, keyed by the API key's SHA-256."""
    body = compact(says)
    digest = hashlib.sha256(key.encode())
    secret = digest.digest() if settings.webhook_key == "raw" else digest.hexdigest().encode()
    signature = hmac.digest(secret, body, "sha256").hex()
    return Letter(body, {"X-Webhook-Event": event, "X-Webhook-Signature": f"sha256={signature}"})


def stamp(seconds: float) -> str:
    """Seconds since 1970 as the API writes a time."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(task: Task) -> object:
    if task.failure and task.failure_key == "object":
        return {"message": task.failure, "code": "provider_error"}
    return task.failure or None


def _track(task: Task, number: int) -> dict[str, object]:
    return {
        "id": track_ids(task)[number - 1],
        "audioUrl": task.address("audio", number),
        "imageUrl": task.address("picture", number),
        "title": task.prompt[:80],
        "tags": "stand-in",
        "duration": TRACK_SECONDS,
    }
