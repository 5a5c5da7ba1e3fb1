"""Which sessions of the page were ended by signing out, until their cookies are too old anyway."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select

from pipeline.store.base import Base, upsert
from pipeline.store.tables import meta

#: What the name of such a line begins with; the name of a session follows.
_ENDED: Final = "ended "


class Sessions(Base):
    """The ended sessions, by a digest that opens nothing."""

    def end_session(self, session: str, until: float) -> None:
        """Keep that it was ended until a moment in seconds since 1970; forget those that are past.

        `session` has 32 characters at most.
        """
        now = self._now().timestamp()
        with self._writing() as connection:
            every = select(meta).where(meta.c.name.startswith(_ENDED))
            past = [row.name for row in connection.execute(every) if float(row.value) < now]
            connection.execute(delete(meta).where(meta.c.name.in_(past)))
            kept = upsert(connection, meta).values(name=f"{_ENDED}{session}", value=str(until))
            connection.execute(kept.on_conflict_do_nothing())

    def ended_sessions(self) -> frozenset[str]:
        """All that are kept."""
        with self._reading() as connection:
            names = connection.execute(
                select(meta.c.name).where(meta.c.name.startswith(_ENDED))
            ).scalars()
            return frozenset(name.removeprefix(_ENDED) for name in names)
