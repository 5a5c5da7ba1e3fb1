"""Faults in what starts a pass: HTTP, edits, and the calls of Google Drive."""

from __future__ import annotations

from tests.mutants.fault import Fault

_WATCH = "pipeline/server/watcher.py"
_EDITS = "pipeline/server/edits.py"
_TRIGGERS = "tests/server/test_triggers.py"

FAULTS = (
    Fault(
        "any token starts a pass",
        "P7",
        "pipeline/server/trigger_access.py",
        "if hmac.compare_digest(good, given)]",
        "if hmac.compare_digest(good, good)]",
        _TRIGGERS,
    ),
    Fault(
        "wrong tokens are not slowed down",
        "P7",
        "pipeline/server/trigger_access.py",
        "if not self._tries.begin(caller):",
        "if False:",
        _TRIGGERS,
    ),
    Fault(
        "the limit of a caller is ignored",
        "P4",
        _WATCH,
        "limit=0 if self.is_stopped else request.limit,",
        "limit=0 if self.is_stopped else None,",
        _TRIGGERS,
    ),
    Fault(
        "a call lets a stopped sheet send again",
        "P4",
        _WATCH,
        "limit=0 if self.is_stopped else request.limit,",
        "limit=request.limit,",
        _TRIGGERS,
    ),
    Fault(
        "what watch writes itself starts a pass",
        "P6",
        _EDITS,
        "return digest(read_plain(self._path)) != self._fingerprint()",
        "return True",
        "tests/server/test_edits.py",
    ),
    Fault(
        "every call of Google starts a pass",
        "P6",
        _EDITS,
        "if not known or seen == known:",
        "if not known:",
        "tests/server/test_google_edits.py",
    ),
    Fault(
        "anybody can call in the name of Google",
        "P7",
        _WATCH,
        "if not is_channel_token(self._campaign.settings, token):",
        "if False:",
        "tests/server/test_google_edits.py",
    ),
    Fault(
        "a pass for each order that piled up",
        "P6",
        "pipeline/server/orders.py",
        "and turn.looked_at >= self.at",
        "and False",
        "tests/server/test_orders.py",
    ),
    Fault(
        "an order with a limit is repeated after its machine has died",
        "P4",
        "pipeline/server/fleet.py",
        "return order_of(text).request.is_plain",
        "return True",
        "tests/server/test_fleet.py",
    ),
    Fault(
        "a wrong clock decides about leases and limits",
        "P4",
        "pipeline/store/clock.py",
        "return self._now() + self._ahead",
        "return self._now()",
        "tests/store/test_turns.py",
    ),
    Fault(
        "a stop by a rule holds only on the machine that saw it",
        "P4",
        _WATCH,
        "self.is_stopped = turn.stopped == self._configuration",
        "self.is_stopped = False",
        "tests/server/test_watcher.py",
    ),
    Fault(
        "a sheet that a rule stopped is sent as if it were not",
        "P4",
        _WATCH,
        "limit=0 if self.is_stopped else request.limit",
        "limit=request.limit",
        "tests/server/test_watcher.py",
    ),
)
