"""The claim next to a sheet's file: it says which store owns the sheet."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipeline.core.errors import SheetError
from pipeline.core.model import Claim
from pipeline.core.sheet.claims import claim_fields, parsed_claim
from pipeline.plain_files import read_plain, share_like
from pipeline.sheets.files.errors import file_errors, refuse_closed_folder
from pipeline.sheets.files.locks import locked
from pipeline.sheets.files.replace import appear_once, fsync_folder, write_beside

_ABOUT = (
    "Promptsheet wrote this file. It says which store the sheet next to it belongs to, so that no"
    " picture is paid for twice. Do not delete or edit it; move it together with the sheet."
)


def claim_path(target: Path) -> Path:
    """The path of the claim for the sheet in `target`."""
    return target.with_name(f"{target.name}.promptsheet")


def read_claim(target: Path) -> Claim | None:
    """The claim for `target`, or None. Raises SheetError if it is damaged."""
    path = claim_path(target)
    if os.path.lexists(path) and not path.is_file():
        raise _senseless(path)
    try:
        with file_errors(path):
            content = read_plain(path)
    except SheetError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    return _parsed(content, path)


def write_claim(target: Path, claim: Claim, instead_of: Claim | None) -> bool:
    """Write `claim` for `target` if `instead_of` is there now. Returns whether it was.

    If two write a first claim at once, exactly one gets True, on any machine. If two replace a
    claim at once, that holds where the folder can be locked. After a kill, either the old or the
    new claim is there, complete.
    """
    refuse_closed_folder(target)
    path = claim_path(target)
    with file_errors(path), locked(target.parent):
        if instead_of is not None and read_claim(target) != instead_of:
            return False
        part = write_beside(target, _text(claim))
        share_like(part, target)
        if instead_of is not None:
            part.replace(path)
        elif not appear_once(part, path):
            return False
        fsync_folder(target.parent)
        return True


def _text(claim: Claim) -> bytes:
    return json.dumps({"about": _ABOUT, **claim_fields(claim)}, indent=2).encode() + b"\n"


def _parsed(content: bytes, path: Path) -> Claim:
    try:
        return parsed_claim(content)
    except ValueError:
        raise _senseless(path) from None


def _senseless(path: Path) -> SheetError:
    return SheetError(
        f"{path} is damaged: it should say which store owns the sheet. Put it back from a backup,"
        " or delete it and run promptsheet doctor --adopt, which makes this store the owner and"
        " pays nothing."
    )
