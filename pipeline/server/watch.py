"""The command `watch`: scheduled passes, the webhook receiver and the page, in one process.

With a store in a SQLite file, this process runs all passes. With one on PostgreSQL it is a machine
of a fleet (see `fleet`). When a configuration has changed, the passes end as they do at the end of
the program, and begin again with the new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from importlib.util import find_spec
from typing import Any

from rich.console import Console

from pipeline import wiring
from pipeline.config import Settings
from pipeline.core.errors import ConfigError, MissingExtra, PromptsheetError
from pipeline.delivering import delivering
from pipeline.plain_files import read_plain
from pipeline.server import event_loop, service_manager
from pipeline.server.fleet import Fleet
from pipeline.server.serve import open_servers, print_at
from pipeline.server.signals import interrupting
from pipeline.server.watcher import Watcher
from pipeline.sync.background import in_background
from pipeline.sync.configured_sheet import Campaign

#: Reads all configurations again. Raises ConfigError.
Load = Callable[[], list[Settings]]
#: Seconds between two looks at the files of the configurations.
RELOAD_EVERY = 2.0


def watch(
    settings: Sequence[Settings], console: Console, load: Load | None = None, quiet: bool = False
) -> int:
    """Watch these sheets until a signal arrives. Returns 0, or 130 if that interrupted a pass.

    `load` reads the configurations again after a change; without it, a change has no effect.
    `quiet` reports only problems.
    """
    return event_loop.run(_watch(settings, console, load, quiet))


async def _watch(
    settings: Sequence[Settings], console: Console, load: Load | None, quiet: bool
) -> int:
    watching: _Watching | None = None
    before: Sequence[Settings] = ()
    is_start, is_ending = True, False

    def end() -> None:
        nonlocal is_ending
        is_ending = True
        service_manager.ending()
        if watching:
            watching.end()

    with interrupting(end):
        while True:
            watching = _Watching(settings, console, load, quiet)
            try:
                changed = await watching.run(is_start=is_start)
            except PromptsheetError as e:
                if not before or is_ending:
                    raise
                print_at(console, "watch", f"{e} The configuration of before is used again.")
                settings, before, is_start = before, (), False
                continue
            if is_ending or changed is None:
                return 130 if watching.is_interrupted else 0
            settings, before, is_start = changed, settings, False


class _Watching:
    """The passes over some sheets, as they are configured now."""

    def __init__(
        self, settings: Sequence[Settings], console: Console, load: Load | None, quiet: bool
    ) -> None:
        self._settings, self._load = settings, load
        self._console, self._quiet = console, quiet
        self._watchers: list[Watcher] = []
        self._fleet: Fleet | None = None
        self._contents = _contents_of(settings)
        self._changed: Sequence[Settings] | None = None

    @property
    def is_interrupted(self) -> bool:
        """True if the end interrupted a pass."""
        return any(watcher.interrupted for watcher in self._watchers)

    def end(self) -> None:
        """Stop sending. `run` ends when the answers to open requests are recorded."""
        for watcher in self._watchers:
            watcher.end()
        if self._fleet:
            self._fleet.end()

    async def run(self, *, is_start: bool) -> Sequence[Settings] | None:
        """Watch until `end` is called, or until the configuration has changed: returns the new one.

        A sheet whose sending a rule has stopped goes on if it `is_start` of the program, unless
        machines share its store.
        Raises ConfigError and ListenError.
        """
        _check(self._settings)
        with wiring.campaigns(self._settings) as all_of_them:
            watchers = [Watcher(one, self._console, self._quiet) for one in all_of_them]
            self._watchers += watchers
            for watcher in watchers if is_start else ():
                watcher.go_on()
            jobs = self._passes(watchers, all_of_them)
            controls = {watcher.key: watcher for watcher in watchers}
            # The servers stay open while passes end, so that calls in the meantime are recorded.
            with delivering(all_of_them):
                async with open_servers(all_of_them, passes=controls, say=self._say) as servers:
                    for watcher in watchers:
                        watcher.report_to(servers.metrics)
                    self._print([*servers.lines, *(watcher.first_line for watcher in watchers)])
                    background = [self._watch_files(self._load)] if self._load else []
                    async with service_manager.service("watch"), in_background(background, "watch"):
                        await asyncio.gather(*(job() for job in jobs))
        return self._changed

    def _passes(
        self, watchers: Sequence[Watcher], all_of_them: Sequence[Campaign]
    ) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs the passes: each sheet for itself, or those on a server in a fleet."""
        shared = [one for one in watchers if one.is_shared]
        jobs = [watcher.run for watcher in watchers if watcher not in shared]
        if shared:
            server = next(one for one in all_of_them if one.key == shared[0].key)
            self._fleet = Fleet(shared, server.store, server.settings.store_url, self._tell)
            jobs.append(self._fleet.run)
        return jobs

    async def _watch_files(self, load: Load) -> None:
        """Wait until a file has changed, and can be read; then end the passes."""
        while self._changed is None:
            await asyncio.sleep(RELOAD_EVERY)
            contents = await asyncio.to_thread(_contents_of, self._settings)
            if contents == self._contents:
                continue
            self._contents = contents
            try:
                self._changed = await asyncio.to_thread(load)
            except PromptsheetError as e:
                self._tell(f"The new configuration is not used, that of before stays. {e}")
        self._say("watch", "The configuration has changed. The passes end and begin again with it.")
        self.end()

    def _print(self, lines: Sequence[str]) -> None:
        for words in () if self._quiet else lines:
            self._console.print(words, markup=False)

    def _say(self, title: str, sentence: str) -> None:
        if not self._quiet:
            print_at(self._console, title, sentence)

    def _tell(self, sentence: str) -> None:
        print_at(self._console, "watch", sentence)


def _check(settings: Sequence[Settings]) -> None:
    """Raise ConfigError if these sheets cannot be watched by one process."""
    servers = {one.store_url for one in settings if one.store_file is None}
    if len(servers) > 1:
        raise ConfigError(
            "These configurations keep their stores on different PostgreSQL databases. Start one "
            "watch for each database."
        )
    if servers and find_spec("dbos") is None:
        raise MissingExtra("watch with a store on PostgreSQL", "fleet")


def _contents_of(settings: Sequence[Settings]) -> list[bytes]:
    """What is in the files of the configurations; b"" where one cannot be read now."""
    found = []
    for one in settings:
        try:
            found.append(read_plain(one.sources.path))  # A link may lead elsewhere by now.
        except OSError:
            found.append(b"")
    return found
