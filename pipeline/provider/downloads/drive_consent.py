"""A person's consent to save files in their Google Drive, and the folder for them.

The consent is for the least access that exists (`drive.file`): files that the program made itself.
So the program also makes the folder.
Source: https://developers.google.com/identity/protocols/oauth2/native-app.
"""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import requests
from google_auth_oauthlib.flow import InstalledAppFlow, WSGITimeoutError
from oauthlib.oauth2.rfc6749.errors import OAuth2Error

from pipeline.core.errors import ConfigError, NoPlace
from pipeline.core.text import one_line
from pipeline.google_session import rerouted
from pipeline.provider.downloads.drive_account import DRIVE_FILE, account_of
from pipeline.provider.downloads.drive_api import FOLDER, DriveApi

#: The name of the folder in "My Drive". People may rename and move it.
FOLDER_NAME: Final = "Promptsheet"
#: Seconds that a person has to agree in the browser.
PATIENCE: Final = 300
#: Our private property of the folder, so that a later consent finds it again.
_MARK: Final = {"promptsheet": "folder"}
_HOW: Final = (
    "Make one in the Google Cloud console (APIs & Services, Credentials, Create credentials, OAuth "
    "client ID, Desktop app), download its JSON, and name that file."
)


class Consented:
    """A consent that was just given."""

    def __init__(self, info: dict[str, Any], base: str) -> None:
        self._info = info
        self._api = DriveApi(account_of(json.dumps(info)), base)
        self._info["account"] = self.email = self._api.email()

    @property
    def text(self) -> str:
        """What `[media] credentials` names: a secret."""
        return json.dumps(self._info, indent=2) + "\n"

    def folder(self) -> str:
        """The address of the folder for the files; it is made if there is none yet."""
        mark = " and ".join(
            f"appProperties has {{ key='{key}' and value='{value}' }}"
            for key, value in _MARK.items()
        )
        found = self._api.found(f"mimeType = '{FOLDER}' and {mark}", "")
        made = (found or [self._api.make_folder({"name": FOLDER_NAME, "appProperties": _MARK})])[0]
        return f"https://drive.google.com/drive/folders/{made['id']}"

    def close(self) -> None:
        """End the connections."""
        self._api.close()


def ask(client: Path, base: str) -> Consented:
    """Ask a person in the browser, and wait for the answer.

    `client` is the JSON file of an OAuth client. The address to open is printed. Raises ConfigError
    for a wrong file, and NoPlace if no consent was given.
    """
    flow = _flow(client)
    rerouted(flow.oauth2session, base)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        found = flow.run_local_server(
            port=0,
            authorization_prompt_message="Open this address in a browser on this machine:\n{url}\n",
            success_message="Promptsheet may save files now. You can close this window.",
            open_browser=_has_browser(),
            timeout_seconds=PATIENCE,
            prompt="consent",  # else Google gives no lasting token the second time
        )
    except WSGITimeoutError:
        raise NoPlace(f"Nobody agreed within {PATIENCE // 60} minutes. Run this again.") from None
    except (OAuth2Error, Warning) as e:
        # Also if a person has not ticked the box for Google Drive.
        why = one_line(getattr(e, "description", "") or getattr(e, "error", "") or "no access")
        raise NoPlace(f"Google gave no consent ({why}). Run this again, and agree.") from None
    except (requests.RequestException, OSError):
        raise NoPlace("Google cannot be reached. Try again later.") from None
    if not found.refresh_token:
        raise NoPlace("Google gave no lasting consent. Run this again.")
    names = ("client_id", "client_secret", "refresh_token")
    info = {name: getattr(found, name) for name in names} | _end(flow.oauth2session.token)
    return Consented({"type": "authorized_user", **info, "scopes": [DRIVE_FILE]}, base)


def _end(said: Mapping[str, Any]) -> dict[str, str]:
    """When the consent ends, as `ends`; empty if Google does not say so.

    Source: https://developers.google.com/identity/protocols/oauth2/web-server
    (`refresh_token_expires_in`).
    """
    try:
        seconds = int(said["refresh_token_expires_in"])
    except (KeyError, TypeError, ValueError):
        return {}
    return {"ends": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")}


def _flow(client: Path) -> Any:
    try:
        said = json.loads(client.read_text("utf-8"))
        if "installed" in said:
            return InstalledAppFlow.from_client_config(said, [DRIVE_FILE])
    except FileNotFoundError:
        raise ConfigError(f"There is no file {client}. {_HOW}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ConfigError(f"{client.name} is not the key of an OAuth client of a desktop app. {_HOW}")


def _has_browser() -> bool:
    """True if a browser with windows can be opened from here."""
    is_linux = sys.platform.startswith("linux")
    if is_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
