"""Names of saved files: no two pictures share one, on any file system.

A name is `NAME-ROW_ID-TAKE-NUMBER`, for example `red-fox-r_k3f9x2m1q-1-2`. Only NAME, which people
choose, is shortened. Everything after it is plain ASCII in lower case and tells one picture from
all others, so names differ also where a file system ignores case or normalizes Unicode. Where a row
asks for several generations, the part follows the ROW_ID (see `rows.generations`).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from pipeline.core.model import Job, JobKey

#: The longest NAME. With the rest and an ending it stays below 143 bytes, the least that a common
#: file system allows (eCryptfs; most allow 255).
MOST_CHARACTERS: Final = 60
MOST_BYTES: Final = 110


def picture_stem(name: str, key: JobKey, number: int, attempt: int | None = None) -> str:
    """The file name, without an ending, of picture `number` (from 1) of a job.

    `attempt` is the number of an attempt whose pictures are kept beside those of an earlier success
    of the same job; None for that first success.
    """
    parts = [free_part(name), key.generation, str(key.take)]
    if attempt is not None:
        parts.append(f"attempt{attempt}")
    return "-".join([*filter(None, parts), str(number)])


def free_part(name: str) -> str:
    """A person's words as the beginning of a file name; "" if none of them can be used.

    Letters and digits of all scripts, `_` and `-` stay. Everything else becomes `-`, so the result
    is never a path and never begins with a sign that a shell or a spreadsheet reads as a command.
    """
    # A script's vowel signs and accents are marks (category M), which are part of its words.
    plain = "".join(
        c if c.isalnum() or c == "_" or unicodedata.category(c).startswith("M") else "-"
        for c in unicodedata.normalize("NFC", name)
    )
    words = "-".join(filter(None, plain.split("-")))
    short = words[:MOST_CHARACTERS].encode(errors="ignore")[:MOST_BYTES]
    return short.decode(errors="ignore").strip("-")


def shared_files(jobs: Iterable[Job]) -> dict[str, list[tuple[JobKey, str]]]:
    """Saved files that belong to more than one picture: path -> the pictures, as job and URL.

    Paths count as equal if a file system that ignores case or normalizes Unicode takes them as one.
    """
    places: dict[str, list[tuple[str, JobKey, str]]] = defaultdict(list)
    for job in jobs:
        for url, path in job.files.items():
            places[comparable(path)].append((path, job.key, url))
    return {
        found[0][0]: [(key, url) for _, key, url in found]
        for found in places.values()
        if len(found) > 1
    }


def comparable(path: str) -> str:
    """One text for all spellings of a file name that some file system takes as the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", path).casefold())
