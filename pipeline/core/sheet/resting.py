"""How long a sheet in trouble is left alone. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_FIRST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(minutes=15)


def rest_after(failures: int) -> timedelta:
    """The least time until the next pass, after so many failed ones in a row (at least one)."""
    doubled: int = 2 ** min(failures - 1, 10)
    return min(_FIRST * doubled, _LONGEST)
