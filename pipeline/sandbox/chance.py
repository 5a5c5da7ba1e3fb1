"""Decides whether a fault happens this time: drawn from a seed, or counted down.

A draw depends on the seed and on *what* it is drawn for (a prompt, and which sending of it), not on
the order in which requests happen to arrive. So two runs with one seed go wrong in the same places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import blake2b

from pipeline.sandbox.settings import ANY, RULES, SUBMISSIONS, Fault, SandboxSettings


class Chance:
    """The seed, and how many of each `next N` are left."""

    def __init__(self, seed: int, settings: SandboxSettings) -> None:
        self._seed = seed
        self.settings = settings
        self.left: dict[str, int] = {}
        #: True if no fault is set at all.
        self.is_calm = True
        self.arm(settings, RULES)

    def arm(self, settings: SandboxSettings, changed: Iterable[str]) -> None:
        """Go on with these settings; each `next N` among the changed switches starts afresh."""
        self.settings = settings
        for name in changed:
            fault = getattr(settings, name)
            if isinstance(fault, Fault):
                self.left[name] = fault.next
        faults = (getattr(settings, name) for name in self.left)
        self.is_calm = not any(fault.rate or fault.next for fault in faults)

    def strikes(
        self, name: str, path: str, key: str, *, is_submission: bool = True
    ) -> Fault | None:
        """The fault, of one definite kind, if it happens now; a `next N` is then one less."""
        fault: Fault = getattr(self.settings, name)
        left = self.left[name]
        if not (left or fault.rate) or not _covers(fault.path, path, is_submission):
            return None
        if left:
            self.left[name] = left - 1
        elif self.draw(name, key) >= fault.rate:
            return None
        if fault.kind != ANY:
            return fault
        kinds = RULES[name].kinds
        return replace(fault, kind=kinds[int(self.draw(f"{name} kind", key) * len(kinds))])

    def draw(self, name: str, key: str) -> float:
        """A number from 0 up to, not including, 1: always the same for the same name and key."""
        mark = f"{self._seed}\0{name}\0{key}".encode(errors="surrogatepass")
        return int.from_bytes(blake2b(mark, digest_size=6).digest()) / 2**48


def _covers(pattern: str, path: str, is_submission: bool) -> bool:
    return is_submission if pattern == SUBMISSIONS else fnmatchcase(path, pattern)
