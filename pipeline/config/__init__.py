"""The configuration: TOML and environment, read once, into frozen Settings that the inside trusts.

    written     the file as people write it: tables, keys, and what each may say
    settings    what it comes to
    reading     from the one to the other, with every problem there is

All problems come in one error. An unknown key is an error that names the nearest right one: a
misspelled budget must not silently be no budget.
"""

from pipeline.config.reading import configs, google_source, is_google, load
from pipeline.config.settings import (
    GoogleSource,
    PageSettings,
    ScheduleSettings,
    Secret,
    Settings,
    WebhookSettings,
)

__all__ = [
    "GoogleSource",
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
