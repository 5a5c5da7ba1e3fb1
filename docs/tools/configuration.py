"""All keys of a configuration with what they may be and their defaults, from the classes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.tools.blocks import code, table
from pipeline.config.outlets import KINDS
from pipeline.config.schema import Document

_TIME = "a time, such as `30s`"
_AMOUNT = 'credits, or money such as `"50 USD"`'
_REFERENCE = "`env:NAME` or `file:PATH`"
#: What a type of `pipeline.config` allows, in a few words.
_WORDS = {
    "str": "a text",
    "bool": "`true` or `false`",
    "Name": "letters, digits, `-` and `_`",
    "Span": _TIME,
    "Wait": _TIME,
    "OptionalWait": f'{_TIME}, or `""`',
    "Reference": _REFERENCE,
    "OptionalReference": _REFERENCE,
    "BudgetCap | None": _AMOUNT,
    "OptionalCap": f'{_AMOUNT}, or `""`',
    "Price": "a number, 0 or more",
    "CreditPrice": 'money, such as `"0.01 USD"`',
    "CodePage": "a code page, such as `cp1250`",
    "CronLine": "five fields, such as `*/5 8-18 * * MON-FRI`",
    "TimeZone": "a time zone, such as `Europe/Paris`",
    "FileName": "a text with `{n}` in it",
    "ListenAddress": "`HOST:PORT`",
    "UrlName": "a word for an address",
    "dict[str, Price]": "names with numbers",
    "dict[str, str]": "names with texts",
    "dict[str, str | list[str]]": "a title; `ignore`: a list of titles",
    "dict[str, str | int | float | bool]": "a value for that column",
    "dict[str, Reference]": f"names, each with {_REFERENCE}",
    "dict[ColumnTitle, BudgetCap]": f"names of columns with {_AMOUNT}",
    "list[Proxy]": "a list of addresses or networks",
    "tuple[When, ...]": "a list of events",
}
_NUMBER = re.compile(r"Annotated\[int, Field\((.*)\)\]")
_CHOICE = re.compile(r"Literal\[([^]]*)\]")
_ANNOTATED = re.compile(r"Annotated\[(.*?), \w+Validator\(.*\)\]")


def keys() -> str:
    """Every key with its table, what it may be, and its default."""
    return table(["key", "may be", "default"], _rows())


def _rows() -> Iterator[list[str]]:
    for name, field in Document.model_fields.items():
        inner = _table_in(field.annotation)
        if inner is None:
            if name != "outlets":
                yield [code(f"[{name}] NAME"), _allowed(_written(Document, name)), "none"]
        else:
            title = name if inner is field.annotation else f"{name}.NAME"
            yield from _of(title, inner)
    yield from _outlets()


def _of(title: str, inner: type[BaseModel]) -> Iterator[list[str]]:
    for key, field in inner.model_fields.items():
        nested = _table_in(field.annotation)
        if nested is None:
            yield [code(f"[{title}] {key}"), _allowed(_written(inner, key)), _default(field)]
        elif key in Document.model_fields:
            yield [code(f"[{title}] {key}"), f"the keys of {code(f'[{key}]')}", "the same"]
        else:
            yield from _of(f"{title}.{key}", nested)


def _outlets() -> Iterator[list[str]]:
    """Keys that several kinds of outlet share are one row."""
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for kind, inner in KINDS.items():
        for key, field in inner.model_fields.items():
            if key != "kind":
                row = key, _allowed(_written(inner, key)), _default(field)
                kinds.setdefault(row, []).append(kind)
    yield [code("[[outlets]] kind"), ", ".join(code(f'"{kind}"') for kind in KINDS), "needed"]
    for (key, allowed, default), its in kinds.items():
        where = "all kinds" if len(its) == len(KINDS) else ", ".join(its)
        yield [f"{code(f'[[outlets]] {key}')} ({where})", allowed, default]


def _table_in(annotation: Any) -> type[BaseModel] | None:
    for one in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _written(inner: type[BaseModel], key: str) -> str:
    """The annotation as it is written in the class that has it."""
    for one in inner.__mro__:
        if key in vars(one).get("__annotations__", {}):
            return str(vars(one)["__annotations__"][key])
    raise KeyError(key)


def _allowed(annotation: str) -> str:
    """In words; KeyError if there are no words for this type yet."""
    if found := _NUMBER.fullmatch(annotation):
        limits = dict(re.findall(r"(ge|le)=(\d+)", found[1]))
        most = f" to {limits['le']}" if "le" in limits else " or more"
        return f"a whole number, {limits['ge']}{most}"
    if found := _CHOICE.search(annotation):
        words = [code(f'"{word}"') for word in re.findall(r"\w+", found[1])]
        together = " or ".join(words)
        return f"a list of {together}" if annotation.startswith("list") else together
    if annotation.startswith("list[") and "str" in annotation:
        return "a list of texts"
    if annotation.startswith("Annotated[tuple"):
        return "a text, or a list of texts"
    if found := _ANNOTATED.fullmatch(annotation):
        return _allowed(found[1])
    return _WORDS[annotation]


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return code(_time(value))
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, str):
        return code(f'"{value}"')
    if isinstance(value, tuple | list):
        return code(json.dumps([*map(str, value)]))
    return code(str(value))


def _time(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60}m" if seconds and seconds % 60 == 0 else f"{seconds}s"
