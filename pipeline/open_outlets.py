"""Opens the outlets of a configuration. Only this module names their classes."""

from __future__ import annotations

from pipeline.config import OutletSettings
from pipeline.outlets import Outlet


def open_outlet(settings: OutletSettings, link: str = "") -> Outlet:
    """The outlet of an `[[outlets]]` table. Nothing is connected yet.

    `link` is the address of the page, for messages to people; empty if people cannot reach it.
    Raises MissingExtra if its libraries are not installed.
    """
    raise NotImplementedError(settings.kind)
