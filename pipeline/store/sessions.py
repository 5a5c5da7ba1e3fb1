"""Sessions of the page that were ended by signing out, kept until their cookies expire."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select

from pipeline.store.schema import meta
from pipeline.store.transactions import StorePart, keep_value

#: What the name of such a line begins with; the name of a session follows.
_ENDED: Final = "ended "


class Sessions(StorePart):
    """The ended sessions, each by a digest from which its cookie cannot be made."""

    def end(self, session: str, until: float) -> None:
        """Keep an ended session until a moment in seconds since 1970; forget the expired ones.

        `session` has at most 32 characters.
        """
        now = self._database.now().timestamp()
        with self._database.writing() as connection:
            every = select(meta).where(meta.c.name.startswith(_ENDED))
            past = [row.name for row in connection.execute(every) if float(row.value) < now]
            connection.execute(delete(meta).where(meta.c.name.in_(past)))
            keep_value(connection, f"{_ENDED}{session}", str(until))

    def ended(self) -> frozenset[str]:
        """All sessions that are kept."""
        with self._database.reading() as connection:
            names = connection.execute(
                select(meta.c.name).where(meta.c.name.startswith(_ENDED))
            ).scalars()
            return frozenset(name.removeprefix(_ENDED) for name in names)
