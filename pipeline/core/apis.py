"""The APIs that a sheet may use: the one of its configuration, other vendors, and former ones."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.model import Attempt
from pipeline.core.provider import Endpoint, Provider


@dataclass(frozen=True, slots=True)
class Api:
    """One API with one account: where requests go, and what they look like."""

    provider: Provider
    base_url: str = ""
    #: A digest of the account's address and key; empty where it is not known.
    account: str = ""
    #: What the names of its endpoints begin with in the sheet; empty for the sheet's own API.
    prefix: str = ""
    #: False: nothing new is sent there, and only open tasks are polled.
    sends: bool = True

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.provider.title

    @property
    def full_title(self) -> str:
        """Its name with what tells it from others of the same title."""
        about = self.provider.about
        return f"{self.title}, {about}" if about else self.title

    def has(self, attempt: Attempt) -> bool:
        """Returns whether the attempt was sent to this API, as far as the store knows.

        Attempts of earlier programs have no address, and adopted ones no API at all.
        """
        if not attempt.provider:
            return not self.prefix and self.sends
        is_here = not attempt.base_url or attempt.base_url == self.base_url
        return attempt.provider == self.provider.name and is_here


def endpoint_of(provider: Provider, name: str, prefix: str = "") -> Endpoint:
    """The endpoint that rows call by this name. Raises KeyError if the API has none."""
    return provider.endpoints[name.removeprefix(prefix)]
