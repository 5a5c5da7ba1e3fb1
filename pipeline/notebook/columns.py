"""Columns of the store, and of Arrow, in the forms in which the tables of a notebook need them."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pipeline.reports.extras import needed
from pipeline.store import SEPARATOR

if TYPE_CHECKING:
    import pyarrow

T = TypeVar("T")
#: What begins a character that the store writes in another way.
ESCAPE: Final = SEPARATOR[0]


@contextmanager
def fast_memory() -> Iterator[None]:
    """Look for no circles of objects, because nothing here makes any, and let Arrow take its memory
    from the system, which needs a third of the time of Arrow's own allocator for so much at once.
    """
    pa = needed("pyarrow")
    was, pool = gc.isenabled(), pa.default_memory_pool()
    gc.disable()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
        if was:
            gc.enable()


def ahead(pages: Generator[T, None, None]) -> Iterator[T]:
    """The same pages; each next one is read in a thread while the last one is at work.

    All of the iterator runs in that thread. What it reads from may not be used otherwise meanwhile.
    """
    with ThreadPoolExecutor(1) as thread:
        try:
            coming = thread.submit(next, pages, None)
            while (page := coming.result()) is not None:
                coming = thread.submit(next, pages, None)
                yield page
        finally:
            thread.submit(pages.close).result()


def split(column: str) -> Any:
    """The texts of a column of the store."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    return pc.split_pattern(pa.array([column]), SEPARATOR).flatten()


def has_escapes(column: str) -> Any:
    """Where a text of a column has characters that the store writes in another way; or False."""
    # Almost always, there are only separators, and to look at each text takes thirty times as long.
    if column.count(ESCAPE) == column.count(SEPARATOR):
        return False
    return needed("pyarrow.compute").match_substring(split(column), ESCAPE)


def empty_lists(size: int) -> Any:
    """So many empty lists of texts."""
    pa = needed("pyarrow")
    offsets = pa.repeat(pa.scalar(0, pa.int32()), size + 1)
    return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))


def numbers(column: str) -> Any:
    """The whole numbers of a column of the store, null where there is none."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    texts = split(column)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts).cast(pa.int64())


def whole(column: Any) -> Any:
    """The column as one array."""
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def put(made: pyarrow.Table, name: str, column: Any) -> pyarrow.Table:
    """The table with another column of this name."""
    return made.set_column(made.schema.get_field_index(name), name, column)
