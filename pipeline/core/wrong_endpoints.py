"""The problem of a row whose endpoint does not exist, with the names that are near it. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from pipeline.core import messages
from pipeline.core.rules import Rules
from pipeline.core.text import quoted

#: So many names of endpoints are listed in a note.
MOST_NAMES = 12


def no_endpoint(wrote: str, title: str, rules: Rules) -> str:
    """The problem of the cell `endpoint`, with the name that was probably meant.

    Without such a name: what can be written, or that the vendor is not configured.
    """
    wrong, ignore = f"there is no endpoint {quoted(wrote, 40)}", messages.or_ignore(title)
    names, (vendor, slash, _) = rules.endpoint_names, wrote.partition("/")
    of_vendor = [one for one in names if slash and one.startswith(f"{vendor}/")]
    if near := get_close_matches(wrote, of_vendor or names, n=1, cutoff=0.8):
        return f"{wrong}; write {near[0]}{ignore}"
    if slash and not of_vendor:
        return (
            f"{wrong}, and the configuration does not name {quoted(vendor, 40)} under [providers]: "
            "correct the cell, or ask the person who runs Promptsheet to add that vendor"
        )
    more = " …" if len(known := of_vendor or names) > MOST_NAMES else ""
    return f"{wrong}; write {', '.join(known[:MOST_NAMES])}{more}{ignore}"
