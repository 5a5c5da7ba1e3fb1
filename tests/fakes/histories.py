"""The history of a demo, which all workers of a test run share. Tests only read it."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from typing import Final

import pytest
from rich.console import Console

from pipeline.cli import demo_history
from pipeline.config import Settings, load

#: The day after its last one: on a weekend, a team does less.
MONDAY: Final = datetime(2026, 11, 23, tzinfo=UTC)
DAYS: Final = 5
#: A text that looks like markup, and one that also has a control character.
EVIL: Final = '<script>alert(1)</script><img src=x onerror=alert(2)> & "quotes" \'</style>'
EVIL_CAMPAIGN: Final = f"{EVIL}\x01"


def shared_history(factory: pytest.TempPathFactory) -> Settings:
    """A history of some days, as the command makes it. A campaign and some prompts are `EVIL`."""
    own = factory.getbasetemp()
    # A worker has its own folder in that of the run.
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "history"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("a") as lock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTSHEET_DEMO_KEY", "demo")
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = place / "demo"
        if not (place / "made").exists():
            patch.setattr(demo_history, "utc_now", lambda: MONDAY)
            campaigns = {**demo_history.CAMPAIGNS, EVIL_CAMPAIGN: ("evil", 4)}
            patch.setattr(demo_history, "CAMPAIGNS", campaigns)
            # A refused prompt, and others of which some are picked.
            patch.setattr(demo_history, "RISKY", (*demo_history.RISKY, f"Risky {EVIL}"))
            patch.setattr(demo_history, "SUBJECTS", (*demo_history.SUBJECTS, f"Pretty {EVIL}"))
            quiet = Console(quiet=True)
            assert demo_history.demo_history(quiet, folder, "promptsheet", DAYS) == 0
            (place / "made").touch()
        return load(folder / demo_history.CONFIG)
