"""The routes of version 2: submissions, jobs, the account, models, uploads, assets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from pipeline.sandbox.answers import TEXT, Reply, say
from pipeline.sandbox.calls import ApiRoute, Call, as_json
from pipeline.sandbox.multipart import parts
from pipeline.sandbox.ratios import ratio_of
from pipeline.sandbox.shapes import Problem, is_uuid
from pipeline.sandbox.tasks import Order, Task
from pipeline.sandbox.v2.jobs import job, letter, stamp, status_of, track_ids
from pipeline.sandbox.v2.loras import Loras
from pipeline.sandbox.v2.prices import catalog, files_of, params_of, price_of
from pipeline.sandbox.v2.replays import LONGEST, Replays
from pipeline.sandbox.v2.replies import hook_of, invalid, refused
from pipeline.sandbox.v2.shapes import body_problems, query_problems, table
from pipeline.sandbox.webhooks import Letter

if TYPE_CHECKING:
    from pipeline.sandbox.desk import Desk

#: Paths with a shape that begin no job.
NO_JOBS = ("/v2/assets/create", "/v2/loras", "/v2/uploads", "/v2/jobs", "/v2/models")
#: Actions on a grid; the others act on an upsampled picture.
GRID_ACTIONS = ("upsample", "variation")
#: The most bytes of an upload.
MOST_BYTES = {"image": 25 << 20, "audio": 25 << 20, "video": 50 << 20}
KEY_ID = "00000000-0000-4000-8000-000000000003"
JOBS_A_PAGE = 20


class V2:
    """Version 2, on the desk's account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.forget()

    def forget(self) -> None:
        """Forget all keys, assets and LoRAs."""
        self._replays = Replays()
        self._assets: dict[str, dict[str, object]] = {}
        self._loras = Loras(self._desk)

    def routes(self) -> list[ApiRoute]:
        """All routes; the busiest come first."""
        submissions = [
            ApiRoute("POST", path, partial(self._submit, path), api="v2", is_submission=True)
            for path in table()
            if path not in NO_JOBS
        ]
        route = partial(ApiRoute, api="v2")
        return [
            route("GET", "/v2/jobs/{id}", self._job),
            *submissions,
            route("GET", "/v2/jobs", self._list),
            route("GET", "/v2/me", self._me),
            route("GET", "/v2/models", self._models, needs_key=False),
            route("POST", "/v2/uploads", self._upload),
            route("POST", "/v2/loras", lambda call: self._loras.create(call), is_submission=True),
            route("GET", "/v2/loras", lambda call: self._loras.listing(call)),
            route("GET", "/v2/loras/{id}", lambda call: self._loras.one(call)),
            route("DELETE", "/v2/loras/{id}", lambda call: self._loras.archive(call)),
            route("POST", "/v2/assets/create", self._create_asset),
            route("GET", "/v2/assets/{assetId}", self._asset),
        ]

    def door(self, call: Call) -> Reply | None:
        """The refusal of a request without the right key, or of a nameless client."""
        if not call.header("user-agent").strip():
            # The front end of the real API says so.
            return Reply(403, b"error code: 1010", (TEXT,), "no_agent")
        given = call.header("x-api-key")
        if not call.route.needs_key or given == self._desk.key_v2:
            return None
        words = "Invalid API key" if given else "API key is required"
        return say({"error": words}, 401, "no_key")

    def letter(self, task: Task, moment: float) -> Letter | None:
        """The webhook of that moment, or None if its event is not wanted."""
        desk = self._desk
        if task.endpoint == "v2/loras":
            return self._loras.letter(task, moment)
        return letter(task, moment, desk.settings, desk.key_v2)

    # Submissions

    def _submit(self, path: str, call: Call) -> Reply:
        key, fields = call.header("idempotency-key"), call.fields
        if len(key) > LONGEST:
            return refused("Idempotency-Key must have at most 255 characters")
        if fields is None:
            return refused("The body is not a JSON object")
        if wrong := body_problems(path, fields):
            return invalid(wrong)
        asked = f"{path} {as_json(fields)}"
        life = self._desk.settings.idempotency_seconds
        if original := self._replays.find(key, call.now, life):
            return self._replayed(original.asked == asked, original.task_id, call)
        answer = self._accepted(path, fields, call)
        if answer.task:
            self._replays.remember(key, asked, answer.task.id, call.now)
        return answer

    def _replayed(self, is_same: bool, task_id: str, call: Call) -> Reply:
        if not is_same:
            words = "This Idempotency-Key was used for a request with another body"
            return refused(words, 409)
        self._desk.counts.replays += 1
        status = status_of(self._desk.tasks[task_id], call.now, self._desk.settings)
        return say({"jobId": task_id, "status": status}, 202, "replayed")

    def _accepted(self, path: str, fields: Mapping[str, Any], call: Call) -> Reply:
        parent = self._desk.tasks.get(str(fields.get("parentJobId", "")).lower())
        model = str(fields.get("model") or ("suno" if "suno" in path else "midjourney"))
        if "action" in fields and (wrong := self._parent_problem(fields, parent, model, call.now)):
            return wrong
        if model == "flux-lora" and (wrong := self._loras.problem(params_of(fields), call.now)):
            return wrong
        prompt = _prompt(fields)
        if "[refuse]" in prompt:
            words = "The prompt was rejected by the content policy: refuse"
            return refused(words, outcome="refused")
        desk = self._desk
        cost = price_of(path, model, fields) + desk.settings.surcharge
        if full := desk.admit(call, cost):
            return full
        order = Order(
            path.removeprefix("/"),
            prompt or (parent.prompt if parent else ""),
            cost,
            fields,
            own_prompt=prompt,
            aspect_ratio=ratio_of(params_of(fields), parent.aspect_ratio if parent else "1:1"),
            files=files_of(path, model, fields),
            hook=hook_of(fields),
            model=model,
        )
        task = desk.take(call, order)
        status = "queued" if desk.settings.status_as == "lower" else "QUEUED"
        return say({"jobId": task.id, "status": status}, 202, "accepted", task=task)

    def _parent_problem(
        self, fields: Mapping[str, Any], parent: Task | None, model: str, now: float
    ) -> Reply | None:
        """The refusal of an action whose parent does not fit."""
        if parent is None or not parent.is_v2:
            return refused("Parent job not found", 404)
        if parent.model != model:
            return refused(f"The parent is not a {model} job")
        is_grid_action = fields["action"] in GRID_ACTIONS
        if model == "midjourney" and parent.files.has_grid != is_grid_action:
            kind = "a grid" if is_grid_action else "an upsampled picture"
            return refused(f"This action needs {kind} as its parent")
        if not parent.has_results(now):
            return refused("The parent job is not completed", 409)
        track = fields.get("trackId")
        if track is not None and track not in track_ids(parent):
            return refused("The parent has no such track")
        return None

    # Jobs

    def _job(self, call: Call) -> Reply:
        if not is_uuid(call.params["id"]):
            return refused("Invalid job id")
        task = self._desk.tasks.get(call.params["id"].lower())
        if task is None or not task.is_v2 or task.endpoint == "v2/loras":
            return refused("Job not found", 404)
        return say(self._shown(task, call.now) | {"input": task.fields})

    def _list(self, call: Call) -> Reply:
        asked = dict(parse_qsl(call.query, keep_blank_values=True))
        if wrong := query_problems("/v2/jobs", asked):
            return invalid(wrong)
        jobs = list(self._jobs())
        if cursor := asked.get("cursor"):
            last = _read_cursor(cursor)
            place = next((n for n, task in enumerate(jobs) if task.id == last), None)
            if place is None:
                return refused("Invalid cursor")
            jobs = jobs[place + 1 :]
        limit = int(asked.get("limit", JOBS_A_PAGE))
        wanted = (task for task in jobs if self._is_wanted(task, asked, call.now))
        page = list(islice(wanted, limit + 1))
        has_more, page = len(page) > limit, page[:limit]
        says: dict[str, object] = {
            "jobs": [self._shown(task, call.now) for task in page],
            "nextCursor": _cursor(page[-1].id) if has_more else None,
            "hasMore": has_more,
        }
        if asked.get("include_models") == "true":
            says["models"] = sorted({task.model for task in self._jobs()})
        return say(says)

    def _jobs(self) -> Iterator[Task]:
        """All jobs, the latest first."""
        for task in reversed(self._desk.tasks.values()):
            if task.is_v2 and task.endpoint != "v2/loras":
                yield task

    def _is_wanted(self, task: Task, asked: Mapping[str, str], now: float) -> bool:
        status = status_of(task, now, self._desk.settings).upper()
        return (
            asked.get("status", status) == status
            and asked.get("model", task.model) == task.model
            and asked.get("search", task.id).lower() == task.id
        )

    def _shown(self, task: Task, now: float) -> dict[str, object]:
        return job(task, now, self._desk.settings, self._desk.courier.status(task))

    # The account, models, uploads, assets

    def _me(self, call: Call) -> Reply:
        desk = self._desk
        team: dict[str, object] = {
            "id": self._desk.team_id,
            "name": "Sandbox",
            "credits": max(0, desk.account.left(call.now)),
            "plan": "pro",
            "customerId": None,
        }
        if limit := desk.settings.max_concurrent_jobs:
            team["maxConcurrentJobs"] = limit
        user = {"id": self._desk.user_id, "email": "team@example.com", "role": "OWNER"}
        api_key = {"id": KEY_ID, "name": "Default", "prefix": desk.key_v2[:8]}
        return say({"user": user, "team": team, "apiKey": api_key})

    def _models(self, call: Call) -> Reply:
        asked = dict(parse_qsl(call.query, keep_blank_values=True))
        if wrong := query_problems("/v2/models", asked):
            return invalid(wrong)
        wanted = asked.get("modality")
        return say({"models": [m for m in catalog() if wanted in (None, m["modality"])]})

    def _upload(self, call: Call) -> Reply:
        files = parts(call.header("content-type"), call.body).get("file", [])
        if not files or files[0].file_name is None:
            return invalid([Problem("file", "is required")])
        upload = self._desk.uploads.keep(files[0].data, call.base_url, call.now)
        if upload is None:
            return invalid([Problem("file", "is a file of an unsupported type")])
        if len(files[0].data) > MOST_BYTES[upload.medium]:
            return invalid([Problem("file", "is too large")])
        return say(
            {
                "id": upload.id,
                "url": upload.url,
                "kind": upload.medium,
                "contentType": upload.content_type,
                "byteSize": len(upload.data),
                "expiresAt": stamp(self._desk.wall(upload.ends)),
            },
            201,
        )

    def _create_asset(self, call: Call) -> Reply:
        if call.fields is None:
            return refused("The body is not a JSON object")
        if wrong := body_problems("/v2/assets/create", call.fields):
            return invalid(wrong)
        asset_id = f"asset-{uuid4()}"
        asset = {"url": call.fields["url"], "type": call.fields["type"]}
        self._assets[asset_id] = {"assetId": asset_id, **asset, "status": "Active"}
        return say({"assetId": asset_id}, 201)

    def _asset(self, call: Call) -> Reply:
        asset = self._assets.get(call.params["assetId"])
        return say(asset) if asset else refused("Asset not found", 404)


def _prompt(fields: Mapping[str, Any]) -> str:
    for block in (fields, params_of(fields)):
        if isinstance(prompt := block.get("prompt"), str) and prompt:
            return prompt
    return ""


def _cursor(task_id: str) -> str:
    return base64.urlsafe_b64encode(task_id.encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        return ""
