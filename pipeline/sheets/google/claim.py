"""The claim on a tab of a Google Sheet: which store owns it, as developer metadata."""

from __future__ import annotations

import json
import zlib

from pipeline.core.errors import SheetError
from pipeline.core.model import Claim
from pipeline.core.sheet.claims import claim_fields, parsed_claim
from pipeline.sheets.google.client import Json

FIELDS = "developerMetadata(metadataId,metadataKey,metadataValue)"


def claim_key(gid: int) -> str:
    """The metadata key of a tab's claim in its spreadsheet."""
    return f"promptsheet-{gid}"


def lying(claims: list[Json], gid: int, title: str) -> Claim | None:
    """The claim of the tab among those of the spreadsheet. Raises SheetError if it is damaged."""
    for one in claims:
        if one.get("metadataKey") == claim_key(gid):
            return _parsed(str(one.get("metadataValue", "")), title)
    return None


def first(claim: Claim, gid: int) -> Json:
    """The request that writes a first claim."""
    # A number can be used once in a spreadsheet: of two that create it, one is refused.
    return {
        "createDeveloperMetadata": {
            "developerMetadata": {
                "metadataId": zlib.crc32(claim_key(gid).encode()) & 0x7FFFFFFF or 1,
                "metadataKey": claim_key(gid),
                "metadataValue": _as_text(claim),
                "location": {"spreadsheet": True},
                "visibility": "DOCUMENT",
            }
        }
    }


def instead(claim: Claim, instead_of: Claim, gid: int) -> Json:
    """The request that replaces a claim."""
    # The old value is a part of the search, so that only this claim is replaced.
    lookup = {"metadataKey": claim_key(gid), "metadataValue": _as_text(instead_of)}
    return {
        "updateDeveloperMetadata": {
            "dataFilters": [{"developerMetadataLookup": lookup}],
            "developerMetadata": {"metadataValue": _as_text(claim)},
            "fields": "metadataValue",
        }
    }


def put(said: Json) -> list[Json]:
    """The claims that the request of this answer has written."""
    found = [
        reply.get(change, {}).get("developerMetadata", [])
        for reply in said.get("replies", [])
        for change in ("createDeveloperMetadata", "updateDeveloperMetadata")
    ]
    return [one for some in found for one in (some if isinstance(some, list) else [some])]


def _parsed(text: str, title: str) -> Claim:
    try:
        return parsed_claim(text)
    except ValueError:
        raise SheetError(
            f"The claim on {title} is damaged: it should say which store owns the sheet. Run "
            "promptsheet doctor --adopt, which makes this store the owner and pays nothing."
        ) from None


def _as_text(claim: Claim) -> str:
    return json.dumps(claim_fields(claim), separators=(",", ":"))
