"""Lets Google Drive call `watch` after a Google Sheet has changed, as long as `watch` runs.

Each call only says "look now", so the sheet is read and compared first. `DriveChannel` owns the
channel that is open: it is renewed before it ends, and stopped at the end. A channel that a killed
process has left ends by itself; until then, its calls count as well. Any of the machines that watch
the sheet may receive a call, so all know the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pipeline.config import GoogleSource, Settings
from pipeline.core.errors import PromptsheetError
from pipeline.open_sheet import drive_channels

if TYPE_CHECKING:
    from pipeline.open_sheet import Channels, OpenChannel

log = logging.getLogger("promptsheet")

#: A channel is renewed when this part of its time is over.
RENEW_AT: Final = 0.8
#: Seconds until the next try after a failure: doubled each time, at most an hour.
FIRST_TRY, LAST_TRY = 60.0, 3600.0
#: The least number of seconds between two channels.
LEAST: Final = 1.0
#: Seconds for which the end of `watch` waits for Google.
STOP_WITHIN: Final = 5.0


class DriveChannel:
    """The channel of one sheet. `say` is called with a sentence if there is none, and why."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        assert isinstance(settings.source, GoogleSource), "only Google calls"
        self._source, self._say = settings.source, say
        trigger = settings.trigger
        self._address = f"{trigger.public_url}/run/{quote(trigger.name)}/edited"
        self._token = _token_of(settings)
        self._channels: Channels | None = None
        self._open: OpenChannel | None = None
        self._said = ""

    async def keep(self) -> None:
        """Keep a channel open until it is cancelled; then stop it."""
        pause = FIRST_TRY
        try:
            while True:
                try:
                    until = await asyncio.to_thread(self._renew)
                except Exception as e:  # passes run on time without it
                    self._report(e)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LAST_TRY)
                else:
                    pause, self._said = FIRST_TRY, ""
                    left = (until - datetime.now(UTC)).total_seconds()
                    await asyncio.sleep(max(left * RENEW_AT, LEAST))
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    await asyncio.to_thread(self._stop, self._open)

    def _renew(self) -> datetime:
        """Open a channel, and then stop the one before. Returns when the new one ends."""
        if self._channels is None:
            self._channels = drive_channels(self._source)
        before, self._open = self._open, self._channels.open(self._address, self._token)
        self._stop(before)
        return self._open.until

    def _stop(self, channel: OpenChannel | None) -> None:
        if channel and self._channels:
            try:
                self._channels.stop(channel)
            except Exception as e:  # it ends by itself
                log.info("a channel of Google Drive was not stopped: %s", e)

    def _report(self, error: Exception) -> None:
        said = str(error) if isinstance(error, PromptsheetError) else "Google Drive failed."
        log.info("no channel of Google Drive: %r", error)
        if said != self._said:
            self._said = said
            self._say(
                f"Google does not tell about edits. {said} Passes run on schedule. If you need no "
                'more, set [schedule] react = "".'
            )


def channel_of(settings: Settings, say: Callable[[str], None]) -> DriveChannel | None:
    """The channel that a configuration asks for: a Google Sheet, and an address for Google."""
    return DriveChannel(settings, say) if _wants_channel(settings) else None


def _wants_channel(settings: Settings) -> bool:
    trigger = settings.trigger
    has_address = bool(trigger.token) and trigger.public_url.startswith("https://")
    is_google = isinstance(settings.source, GoogleSource)
    return has_address and settings.schedule.wants_edits and is_google


def is_channel_token(settings: Settings, text: str) -> bool:
    """Returns whether a call has the token of the sheet's channels; compared in constant time."""
    given = text.encode("utf-8", "surrogatepass")
    return _wants_channel(settings) and hmac.compare_digest(given, _token_of(settings).encode())


def _token_of(settings: Settings) -> str:
    """The token of the channels: all machines that watch the sheet know it, and no one else."""
    secret = settings.trigger.token
    assert secret, "only a configuration with a token has channels"
    about = f"edits of {settings.trigger.name}".encode()
    return hmac.new(secret.reveal().encode(), about, hashlib.sha256).hexdigest()
