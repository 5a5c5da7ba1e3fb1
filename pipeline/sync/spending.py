"""What may be spent and sent at each API today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.core.api.accounts import Api
from pipeline.store import Limits


class Spending:
    """The limits of each API. Owns the day that they are for.

    `own` are those of the sheet's own API. `today` returns the day to spend on; without it, the day
    stays that of `own`.
    """

    def __init__(
        self, own: Limits, others: Sequence[Limits] = (), today: Callable[[], str] | None = None
    ) -> None:
        self._limits = (own, *others)
        self._today = today

    @property
    def own(self) -> Limits:
        """The limits of the sheet's own API."""
        return self._limits[0]

    def of(self, api: Api) -> Limits:
        """The limits of an API."""
        return next((one for one in self._limits if one.api_key == api.account), self.own)

    def begin_look(self) -> None:
        """Spend on the present day from now on: a pass that stays goes on into the next day."""
        if self._today:
            day = self._today()
            self._limits = tuple(replace(one, day=day) for one in self._limits)
