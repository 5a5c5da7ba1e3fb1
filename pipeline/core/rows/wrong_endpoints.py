"""The problem of a row whose endpoint does not exist, with the names that are near it. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from pipeline.core.language import Said, say, together
from pipeline.core.messages import row_notes
from pipeline.core.rows.rules import Rules
from pipeline.core.text import quoted

#: So many names of endpoints are listed in a note.
MOST_NAMES = 12


def no_endpoint(wrote: str, title: str, rules: Rules) -> Said:
    """The problem of the cell `endpoint`, with the name that was probably meant.

    Without such a name: what can be written, or that the vendor is not configured.
    """
    wrong = say("there is no endpoint {endpoint}", endpoint=quoted(wrote, 40))
    names, (vendor, slash, _) = rules.endpoint_names, wrote.partition("/")
    of_vendor = [one for one in names if slash and one.startswith(f"{vendor}/")]
    if near := get_close_matches(wrote, of_vendor or names, n=1, cutoff=0.8):
        cure = row_notes.or_ignore(say("write {names}", names=near[0]), title)
        return together((wrong, cure), "; ")
    if slash and not of_vendor:
        return say(
            "there is no endpoint {endpoint}, and the configuration does not name {vendor} under "
            "[providers]: correct the cell, or ask the person who runs Promptsheet to add that "
            "vendor",
            endpoint=quoted(wrote, 40),
            vendor=quoted(vendor, 40),
        )
    more = " …" if len(known := of_vendor or names) > MOST_NAMES else ""
    some = f"{', '.join(known[:MOST_NAMES])}{more}"
    return together((wrong, row_notes.or_ignore(say("write {names}", names=some), title)), "; ")
