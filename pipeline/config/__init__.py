"""The configuration: TOML and environment, read once, into frozen Settings that the inside trusts.

    schema          the tables and keys of the file, and the values that each key accepts
    settings        the result
    values          the kinds of values: times, references, addresses
    outlets         the tables of outlets, with their secrets
    loader          makes the one from the other, and reports every problem at once
    languages       the languages of notes
    sheet_source    which sheet a configuration names
    provider_files  reads the file about an API
    template        the text of a new configuration
    problems        sentences about what is wrong in a file
    addresses       which web addresses are accepted, and which of them are one account
    secrets         where secrets are read from

All problems come in one error. An unknown key is an error that names the nearest right one, because
a misspelled budget must not mean that there is no budget.
"""

from pipeline.config.loader import configs, load
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
