"""Saved files, as the store keeps them."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.core.model import JobKey
from pipeline.core.picture_findings import NONE, Findings


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
    #: SHA-256 of the downloaded bytes, if the saved file has others.
    original: str = ""
    findings: Findings = NONE


class Twin(NamedTuple):
    """A saved picture with the content of another one."""

    file: SavedFile
    key: JobKey
    #: The number of its attempt, and its URL.
    number: int
    url: str
