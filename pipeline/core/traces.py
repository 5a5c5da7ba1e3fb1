"""Traces: what the store keeps in the place of a forgotten text.

A trace is a keyed digest, the same for the same text. It says nothing to people, but tells whether
a text in the sheet is the one that was forgotten (see `rows.forgetting`). Pure.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from pipeline.core.inputs import PROMPT, canonical, parsed
from pipeline.core.language import Said, say
from pipeline.core.model import Attempt

PREFIX: Final = "forgotten#"
TRACE: Final = re.compile(r"forgotten#[A-Za-z0-9_-]{22}")
#: What people read in the place of a forgotten text.
FORGOTTEN: Final[Said] = say("(forgotten)")


def is_trace(text: str) -> bool:
    """True if the text is the trace of a forgotten one."""
    return TRACE.fullmatch(text) is not None


def has_traces(text: str) -> bool:
    """True if a trace may be in the text."""
    return PREFIX in text


def readable(text: str) -> str:
    """The text for people: of a trace, that it was forgotten."""
    return FORGOTTEN if is_trace(text) else text


def prompt_sent(attempt: Attempt) -> str:
    """The prompt that an attempt was sent with, for people; empty if it had none."""
    return readable(attempt.prompt or parsed(attempt.inputs).get(PROMPT, ""))


@dataclass(frozen=True, slots=True)
class Tracer:
    """Makes traces. Its key is in the store."""

    key: str = field(repr=False)

    def trace(self, text: str) -> str:
        """The trace of a text; an empty text and a trace stay as they are."""
        if not text or is_trace(text):
            return text
        data = text.encode("utf-8", "surrogatepass")
        made = hmac.digest(self.key.encode(), data, "sha256")[:16]
        return PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")

    def of_inputs(self, inputs: str, stay: Collection[str] = ()) -> str:
        """Inputs (canonical text) with a trace in the place of each text but those of `stay`."""
        return canonical(
            {
                name: text if name in stay else self.trace(text)
                for name, text in parsed(inputs).items()
            }
        )

    def is_same(self, kept: str, inputs: str) -> bool:
        """True if what the store keeps are these inputs (canonical text), or traces of them."""
        if kept == inputs or not has_traces(kept):
            return kept == inputs
        was, now = parsed(kept), parsed(inputs)
        return was.keys() == now.keys() and all(
            text in (now[name], self.trace(now[name])) for name, text in was.items()
        )
