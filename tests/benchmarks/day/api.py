"""Apiframe, version 2, in memory: resend keys, limits by the minute and at once, and webhooks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.core.model import Request, Response
from tests.benchmarks.day.clock import DayLoop, runs
from tests.benchmarks.day.meter import Meter
from tests.sync.bench import reply

#: Seconds for an answer.
ANSWERS_IN = 0.2
#: The part of the webhooks that gets lost.
LOST = 0.01
#: Of the list of jobs, how many a page has.
PAGE = 100

Json = dict[str, object]


@dataclass
class Job:
    """A job at the API."""

    number: int
    prompt: str
    hook: str
    ended_at: float | None = None

    @property
    def id(self) -> str:
        return f"job-{self.number}"

    def shown(self) -> Json:
        """What the API says of it."""
        if self.ended_at is None:
            return {"id": self.id, "status": "PROCESSING", "result": None}
        result = {"images": [f"https://cdn.example/{self.number}.png"]}
        return {"id": self.id, "status": "COMPLETED", "result": result, "creditCost": 16}


class Api:
    """The account. `call` is called with a hook token and a body when a job has ended."""

    def __init__(
        self,
        loop: DayLoop,
        chance: Random,
        call: Callable[[str, Json], None],
        *,
        per_minute: int,
        at_once: int,
        lasts: tuple[float, float],
    ) -> None:
        self._loop, self._chance, self._call, self._lasts = loop, chance, call, lasts
        self.requests = Meter("requests to the API", per_minute, loop.time)
        self.at_once, self.most_at_once, self.open = at_once, 0, 0
        #: When a job came that was too many at once.
        self.crowded_at: list[float] = []
        self.jobs: list[Job] = []
        self._made: dict[str, Job] = {}
        #: Prompt -> how often it was paid, and when it was first received.
        self.paid: Counter[str] = Counter()
        self.received_at: dict[str, float] = {}

    async def submit(self, request: Request, within: float) -> Response:
        """Make a job, unless the key of the request has one."""
        await runs()
        await asyncio.sleep(ANSWERS_IN / 2)
        answer = self._refusal() or self._taken(request)
        await asyncio.sleep(ANSWERS_IN / 2)
        await runs()
        return answer

    def _taken(self, request: Request) -> Response:
        body, key = request.body or {}, request.headers["Idempotency-Key"]
        if key not in self._made:
            if self.open >= self.at_once:
                self.crowded_at.append(self._loop.time())
                return reply({"error": "Too many jobs at once"}, 429, Retry_After="5")
            prompt = str(body["prompt"])
            job = Job(len(self.jobs), prompt, str(body["webhookUrl"]).rpartition("/")[2])
            self.jobs.append(job)
            self._made[key] = job
            self.paid[prompt] += 1
            self.received_at.setdefault(prompt, self._loop.time())
            self.open += 1
            self.most_at_once = max(self.most_at_once, self.open)
            self._loop.call_later(self._chance.uniform(*self._lasts), self._end, job)
        return reply({"jobId": self._made[key].id, "status": "QUEUED"}, 202)

    async def ask(self, request: Request, within: float) -> Response:
        """The account, one job, or a page of the jobs."""
        await runs()
        await asyncio.sleep(ANSWERS_IN)
        answer = self._refusal() or self._said(request.path)
        await runs()
        return answer

    def _said(self, path: str) -> Response:
        if path == "/me":
            return reply({"team": {"credits": 10**9, "maxConcurrentJobs": self.at_once}})
        if not path.startswith("/jobs?"):
            return reply(self.jobs[int(path.rpartition("-")[2])].shown())
        cursor = path.partition("cursor=")[2]
        end = int(cursor) if cursor else len(self.jobs)
        page = self.jobs[max(end - PAGE, 0) : end]
        rest = end - len(page)
        listed = [job.shown() for job in reversed(page)]
        return reply({"jobs": listed, "nextCursor": str(rest) if rest else None})

    def _refusal(self) -> Response | None:
        if not self.requests.is_full:
            self.requests.count()
            return None
        self.requests.refuse()
        return reply({"error": "Too many requests"}, 429, Retry_After="5")

    def _end(self, job: Job) -> None:
        job.ended_at = self._loop.time()
        self.open -= 1
        if self._chance.random() >= LOST:
            self._call(job.hook, job.shown())


class Way:
    """The way from a pass to the API."""

    def __init__(self, api: Api) -> None:
        self.submit, self.ask = api.submit, api.ask

    def open(self) -> None:
        """Nothing: there is no connection."""

    async def uploaded(self, request: Request, within: float) -> Request:
        """The request: no row has a file."""
        return request
