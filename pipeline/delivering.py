"""Builds the deliveries to the outlets of configurations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import SystemRandom
from typing import Final

from pipeline import wiring
from pipeline.config import Settings
from pipeline.config.trigger import SOON
from pipeline.core.model import Job
from pipeline.core.outlets.announcements import notice, row_message
from pipeline.core.outlets.outbox import Message, MessageKind
from pipeline.core.planning.choosing import picked_now
from pipeline.core.rows.rules import Rules
from pipeline.open_outlets import open_outlet
from pipeline.plain_files import is_plain
from pipeline.schedule import Schedule
from pipeline.store import Line, Store
from pipeline.sync.announcing import announce_silence
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.deliveries import Deliveries, Route
from pipeline.sync.delivery_thread import DeliveryThread

#: After this time a message is given up. In a chat, older news confuse; a table should be complete.
CHAT_PATIENCE: Final = timedelta(days=3)
PATIENCE: Final = timedelta(days=14)
_CHATS: Final = ("slack", "teams", "discord", "apprise")


def delivering(campaigns: Sequence[Campaign], *, at_once: bool = False) -> DeliveryThread:
    """The deliveries of a process, in their thread: a context manager (see `DeliveryThread`)."""
    all_of_them = [one for campaign in campaigns for one in deliveries(campaign)]

    def watch() -> None:
        for one in campaigns:
            announce_silence(one.store, one.key, silence_of(one.settings))

    return DeliveryThread(all_of_them, wiring.CLOCK, watch, at_once=at_once)


def silence_of(settings: Settings) -> Callable[[datetime], datetime]:
    """When to report a silence since a time: after `silent_after`, or at the third of `cron`."""
    its = settings.schedule
    if its.silent_after is not None or find_spec("cronsim") is None:
        after = its.silent_after or timedelta(hours=24)
        return lambda last: last + after
    schedule = Schedule(its.cron, None, settings.timezone)

    def third(last: datetime) -> datetime:
        due = last
        for _ in range(3):
            due = schedule.due(due, last)
        return max(due, last + SOON)

    return third


def deliver_now(campaign: Campaign) -> None:
    """Deliver what waits, and wait for it: a person asked for it."""
    with delivering([campaign], at_once=True):
        pass


def deliveries(campaign: Campaign) -> list[Deliveries]:
    """The deliveries to each outlet of a sheet; the store then knows its outlets."""
    settings, store, key = campaign.settings, campaign.store, campaign.key
    ids = wiring.configure_outlets(settings, store, key)
    store.outlets.tidy(key)
    render = _Renderer(settings, store, key)
    return [
        Deliveries(
            store,
            Route(
                ids[one.name],
                key,
                one.name,
                partial(open_outlet, one, link_of(settings)),
                one.digest_every,
                CHAT_PATIENCE if one.kind in _CHATS else PATIENCE,
            ),
            render,
            wiring.CLOCK,
            SystemRandom(),
        )
        for one in settings.outlets
    ]


def link_of(settings: Settings) -> str:
    """The address of the page in messages to people; empty if only this machine can reach it."""
    return settings.page.public_url if settings.page.wanted else ""


class _Renderer:
    """Makes messages from the store as it is now."""

    def __init__(self, settings: Settings, store: Store, key: str) -> None:
        self._settings, self._store, self._key = settings, store, key
        self._rules: Rules | None = None

    def __call__(self, lines: Sequence[Line]) -> list[Message | None]:
        rules = self._rules = self._rules or wiring.rules(self._settings, self._key, self._store)
        keys = {line.key for line in lines if line.key}
        jobs = self._store.jobs.all(self._key, only=keys)
        title = self._store.sheets.get(self._key).title
        picked = self._picked({key.row_id for key in keys})
        now, messages = wiring.now(), list[Message | None]()
        numbers = self._store.rows.numbers(self._key) if any(map(_needs_a_person, lines)) else {}
        for line in lines:
            id = f"{self._store.id}-{line.id}"  # noqa: A001
            if line.key is None or line.number is None:
                messages.append(
                    notice(
                        line.kind,
                        line.body,
                        id=id,
                        at=line.made_at,
                        sheet=title,
                        rules=rules,
                        is_repeat=line.is_unsure,
                    )
                )
            elif job := jobs.get(line.key):
                messages.append(
                    row_message(
                        job,
                        line.number,
                        line.kind,
                        id=id,
                        at=line.made_at,
                        sheet=title,
                        labels=line.labels,
                        rules=rules,
                        now=now,
                        path_of=_path_in(self._settings.media),
                        picked=picked,
                        is_repeat=line.is_unsure,
                        remote=line.remote,
                        line=numbers.get(line.key.row_id) if _needs_a_person(line) else None,
                    )
                )
            else:
                messages.append(None)
        return messages

    def _picked(self, row_ids: Collection[str]) -> frozenset[str]:
        """The addresses of the pictures of these rows that people picked."""
        known = self._store.rows.some(self._key, row_ids).known
        its = defaultdict[str, list[Job]](list)
        for key, job in self._store.jobs.of_rows(self._key, known).items():
            its[key.row_id].append(job)
        return frozenset(
            one.url for row_id, row in known.items() for one in picked_now(row, its[row_id], None)
        )


def _needs_a_person(line: Line) -> bool:
    """True if people look for the row in the sheet: the message then names its number."""
    return line.kind is not MessageKind.DONE


def _path_in(folder: Path | None) -> Callable[[str], Path | None]:
    def path_of(path: str) -> Path | None:
        if folder is None:
            return None
        file = folder / path
        return file if is_plain(file) else None

    return path_of
