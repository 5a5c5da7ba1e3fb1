"""The secret addresses of chats: which service one belongs to, and what is wrong with it.

A sentence about an address never quotes it: it holds the service's only password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

#: Kind of an outlet -> the service, for people.
SERVICES: Final = {"slack": "Slack", "teams": "Teams", "discord": "Discord"}
#: Kind -> how its addresses begin, for people.
_SHAPES: Final = {
    "slack": "https://hooks.slack.com/services/",
    "teams": "https:// and has …api.powerplatform.com in its host",
    "discord": "https://discord.com/api/webhooks/",
}
_SLACK_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")
_DISCORD_HOSTS: Final = ("discord.com", "discordapp.com", "canary.discord.com", "ptb.discord.com")
#: The classic connectors of Teams, which Microsoft has ended (its last notice: 2026-04-14).
_CONNECTOR_HOSTS: Final = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")
_FLOW_HOSTS: Final = (".api.powerplatform.com", ".logic.azure.com")
#: Pages for people, on which a webhook or a workflow is made.
_PAGE_HOSTS: Final = ("teams.microsoft.com", "make.powerautomate.com", "flow.microsoft.com")


def problem_with(kind: str, address: str) -> str:
    """What is wrong with the address of a slack, teams, discord or apprise outlet, and what to do.

    Empty if nothing is. An address on this machine is allowed, because a stand-in may be there.
    """
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    owner = _owner(host)
    if kind == "apprise":
        if owner:
            return f'this is a {SERVICES[owner]} address; write kind = "{owner}", with pictures'
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", address.strip()):
            return "write an address of apprise, such as mailtos://… or tgram://…"
        return ""
    if is_local(address):
        return ""
    if owner and owner != kind:
        return f'this is a {SERVICES[owner]} address; write kind = "{owner}"'
    if owner is None and kind != "teams":
        return _no_address(kind)
    if parts.scheme != "https":
        return _no_address(kind) if not host else "the address must begin with https://"
    return {"slack": _slack, "teams": _teams, "discord": _discord}[kind](parts, host)


def is_local(address: str) -> bool:
    """True for an address on this machine."""
    try:
        parts = urlsplit(address.strip())
        here = parts.hostname in ("127.0.0.1", "::1", "localhost")
        return here and parts.scheme in ("http", "https")
    except ValueError:
        return False


def has_moved(address: str) -> bool:
    """True for an address where Power Automate no longer listens, but Azure Logic Apps may.

    Power Automate's addresses on logic.azure.com ended on 2025-11-30.
    """
    return _is_at(urlsplit(address.strip()).hostname or "", (".logic.azure.com",))


def _owner(host: str) -> str | None:
    """The kind of outlet that the address belongs to; None if it is of another service."""
    if _is_at(host, _SLACK_HOSTS):
        return "slack"
    if _is_at(host, _DISCORD_HOSTS):
        return "discord"
    if _is_at(host, (*_CONNECTOR_HOSTS, *_FLOW_HOSTS, *_PAGE_HOSTS)):
        return "teams"
    return None


def _is_at(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host.endswith(one) if one.startswith(".") else host == one for one in hosts)


def _no_address(kind: str) -> str:
    return f"this is no {SERVICES[kind]} webhook; its address begins with {_SHAPES[kind]}"


def _slack(parts: SplitResult, _host: str) -> str:
    if parts.path.startswith(("/triggers/", "/workflows/")):
        return (
            "this address starts a workflow of Slack, which shows no pictures; make an incoming "
            "webhook in api.slack.com/apps, and use its address"
        )
    if not re.fullmatch(r"/services/\w+/\w+/\w+/?", parts.path):
        return "the address is not whole; copy it again from Incoming Webhooks in Slack"
    return ""


def _discord(parts: SplitResult, _host: str) -> str:
    found = re.fullmatch(r"/api(?:/v\d+)?/webhooks/\d+/[\w-]+(/\w*)?", parts.path)
    if parts.path.startswith("/channels/"):
        return (
            "this is the address of a channel, for people; make a webhook in the channel's "
            "settings under Integrations, and copy its address"
        )
    if not found:
        return "the address is not whole; copy it again from the channel's Integrations"
    if found[1] not in (None, "/"):
        return f'remove "{found[1]}" from the end of the address'
    return ""


def _teams(parts: SplitResult, host: str) -> str:
    if _is_at(host, _CONNECTOR_HOSTS):
        return (
            "this is the address of a classic connector, which Microsoft has ended; make a "
            'workflow in Teams ("Send webhook alerts to a channel"), and copy its address'
        )
    if _is_at(host, _PAGE_HOSTS):
        return (
            "this is the address of a page, for people; copy the address that the workflow shows "
            'under "When a Teams webhook request is received"'
        )
    if _is_at(host, _FLOW_HOSTS) and not parse_qs(parts.query).get("sig"):
        return (
            'the address is not whole: "sig=" is missing in it; copy it again, and put it in '
            "quotation marks where a shell would cut it at a &"
        )
    return ""
