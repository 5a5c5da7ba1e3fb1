"""Faults in the store, and in what a pass keeps of it."""

from __future__ import annotations

from tests.mutants.fault import Fault

_ADMISSION = "tests/store/test_admission.py"
_PASS = "tests/sync/test_pass.py"
_ENDS = "tests/sync/test_wait_ends.py"
_RUNNER = "pipeline/sync/runner.py"

FAULTS = (
    Fault(
        "a late event without a new state changes the budget",
        "P4",
        "pipeline/store/job_cache.py",
        "        if moved:\n",
        "        if True:\n",
        _ADMISSION,
    ),
    Fault(
        "pictures of a second success get the same names",
        "P3",
        "pipeline/sync/downloader.py",
        "beside = None if attempt == first else attempt.number",
        "beside = None",
        "tests/sync/test_second_success.py",
    ),
    Fault(
        "changes recorded while jobs are written are skipped",
        "P3",
        "pipeline/sync/known_jobs.py",
        "        if before == self.cursor:\n            self.cursor = after\n",
        "        self.cursor = after\n",
        "tests/sync/test_others_meanwhile.py",
    ),
    Fault(
        "changes recorded while answers are written are skipped",
        "P3",
        "pipeline/sync/known_jobs.py",
        "        if is_alone:\n            self.cursor = after\n",
        "        self.cursor = after\n",
        "tests/sync/test_others_meanwhile.py",
    ),
    Fault(
        "a twin of the store is not recognised",
        "P1",
        "pipeline/sync/ownership.py",
        "        if ahead or twin:\n",
        "        if ahead:\n",
        "tests/sync/test_ownership.py",
    ),
    Fault(
        "a renamed configuration holds the sheet",
        "use",
        "pipeline/sync/ownership.py",
        "if other and other != self._config and Path(other).exists():",
        "if other and other != self._config:",
        "tests/sync/test_ownership.py",
    ),
    Fault(
        "a pass sends without its lease",
        "P1",
        _RUNNER,
        """        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
        self._submitter.end()
""",
        """        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
""",
        _PASS,
    ),
    Fault(
        "a run with --wait waits for a sheet that cannot be written",
        "use",
        _RUNNER,
        "if self._sheet_trouble or not (self._asked.wait and self._timer.has_news):",
        "if not (self._asked.wait and self._timer.has_news):",
        _ENDS,
    ),
    Fault(
        "a run with --wait looks again at each finished look",
        "use",
        _RUNNER,
        "not (self._asked.wait and self._timer.has_news):",
        "not self._asked.wait:",
        _PASS,
    ),
    Fault(
        "a run with --wait waits for overdue tasks",
        "use",
        "pipeline/sync/poll_schedule.py",
        "return sum(one.attempt.sent_at >= young for one in self._tasks.values())",
        "return sum(one.attempt.sent_at >= young or True for one in self._tasks.values())",
        _PASS,
    ),
    Fault(
        "a run with --wait waits for an API that answers no poll",
        "use",
        "pipeline/sync/poller.py",
        "return 0 if self._is_stopped else self.schedule.expecting()",
        "return self.schedule.expecting()",
        _PASS,
    ),
    Fault(
        "READ_EVERY is ten times as long",
        "P1",
        "pipeline/sync/look_timer.py",
        "READ_EVERY = 40.0",
        "READ_EVERY = 400.0",
        _PASS,
    ),
    Fault(
        "FRESH is ten times as long",
        "P1",
        "pipeline/sync/look.py",
        "FRESH = timedelta(seconds=60)",
        "FRESH = timedelta(seconds=600)",
        _ENDS,
    ),
    Fault(
        "LEASE_EVERY is ten times as long",
        "P1",
        "pipeline/sync/lease_keeper.py",
        "LEASE_EVERY = 10.0",
        "LEASE_EVERY = 100.0",
        _PASS,
    ),
)
