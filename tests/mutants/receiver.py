"""Faults in the receiver of webhooks and on the page."""

from __future__ import annotations

from tests.mutants.fault import Fault

_HOOKS = "tests/server/test_webhooks.py"
_RECORDER = "pipeline/server/webhook_recorder.py"
_SERVER = "pipeline/server/webhooks.py"
_WEBHOOK = "pipeline/core/api/webhook.py"

FAULTS = (
    Fault(
        "without a key, a signature is looked at",
        "P7",
        _WEBHOOK,
        "return bool(self.api_key) and _SIGNATURE.fullmatch(given) is not None",
        "return _SIGNATURE.fullmatch(given) is not None",
        "tests/core/api/test_webhook.py",
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
        "return [CallResult.RECORDED if one else CallResult.KNOWN for one in changed]",
        "return [CallResult.RECORDED if one else CallResult.KNOWN for one in reversed(changed)]",
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
        "            if result is not CallResult.NO_TOKEN:\n                break\n",
        "            break\n",
        _HOOKS,
    ),
    Fault(
        "a retry of an old page counts",
        "P1",
        "pipeline/page/actions.py",
        """click.form.get("asked") != str(job.asked)""",
        """not click.form.get("asked")""",
        "tests/page/test_auth.py",
    ),
    Fault(
        "a call may speak of another task",
        "P2",
        "pipeline/server/webhook_recorder.py",
        "    if named and known and named != known:\n        return CallResult.OTHER_TASK\n",
        "",
        "tests/server/test_webhooks.py",
    ),
    Fault(
        "a call moves a job of a campaign that it did not prove",
        "P7",
        "pipeline/server/webhook_recorder.py",
        "for rules, api in self.proved.get(hooked.key.sheet, ()):",
        "for rules, api in next(iter(self.proved.values())):",
        "tests/server/test_webhooks.py",
    ),
    Fault(
        "a call that proves nothing is believed",
        "P7",
        _RECORDER,
        'if call.webhook.proof == "none":',
        'if call.webhook.proof == "nothing":',
        "tests/server/test_unproved_calls.py",
    ),
    Fault(
        "an account may speak of another account's tasks",
        "P7",
        _RECORDER,
        "if owner == api or (owner is None and is_ours):",
        "if owner and owner.provider.name == api.provider.name:",
        "tests/server/test_accounts.py",
    ),
    Fault(
        "each unproved call leads to a poll",
        "P6",
        _WEBHOOK,
        "return None if before > now else max(now, before + EARLY_POLL_EVERY)",
        "return now",
        "tests/server/test_unproved_calls.py",
    ),
    Fault(
        "a call is answered before it is recorded",
        "P3",
        "pipeline/server/webhooks.py",
        "        if result not in (CallResult.RECORDED, CallResult.KNOWN):\n"
        "            raise CallRefused(result.value)\n",
        "",
        "tests/server/test_webhooks.py",
    ),
    Fault(
        "the secret of one attempt opens all",
        "P7",
        "pipeline/core/api/webhook.py",
        'return hmac.digest(secret.encode(), token.encode(), "sha256").hex()',
        'return hmac.digest(secret.encode(), b"", "sha256").hex()',
        "tests/core/api/test_webhook.py",
    ),
    Fault(
        "the body of a call may have any length",
        "P7",
        "pipeline/server/webhooks.py",
        "                if len(body) > MOST_BYTES:\n"
        '                    raise CallRefused("too long")\n',
        "",
        "tests/server/test_webhooks.py",
    ),
    Fault(
        "a sign-in link works twice",
        "P7",
        "pipeline/page/auth.py",
        "        self._links.pop(digest(code), None)\n        return is_good",
        "        return is_good",
        "tests/page/test_auth.py",
    ),
    Fault(
        "a form from another page counts",
        "P7",
        "pipeline/page/auth.py",
        "            if not hmac.compare_digest(given, visitor.csrf.encode()):",
        "            if given and not hmac.compare_digest(given, visitor.csrf.encode()):",
        "tests/page/test_auth.py",
    ),
    Fault(
        "a cookie lasts for ever",
        "P7",
        "pipeline/page/auth.py",
        "if not 0 <= self._now() - session.since <= SESSION_SECONDS or",
        "if",
        "tests/page/test_auth.py",
    ),
    Fault(
        "the session of a removed person goes on",
        "P7",
        "pipeline/page/accounts.py",
        'key = hmac.digest(text.encode(), about.encode("utf-8", "surrogatepass"), "sha256")',
        'key = b"the same for everybody"',
        "tests/page/test_people.py",
    ),
    Fault(
        "a follow-up row is asked for twice",
        "P1",
        "pipeline/store/wanted_rows.py",
        "if not number or connection.execute(count).scalar_one() != before:",
        "if not number:",
        "tests/page/test_following.py",
    ),
    Fault(
        "an approval from an old page counts",
        "P1",
        "pipeline/page/actions.py",
        'if click.form.get("shown") != one.shown:',
        "if False:",
        "tests/page/test_approval.py",
    ),
    Fault(
        "what may be paid twice is sent without a warning",
        "P1",
        "pipeline/page/actions.py",
        'if card.may_be_paid_twice and click.form.get("unknown") != "yes":',
        'if card.may_be_paid_twice and click.form.get("unknown") == "no":',
        "tests/page/test_auth.py",
    ),
)
