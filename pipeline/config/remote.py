"""Places for saved files that are not on this machine: `[media] save_to` with an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.config.schema import MediaTable
from pipeline.config.secrets import Secret, kept

#: Kind of place -> the addresses that lead there.
KINDS: Final[Mapping[str, re.Pattern[str]]] = {}


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
    if not kind:
        problems.append(f'media.save_to: write a folder, such as "media/", instead of {address!r}.')
        return None
    secret = kept(table.credentials, path, environ) if table.credentials else None
    if table.credentials and secret is None:
        problems.append(f"media.credentials: there is nothing in {table.credentials}.")
    return RemotePlace(kind, address, secret, table.base_url.strip().rstrip("/"))
