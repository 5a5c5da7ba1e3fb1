"""Faults in the receiver of webhooks and on the page."""

from __future__ import annotations

from tests.mutants.fault import Fault

_HOOKS = "tests/server/test_webhooks.py"
_RECORDER = "pipeline/server/webhook_recorder.py"
_SERVER = "pipeline/server/webhooks.py"
_WEBHOOK = "pipeline/core/webhook.py"

FAULTS = (
    Fault(
        "a signature made without a key counts",
        "P7",
        _WEBHOOK,
        "return bool(self.api_key) and is_signed(given, body, self.api_key)",
        "return is_signed(given, body, self.api_key)",
        "tests/core/test_webhook.py",
    ),
    Fault(
        "without a key, a signature is looked at",
        "P7",
        _WEBHOOK,
        "return bool(self.api_key) and _SIGNATURE.fullmatch(given) is not None",
        "return _SIGNATURE.fullmatch(given) is not None",
        "tests/core/test_webhook.py",
    ),
    Fault(
        "the receiver leaves facts in the rescue file",
        "P3",
        _RECORDER,
        "                self._store.attempts.rescued()\n",
        "",
        _HOOKS,
    ),
    Fault(
        "two calls in one commit get each other's answers",
        "P2",
        _RECORDER,
        "return [CallResult.RECORDED if one else CallResult.KNOWN for one in moved]",
        "return [CallResult.RECORDED if one else CallResult.KNOWN for one in reversed(moved)]",
        _HOOKS,
    ),
    Fault(
        "two calls about two tasks in one commit are mixed up",
        "P2",
        _RECORDER,
        "    tasks[call.token] = known or named\n",
        "",
        _HOOKS,
    ),
    Fault(
        "a second campaign with the same secret gets 404",
        "P3",
        _SERVER,
        "            if told is not CallResult.NO_TOKEN:\n                break\n",
        "            break\n",
        _HOOKS,
    ),
    Fault(
        "a retry of an old page counts",
        "P1",
        "pipeline/page/actions.py",
        """form.get("asked") != str(job.asked)""",
        """not form.get("asked")""",
        "tests/page/test_auth.py",
    ),
)
