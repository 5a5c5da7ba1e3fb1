"""Faults in messages to people."""

from __future__ import annotations

from tests.mutants.fault import Fault

_TESTS = "tests/outlets/test_chats.py"
_APPRISE = "tests/outlets/test_apprise.py"
_CARDS = "pipeline/outlets/cards.py"
_SLACK = "pipeline/outlets/slack.py"
_DISCORD = "pipeline/outlets/discord.py"
_TEAMS = "pipeline/outlets/teams.py"

FAULTS = (
    Fault(
        "a prompt may call everyone in Discord",
        "P7",
        _DISCORD,
        ', "allowed_mentions": {"parse": []}',
        "",
        _TESTS,
    ),
    Fault(
        "a prompt may call the channel in Slack",
        "P7",
        _SLACK,
        '.replace("<", "&lt;")',
        "",
        _TESTS,
    ),
    Fault(
        "a prompt may be formatted in Discord",
        "P7",
        _DISCORD,
        r'_MARKUP.sub(r"\\\1", text)',
        "text",
        _TESTS,
    ),
    Fault(
        "Teams gets messages of any length",
        "P3",
        _TEAMS,
        'ensure_ascii=False).encode("utf-8", "replace")) <= _MOST',
        'ensure_ascii=False).encode("utf-8", "replace")) > 0',
        _TESTS,
    ),
    Fault(
        "one picture that Slack cannot fetch keeps a digest back",
        "P3",
        "pipeline/outlets/chat.py",
        "if trouble and trouble.trouble is Trouble.REFUSED and card.pictures:",
        "if False:",
        _TESTS,
    ),
    Fault(
        "any page with status 200 counts as Slack",
        "P3",
        _SLACK,
        'if answer.status == 200 and word != "ok":',
        "if False:",
        _TESTS,
    ),
    Fault(
        "addresses in a private network are shown in chats",
        "P7",
        _CARDS,
        "return ip_address(host).is_global",
        "return True",
        _TESTS,
    ),
    Fault(
        "a possible repeat does not say so",
        "use",
        _CARDS,
        "is_repeat=digest.is_repeat,",
        "",
        _TESTS,
    ),
    Fault(
        "apprise tries again by itself",
        "P3",
        "pipeline/outlets/apprise.py",
        "    service.retry = 0\n",
        "",
        _APPRISE,
    ),
    Fault(
        "apprise follows redirects",
        "P3",
        "pipeline/outlets/apprise.py",
        "    service.redirects = False\n",
        "",
        _APPRISE,
    ),
    Fault(
        "the library's log, with its addresses, reaches the program's",
        "P7",
        "pipeline/outlets/apprise.py",
        "    log.propagate = False\n",
        "",
        _APPRISE,
    ),
    Fault(
        "a mail that some have may be repeated without a word",
        "use",
        "pipeline/outlets/apprise_failures.py",
        "if worst.trouble is Trouble.LATER and self._has_parts:",
        "if False:",
        _APPRISE,
    ),
)
