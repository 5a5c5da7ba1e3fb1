"""The log of events: one record for each thing that happened to a job, and for each pass.

It is off until `--log-format json` or telemetry turns it on; then nothing is collected for it. The
events of jobs are those that the store keeps in its history, and come after they were committed.
No record has a secret, a prompt or a text of the API.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

_log = logging.getLogger("promptsheet.events")
#: Above every level: nothing is logged.
_OFF: Final = logging.CRITICAL + 1
_log.setLevel(_OFF)
# Events are written only by handlers that were added for them.
_log.propagate = False

#: Event of a job -> what it says. The first eleven are lines of the store's history.
JOB_EVENTS: Final = {
    "sent": "the attempt was noted in the store; its request leaves now",
    "accepted": "the API took the task",
    "progressed": "the API works on the task",
    "succeeded": "the result is in the store",
    "failed": "the API refused the request, or the task failed",
    "lost": "the answer to the request was lost: the row may have been paid",
    "postponed": "the API took nothing; the row is sent again later",
    "asked": "one more attempt of this take was asked for, by a person or by `[rules] remake`",
    "adopted": "`doctor --adopt` took over a task of the API",
    "picked": "a person picked pictures on the page",
    "forgotten": "[`promptsheet forget`](forget.md) removed the words and the result of this take "
    "from the store",
    "downloaded": "a picture was saved",
    "not_downloaded": "a picture could not be saved at this try",
    "written": "the sheet shows the end of the row",
}
PASS_EVENTS: Final = {
    "pass_began": "a pass over a sheet began",
    "pass_ended": "it ended",
}
#: Field of an event of a job -> what it is. Each such event has all of them.
JOB_FIELDS: Final = {
    "sheet": "the title of the sheet",
    "row_id": "the row; with the part where a row asks for several generations",
    "take": "the number of the take",
    "attempt": "the number of the attempt of this take",
    "task_id": "the API's id of the task; empty while there is none",
    "endpoint": "the endpoint, such as `imagine`",
    "credits": "what the attempt is counted with now",
    "seconds": "the time since it was sent; for `written`, since the result was there",
    "by": "who or what asked for it, for `sent`, `asked` and `picked`; else empty",
}
#: Field of `pass_ended` -> what it is. `pass_began` has only the first one.
PASS_FIELDS: Final = {
    "sheet": "the title of the sheet",
    "result": "`ok`, `failed`, `unchanged` (nothing to do), `busy` (another pass works on it) or "
    "`interrupted`",
    "exit_code": "that of `run`",
    "new": "rows that were sent",
    "done": "rows that got their result",
    "refused": "rows that the API refused",
    "failed": "rows whose task failed",
    "lost": "rows whose answer was lost",
    "saved": "pictures that were saved",
    "need_a_person": "rows that need a person now",
    "credits": "what was sent costs: as reported until then, else as listed",
    "seconds": "how long the pass took",
}
_BAD: Final = ("failed", "lost", "not_downloaded")


def send_to(handler: logging.Handler, level: int) -> None:
    """Send events of this level and above to a handler, too."""
    handler.setLevel(level)
    _log.addHandler(handler)
    _log.setLevel(min(level, _log.level))


def stop() -> None:
    """Log no events from now on."""
    _log.handlers.clear()
    _log.setLevel(_OFF)


def is_on() -> bool:
    """Returns whether any event is logged."""
    return _log.isEnabledFor(logging.WARNING)


def of_job(event: str, at: datetime, fields: dict[str, Any]) -> None:
    """Log an event of a job; the fields are those of JOB_FIELDS."""
    _write(logging.WARNING if event in _BAD else logging.INFO, event, at, fields)


def pass_began(sheet: str) -> None:
    """Log that a pass began."""
    _write(logging.INFO, "pass_began", datetime.now(UTC), {"sheet": sheet})


def pass_ended(sheet: str, result: str, exit_code: int = 0, **counts: float) -> None:
    """Log how a pass ended, with the counts of PASS_FIELDS; those left out are 0."""
    level = logging.ERROR if result == "failed" else logging.INFO
    fields = dict.fromkeys(PASS_FIELDS, 0) | {"sheet": sheet, "result": result}
    _write(level, "pass_ended", datetime.now(UTC), fields | {"exit_code": exit_code} | counts)


def _write(level: int, event: str, at: datetime, fields: dict[str, Any]) -> None:
    _log.log(level, event, extra={"at": at, "fields": fields})
