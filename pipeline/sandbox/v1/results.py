"""What a task of versions 1 and pro says of itself: in `/fetch`, and in its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pipeline.sandbox.tasks import GRID, Files, Task
from pipeline.sandbox.v1.endpoints import Endpoint, endpoints

Result = dict[str, object]
#: How long prepared training images are kept.
TRAINING_IMAGES_SECONDS = 86_400
NUMBERS = ("1️⃣", "2️⃣", "3️⃣", "4️⃣")


def payload(
    task: Task, now: float, *, bare: bool = False, numeric: bool = False
) -> dict[str, object]:
    """What the API says of the task.

    `bare` leaves out the status of finished tasks where the documentation has none; `numeric`
    writes every percentage as a number.
    """
    endpoint = endpoints()[task.endpoint]
    if now < task.ends:
        return _running(task, endpoint, now, numeric=numeric)
    if task.failure:
        says = _head(task, endpoint, is_running=True) | {"status": "failed"}
        if task.failure_key == "object":
            return says | {"error": {"message": task.failure, "code": "failed"}}
        return says | {task.failure_key: task.failure}
    head = _head(task, endpoint)
    if endpoint.id_when_done != "task_id":
        head = {endpoint.id_when_done: task.id, **head}
        del head["task_id"]
    done = head | RESULTS[endpoint.gives](task)
    is_bare = endpoint.status == "never" or (endpoint.status == "observed" and bare)
    return done if is_bare else done | {"status": "finished"}


def files_of(endpoint: Endpoint, fields: Mapping[str, object]) -> Files:
    """The files that a task of this endpoint will have."""
    if endpoint.gives == "photos":
        return Files(pictures=int(str(fields.get("number_of_images", "1"))))
    return FILES.get(endpoint.gives, Files())


def song_ids(task: Task) -> list[str]:
    """The ids of a task's songs, as UUIDs."""
    return [f"{task.id[:-12]}{number:012}" for number in range(1, task.files.sounds + 1)]


def _head(task: Task, endpoint: Endpoint, *, is_running: bool = False) -> dict[str, object]:
    kind = (is_running and endpoint.type_while_running) or endpoint.type
    # The result of suno-lyrics has no id, and its key is not `task_type`.
    if endpoint.gives == "lyrics" and not is_running:
        return {"type": kind}
    says: dict[str, object] = {"task_id": task.id}
    if kind:
        says["task_type"] = kind.format_map(_Written(task.fields)) if "{" in kind else kind
    return says


class _Written(dict[str, object]):
    """The fields of a task, for the braces in its type; a number without a needless `.0`."""

    def __getitem__(self, name: str) -> object:
        value = super().__getitem__(name)
        return f"{value:g}" if isinstance(value, float) else value


def _running(task: Task, endpoint: Endpoint, now: float, *, numeric: bool) -> dict[str, object]:
    says = _head(task, endpoint, is_running=True)
    if not endpoint.id_while_running:
        del says["task_id"]
    status = task.status(now)
    says["status"] = status
    if endpoint.while_running:
        says["message"] = endpoint.while_running
    if status == "processing":
        if endpoint.percent != "none":
            percent = task.percent(now)
            is_number = numeric or endpoint.percent == "number"
            says["percentage"] = percent if is_number else str(percent)
        if endpoint.gives in ("songs", "songs with video"):
            says["songs"] = _songs(task, is_done=False)
    return says


def _songs(task: Task, *, is_done: bool) -> list[dict[str, object]]:
    """The songs; while the task runs, the last file of each is still missing."""
    has_video = bool(task.files.videos)
    songs: list[dict[str, object]] = []
    for number, song_id in enumerate(song_ids(task), 1):
        song: dict[str, object] = {
            "lyrics": f"A stand-in song about {task.prompt[:200]}",
            "song_id": song_id,
            "audio_url": task.address("audio", number) if is_done or has_video else None,
            "image_url": task.address("picture", number),
        }
        if has_video:
            song["video_url"] = task.address("video", number) if is_done else None
        songs.append(song)
    return songs


def _pictures(task: Task) -> list[str]:
    return [task.address("picture", n) for n in range(1, task.files.pictures + 1)]


def _grid(task: Task) -> Result:
    return {"original_image_url": task.address("picture", 0), "image_urls": _pictures(task)}


def _described(task: Task) -> Result:
    looks = ("a photo", "a painting", "a drawing", "a poster")
    content = [f"{n} a stand-in picture, {look}" for n, look in zip(NUMBERS, looks, strict=True)]
    # The address of what was described, not of a result.
    return {"image_url": task.fields["image_url"], "content": content}


def _shortened(task: Task) -> Result:
    words = task.prompt.split() or [task.prompt]
    content = [
        f"{n}. {' '.join(words[: max(1, len(words) - n)])}"
        for n in range(1, min(5, len(words)) + 1)
    ]
    return {"content": content, "full_content": "## Important tokens\n" + ", ".join(words)}


def _seed(task: Task) -> str:
    return str(int(task.id.replace("-", ""), 16) % 10**12)


def _videos(task: Task) -> list[str]:
    return [task.address("video", n) for n in range(1, task.files.videos + 1)]


def _training_images(task: Task) -> Result:
    ends = task.created + task.seconds + TRAINING_IMAGES_SECONDS
    expires = datetime.fromtimestamp(ends, UTC).isoformat(timespec="milliseconds")
    return {
        "message": "Images ready for training",
        "expires_at": expires.replace("+00:00", "Z"),
    }


def _training(task: Task) -> Result:
    return {
        "message": "Training finished, you can generate photos now!",
        "percentage": 100,
        "trigger_word": task.fields.get("trigger_word", "TOKMSN"),
    }


#: `gives` of an endpoint -> its result, without the id, type and status.
RESULTS: Mapping[str, Callable[[Task], Result]] = {
    "grid": _grid,
    "picture": lambda task: {"image_url": task.address("picture", 1)},
    "pictures": lambda task: {"image_urls": _pictures(task)},
    "photos": lambda task: {"image_urls": _pictures(task)},
    "pictures with seed": lambda task: {
        "image_urls": _pictures(task),
        "seed": task.fields.get("seed", int(_seed(task)) % 2**31),
    },
    "flux": lambda task: {
        "original_image_url": task.address("picture", 1),
        "image_url": task.address("picture", 1),
    },
    "video": lambda task: {"video_url": task.address("video", 1)},
    "video at 100": lambda task: {"video_url": task.address("video", 1), "percentage": 100},
    "videos": lambda task: {"video_urls": _videos(task)},
    "songs": lambda task: {"songs": _songs(task, is_done=True)},
    "songs with video": lambda task: {"songs": _songs(task, is_done=True)},
    "song": lambda task: {"audio_url": task.fields["audio_url"]},
    "described": _described,
    "description": lambda task: {"description": "a stand-in picture, described"},
    "shortened": _shortened,
    "seed": lambda task: {"seed": _seed(task)},
    "lyrics": lambda task: {
        "title": task.prompt[:60],
        "lyrics": f"[Verse]\nA stand-in song about {task.prompt[:200]}",
    },
    "training images": _training_images,
    "training": _training,
}
FILES: Mapping[str, Files] = {
    "grid": GRID,
    "picture": Files(pictures=1),
    "pictures": Files(pictures=1),
    "pictures with seed": Files(pictures=1),
    "flux": Files(pictures=1),
    "video": Files(videos=1),
    "video at 100": Files(videos=1),
    "videos": Files(videos=4),
    "songs": Files(pictures=2, sounds=2),
    "songs with video": Files(pictures=2, sounds=2, videos=2),
}
