"""Faults in the outbox and its deliveries."""

from __future__ import annotations

from tests.mutants.fault import Fault

_OUTBOX = "pipeline/store/outbox.py"
_LINES = "pipeline/store/outbox_lines.py"
_DELIVERIES = "pipeline/sync/deliveries.py"
_STORE = "tests/store/test_outbox.py"
_SYNC = "tests/sync/test_deliveries.py"

FAULTS = (
    Fault(
        "a configuration without an outlet silences it",
        "P3",
        "pipeline/store/outlets.py",
        "taken_out = outlets.c.sheet == number, outlets.c.config == config",
        "taken_out = (outlets.c.sheet == number,)",
        _STORE,
    ),
    Fault(
        "an outlet that is taken out of its configuration is told nothing more",
        "P3",
        "pipeline/store/outlets.py",
        '.values(config="")',
        '.values(config="", kinds=())',
        _STORE,
    ),
    Fault(
        "a delivered message is deleted before an older one of its row is",
        "P3",
        "pipeline/store/outlets.py",
        "                ~overtakes,\n",
        "",
        _STORE,
    ),
    Fault(
        "the number of a deleted message is given again",
        "P3",
        "pipeline/store/outlets.py",
        "outbox.c.id < select(func.max(every.c.id)).scalar_subquery(),",
        "",
        _STORE,
    ),
    Fault(
        "a push is signed over other bytes than it has",
        "use",
        "pipeline/outlets/push.py",
        "headers=self._signed(message.id, body)",
        'headers=self._signed(message.id, body + b" ")',
        "tests/outlets/test_push.py::test_the_reference_library_verifies_each_push",
    ),
    Fault(
        "a push counts a redirect as success",
        "P3",
        "pipeline/outlets/http.py",
        "if 200 <= status < 300:",
        "if 200 <= status < 400:",
        "tests/outlets/test_http.py::test_a_redirect_is_not_followed",
    ),
    Fault(
        "a notice overtakes a result that was set aside",
        "P3",
        _LINES,
        "or_(newer.c.job.is_not(None), outbox.c.job.is_(None)),",
        "",
        _STORE,
    ),
    Fault(
        "a message that is tried again comes after a newer one that was under way",
        "P3",
        _OUTBOX,
        "if row.id not in overtaken}",
        "}",
        _STORE,
    ),
    Fault(
        "that a message may have arrived is forgotten when its next try fails",
        "P3",
        _OUTBOX,
        '"unsure": or_(outbox.c.unsure, bindparam("may_have_arrived", type_=Boolean)),',
        '"unsure": bindparam("may_have_arrived", type_=Boolean),',
        f"{_STORE} {_SYNC}",
    ),
    Fault(
        "what was being delivered at a kill is not marked as a possible repeat",
        "P3",
        _LINES,
        "is_unsure=row.unsure or row.state == LineState.SENDING,",
        "is_unsure=row.unsure,",
        _STORE,
    ),
    Fault(
        "a later message of a row overtakes an earlier one",
        "P3",
        _LINES,
        "return and_(is_open(outlet), is_due, ~is_blocked)",
        "return and_(is_open(outlet), is_due)",
        _STORE,
    ),
    Fault(
        "tries are not counted, so every pause is the first one",
        "P6",
        _OUTBOX,
        "case((is_again, outbox.c.tries), else_=outbox.c.tries + 1)",
        "outbox.c.tries",
        _STORE,
    ),
    Fault(
        "kills make the pauses longer",
        "P6",
        _OUTBOX,
        "case((is_again, outbox.c.tries), else_=outbox.c.tries + 1)",
        "outbox.c.tries + 1",
        _SYNC,
    ),
    Fault(
        "messages wait for their own time after an outage",
        "P6",
        _OUTBOX,
        "                _recover(connection, outlet)\n",
        "                pass\n",
        _SYNC,
    ),
    Fault(
        "a message does not wait for its files",
        "use",
        "pipeline/store/outbox_messages.py",
        "waits = wait if one.has_files else 0",
        "waits = 0",
        "tests/store/test_outbox.py",
    ),
    Fault(
        "two processes deliver at one time",
        "P3",
        _DELIVERIES,
        "            return 0  # Another process delivers.",
        "            pass",
        _SYNC,
    ),
    Fault(
        "the lease of an outlet ends during a long call",
        "P3",
        _DELIVERIES,
        "LEASE_SECONDS: Final = 2 * CALL_SECONDS + 60",
        "LEASE_SECONDS: Final = 45.0",
        _SYNC,
    ),
    Fault(
        "one row of which no message can be made holds up an outlet",
        "P3",
        _DELIVERIES,
        "if len(lines) > 1:\n            middle",
        "if True:\n            raise\n            middle",
        _SYNC,
    ),
)
