"""The configuration: TOML and environment, read once, into frozen Settings that the inside trusts.

    schema          the tables and keys of the file, and the values that each key accepts
    settings        the result
    values          the kinds of values: times, references, addresses
    outlets         the tables of outlets, with their secrets
    loader          makes the one from the other, and reports every problem at once
    sources         what it is read from, as a digest
    languages       the languages of notes
    sheet_source    which sheet a configuration names
    provider_files  reads the file about an API
    template        the text of a new configuration
    problems        sentences about what is wrong in a file
    addresses       which web addresses are accepted, and which of them are one account
    secrets         where secrets are read from

All problems come in one error. An unknown key is an error that names the nearest right one, because
a misspelled budget must not mean that there is no budget.

The names of this package are imported when they are used: a run that finds the sources unchanged
needs no settings, and loading these modules takes most of a start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config.loader import load
    from pipeline.config.secrets import Secret
    from pipeline.config.settings import (
        GoogleSource,
        OutletSettings,
        PageSettings,
        ScheduleSettings,
        Settings,
        WebhookSettings,
    )
    from pipeline.config.sheet_source import google_source, is_google
    from pipeline.config.sources import configs

__all__ = [
    "GoogleSource",
    "OutletSettings",
    "PageSettings",
    "ScheduleSettings",
    "Secret",
    "Settings",
    "WebhookSettings",
    "configs",
    "google_source",
    "is_google",
    "load",
]

#: Name -> its module, if that is not `settings`.
_MODULES = {
    "Secret": "secrets",
    "configs": "sources",
    "google_source": "sheet_source",
    "is_google": "sheet_source",
    "load": "loader",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'settings')}"), name)
    globals()[name] = value
    return value
