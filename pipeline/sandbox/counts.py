"""The books: what was asked, what was taken, what it cost.

Everything is counted on the server's one event loop, at the moment it happens, so the numbers are
exact. Reading the books is the only proof of what a client really did.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from heapq import heappop, heappush

#: So many arrival times are kept, the latest ones.
TIMES_KEPT = 200_000
MINUTE = 60.0


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

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.most = now

    def enter(self) -> None:
        """One more is there."""
        self.now += 1
        self.most = max(self.most, self.now)

    def leave(self) -> None:
        """One is gone."""
        self.now -= 1


class Running:
    """Tasks under way: they leave by the clock, when somebody looks."""

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


class Counts:
    """Everything that is counted since the start or the last reset."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.tasks: Counter[str] = Counter()
        self.charged = 0
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

    def arrived(self, path: str, now: float) -> None:
        """A request of the API was read to its end."""
        self.requests[path] += 1
        self.minute.add(now)
        self._times.append(now)
        if path == "/imagine":
            self.minute_submissions.add(now)
            self._submission_times.append(now)

    def took(self, prompt: str, cost: int, ends: float, now: float) -> None:
        """A task was taken, and paid."""
        self.tasks[prompt] += 1
        self.charged += cost
        self.running.add(ends, now)

    def shown(self, now: float) -> dict[str, object]:
        """All numbers, as JSON can carry them."""
        return {
            "tasks": dict(self.tasks),
            "tasks_taken": self.tasks.total(),
            "credits_charged": self.charged,
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
