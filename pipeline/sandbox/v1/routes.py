"""The routes of versions 1 and pro: submissions, `/fetch`, the account, uploads."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.sandbox.answers import Reply, compact, errors, say
from pipeline.sandbox.calls import ApiRoute, Call
from pipeline.sandbox.multipart import parts
from pipeline.sandbox.ratios import ratio_of
from pipeline.sandbox.shapes import first_problem
from pipeline.sandbox.tasks import Hook, Order, Task
from pipeline.sandbox.uploads import Medium, Upload
from pipeline.sandbox.v1.endpoints import Endpoint, endpoints
from pipeline.sandbox.v1.results import files_of, payload, song_ids
from pipeline.sandbox.webhooks import Letter

if TYPE_CHECKING:
    from pipeline.sandbox.desk import Desk

FETCH_MANY = range(2, 21)
#: The most bytes of a file for `/upload` and `/upload-audio`.
MOST_UPLOAD = 2 << 20


class V1:
    """Versions 1 and pro, on the desk's account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        #: Song id -> the task that made it.
        self._songs: dict[str, str] = {}

    def forget(self) -> None:
        """Forget all songs."""
        self._songs.clear()

    def routes(self) -> list[ApiRoute]:
        """All routes; the busiest come first."""
        submissions = {
            f"/{name}": ApiRoute(
                "POST",
                f"/{name}",
                partial(self._submit, endpoint),
                is_submission=True,
                is_sync=endpoint.sync,
            )
            for endpoint in endpoints().values()
            for name in filter(None, (endpoint.name, endpoint.also))
        }
        return [
            submissions.pop("/imagine"),
            ApiRoute("POST", "/fetch", self._fetch),
            ApiRoute("POST", "/fetch-many", self._fetch_many),
            ApiRoute("GET", "/account", self._account),
            *submissions.values(),
            ApiRoute("POST", "/upload", partial(self._upload, "image", "imageURL")),
            ApiRoute("POST", "/upload-audio", partial(self._upload, "audio", "audioURL")),
            ApiRoute("GET", "/pro/account", self._pro_account),
            ApiRoute("GET", "/pro/generation/{id}", self._generation),
        ]

    def letter(self, task: Task, moment: float) -> Letter | None:
        """The webhook of that moment: what `/fetch` says, with the secret as it was given."""
        secret = task.hook.secret if task.hook else ""
        headers = {"x-webhook-secret": secret} if secret else {}
        return Letter(compact(self._payload(task, moment)), headers)

    # Submissions

    def _submit(self, endpoint: Endpoint, call: Call) -> Reply:
        fields = call.fields
        if endpoint.upload and "multipart" in call.header("content-type"):
            upload = self._kept(call, endpoint.upload, "audio", endpoint.upload_most)
            if isinstance(upload, Reply):
                return upload
            fields = {"audio_url": upload.url}
        if fields is None:
            return errors("The body is not a JSON object")
        parent = self._desk.tasks.get(str(fields.get(endpoint.parent_field)))
        if wrong := self._problem(endpoint, fields, parent, call.now):
            return errors(wrong)
        prompt = _prompt(fields)
        if "[refuse]" in prompt:
            return errors("banned word in the prompt: refuse", outcome="refused")
        order = self._order(endpoint, fields, prompt, parent)
        if refused := self._desk.admit(call, order.cost):
            return refused
        task = self._desk.take(call, order)
        for song_id in song_ids(task):
            self._songs[song_id] = task.id
        said = self._payload(task, call.now) if endpoint.sync else {"task_id": task.id}
        return say(said, outcome="accepted", task=task)

    def _order(
        self, endpoint: Endpoint, fields: Mapping[str, Any], prompt: str, parent: Task | None
    ) -> Order:
        settings = self._desk.settings
        price = endpoint.price(fields, parent)
        if endpoint.name == "imagine":
            price = settings.cost
        hook = Hook(str(fields.get("webhook_url", "")), str(fields.get("webhook_secret", "")))
        return Order(
            endpoint.name,
            prompt or (parent.prompt if parent else ""),
            price + settings.surcharge,
            fields,
            own_prompt=prompt,
            aspect_ratio=ratio_of(fields, parent.aspect_ratio if parent else "1:1"),
            files=files_of(endpoint, fields),
            hook=hook if hook.url and not endpoint.sync else None,
            sync=endpoint.sync,
        )

    def _problem(
        self, endpoint: Endpoint, fields: Mapping[str, Any], parent: Task | None, now: float
    ) -> str:
        """What is wrong with a submission, or ""."""
        if found := first_problem(endpoint.shape, fields):
            return f"{found.path} {found.says}"
        if endpoint.one_of and not any(fields.get(name) for name in endpoint.one_of):
            return f"{' or '.join(endpoint.one_of)} is required"
        if endpoint.parent_field in fields and endpoint.parent_field:
            if parent is None:
                return f"{endpoint.parent_field} is not a task"
            if parent.endpoint not in endpoint.parents:
                return f"{endpoint.parent_field} is a task of another kind: {parent.endpoint}"
            if not parent.has_results(now):
                return f"{endpoint.parent_field} is a task that is not finished"
        if endpoint.name == "upscale-highres" and parent and parent.files.has_grid:
            return "" if "index" in fields else "index is required for a task with four images"
        return self._song_problem(fields, parent, now)

    def _song_problem(self, fields: Mapping[str, Any], parent: Task | None, now: float) -> str:
        for name in ("song_id", "continue_song_id"):
            song = fields.get(name)
            if song is None:
                continue
            task = self._desk.tasks.get(self._songs.get(str(song), ""))
            if task is None or (parent and task.id != parent.id):
                return f"{name} is not a song" + (" of that task" if parent else "")
            if not task.has_results(now):
                return f"{name} is a song that is not finished"
        return ""

    # Reading tasks

    def _fetch(self, call: Call) -> Reply:
        task_id = call.fields.get("task_id") if call.fields is not None else None
        if not isinstance(task_id, str) or not task_id:
            return errors("task_id is required")
        return self._one(task_id, call.now)

    def _generation(self, call: Call) -> Reply:
        return self._one(call.params["id"], call.now)

    def _one(self, task_id: str, now: float) -> Reply:
        task = self._known(task_id)
        return say(self._payload(task, now)) if task else errors("Task not found", 404)

    def _fetch_many(self, call: Call) -> Reply:
        ids = call.fields.get("task_ids") if call.fields is not None else None
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            return errors("task_ids is required, a list of ids")
        if len(ids) not in FETCH_MANY:
            return errors("task_ids must hold 2 to 20 ids")
        known = [task for id_ in dict.fromkeys(ids) if (task := self._known(id_))]
        if self._desk.settings.shuffle:
            random.Random(self._desk.seeded(call)).shuffle(known)  # noqa: S311 (no secret)
        return say({"tasks": [self._payload(task, call.now) for task in known]})

    def _known(self, task_id: str) -> Task | None:
        task = self._desk.tasks.get(task_id)
        return task if task and not task.is_v2 else None

    def _payload(self, task: Task, now: float) -> dict[str, object]:
        settings = self._desk.settings
        return payload(
            task, now, bare=settings.bare_final, numeric=settings.percentage_as == "number"
        )

    # The account, and uploads

    def _account(self, call: Call) -> Reply:
        done = sum(
            task.files.pictures for task in self._desk.tasks.values() if task.has_results(call.now)
        )
        return say(
            {
                "email": "team@example.com",
                "credits": self._desk.account.left(call.now),
                "total_images": done,
                "plan": "Sandbox",
            }
        )

    def _pro_account(self, call: Call) -> Reply:
        account = self._desk.account
        used = account.charged - account.refunded(call.now)
        return say({"credits": account.left(call.now), "usage": used})

    def _upload(self, medium: Medium, key: str, call: Call) -> Reply:
        upload = self._kept(call, medium, medium, MOST_UPLOAD)
        return upload if isinstance(upload, Reply) else say({key: upload.url})

    def _kept(self, call: Call, name: str, medium: Medium, most: int) -> Upload | Reply:
        """The file in a form, kept; or the refusal."""
        files = parts(call.header("content-type"), call.body).get(name, [])
        if not files or files[0].file_name is None:
            return errors(f"{name} is required")
        if len(files[0].data) > most:
            return errors(f"{name} must be at most {most >> 20} MB")
        upload = self._desk.uploads.keep(files[0].data, call.base_url, call.now)
        if upload is None or upload.medium != medium:
            return errors(f"{name} must be a file of type {medium}")
        return upload


def _prompt(fields: Mapping[str, object]) -> str:
    """What the submission asks for in words, or ""."""
    for name in ("prompt", "lyrics"):
        if isinstance(words := fields.get(name), str) and words:
            return words
    return ""
