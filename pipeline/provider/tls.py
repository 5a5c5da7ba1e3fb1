"""The certificate authorities that are trusted for requests to the internet."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path

import certifi


def authorities() -> ssl.SSLContext:
    """The authorities of SSL_CERT_FILE or SSL_CERT_DIR where one is set, else the usual ones.

    Loading them takes a twentieth of a second: they are loaded once, and again only after the file
    changed. Raises OSError for a file that cannot be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not (file or folder):
        file = certifi.where()
    return _loaded(file or None, folder or None, Path(file).stat().st_mtime_ns if file else 0)


@cache
def _loaded(file: str | None, folder: str | None, changed: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file, capath=folder)
