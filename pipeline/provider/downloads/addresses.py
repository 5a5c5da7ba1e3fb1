"""Which links are followed: web addresses, letter by letter. Raises BadLink.

The links come from outside, so they are not trusted.
"""

from __future__ import annotations

import re

from yarl import URL

from pipeline.core.errors import BadLink
from pipeline.core.messages import reasons


def web_address(url: str) -> URL:
    """The address of a link. Raises BadLink if it is no web address."""
    address = as_given(url)
    if address.scheme not in ("http", "https") or not address.raw_host:
        raise BadLink(reasons.NO_ADDRESS)
    return address


def as_given(url: str) -> URL:
    """The address, letter by letter: tidying the escapes of a signed link would break it."""
    return URL(url, encoded=re.fullmatch(r"[!-~]*", url) is not None)
