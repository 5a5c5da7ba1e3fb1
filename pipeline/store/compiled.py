"""Keeps compiled statements for all SQLite stores of this process.

The cache belongs to this module, is shared by all threads, and only grows.
"""

from __future__ import annotations

from typing import Any, Final


class CompiledStatements(dict[tuple[Any, ...], Any]):
    """A cache of compiled statements, as the execution option `compiled_cache` takes one.

    SQLAlchemy's own cache belongs to one engine, because the dialect object of the engine is the
    first part of each key. Here all dialects are equal, so the first part is left out: a store that
    is opened later in the same process, such as the copy for a preview, compiles nothing again.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        """The compiled statement for a key of SQLAlchemy's."""
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


#: Only for engines of SQLite. It stays small: statements with other values have the same key.
COMPILED: Final = CompiledStatements()
