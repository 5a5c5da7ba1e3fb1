"""The language of a page that belongs to no sheet, such as the sign-in form. Pure.

A sheet's own pages are in the language of that sheet, so that its notes and the words around them
agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.language import Catalogue


def chosen(catalogues: Sequence[Catalogue], accepted: str) -> Catalogue:
    """The first language that the browser prefers and a sheet has; else that of the first sheet.

    `accepted` is the header `Accept-Language`, such as `de-AT,de;q=0.9,en;q=0.8`.
    """
    by_name = {tag(one): one for one in reversed(catalogues)}
    wanted = (each.partition(";") for each in accepted.casefold().split(","))
    best_first = sorted(wanted, key=lambda one: -_weight(one[2]))
    for name in (name.strip() for name, _, _ in best_first):
        for known in (name, name.partition("-")[0]):
            if known in by_name:
                return by_name[known]
    return catalogues[0]


def tag(catalogue: Catalogue) -> str:
    """The name of the language in lower case as browsers write it, such as `de-at`."""
    return catalogue.language.replace("_", "-").casefold()


def _weight(text: str) -> float:
    """How much a language is preferred, from `q=0.8`."""
    try:
        return float(text.strip().removeprefix("q="))
    except ValueError:
        return 1.0
