"""The store files of the world: in memory if possible, and opened as cheaply as can be.

Opening a store takes most of the time of a short pass. In the world, each pass still has a `Store`
of its own; what several of them share is the engine of a file, with its connections.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from unittest.mock import patch

from sqlalchemy import URL, Engine

import pipeline.store as store_package
from pipeline.store import Store, connection, migrations, utc_now
from pipeline.store.clock import StoreClock

#: Engine and id of each store file.
_engines: dict[str, Engine] = {}
_ids: dict[str, str] = {}


@contextmanager
def kept_engines() -> Iterator[None]:
    """Stores opened in this context share the engine of their file, and nothing else."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(store_package, "opened", _kept_engine))
        stack.enter_context(patch.object(store_package, "prepare", _kept_id))
        stack.enter_context(patch.object(Store, "close", _closed))
        yield
        _forget_all()


def _kept_engine(url: URL, patience: float, clock: StoreClock) -> Engine:
    where = str(url)
    if where not in _engines:
        _engines[where] = connection.opened(url, patience, clock)
    return _engines[where]


def _kept_id(engine: Engine, place: str) -> str:
    if not place.endswith(".db"):
        return migrations.prepare(engine, place)  # a copy that is made again and again
    if place not in _ids:
        _ids[place] = migrations.prepare(engine, place)
    return _ids[place]


def _closed(store: Store) -> None:
    """Keep the connections of a world's store: the next pass uses them."""
    if not store._database.place.endswith(".db"):
        store._database.engine.dispose()


def forget(file: Path) -> None:
    """Delete a store that is not open in any pass."""
    for where, engine in _engines.items():
        if where.endswith(f"/{file.name}"):
            engine.dispose()
    _ids.pop(str(file), None)
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()


def _forget_all() -> None:
    for engine in _engines.values():
        engine.dispose()
    _ids.clear()


@cache
def folder() -> Path:
    """The folder of this process."""
    return _made("promptsheet-whole-")


def emptied() -> Path:
    """The same, without the files of the last world."""
    _forget_all()
    for file in folder().iterdir():
        file.unlink()
    return folder()


@cache
def blank(name: str) -> Path:
    """An empty store, made once."""
    file = _made("promptsheet-blank-") / f"{name}.db"
    engine = connection.opened(connection.parsed_url(f"sqlite:///{file}"), 1.0, StoreClock(utc_now))
    migrations.prepare(engine, str(file))
    engine.dispose()
    return file


def _made(prefix: str) -> Path:
    shared = Path("/dev/shm")
    place = str(shared) if os.access(shared, os.W_OK) else gettempdir()
    made = Path(mkdtemp(prefix=prefix, dir=place))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
