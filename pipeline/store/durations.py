"""How long tasks took recently, kept from one pass to the next: one value for each API key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline.store.transactions import StorePart, keep_value, value_of

#: The two ages, in seconds, between which a task ended.
Span = tuple[float, float]


class Durations(StorePart):
    """How long tasks took at each API, as earlier passes found out."""

    def get(self, api_key: str) -> dict[str, tuple[Span, ...]]:
        """Endpoint -> the spans that the last pass kept; only endpoints with at least one."""
        with self._database.reading() as connection:
            text = value_of(connection, _name(api_key))
        try:
            return {
                str(endpoint): usable
                for endpoint, spans in json.loads(text or "{}").items()
                if (usable := tuple((float(a), float(b)) for a, b in spans if 0 <= a < b))
            }
        except (ValueError, TypeError, AttributeError):
            return {}

    def keep(self, api_key: str, spans: Mapping[str, Sequence[Span]]) -> None:
        """Keep these instead of the earlier ones."""
        kept = {name: [(round(a, 4), round(b, 4)) for a, b in of] for name, of in spans.items()}
        with self._database.writing() as connection:
            keep_value(connection, _name(api_key), json.dumps(kept))


def _name(api_key: str) -> str:
    return f"durations {api_key}"
