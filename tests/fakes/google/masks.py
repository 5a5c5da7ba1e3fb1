"""Field masks: which fields of an answer are wanted, which of a change are meant.

`a.b,c(d,e/f)` is a tree. An empty tree (or `*`) stands for all below.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.google.refusals import bad

Mask = dict[str, "Mask"]


def mask(text: str) -> Mask:
    """The tree that a mask describes."""
    tree: Mask = {}
    rest = _list(text, tree)
    if rest or not tree:
        raise bad(f"Invalid field mask: {text}")
    return tree


def _list(text: str, into: Mask) -> str:
    """Read comma-separated paths into the tree; returns the rest."""
    while True:
        here = into
        while True:
            end = next((i for i, letter in enumerate(text) if letter in ".,/()"), len(text))
            name, text = text[:end].strip(), text[end:]
            if not name:
                raise bad("Invalid field mask: an empty name")
            here = here.setdefault(name, {})
            if text[:1] not in (".", "/"):
                break
            text = text[1:]
        if text[:1] == "(":
            text = _list(text[1:], here)
            if text[:1] != ")":
                raise bad("Invalid field mask: a bracket is not closed")
            text = text[1:]
        if text[:1] != ",":
            return text
        text = text[1:]


def pick(whole: Any, wanted: Mask) -> Any:
    """Only the wanted parts; an existing object is kept, even if it is empty."""
    if not wanted or "*" in wanted:
        return whole
    if isinstance(whole, list):
        return [pick(one, wanted) for one in whole]
    if not isinstance(whole, dict):
        return whole
    return {name: pick(value, wanted[name]) for name, value in whole.items() if name in wanted}


def merge(old: dict[str, Any], new: dict[str, Any], meant: Mask) -> dict[str, Any]:
    """The old object with the meant fields as they are in the new one; missing there is cleared."""
    if not meant or "*" in meant:
        return dict(new)
    merged = dict(old)
    for name, below in meant.items():
        value = new.get(name)
        if below and "*" not in below:
            before = old.get(name)
            value = merge(before or {}, value or {}, below) or None
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged
