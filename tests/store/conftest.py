"""The clock of a store, and new stores: each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from pipeline.store import Store
from tests.store.build import Clock

#: The address of a new, empty store. What an earlier call gave must not be used any more.
NewStore = Callable[[], str]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewStore]:
    """Makes new stores of one kind."""
    if request.param == "sqlite":
        folder, numbers = tmp_path_factory.mktemp("stores"), count()
        yield lambda: f"sqlite:///{folder}/{next(numbers)}.db"
        return

    from tests.fakes.postgresql import Emptied

    server = request.getfixturevalue("postgresql_server")
    url = server.make_database(f"stores_{tmp_path_factory.getbasetemp().name.replace('-', '_')}")
    Store(url).close()
    with Emptied(url) as emptied:
        yield emptied


@pytest.fixture
def url(new_store: NewStore) -> str:
    """The address of an empty store."""
    return new_store()
