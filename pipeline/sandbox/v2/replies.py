"""Refusals in the form of version 2, and the webhook address of a submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.sandbox.answers import Reply, say
from pipeline.sandbox.shapes import Problem
from pipeline.sandbox.tasks import Hook
from pipeline.sandbox.v2.jobs import EVENTS

#: The path of a problem with the whole body.
ROOT = "(root)"


def refused(words: str, status: int = 400, outcome: str = "invalid") -> Reply:
    """A refusal with one sentence."""
    return say({"error": words}, status, outcome)


def invalid(wrong: Sequence[Problem]) -> Reply:
    """400 with what is wrong with each field, by its path."""
    details: dict[str, list[str]] = {}
    for problem in wrong:
        details.setdefault(problem.path or ROOT, []).append(problem.says)
    first = f"{wrong[0].path} {wrong[0].says}".strip()
    return say({"error": f"Validation failed: {first}", "details": details}, 400, "invalid")


def hook_of(fields: Mapping[str, Any]) -> Hook | None:
    """Where the webhooks go, or None."""
    url = fields.get("webhookUrl")
    return Hook(str(url), events=tuple(fields.get("webhookEvents") or EVENTS)) if url else None
