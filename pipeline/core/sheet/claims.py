"""The claim on a sheet as JSON, as it is kept with a file or in a Google Sheet."""

from __future__ import annotations

import json

from pipeline.core.model import Claim


def claim_fields(claim: Claim) -> dict[str, object]:
    """The JSON fields of a claim."""
    return {
        "sheet": claim.sheet,
        "store": claim.store,
        "counter": claim.counter,
        "word": claim.word,
    }


def parsed_claim(text: str | bytes) -> Claim:
    """The claim in a JSON text, which may have further fields. Raises ValueError for any other."""
    match json.loads(text):
        case {"sheet": str(sheet), "store": str(store), "counter": int(counter), "word": str(word)}:
            return Claim(sheet, store, counter, word)
    raise ValueError("not a claim")
