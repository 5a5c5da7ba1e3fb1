"""Feedback: what the next take of a row should have that the last one did not have. Pure."""

from __future__ import annotations


def on_page(take: int, text: str) -> str:
    """Feedback that a person writes on the page for one take, as the store keeps it."""
    return f"{take} {text}"


def of_page(kept: str, take: int) -> str:
    """The feedback of the page for this take, from what the store keeps; empty if there is none."""
    number, _, text = kept.partition(" ")
    return text if number == str(take) else ""
