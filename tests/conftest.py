"""Fixtures for most tests: a fast sandbox for the API, and a team that uses it."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from httpx._transports import default as transports
from hypothesis import settings

from pipeline.sandbox import Sandbox
from tests.fakes.nursery import share
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

if TYPE_CHECKING:
    from tests.fakes.postgresql import PostgresqlServer


@pytest.fixture(scope="session")
def sandbox_of() -> Iterator[Callable[[float], Sandbox]]:
    """The sandbox of this worker whose tasks take so many seconds, started when first needed."""
    with ExitStack() as stack:

        @cache
        def started(seconds: float) -> Sandbox:
            made = sandbox_process(task_seconds=seconds, plain_pictures="true")
            return stack.enter_context(made)

        yield started


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, sandbox_of: Callable[[float], Sandbox]) -> Sandbox:
    """The API of one test file; the file's TASK_SECONDS is the duration of a task."""
    sandbox = sandbox_of(getattr(request.module, "TASK_SECONDS", 0.1))
    sandbox.reset()
    return sandbox


@pytest.fixture
def team(request: pytest.FixtureRequest, tmp_path: Path, api: Sandbox) -> Team:
    """A team with a configuration. The file's TEAM_TABLES are its further tables; None: no file."""
    api.reset()
    team = Team(tmp_path, api.url)
    tables = getattr(request.module, "TEAM_TABLES", '[media]\nsave_to = ""\n')
    if tables is not None:
        team.configure(tables)
    return team


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """The PostgreSQL server of this run, which all workers share."""
    from tests.fakes.databases import HAS_POSTGRESQL

    if not HAS_POSTGRESQL:  # `make servers`, which `make test` calls, installs it.
        pytest.skip("PostgreSQL is not installed here")
    from tests.fakes.postgresql import shared_server

    with shared_server(tmp_path_factory.getbasetemp().parent) as server:
        yield server


#: A file system in memory, and the bytes that must be free there: a whole run leaves 50 MB.
MEMORY = Path("/dev/shm")
ROOM = 1 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Compile each module once for all processes, and keep the tests' files in memory."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

    if config.getoption("numprocesses"):
        # With the workers, which would each load the program otherwise.
        share()
        share("tests.system.whole.hunt", hashes="0")
    # How long an example takes says more about the machine than about the program.
    # Half the usual number of examples: there are many properties, and each run draws anew.
    settings.register_profile("suite", deadline=None, max_examples=50)
    settings.load_profile("suite")
    # httpx would load all authorities again for each client, in 25 ms; here it needs none of them.
    made = vars(transports)
    made["create_ssl_context"] = cache(made["create_ssl_context"])


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM


#: Tests that take long. Each worker starts with some of them, so that none is left for the end.
LONG = ("tests/system/", "tests/gestures/", "tests/docs/test_commands.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect tests without collecting garbage, because almost all that this makes stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests at the start of what each worker gets."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.nodeid.startswith(LONG)]
    rest = {*long}
    short = [item for item in items if item not in rest]
    size = -(-len(short) // workers)
    items[:] = [
        item
        for number in range(workers)
        for item in (*long[number::workers], *short[number * size : (number + 1) * size])
    ]


def pytest_collection_finish() -> None:
    """Exclude the loaded modules from garbage collection, because they stay loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
