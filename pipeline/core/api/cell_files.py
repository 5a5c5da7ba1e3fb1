"""Files and addresses in cells: which of them a cell names, and why one cannot be sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Protocol

from pipeline.core.api.links import drive_file, private_host
from pipeline.core.api.provider import Field
from pipeline.core.language import Said, say
from pipeline.core.messages.reasons import NO_DRIVE
from pipeline.core.text import quoted

ADDRESS: Final = re.compile(r"https?://[^\s,]\S*", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*\n\s*|\s*,\s*")
_BETWEEN_ADDRESSES = re.compile(r"\s*\n\s*|[\s,]+(?=https?://)", re.IGNORECASE)
#: The types of fields whose cells name files or addresses.
TYPES: Final = ("file", "address", "addresses")
#: Before the name of a saved picture, in the inputs of a take that starts from one. A cell that
#: begins so is refused: it may not name a file of that folder.
SAVED: Final = "saved://"


class Files(Protocol):
    """The files that cells may name."""

    def problem(self, name: str, kind: str = "") -> str:
        """Why this file cannot be sent, as the end of a sentence; empty if it can be.

        `name` may be a link to Google Drive, or SAVED with a saved picture. `kind` is what it must
        be, such as `image`.
        """


def elements(text: str) -> list[str]:
    """The elements of a list in a cell, one on each line or separated by commas."""
    return [part for part in _BETWEEN.split(text) if part]


def addresses(text: str) -> list[str]:
    """The addresses in a cell that holds nothing else."""
    return [part for part in _BETWEEN_ADDRESSES.split(text) if part]


def file_or_addresses(text: str) -> list[str]:
    """The names of files and the addresses in a cell that holds several."""
    return [e for p in addresses(text) for e in ([p] if ADDRESS.fullmatch(p) else elements(p))]


def cell_elements(one: Field, text: str) -> list[str]:
    """The files and addresses in a cell of this field."""
    return file_or_addresses(text) if one.type == "addresses" else [text]


def names_files(one: Field, text: str) -> bool:
    """True if a cell names files, and does not only hold addresses that an API can open."""
    if not text or one.type not in TYPES:
        return False
    return not all(
        ADDRESS.fullmatch(each) and not drive_file(each) for each in cell_elements(one, text)
    )


def problem_of_addresses(
    name: str, one: Field, text: str, allowed: Collection[str], *, takes_uploads: bool
) -> str:
    """The problem of an address that no API can open; empty if there is none.

    `name` is what the column is called. `allowed` are base URLs that may be private.
    """
    for each in cell_elements(one, text) if one.type in TYPES else ():
        if ADDRESS.fullmatch(each) and (host := private_host(each, allowed)):
            return say(
                "{column} is {text}; {host} is in a private network, which the API cannot reach: "
                "write a public address",
                column=name,
                text=quoted(each, 60),
                host=host,
            )
        if drive_file(each) and one.type != "file" and not takes_uploads:
            return say(
                "{column} is a link to Google Drive, and this API takes no files: write the public "
                "address of the picture itself",
                column=name,
            )
    return ""


def problem_of_files(name: str, one: Field, text: str, files: Files | None, kind: str) -> str:
    """The problem of the files that a cell names; empty if there is none.

    `kind` is what they must be, such as `image`; empty: anything.
    """
    for each in cell_elements(one, text):
        if drive_file(each):
            if why := files.problem(each) if files else NO_DRIVE:
                return say("{column} is a link to Google Drive; {reason}", column=name, reason=why)
            continue
        if ADDRESS.fullmatch(each):
            continue
        wanted = say("write an address that begins with https://")
        if "://" in each and not (files and each.startswith(SAVED)):  # Not http or https.
            return _wrong(name, each, wanted)
        no_folder = say(
            "write an address that begins with https://, or set [media] inputs to a folder in "
            "which that file is"
        )
        if why := files.problem(each, kind) if files else no_folder:
            return _wrong(name, each, why)
    return ""


def names_saved(name: str, text: str) -> str:
    """The problem of a cell that names a saved picture; empty if it names none.

    `name` is what the column is called.
    """
    if not any(each.startswith(SAVED) for each in file_or_addresses(text)):
        return ""
    return _wrong(name, text, say("write an address that begins with https://"))


def _wrong(name: str, text: str, why: str) -> Said:
    return say("{column} is {text}; {reason}", column=name, text=quoted(text, 40), reason=why)
