"""The kinds of values that keys of a configuration accept: times, references, addresses."""

from __future__ import annotations

import codecs
import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from pipeline.core.money.currency import BUDGET_EXAMPLE, Cap, budget, credit_price
from pipeline.core.pictures.name_templates import template
from pipeline.schedule import problem_with

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def span(value: object) -> object:
    """A span of time written as 30s, 5m, 2h, 1d, 500ms or as a number of seconds."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", value)
        if not found:
            raise ValueError('write a span of time such as "30s", "5m" or "2h"')
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    return value


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("must be more than 0")
    return span


def _reference(value: str) -> str:
    if not value.startswith(("env:", "file:")) or not value.split(":", 1)[1].strip():
        raise ValueError('name where it is kept, "env:NAME" or "file:PATH"; never write it here')
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('write a time zone such as "Europe/Paris" or "UTC"') from None
    return value


def _cron(value: str) -> str:
    if value.strip() and (problem := problem_with(value)):
        raise ValueError(problem)
    return value.strip()


def _file_name(value: str) -> str:
    if value.strip():
        template(value)
    return value.strip()


def _credit_price(value: str) -> str:
    credit_price(value)
    return value.strip()


def _cap(value: object) -> object:
    """A limit of a budget: credits as a number, or `Money`."""
    if isinstance(value, str) and not value.strip().isdecimal():
        return budget(value)
    try:
        number = float(value) if isinstance(value, int | float | str) else -1.0
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or number < 0 or number != int(number):
        raise ValueError(f"write a whole number of credits, 0 or more, or money: {BUDGET_EXAMPLE}")
    return int(number)


def _code_page(value: str) -> str:
    """The name of a code page that contains ASCII unchanged; empty for none."""
    plain = bytes(range(128))
    try:
        usable = not value or (
            plain.decode(value) == plain.decode()
            and plain.decode().encode(value) == plain
            and not codecs.lookup(value).name.startswith(("iso2022", "hz", "raw", "utf-7"))
        )
    except (LookupError, ValueError, TypeError):
        usable = False
    if not usable:
        raise ValueError(
            'write the name of a code page, such as "cp1250"; leave it out for UTF-8 and UTF-16'
        )
    return value


def _address(value: str) -> str:
    """An address to listen on, as it is given to `[webhook] listen`; empty for none."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([^\s:/\[\]]+)):(\d{1,5})", value.strip())
    if value.strip() and (found is None or int(found[3]) > 65535):
        raise ValueError('write a host and a port, such as "127.0.0.1:8641"')
    return value.strip()


def _url_name(value: str) -> str:
    """A name that stands in an address as it is; empty for none."""
    if value and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise ValueError("write letters, digits, dots and hyphens, such as spring-campaign")
    return value


def _proxy(value: str) -> str:
    try:
        return str(ip_network(value.strip()))
    except ValueError:
        raise ValueError(
            'write the addresses of your own proxies, such as "127.0.0.1" or "10.0.0.0/8"'
        ) from None


def _wait(value: object) -> timedelta:
    wait = span(value)
    return _positive(wait if isinstance(wait, timedelta) else timedelta(0))


Span = Annotated[timedelta, BeforeValidator(span)]
Wait = Annotated[timedelta, BeforeValidator(span), AfterValidator(_positive)]
#: A wait, or nothing: an empty text.
OptionalWait = Annotated[
    timedelta | None, BeforeValidator(lambda value: None if value == "" else _wait(value))
]
Reference = Annotated[str, AfterValidator(_reference)]
OptionalReference = Annotated[str, AfterValidator(lambda value: value and _reference(value))]
#: The most that a budget allows.
BudgetCap = Annotated[Cap, PlainValidator(_cap)]
#: The same, or no limit: an empty text.
OptionalCap = Annotated[
    Cap | None, PlainValidator(lambda value: None if value == "" else _cap(value))
]
#: The title of a column.
ColumnTitle = Annotated[str, Field(pattern=r"[^\s_-]")]
#: What one row costs, which may be a fraction of a credit.
Price = Annotated[int | float, Field(ge=0, allow_inf_nan=False)]
#: The price of one credit, such as "0.01 USD"; empty: not known.
CreditPrice = Annotated[str, AfterValidator(_credit_price)]
#: The names of saved files; empty: the usual ones.
FileName = Annotated[str, AfterValidator(_file_name)]
CodePage = Annotated[str, AfterValidator(_code_page)]
ListenAddress = Annotated[str, AfterValidator(_address)]
UrlName = Annotated[str, AfterValidator(_url_name)]
Proxy = Annotated[str, AfterValidator(_proxy)]
CronLine = Annotated[str, AfterValidator(_cron)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
