"""The address of the store: a file, or a database on a server whose address is a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pipeline.config.secrets import kept, resolved

SQLITE: Final = "sqlite:///"
_REFERENCE: Final = re.compile(r"(env|file):\s*\S")
_WRITE: Final = (
    'write "sqlite:///FILE", such as "sqlite:///promptsheet.db", or "env:PROMPTSHEET_STORE" with '
    "postgresql://USER:PASSWORD@HOST/DATABASE in that variable"
)
#: Settings of a PostgreSQL address that are secrets, besides the password before its host.
_SECRETS: Final = {"password", "sslpassword"}


def is_reference(url: str) -> bool:
    """True if `[store] url` names the place where the address is."""
    return bool(_REFERENCE.match(url.strip()))


def store_url(written: str, path: Path, environ: Mapping[str, str], problems: list[str]) -> str:
    """The address of the store, with the absolute path of a file.

    Problems are added to `problems`; none of them quotes an address.
    """
    url = written.strip()
    if is_reference(url):
        secret = kept(url, path, environ)
        if secret is None:
            place = url.split(":", 1)[1].strip()
            where = (
                f"the environment variable {place} is not set"
                if url.startswith("env:")
                else f"the file {place} is missing, empty or cannot be read"
            )
            problems.append(f"store.url: {where}. Put the address of the store there.")
            return ""
        url = secret.reveal()
    if url.startswith(SQLITE):
        return f"{SQLITE}{resolved(path, url[len(SQLITE) :])}"
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError:
        address = SplitResult("", "", "", "", "")
    if address.scheme.split("+")[0] not in ("postgresql", "postgres"):
        problems.append(f"store.url: {_WRITE}")
        return ""
    if not address.path.strip("/"):
        problems.append(
            "store.url: the address names no database. Write its name at the end: "
            "postgresql://USER@HOST/DATABASE"
        )
    if not is_reference(written) and _holds_a_secret(address):
        problems.append(
            "store.url: the address holds a password, which does not belong into a configuration. "
            'Put the whole address into a variable, and write "env:PROMPTSHEET_STORE".'
        )
    return address._replace(scheme="postgresql").geturl()


def _holds_a_secret(address: SplitResult) -> bool:
    return bool(address.password) or any(name in _SECRETS for name, _ in parse_qsl(address.query))


def beside(url: str, path: Path) -> Path:
    """The path that the names of files beside the store begin with.

    Those of a database are beside the configuration, and carry its host and its name.
    """
    if url.startswith(SQLITE):
        return Path(url.removeprefix(SQLITE))
    address = urlsplit(url)
    name = re.sub(r"[^\w.-]+", "-", f"{address.hostname or 'local'}-{address.path.strip('/')}")
    return path.parent / f"{name}.db"
