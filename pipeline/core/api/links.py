"""Addresses in cells: links to Google Drive, and addresses in private networks. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, urlsplit

#: The forms of https://developers.google.com/workspace/drive/api/guides/manage-sharing, and of the
#: browser's address bar.
_DRIVE_HOSTS: Final = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
_DRIVE_PATH = re.compile(r"/(?:u/\d+/)?file/(?:u/\d+/)?d/([\w-]{10,})(?:/.*)?")
_DRIVE_ID = re.compile(r"[\w-]{10,}")
#: Names that no public server has.
_PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def drive_file(address: str) -> str:
    """The id of the file that a link to Google Drive shows; empty for any other address."""
    if "google.com/" not in address:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if (parts.hostname or "").lower() not in _DRIVE_HOSTS:
        return ""
    if found := _DRIVE_PATH.fullmatch(parts.path):
        return found[1]
    if parts.path in ("/open", "/uc", "/download"):
        number = parse_qs(parts.query).get("id", [""])[0]
        return number if _DRIVE_ID.fullmatch(number) else ""
    return ""


def private_host(address: str, allowed: Collection[str] = ()) -> str:
    """The host of an address that leads into a private network; empty if it does not.

    Names are not looked up: that is done again for each download. `allowed` are base URLs whose
    hosts may be private.
    """
    host = _host(address)
    if not host or any(host == _host(one) for one in allowed):
        return ""
    return host if _is_private(host) else ""


# Kept, because many rows may have the same picture.
@lru_cache(maxsize=1024)
def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(_PRIVATE_NAMES):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
