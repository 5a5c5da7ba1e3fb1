"""The place for saved files that a configuration names."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Settings
from pipeline.provider.downloads.destination import Destination
from pipeline.provider.downloads.fetching import Fetcher
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.downloads.media import Media


def media_of(settings: Settings) -> Media:
    """The downloads of a configuration that saves files. Nothing is opened yet."""
    sheet = settings.source if isinstance(settings.source, Path) else None
    allowed = [settings.base_url, *(one.base_url for one in settings.others)]
    # In a local folder, a finished file only gets another name.
    work = settings.media or settings.work
    return Media(Fetcher(work, allowed=allowed, sheet=sheet), destination_of(settings))


def destination_of(settings: Settings) -> Destination:
    """Where the files of a configuration go. Raises MissingExtra."""
    if settings.media is None:
        raise AssertionError("called only where files are saved")
    sheet = settings.source if isinstance(settings.source, Path) else None
    return Folder(settings.media, sheet=sheet)
