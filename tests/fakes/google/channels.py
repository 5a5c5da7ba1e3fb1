"""Push channels of Google Drive: `files.watch`, `channels.stop`, and the calls that Google makes.

What it enforces: an https address, an id that is new, a life of an hour unless another one is asked
for and of a day at most, and the scope for it. When Google calls after an edit is not known
exactly (changes of a spreadsheet are collected for minutes), so a test says when: `tell`. Sources:
https://developers.google.com/workspace/drive/api/guides/push, and the reference of `files.watch`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.fakes.google.refusals import Json

DAY, HOUR = 24 * 3600.0, 3600.0


@dataclass
class Channel:
    """One channel, as the caller asked for it."""

    number: str
    resource: str
    file: str
    address: str
    token: str
    until: float
    messages: int = 0


@dataclass
class DriveChannels:
    """The open channels. `clock` returns seconds since 1970."""

    clock: Callable[[], float] = time.time
    #: Seconds that a channel lasts at most.
    longest: float = DAY
    #: Host -> the address on this machine that stands for it.
    hosts: dict[str, str] = field(default_factory=dict)
    open: dict[str, Channel] = field(default_factory=dict)
    opened: list[Channel] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    #: The reason with which every channel is refused; empty for none.
    refusal: str = ""

    def answer(self, method: str, path: str, said: Json, may_see: bool) -> tuple[int, Json]:
        """Status and body of an answer."""
        if self.refusal == "accessNotConfigured":
            return _refused(
                403,
                self.refusal,
                "Google Drive API has not been used in project 123 before or it is disabled. "
                "Enable it by visiting https://console.developers.google.com/apis/api/"
                "drive.googleapis.com/overview?project=123 then retry.",
            )
        if method == "POST" and path == "/drive/v3/channels/stop":
            channel = self.open.get(str(said.get("id")))
            if channel is None or channel.resource != said.get("resourceId"):
                return _refused(404, "notFound", f"Channel '{said.get('id')}' not found")
            del self.open[channel.number]
            self.stopped.append(channel.number)
            return 204, {}
        file = path.removeprefix("/drive/v3/files/").removesuffix("/watch")
        if method != "POST" or not path.endswith("/watch") or not may_see:
            return _refused(404, "notFound", f"File not found: {file}.")
        address = str(said.get("address", ""))
        if not address.startswith("https://"):
            words = f"WebHook callback must be HTTPS: {address}"
            return _refused(400, "push.webhookUrlNotHttps", words)
        if self.refusal:
            words = f"Unauthorized WebHook callback channel: {address}"
            return _refused(401, self.refusal, words)
        if said.get("type") != "web_hook" or not said.get("id") or said["id"] in self.open:
            return _refused(400, "channelIdNotUnique", "Channel id not unique")
        now = self.clock()
        asked = float(said.get("expiration", (now + HOUR) * 1000)) / 1000
        channel = Channel(
            str(said["id"]),
            secrets.token_urlsafe(20),
            file,
            address,
            str(said.get("token", "")),
            min(asked, now + self.longest),
        )
        self.open[channel.number] = channel
        self.opened.append(channel)
        return 200, {
            "kind": "api#channel",
            "id": channel.number,
            "resourceId": channel.resource,
            "resourceUri": f"https://www.googleapis.com/drive/v3/files/{file}?alt=json",
            "token": channel.token,
            "expiration": str(int(channel.until * 1000)),
        }

    def tell(self, file: str, **changed: str) -> list[int]:
        """Call through each channel of the file; `changed` are other headers. Returns statuses."""
        channels = [one for one in self.open.values() if one.file == file]
        return [self.call(one, **changed) for one in channels if one.until > self.clock()]

    def call(self, channel: Channel, **changed: str) -> int:
        """Call through a channel, also one that was stopped. Returns the status of the answer."""
        channel.messages += 1
        parts = urlsplit(channel.address)
        headers: dict[str, Any] = {
            "X-Goog-Channel-ID": channel.number,
            "X-Goog-Channel-Token": channel.token,
            "X-Goog-Message-Number": str(channel.messages),
            "X-Goog-Resource-ID": channel.resource,
            "X-Goog-Resource-State": "update",
            "X-Goog-Changed": "content",
        }
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                self.hosts[parts.netloc] + parts.path, headers=headers | changed, timeout=10
            )
        return answer.status_code


def _refused(status: int, reason: str, message: str) -> tuple[int, Json]:
    """The shape of errors of Google Drive."""
    detail = {"domain": "global", "reason": reason, "message": message}
    return status, {"error": {"code": status, "message": message, "errors": [detail]}}
