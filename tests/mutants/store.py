"""Faults in the store, and in the state that a pass keeps."""

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
        "        if has_changed:\n",
        "        if True:\n",
        _ADMISSION,
    ),
    Fault(
        "pictures of a second success get the same names",
        "P3",
        "pipeline/sync/file_names.py",
        "picture_stem(name, key, number, attempt.number if beside else None)",
        "picture_stem(name, key, number, None)",
        "tests/sync/test_second_success.py",
    ),
    Fault(
        "changes recorded while jobs are written are skipped",
        "P3",
        "pipeline/sync/known_jobs.py",
        "        if before == self.version:\n            self.version = after\n",
        "        self.version = after\n",
        "tests/sync/test_others_meanwhile.py",
    ),
    Fault(
        "changes recorded while answers are written are skipped",
        "P3",
        "pipeline/sync/known_jobs.py",
        "        if is_alone:\n            self.version = after\n",
        "        self.version = after\n",
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
        self._lanes.end()
""",
        """        self.outcome.worsen(0, f"Another pass took over {self.outcome.title}.")
""",
        _PASS,
    ),
    Fault(
        "a run with --wait waits for a sheet that cannot be written",
        "use",
        _RUNNER,
        "if self._looker.trouble or not (self._asked.wait and self._timer.has_news):",
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
        "return 0 if self.health.is_stopped else self.schedule.expecting()",
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
        "LEASE_SECONDS is ten times as long",
        "use",
        "pipeline/sync/lease.py",
        "LEASE_SECONDS = 45.0",
        "LEASE_SECONDS = 450.0",
        "tests/sync/test_lease.py",
    ),
    Fault(
        "LEASE_EVERY is ten times as long",
        "P1",
        "pipeline/sync/lease_keeper.py",
        "LEASE_EVERY = 10.0",
        "LEASE_EVERY = 100.0",
        _PASS,
    ),
    Fault(
        "a reported charge does not correct the counter",
        "P4",
        "pipeline/store/job_cache.py",
        "    if isinstance(reported, int | float):\n        return reported\n",
        "",
        "tests/store/test_admission.py",
    ),
    Fault(
        "what was given back stays free when it is taken after all",
        "P4",
        "pipeline/store/job_cache.py",
        "        return attempt.price if attempt.reported is None else attempt.reported\n",
        "        return charged\n",
        "tests/store/test_admission.py",
    ),
    Fault(
        "what is kept in memory is believed after others changed it",
        "P1",
        "pipeline/store/job_cache.py",
        "return (sheet.number, sheet.version) == (self.sheet.number, self.sheet.version)",
        "return sheet.number == self.sheet.number",
        "tests/store/test_admission.py tests/store/test_processes.py",
    ),
    Fault(
        "a batch forgets what it spent itself",
        "P4",
        "pipeline/store/admission.py",
        "exact(self.held[name] + intent.price)",
        "self.held[name]",
        "tests/store/test_admission.py",
    ),
    Fault(
        "a paused sheet begins attempts",
        "P1",
        "pipeline/store/admission.py",
        "        if sheet and sheet.paused:",
        "        if sheet and sheet.paused and intent.number > 1:",
        "tests/store/test_admission.py",
    ),
    Fault(
        "any number of attempt may begin",
        "P1",
        "pipeline/store/admission.py",
        "is State.PENDING and intent.number == last + 1",
        "is State.PENDING",
        "tests/store/test_admission.py",
    ),
    Fault(
        "a row is begun twice in one batch",
        "P1",
        "pipeline/store/admission.py",
        "if intent.key not in self.jobs or intent.key in self.begun:",
        "if intent.key not in self.jobs:",
        "tests/store/test_admission.py",
    ),
    Fault(
        "a full budget is one row too large",
        "P4",
        "pipeline/store/admission.py",
        "exact(held + price) <= cap",
        "exact(held) <= cap",
        "tests/store/test_admission.py tests/store/test_processes.py",
    ),
    Fault(
        "a retry is asked for twice",
        "P1",
        "pipeline/store/jobs.py",
        "jobs.c.asked == asked - 1)",
        "jobs.c.asked < asked + 1)",
        "tests/store/test_store.py",
    ),
    Fault(
        "make again counts twice",
        "P1",
        "pipeline/store/rows.py",
        "(known_rows.c.row_id == row_id) & (known_rows.c.extra_takes == extra_takes)",
        "(known_rows.c.row_id == row_id)",
        "tests/store/test_store.py",
    ),
    Fault(
        "a lease is taken from its holder",
        "P1",
        "pipeline/store/leases.py",
        "free = or_(leases.c.until <= now, leases.c.holder == holder)",
        "free = or_(leases.c.until >= now, leases.c.holder == holder)",
        "tests/store/test_store.py",
    ),
    Fault(
        "torn lines end the reading of the rescue file",
        "P3",
        "pipeline/store/rescue_file.py",
        "                except ValueError as torn:\n",
        "                except OSError as torn:\n",
        "tests/store/test_full.py",
    ),
    Fault(
        "the rescue file is blank before it is recorded",
        "P3",
        "pipeline/store/rescue_file.py",
        "            if facts:\n"
        "                record(facts)\n"
        "            if content:\n"
        "                _write_over(file, 0, bytes(len(content)))\n",
        "            if content:\n"
        "                _write_over(file, 0, bytes(len(content)))\n"
        "            if facts:\n"
        "                record(facts)\n",
        "tests/store/test_full.py",
    ),
)
