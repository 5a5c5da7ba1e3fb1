"""The account: what it holds, what tasks cost, and what comes back when they fail."""

from __future__ import annotations

from heapq import heapify, heappop, heappush


class SandboxAccount:
    """Credits. A refund is paid when the task that failed has ended."""

    def __init__(self, held: int) -> None:
        self._credits = held
        self.charged = 0
        self._refunded = 0
        #: When each refund is due, and how much it is.
        self._due: list[tuple[float, int]] = []

    def fill(self, held: int) -> None:
        """Hold this many credits from now on."""
        self._credits = held

    def charge(self, cost: int) -> None:
        """Take the price of a task."""
        self._credits -= cost
        self.charged += cost

    def refund_at(self, moment: float, cost: int) -> None:
        """Give the price back at that moment."""
        heappush(self._due, (moment, cost))

    def finish(self, now: float) -> None:
        """All tasks have ended: what is to be refunded is due now."""
        self._due = [(min(moment, now), cost) for moment, cost in self._due]
        heapify(self._due)

    def left(self, now: float) -> int:
        """The credits at this moment."""
        self._settle(now)
        return self._credits

    def refunded(self, now: float) -> int:
        """What came back until this moment, in total."""
        self._settle(now)
        return self._refunded

    def _settle(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, cost = heappop(self._due)
            self._credits += cost
            self._refunded += cost
