"""The place for saved files that a configuration names."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import GoogleSource, Settings
from pipeline.config.remote import KINDS, RemotePlace
from pipeline.core.errors import MissingExtra
from pipeline.provider.downloads import manifest
from pipeline.provider.downloads.destination import Destination
from pipeline.provider.downloads.fetching import Fetcher
from pipeline.provider.downloads.folder import Folder
from pipeline.provider.downloads.media import Media
from pipeline.provider.downloads.previews import Previews


def media_of(settings: Settings) -> Media:
    """The downloads of a configuration that saves files. Nothing is opened yet."""
    sheet = settings.source if isinstance(settings.source, Path) else None
    allowed = [one.base_url for one in settings.apis]
    # In a local folder, a finished file only gets another name.
    work = settings.media or settings.work
    return Media(
        Fetcher(work, allowed=allowed, sheet=sheet),
        destination_of(settings),
        folder=settings.media,
        manifest=work / manifest.NAME,
        sheet=sheet,
        labels=settings.alt_text,
        previews=previews_of(settings) if settings.remote else None,
        checks=settings.checks_pictures,
    )


def previews_of(settings: Settings) -> Previews:
    """The small versions of pictures that are saved on another machine."""
    sheet = settings.source if isinstance(settings.source, Path) else None
    return Previews(settings.previews, sheet=sheet)


def destination_of(settings: Settings) -> Destination:
    """Where the files of a configuration go. Raises MissingExtra."""
    if settings.remote is not None:
        return _remote(settings, settings.remote)
    assert settings.media is not None, "called only where files are saved"
    sheet = settings.source if isinstance(settings.source, Path) else None
    return Folder(settings.media, sheet=sheet, public_url=settings.public_url)


async def checked(settings: Settings) -> str:
    """Check that files can be saved. Returns what a person should know then; often nothing.

    Raises NoPlace, NotSaved and MissingExtra.
    """
    destination = destination_of(settings)
    try:
        await destination.check()
        return str(getattr(destination, "remark", ""))
    finally:
        await destination.close()


def _remote(settings: Settings, place: RemotePlace) -> Destination:
    if place.kind == "drive":
        return _drive(settings, place)
    if place.kind == "sftp":
        from pipeline.provider.downloads.sftp import Sftp

        return Sftp(place)
    from pipeline.provider.downloads.buckets import Bucket

    return Bucket(place)


def _drive(settings: Settings, place: RemotePlace) -> Destination:
    try:
        from pipeline.provider.downloads.drive import Drive
        from pipeline.provider.downloads.drive_account import account_of
    except ModuleNotFoundError as e:
        raise MissingExtra("Google Drive", "google") from e
    found = KINDS["drive"].fullmatch(place.address)
    assert found, "config.remote checked it"
    secret, source = place.credentials, settings.source
    if secret is None and isinstance(source, GoogleSource):
        secret = source.credentials
    account = account_of(secret.reveal() if secret else None, place.as_user)
    return Drive(found[1], account, base=place.base_url)
