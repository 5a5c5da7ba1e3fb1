"""`init --drive`: asks a person for consent to save files in their Google Drive."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from rich.console import Console

from pipeline.cli.init_google import tick
from pipeline.core.errors import ConfigError, MissingExtra
from pipeline.plain_files import write_new

#: The file with the consent, beside the configuration.
CONSENT: Final = "drive.json"


def init_drive(console: Console, client: Path, config: Path, base_url: str) -> int:
    """Ask for consent, keep it in a file that only its owner can read, and make the folder.

    Prints the lines for the configuration. Returns the exit code. Raises ConfigError and NoPlace.
    """
    try:
        from pipeline.provider.downloads import drive_consent
    except ModuleNotFoundError as e:
        raise MissingExtra("Google Drive", "google") from e
    consented = drive_consent.ask(client, base_url)
    try:
        tick(console, f"{consented.email} gave consent.")
        address = consented.folder()
        tick(console, f"The folder {drive_consent.FOLDER_NAME} is in their Google Drive.")
    finally:
        consented.close()
    target = config.parent / CONSENT
    part = target.with_name(f".{CONSENT}.{secrets.token_hex(4)}.part")
    try:
        write_new(part, consented.text.encode(), 0o600)
        part.replace(target)
    except OSError as e:
        raise ConfigError(f"{target} cannot be written: {e.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
    tick(console, f"{target} has the consent. It is a secret: do not share it.")
    more = f'base_url = "{base_url}"\n' if base_url else ""
    console.print(
        f'\nWrite this into {config.name}:\n\n[media]\nsave_to = "{address}"\n'
        f'credentials = "file:{CONSENT}"\n{more}',
        markup=False,
        soft_wrap=True,
        highlight=False,
    )
    return 0
