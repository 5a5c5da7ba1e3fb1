"""Places for saved files that are not on this machine: `[media] save_to` with an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.config.addresses import address_problems
from pipeline.config.schema import MediaTable
from pipeline.config.secrets import Secret, kept

_BUCKET: Final = r"[A-Za-z0-9][A-Za-z0-9._-]+"
_PATH: Final = r"(?:/[^\s?#]*)?"
#: Kind of place -> the addresses that lead there.
KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    kind: re.compile(form)
    for kind, form in {
        "s3": rf"s3://{_BUCKET}{_PATH}",
        "gs": rf"gs://{_BUCKET}{_PATH}",
        "az": rf"az://{_BUCKET}{_PATH}",
        "sftp": rf"sftp://(?:[^\s/@:?#]+@)?[A-Za-z0-9.-]+(?::\d{{1,5}})?{_PATH}",
        # The group is the id of the folder.
        "drive": r"https://drive\.google\.com/drive/(?:u/\d+/|mobile/)?folders/([\w-]{10,})/?(?:[?#].*)?",
    }.items()
}
#: Kinds whose requests can go to another address.
_WITH_BASE_URL: Final = ("s3", "gs", "drive")


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """A place for saved files that is not on this machine."""

    #: A key of KINDS.
    kind: str
    address: str
    #: None: those that the machine has for this service.
    credentials: Secret | None = None
    #: Where requests go instead of to the service's own address; empty: there.
    base_url: str = ""
    #: Where the files can be seen on the web, without a slash at its end; empty: nowhere.
    public_url: str = ""
    #: Google Drive: the person for whom a service account acts; empty: for itself.
    as_user: str = ""


def remote_of(
    table: MediaTable, path: Path, environ: Mapping[str, str], problems: list[str]
) -> RemotePlace | None:
    """The place that `[media]` names, if it is none on this machine; adds what is wrong with it.

    `path` is the configuration file.
    """
    address = table.save_to.strip()
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", address):
        return None
    kind = next((name for name, form in KINDS.items() if form.fullmatch(address)), "")
    if table.as_user and kind != "drive":
        problems.append("media.as_user: is only for a folder of Google Drive. Remove it.")
    if not kind and "drive.google.com" in address:
        problems.append(
            f"media.save_to: {address!r} is not the address of a folder. Open the folder in the "
            "browser, and copy its address: https://drive.google.com/drive/folders/…"
        )
        return None
    if not kind:
        problems.append(
            'media.save_to: write a folder, such as "media/", or an address such as '
            '"s3://bucket/folder", "gs://bucket/folder", "az://container/folder" or '
            '"sftp://user@host/folder". A password or a key belongs in media.credentials.'
        )
        return None
    problems += address_problems("media.base_url", table.base_url.strip(), "https://s3.example.com")
    if table.base_url.strip() and kind not in _WITH_BASE_URL:
        problems.append(f"media.base_url: {kind} addresses have none. Remove it.")
    secret = kept(table.credentials, path, environ) if table.credentials else None
    if table.credentials and secret is None:
        problems.append(f"media.credentials: there is nothing in {table.credentials}.")
    base_url, public_url = (one.strip().rstrip("/") for one in (table.base_url, table.public_url))
    return RemotePlace(kind, address, secret, base_url, public_url, table.as_user.strip())
