"""Which APIs have a stand-in on this machine, and which sheets use it."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.config.template import SANDBOX
from pipeline.sandbox.vendors import VENDORS


def has_stand_in(name: str) -> bool:
    """Returns whether the API of this provider file has a stand-in: a team's own has none."""
    return name.startswith("apiframe") or name in VENDORS


def is_stand_in(settings: Settings) -> bool:
    """Returns whether the sheet uses only a stand-in that this process can run."""
    is_alone = not any(one.sends for one in settings.others)
    is_here = settings.base_url.startswith(SANDBOX)
    return is_here and is_alone and has_stand_in(settings.provider.name)
