"""When results are made again: `[rules] remake`."""

from __future__ import annotations

from pipeline.config.schema import Document
from pipeline.core.pictures.remakes import RemakeRule


def remake_of(document: Document, problems: list[str]) -> RemakeRule | None:
    """The rule of a configuration; None if it has none. Adds what is wrong to the problems."""
    rules, media = document.rules, document.media
    if not rules.remake:
        return None
    if not (media.check and media.save_to.strip()):
        problems.append(
            "rules.remake: only pictures that are saved and checked can be made again. Set "
            "[media] save_to, and [media] check = true."
        )
    return RemakeRule(tuple(sorted({*rules.remake})), rules.remake_limit)
