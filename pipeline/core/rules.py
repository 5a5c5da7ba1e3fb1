"""What the configuration says that matters for deciding about rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.core.fields import as_texts, price_of
from pipeline.core.inputs import parsed
from pipeline.core.prompt_checks import doubts
from pipeline.core.provider import Provider


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one sheet."""

    sheet: str
    provider: Provider
    endpoint: str
    defaults: Mapping[str, object] = field(default_factory=dict)
    settle: timedelta = timedelta(0)
    approval: bool = False
    #: Whether a prompt that looks like a mistake is not sent (see `prompt_checks`).
    strict_prompts: bool = False
    give_up_after: timedelta = timedelta(minutes=60)
    saves_files: bool = False
    #: What separates the cells of the sheet's file; empty where cells need no quoting.
    delimiter: str = ""

    def endpoint_name(self, inputs: str) -> str:
        """The endpoint that a row names in its inputs (canonical text), else that of the sheet."""
        # Few rows name one; within a text each quotation mark has a backslash before it.
        return parsed(inputs)["endpoint"] if '"endpoint":' in inputs else self.endpoint

    def price(self, inputs: str) -> int | None:
        """Listed credits of one submission of these inputs (canonical text); None: no price."""
        endpoint = self.provider.endpoints.get(self.endpoint_name(inputs))
        if endpoint is None:
            return None
        if not (endpoint.prices or endpoint.credits_times):
            return endpoint.credits
        return price_of(endpoint, {**as_texts(self.defaults), **parsed(inputs)})

    def doubts(self, inputs: str) -> list[str]:
        """What looks like a mistake in inputs (see `prompt_checks.doubts`)."""
        endpoint = self.provider.endpoints.get(self.endpoint_name(inputs))
        return doubts(inputs, endpoint) if endpoint else []
