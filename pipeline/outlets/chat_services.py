"""The chats that have their own renderer, by kind."""

from __future__ import annotations

from typing import Final

from pipeline.outlets.chat import Service
from pipeline.outlets.discord import DISCORD
from pipeline.outlets.slack import SLACK
from pipeline.outlets.teams import TEAMS

SERVICES: Final[dict[str, Service]] = {one.kind: one for one in (SLACK, TEAMS, DISCORD)}
