"""What `doctor` says about open tasks of an account that is not configured: the lines to add."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from pipeline.cli.doctor.case import Case, Finding
from pipeline.config import Settings
from pipeline.core.model import State
from pipeline.core.states import shown
from pipeline.core.text import counted, is_or_are
from pipeline.sync.sheet_sync import SheetSync


def former_accounts(case: Case, sync: SheetSync) -> Iterator[Finding]:
    """A finding for each account that has open tasks, but no key, or perhaps another key."""
    settings = case.settings
    unknown, other = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for job in sync.state.jobs.all.values():
        attempt = shown(job)
        if attempt and attempt.state is State.RUNNING and attempt.provider:
            place = attempt.provider, attempt.base_url
            unknown[place] += sync.rules.api_of(attempt) is None
            other[place] += sync.rules.has_other_key(attempt)
    for (name, url), count in (+unknown).items():
        tasks = f"{counted(count, 'task')} {is_or_are(count)} at {name} ({url})"
        why = "and the key for it is not configured any more"
        yield Finding("person", f"{tasks}, {why}. {_what_to_do(name, settings)}", _lines(name, url))
    for (name, url), count in (+other).items():
        tasks = f"{counted(count, 'task')} at {name} ({url})"
        why = "sent with an earlier key. If that belongs to another account, do this"
        said = f"{tasks} {'was' if count == 1 else 'were'} {why}: {_what_to_do(name, settings)}"
        yield Finding("person", said, _lines(name, url))


def _what_to_do(name: str, settings: Settings) -> str:
    return (
        f"Put the earlier key into the environment variable {_variable(name)}, and add these lines "
        f"to {settings.path.name}:"
    )


def _lines(name: str, url: str) -> tuple[str, ...]:
    named = ("name", name), ("base_url", url), ("api_key", f"env:{_variable(name)}")
    return "[provider.former]", *(f"{key} = {json.dumps(value)}" for key, value in named if value)


def _variable(name: str) -> str:
    return f"{re.sub(r'[^A-Z0-9]+', '_', name.upper())}_FORMER_API_KEY"
