"""Planned faults: which fault happens at which request.

google.faults.at(3, Fault.RESET_AFTER)              # the third API request from now on
google.faults.when(lambda asked: asked.is_write, Fault.BUSY, times=4)
google.faults.at(1, Fault.HANG); ...; google.faults.release()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.google_sheets import Asked


class Fault(Enum):
    """Kinds of faults; they happen before the request is applied unless noted."""

    UNAUTHENTICATED = "401, the token is no longer good"
    FORBIDDEN = "403, the sheet is not shared"
    NOT_ENABLED = "403, the API is switched off in the project"
    UNKNOWN = "404"
    OFFICE_FILE = "400, the document is an Excel file"
    BUSY = "429, the quota is used up"
    INTERNAL = "500"
    INTERNAL_AFTER = "500, but the request has been applied"
    UNAVAILABLE = "503"
    BAD_GATEWAY = "502, a page of HTML"
    HANG = "no answer until `release`; not applied"
    HANG_AFTER = "applied, and no answer until `release`"
    RESET_BEFORE = "the connection is reset; not applied"
    RESET_AFTER = "applied, and then the connection is reset"
    RESET_MIDWAY = "half of an upload's part is kept, and then the connection is reset (Drive)"
    NO_TOKEN = "the token endpoint refuses (only for token requests)"
    TOKEN_UNAVAILABLE = "the token endpoint answers 503 (only for token requests)"


FOR_TOKENS = frozenset({Fault.NO_TOKEN, Fault.TOKEN_UNAVAILABLE})


@dataclass
class _Planned:
    fault: Fault
    matches: Callable[[Asked], bool]
    #: Requests that still pass before it.
    after: int
    times: int | None


@dataclass
class Faults:
    """The planned faults; the one that was planned first wins."""

    _planned: list[_Planned] = field(default_factory=list)
    _released: Event = field(default_factory=Event)

    def at(self, number: int, fault: Fault, times: int | None = 1) -> None:
        """At the request with this number from now on, beginning with 1; `times` in a row."""
        self._planned.append(_Planned(fault, lambda asked: True, number - 1, times))

    def when(
        self, matches: Callable[[Asked], bool], fault: Fault, times: int | None = None
    ) -> None:
        """At each request that matches; `times` of them."""
        self._planned.append(_Planned(fault, matches, 0, times))

    @property
    def are_over(self) -> bool:
        """True if all faults that were planned have happened."""
        return not self._planned

    def clear(self) -> None:
        """No more faults, and nothing hangs any longer."""
        self._planned.clear()
        self.release()

    def release(self) -> None:
        """Release the hanging requests; their connections are closed without an answer."""
        self._released.set()
        self._released = Event()

    def hold(self) -> None:
        """Hang until `release`."""
        self._released.wait(300)

    def due(self, asked: Asked) -> Fault | None:
        """The fault for this request, if there is one."""
        found: Fault | None = None
        for one in list(self._planned):
            if (one.fault in FOR_TOKENS) != asked.is_token or not one.matches(asked):
                continue
            if one.after:
                one.after -= 1
            elif found is None:
                found = one.fault
                if one.times is not None:
                    one.times -= 1
                    if not one.times:
                        self._planned.remove(one)
        return found
