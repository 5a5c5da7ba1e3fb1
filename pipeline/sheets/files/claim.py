"""The claim that lies beside a sheet's file: which store owns the sheet."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipeline.core.claims import claim_fields, parsed_claim
from pipeline.core.errors import SheetError
from pipeline.core.model import Claim
from pipeline.plain_files import read_plain, share_like
from pipeline.sheets.files.errors import refuse_closed_folder, told
from pipeline.sheets.files.locks import locked
from pipeline.sheets.files.replace import appear_once, fsync_folder, write_beside

_ABOUT = (
    "Promptsheet wrote this. It says which store knows the jobs of the sheet beside it, so that no"
    " picture is paid for twice. Do not delete or edit it; move it together with the sheet."
)


def claim_path(target: Path) -> Path:
    """Where the claim of the sheet in `target` lies."""
    return target.with_name(f"{target.name}.promptsheet")


def read_claim(target: Path) -> Claim | None:
    """The claim beside `target`, or None. Raises SheetError if what is there is damaged."""
    path = claim_path(target)
    if os.path.lexists(path) and not path.is_file():
        raise _senseless(path)
    try:
        with told(path):
            content = read_plain(path)
    except SheetError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    return _parsed(content, path)


def write_claim(target: Path, claim: Claim, instead_of: Claim | None) -> bool:
    """Put `claim` beside `target` if `instead_of` is what lies there: whether that was so.

    Of two that write a first claim exactly one gets True, on any machine; of two that replace one,
    where the folder can be locked. A kill leaves the old claim or the new one, whole.
    """
    refuse_closed_folder(target)
    path = claim_path(target)
    with told(path), locked(target.parent):
        if instead_of is not None and read_claim(target) != instead_of:
            return False
        part = write_beside(target, _text(claim), 0o600)
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
        " or delete it and run doctor --adopt, which makes this store the owner and pays nothing."
    )
