"""The credits of a row by the price list that its API publishes. Pure.

A list may name the price of a second or of one output. How many there will be is in the row; where
it is not, the most that the API allows counts, so that a budget is never passed. Only pictures are
one if the row does not say how many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pipeline.core.api.fields import fields_of
from pipeline.core.api.provider import Endpoint, Field, Provider


def times(provider: Provider, endpoint: Endpoint, given: Mapping[str, str], mode: str) -> float:
    """By what the listed price of such a row is multiplied; 1 or more.

    `mode` is the list's word for what its price is for. With a word that the provider file does not
    know, or none, the largest number in the row counts.
    """
    modes = provider.account.price_times if provider.account else {}
    if mode in modes:
        return max((_number(provider, endpoint, given, name) for name in modes[mode]), default=1.0)
    there = fields_of(endpoint, given)
    names = {name for each in modes.values() for name in each if name in there}
    return max((_number(provider, endpoint, given, name) for name in names), default=1.0)


def _number(provider: Provider, endpoint: Endpoint, given: Mapping[str, str], name: str) -> float:
    """How many seconds or outputs the field of this name stands for."""
    there = fields_of(endpoint, given).get(name)
    try:
        number = float(given.get(name, "").casefold().removesuffix("s")) if there else math.nan
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return max(number, 1.0)
    if endpoint.kind == "image":
        return 1.0
    fields = [there] if there else _same(provider, endpoint, name)
    return max((_most(one) for one in fields), default=1.0)


def _same(provider: Provider, endpoint: Endpoint, name: str) -> Iterator[Field]:
    """The fields of this name at all endpoints that give the same."""
    for other in provider.endpoints.values():
        if other.kind == endpoint.kind and (one := other.fields.get(name)):
            yield from (one, *one.variants)


def _most(one: Field) -> float:
    words = (word.casefold().removesuffix("s") for word in one.one_of)
    return max([1.0, one.most or 1.0, *(float(word) for word in words if word.isdecimal())])
