"""Counts: the requests, the accepted tasks, and what they cost.

Everything is counted on the server's one event loop, at the moment it happens, so the numbers are
exact. They are the only proof of what a client really did.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from hashlib import sha256
from heapq import heappop, heappush

from pipeline.sandbox.tasks import Order

#: How many arrival times are kept: the latest ones.
TIMES_KEPT = 200_000
MINUTE = 60.0
#: How many characters of a request are kept; a checksum replaces the rest.
LONGEST = 1000


class Window:
    """How many came within any 60 seconds, at most."""

    def __init__(self) -> None:
        self.most = 0
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """One more came."""
        self._times.append(now)
        self.most = max(self.most, self.size(now))

    def size(self, now: float) -> int:
        """How many came within the last 60 seconds."""
        while self._times and self._times[0] <= now - MINUTE:
            self._times.popleft()
        return len(self._times)


class Gauge:
    """How many there are now, and how many there were at most."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def enter(self) -> None:
        """One more is there."""
        self.now += 1
        self.most = max(self.most, self.now)

    def leave(self) -> None:
        """One is gone."""
        self.now -= 1


class Running:
    """Running tasks. Those that have ended are dropped when the number is read."""

    def __init__(self) -> None:
        self.most = 0
        self._ends: list[float] = []

    def add(self, ends: float, now: float) -> None:
        """One more task runs, until then."""
        heappush(self._ends, ends)
        self.most = max(self.most, self.size(now))

    def finish(self) -> None:
        """All of them have ended."""
        self._ends.clear()

    def size(self, now: float) -> int:
        """How many run now."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        return len(self._ends)


class SandboxCounts:
    """Everything that is counted since the start or the last reset."""

    def __init__(self, began: float) -> None:
        self.began = began
        #: By prompt; a submission without one counts by its path and fields.
        self.tasks: Counter[str] = Counter()
        #: By path and fields, without those that say where to report.
        self.orders: Counter[str] = Counter()
        self.repeated = 0
        #: Submissions that were answered with an earlier job: an Idempotency-Key was repeated.
        self.replays = 0
        #: Submissions that were read to their end.
        self.read = 0
        #: By endpoint: how many tasks, and their credits.
        self.endpoint_tasks: Counter[str] = Counter()
        self.endpoint_credits: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.unfinished = 0
        self.submissions: Counter[str] = Counter()
        self.api = Gauge()
        self.pictures = Gauge()
        self.running = Running()
        self.minute = Window()
        self.minute_submissions = Window()
        #: Task -> what became of its webhooks.
        self.webhooks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._times: deque[float] = deque(maxlen=TIMES_KEPT)
        self._submission_times: deque[float] = deque(maxlen=TIMES_KEPT)

    def arrived(self, path: str, now: float, *, is_submission: bool) -> None:
        """A request of the API was read to its end."""
        self.requests[path] += 1
        self.minute.add(now)
        self._times.append(now)
        if is_submission:
            self.read += 1
            self.minute_submissions.add(now)
            self._submission_times.append(now)

    def took(self, order: Order, asked: str, ends: float, now: float) -> None:
        """A task was accepted, and paid. `asked` says what for, as one text."""
        if len(asked) > LONGEST:
            asked = f"{asked[:LONGEST]}… {sha256(asked.encode(errors='surrogatepass')).hexdigest()}"
        self.tasks[order.own_prompt or asked] += 1
        self.repeated += asked in self.orders
        self.orders[asked] += 1
        name = f"{order.endpoint} {order.model}".rstrip()
        self.endpoint_tasks[name] += 1
        self.endpoint_credits[name] += order.cost
        self.running.add(ends, now)

    def shown(self, now: float) -> dict[str, object]:
        """All numbers, as JSON can carry them."""
        return {
            "tasks": dict(self.tasks),
            "tasks_taken": self.tasks.total(),
            "tasks_repeated": self.repeated,
            "submissions_read": self.read,
            "idempotent_replays": self.replays,
            "tasks_by_endpoint": dict(self.endpoint_tasks),
            "credits_by_endpoint": dict(self.endpoint_credits),
            "running": self.running.size(now),
            "most_running": self.running.most,
            "requests": dict(self.requests),
            "unfinished": self.unfinished,
            "submissions": dict(self.submissions),
            "in_flight": self.api.now,
            "most_in_flight": self.api.most,
            "most_pictures_in_flight": self.pictures.most,
            "most_per_minute": self.minute.most,
            "most_submissions_per_minute": self.minute_submissions.most,
            "webhooks": dict(sum(self.webhooks.values(), Counter())),
        }

    def times(self) -> dict[str, list[float]]:
        """Seconds since the start at which requests, and among them submissions, had arrived."""
        return {
            "requests": [round(at - self.began, 4) for at in self._times],
            "submissions": [round(at - self.began, 4) for at in self._submission_times],
        }
