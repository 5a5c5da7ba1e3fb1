"""Saved files, as the store keeps them."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.core.model import JobKey


class SavedFile(NamedTuple):
    """Where a file was saved, its lasting address if it has one, and the SHA-256 of its content."""

    path: str
    link: str
    sha256: str


class NewFile(NamedTuple):
    """A picture that was saved: its job, the number of its attempt, its URL, and where it is."""

    key: JobKey
    number: int
    url: str
    file: SavedFile
