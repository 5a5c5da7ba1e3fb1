"""Faults in the meaning of answers of the API, and in downloads."""

from __future__ import annotations

from tests.mutants.fault import Fault

FAULTS = (
    Fault(
        "an answer that is not known was not taken",
        "P1",
        "pipeline/core/protocol.py",
        '                return table[name]\n    return "lost"',
        '                return table[name]\n    return "busy"',
        "tests/core/test_protocol.py",
    ),
    Fault(
        "an accepted answer without a task id is running",
        "P1",
        "pipeline/core/protocol.py",
        "if says_nothing and not task_id:",
        "if says_nothing and task_id:",
        "tests/core/test_protocol.py",
    ),
    Fault(
        "a 503 without Retry-After was not taken",
        "P1",
        "pipeline/core/protocol.py",
        'if code == "503" and "retry-after" in response.headers and code',
        'if code == "503" and code',
        "tests/core/test_protocol.py",
    ),
    Fault(
        "private addresses are asked for pictures",
        "P7",
        "pipeline/provider/downloads.py",
        "if (host, port) not in self._allowed and not is_public(figures):",
        "if not self._allowed and not figures.is_global:",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "names that lead to private addresses are followed",
        "P7",
        "pipeline/provider/downloads.py",
        '                if not is_public(ipaddress.ip_address(place["host"])):\n'
        "                    raise BadLink(_private(host))\n",
        "                pass\n",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "redirects are not checked",
        "P7",
        "pipeline/provider/downloads.py",
        "        for _ in range(REDIRECTS + 1):\n            self._check(address)\n",
        "        self._check(address)\n        for _ in range(REDIRECTS + 1):\n",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "a file of another picture is replaced",
        "P3",
        "pipeline/provider/downloads.py",
        "        if not os.path.lexists(path):",
        "        if True:\n            path.unlink(missing_ok=True)",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "a picture may have any size",
        "P7",
        "pipeline/provider/downloads.py",
        "                size += file.write(chunk)\n                self._check_size(size)\n",
        "                size += file.write(chunk)\n",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "a page is saved as a picture",
        "P3",
        "pipeline/provider/downloads.py",
        '    if text[:1] in b"<{" or called.startswith("text/"):',
        '    if text[:1] in b"{" and called.startswith("text/"):',
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "a stem may be a path",
        "P7",
        "pipeline/provider/downloads.py",
        "if not stem or not all(c.isprintable() and c not in _NOT_IN_NAMES for c in stem):",
        "if not stem:",
        "tests/provider/test_downloads.py",
    ),
    Fault(
        "a lost submission is sent again under a new key",
        "P1",
        "pipeline/sync/submissions.py",
        "return sent_once(request, api.provider, attempt.resend_key)",
        "return sent_once(request, api.provider, new_token(self._chance))",
        "tests/sync/test_resending.py",
    ),
    Fault(
        "a key counts for longer than the API remembers it",
        "P1",
        "pipeline/core/provider.py",
        "return -MARGIN <= now - sent_at < self.life",
        "return -MARGIN <= now - sent_at",
        "tests/sync/test_resending.py",
    ),
    Fault(
        "a task is polled at an API that does not have it",
        "P3",
        "pipeline/core/rules.py",
        "return next((one for one in apis if one.has(attempt)), None)",
        "return apis[0]",
        "tests/sync/test_resending.py",
    ),
)
