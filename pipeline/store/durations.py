"""How long tasks took lately, kept from one pass to the next: one value for each API key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import select

from pipeline.store.base import Base, upsert
from pipeline.store.tables import meta

#: The two ages, in seconds, between which a task ended.
Span = tuple[float, float]


class KeptDurations(Base):
    """What passes have learnt about the API's speed."""

    def durations(self, api_key: str) -> dict[str, tuple[Span, ...]]:
        """Endpoint -> the spans that the last pass kept; empty where none can be read."""
        with self._reading() as connection:
            kept = connection.execute(select(meta.c.value).where(meta.c.name == _name(api_key)))
            text = kept.scalar()
        try:
            return {
                str(endpoint): tuple(
                    (float(after), float(by)) for after, by in spans if 0 <= after < by
                )
                for endpoint, spans in json.loads(text or "{}").items()
            }
        except (ValueError, TypeError, AttributeError):
            return {}

    def keep_durations(self, api_key: str, spans: Mapping[str, Sequence[Span]]) -> None:
        """Keep these instead of the earlier ones."""
        kept = {name: [(round(a, 4), round(b, 4)) for a, b in of] for name, of in spans.items()}
        line = {"name": _name(api_key), "value": json.dumps(kept)}
        with self._writing() as connection:
            new = upsert(connection, meta).values(line)
            connection.execute(
                new.on_conflict_do_update(index_elements=["name"], set_={"value": line["value"]})
            )


def _name(api_key: str) -> str:
    return f"durations {api_key}"
