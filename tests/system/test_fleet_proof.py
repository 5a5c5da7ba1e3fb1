"""A fleet in which something breaks all the time: processes, the database, clocks, links.

The API counts what is paid, and how many requests come in a minute. `ROWS` sets another size.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.islands import ADDRESSES, Island, islands
from tests.fakes.postgresql import own_server
from tests.fakes.program import KEY, KEY_NAME, ROOT, Program, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.service import free_port, service
from tests.fakes.team import Team
from tests.system.test_postgresql import keep_in

pytestmark = pytest.mark.soak
SHEETS = [f"sheet{number}" for number in range(6)]
FINAL = {"done", "failed", "check needed"}
ROWS = int(os.environ.get("ROWS", "4000"))
PER_MINUTE = 360
#: The environment variable and the key of each account.
KEYS = {KEY_NAME: KEY, "SECOND_API_KEY": "second"}
#: Stands for the port 0 until the configurations are written.
UNUSED = 65535


class Campaign:
    """Six sheets, two accounts, and the configurations of each machine."""

    def __init__(self, folder: Path, apis: Sequence[Sandbox], rows: int) -> None:
        self.apis, self.each = apis, rows // len(SHEETS)
        self.teams = {
            sheet: Team(folder, apis[number % 2].url) for number, sheet in enumerate(SHEETS)
        }
        for sheet, team in self.teams.items():
            team.write_prompts(self._prompts(sheet), f"{sheet}.csv")
        #: The rows that were in flight at each kill or cut.
        self.in_flight = 0
        self._began = monotonic()

    def configured(self, name: str, *, port: int = 0, hooks: Sequence[int] = ()) -> list[Path]:
        """The configurations of a kind of machine.

        It receives webhooks at `port` (0: at any, to which none come); they are sent to `hooks`.
        """
        found = [
            service(
                team,
                f"{name}-{sheet}",
                sheet=f"{sheet}.csv",
                hooks=(port or UNUSED) if hooks else 0,
                public_url=f"http://127.0.0.1:{hooks[number % 2]}" if hooks else "",
                schedule={"every": "5s"},
                per_minute=PER_MINUTE,
                in_flight=30,
                concurrency=10,
                poll_every="2s",
            )
            for number, (sheet, team) in enumerate(self.teams.items())
        ]
        for number, config in enumerate(found):
            text = config.read_text().replace(f"127.0.0.1:{UNUSED}", "127.0.0.2:0")
            config.write_text(text.replace(KEY_NAME, [*KEYS][number % 2]))
        return found

    def has_begun(self) -> bool:
        """True if both accounts have got tasks."""
        return all(api.state()["tasks_taken"] for api in self.apis)

    def note_in_flight(self) -> None:
        """Count the requests that a kill or a cut now may leave without an answer."""
        self.in_flight += sum(int(api.state()["in_flight"]) for api in self.apis)

    def statuses(self) -> Counter[str]:
        """How many rows of all sheets there are of each status."""
        found: Counter[str] = Counter()
        for sheet, team in self.teams.items():
            found += team.statuses(f"{sheet}.csv")
        return found

    def is_final(self) -> bool:
        """True if every row has ended, or waits for a person after a lost answer."""
        found = self.statuses()
        return found.total() == self.each * len(SHEETS) and set(found) <= FINAL

    def check(self, what: str) -> None:
        """Print the numbers of the run, and check them."""
        states, found = [api.state() for api in self.apis], self.statuses()
        tasks = Counter[str]()
        for state in states:
            tasks.update(state["tasks"])
        twice = sum(count > 1 for count in tasks.values())
        lost = len(tasks) - found.total()
        most = [state["most_per_minute"] for state in states]
        print(
            f"\n{what}: {found.total()} rows in {monotonic() - self._began:.0f} s. "
            f"Paid twice {twice}, done {found['done']}, check needed {found['check needed']} "
            f"({self.in_flight} were in flight), requests a minute {most} of {PER_MINUTE}."
        )
        for sheet, team in self.teams.items():
            team.assert_whole(self._prompts(sheet), f"{sheet}.csv")
        assert twice == 0
        assert lost <= 0
        assert found["check needed"] <= self.in_flight
        assert found["done"] >= found.total() * 0.9
        assert max(most) <= PER_MINUTE
        # With fewer rows, the work has ended before a minute without a kill begins.
        assert ROWS < 4000 or min(most) >= PER_MINUTE * 0.8

    def _prompts(self, sheet: str) -> list[str]:
        return [f"{sheet} fox, number {number}" for number in range(self.each)]


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    with ExitStack() as stack:
        apis = [
            stack.enter_context(
                sandbox_process(key, task_seconds=3, answer_seconds=0.2, plain_pictures="true")
            )
            for key in KEYS.values()
        ]
        yield Campaign(tmp_path, apis, ROWS)


class Machines:
    """The processes, each as on a machine of its own. A killed one comes back under a new name."""

    def __init__(self, stack: ExitStack, wrong: dict[str, float]) -> None:
        self._stack, self._wrong = stack, wrong
        self._starts = Counter[str]()
        self._words: dict[str, list[str | Path]] = {}
        self.programs: dict[str, Program] = {}

    def start(self, name: str, *words: str | Path) -> None:
        self._starts[name] += 1
        self._words[name] = list(words)
        its = {"MACHINE": f"{name}-{self._starts[name]}", "AHEAD": str(self._wrong.get(name, 0))}
        environment = {**os.environ, **KEYS, **its}
        program = Program(*words, environment=environment, run="tests.fakes.machine")
        self.programs[name] = self._stack.enter_context(program)

    def kill(self, name: str) -> None:
        self.programs[name].kill()
        self.start(name, *self._words[name])

    def end(self) -> list[int]:
        """End all. Returns their exit codes."""
        for one in self.programs.values():
            one.signal(signal.SIGTERM)
        return [one.end().code for one in self.programs.values()]


def at(moment: float) -> None:
    """Wait until a moment."""
    until(lambda: monotonic() > moment, "the time has come", 600, every=0.1)


def test_machines_that_are_killed_every_two_seconds_pay_nothing_twice_and_lose_nothing(
    campaign: Campaign,
) -> None:
    chance, hooks = random.Random(7), (free_port(), free_port())
    with ExitStack() as stack:
        server = stack.enter_context(own_server(safe=True))
        machines = Machines(stack, {"watch3": 90.0})
        configs = campaign.configured("watch", hooks=hooks)
        keep_in(server.url(), *configs)
        for name in ("watch1", "watch2", "watch3"):
            machines.start(name, "watch", *configs)
        for name, port in zip(("serve1", "serve2"), hooks, strict=True):
            configs = campaign.configured(name, port=port, hooks=hooks)
            keep_in(server.url(), *configs)
            machines.start(name, "serve", *configs)

        until(campaign.has_begun, "the work has begun", 120, every=1)
        began = monotonic()
        for number in range(20):
            at(began + 2 * number)
            campaign.note_in_flight()
            if number in (7, 14):
                server.stop("immediate")
                server.start()
            machines.kill(chance.choice(list(machines.programs)))
        until(campaign.is_final, "every row is final", 2400, every=2)
        codes = machines.end()

    campaign.check("Three watch, two serve, 20 kills, two crashes of the database, a wrong clock")
    assert set(codes) <= {0, 130}


def test_watch_and_cron_share_a_store_in_a_file_while_both_are_killed(campaign: Campaign) -> None:
    chance = random.Random(8)
    with ExitStack() as stack:
        machines = Machines(stack, {})
        configs = campaign.configured("one")
        machines.start("watch", "watch", *configs)
        until(campaign.has_begun, "the work has begun", 120, every=1)
        began, number = monotonic(), 0
        while not campaign.is_final():
            number += 1
            at(began + 2 * number)
            if number <= 20:
                campaign.note_in_flight()
                machines.kill(chance.choice(list(machines.programs)))
            # What cron starts may still be running when it starts the next one.
            cron = f"cron{number % 3}"
            if cron not in machines.programs or machines.programs[cron].is_over:
                machines.start(cron, "run", *configs)
        machines.end()

    campaign.check("One watch, and run every two seconds as by cron, with 20 kills")


@contextmanager
def started(island: Island, *words: str | Path) -> Iterator[None]:
    """The program on an island."""
    environment = {**os.environ, **KEYS, "MACHINE": island.name}
    command = [*island.command, sys.executable, "-m", "tests.fakes.machine", *map(str, words)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")
def test_machines_whose_links_are_cut_pay_nothing_twice_and_lose_nothing(
    campaign: Campaign,
) -> None:
    chance = random.Random(9)
    with ExitStack() as stack:
        server = stack.enter_context(own_server(safe=True))
        ports = [int(api.url.rpartition(":")[2]) for api in campaign.apis]
        here = stack.enter_context(islands(3, database=server.port, apis=ports))
        configs = campaign.configured("watch")
        keep_in(server.url().replace("127.0.0.1", ADDRESSES["database"]), *configs)
        for config in configs:
            way = f"http://{ADDRESSES['api']}:"
            config.write_text(config.read_text().replace("http://127.0.0.1:", way))
        for island in here:
            stack.enter_context(started(island, "watch", *configs))

        until(campaign.has_begun, "the work has begun", 120, every=1)
        for seconds in (5, 20, 60, 10, 30, 60):
            island, link = chance.choice(here), chance.choice(("database", "api"))
            campaign.note_in_flight()
            island.cut(link)
            at(monotonic() + seconds)
            campaign.note_in_flight()
            island.mend(link)
            at(monotonic() + 5)
        until(campaign.is_final, "every row is final", 2400, every=2)

    campaign.check("Three machines of which one has lost its way to the database or to the API")
