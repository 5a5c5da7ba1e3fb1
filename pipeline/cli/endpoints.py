"""`promptsheet endpoints`: what can be requested, with columns, allowed values and credits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.config import configs
from pipeline.config.provider_files import every_version
from pipeline.core.api.fields import IMAGE
from pipeline.core.api.objects import written_as
from pipeline.core.api.provider import Endpoint, Field, Provider, is_over
from pipeline.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

#: So many allowed values are shown of one column.
MOST_VALUES = 12


def print_endpoints(
    console: Console, provider: str, name: str, *, own: Path, as_json: bool, today: date
) -> int:
    """Print all endpoints of an API, or the columns of one. Returns the exit code.

    What has ended is left out, and what will end is shown with its day.
    """
    apis = every_version(provider, own, configs() / "providers")
    if name:
        found = [(api, api.endpoints[name]) for api in apis if name in api.endpoints]
        if not found:
            known = ", ".join(dict.fromkeys(one for api in apis for one in api.endpoints))
            raise ConfigError(f'There is no endpoint "{name}". There is {known}.')
    if as_json:
        console.print_json(json.dumps([_as_json(api, name, today) for api in apis]))
    elif name:
        for api, endpoint in found:
            _print_columns(console, api, name, endpoint, today)
    else:
        for api in apis:
            _print_all(console, api, today)
    return 0


def _read(api: Provider) -> str:
    return f"; credits as read on {api.credits_read}" if api.credits_read else ""


def _print_all(console: Console, api: Provider, today: date) -> None:
    table = Table(title=f"{api.full_title}{_read(api)}", title_justify="left", box=None)
    for title in ("endpoint", "gives", "credits", "what it is"):
        table.add_column(title, justify="right" if title == "credits" else "left")
    for name, one in api.endpoints.items():
        about = f"{one.about}{_end(one, today)}"
        table.add_row(*map(Text, (name, one.kind, shown_credits(one, api), about)))
    console.print(table)
    console.print()


def _end(endpoint: Endpoint, today: date) -> str:
    """When the endpoint ended or will end, after its description."""
    if endpoint.ended is None:
        return ""
    return f" ({'ended' if is_over(endpoint.ended, today) else 'ends'} on {endpoint.ended})"


def shown_credits(endpoint: Endpoint, api: Provider) -> str:
    """The listed credits of a row, in a few words, such as `3 to 8`."""
    if endpoint.credits is None:
        is_listed = endpoint.prices or (api.account and api.account.prices)
        return "by model" if is_listed else "not listed"
    prices = {endpoint.credits, *(price.credits for price in endpoint.prices)}
    least, most = min(prices), max(prices)
    shown = f"{most}" if least == most else f"{least} to {most}"
    return f"{shown} × {endpoint.credits_times}" if endpoint.credits_times else shown


def _print_columns(
    console: Console, api: Provider, name: str, endpoint: Endpoint, today: date
) -> None:
    about = f"{endpoint.about or endpoint.kind}{_end(endpoint, today)}"
    console.print(Text(f"{name} of {api.full_title}: {about}"))
    console.print(
        Text(f"Credits: {shown_credits(endpoint, api)}{_read(api)}. Gives: {endpoint.kind}.")
    )
    table = Table(box=None)
    for title in ("column", "needed", "what it may hold"):
        table.add_column(title)
    if endpoint.takes_parent:
        table.add_row("parent", "", Text("the name of the row that this one follows"))
    if endpoint.image:
        says = f"the same as {' or '.join(endpoint.image)}, or another row's name, such as fox#2"
        table.add_row(IMAGE, "", Text(says))
    for column, one in endpoint.fields.items():
        if one.is_column:
            needed = "yes" if one.required else ""
            table.add_row(*map(Text, (column, needed, "; ".join(_allowed(one, today)))))
    console.print(table)
    for title, one in endpoint.fields.items():
        for word, end in sorted(one.ended.items(), key=itemgetter(1)):
            if not is_over(end, today):
                console.print(Text(f"{title} {word} ends on {end}.", style="yellow"))
    console.print()


def _allowed(one: Field, today: date) -> Iterator[str]:
    """What a column may hold, in a few phrases."""
    words = one.choices(today)
    if words:
        more = f" and {len(words) - MOST_VALUES} more" if len(words) > MOST_VALUES else ""
        yield ", ".join(words[:MOST_VALUES]) + more
    elif one.says:
        yield one.says
    elif one.line:
        yield written_as(one)
    else:
        yield _KINDS[one.type]
    if one.least is not None and one.most is not None:
        yield f"{one.least:g} to {one.most:g}"
    if one.longest:
        yield f"at most {one.longest} characters"
    if one.items:
        yield f"{one.items[0]} to {one.items[1]} of them"
    if one.only:
        yield f"only for {', '.join(one.only[:MOST_VALUES])}"
    for part, its in one.parts.items():
        yield f"{part}: {', '.join(_allowed(its, today))}"
    if one.variants:
        yield "differs by model"
        yield from (f"for {', '.join(v.only)}: {v.says}" for v in one.variants if v.line and v.says)
    if one.parent == "url":
        yield "or the picture of the row in parent"


_KINDS: Mapping[str, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
    "list": "a list, one on each line",
    "address": "an address",
    "addresses": "addresses, one on each line",
    "objects": "a list, one on each line",
    "file": "the name of a file in [media] inputs, or an address",
}


def _as_json(api: Provider, name: str, today: date) -> dict[str, object]:
    return {
        "api": api.full_title,
        "provider": api.name,
        "endpoints": [
            {
                "name": one,
                "about": endpoint.about,
                "gives": endpoint.kind,
                "credits": endpoint.credits,
                "ends": endpoint.ended and endpoint.ended.isoformat(),
                "columns": [
                    {
                        "name": column,
                        "needed": field.required,
                        "type": field.type,
                        "values": field.choices(today),
                        "ends": {
                            word: end.isoformat()
                            for word, end in field.ended.items()
                            if not is_over(end, today)
                        },
                    }
                    for column, field in endpoint.fields.items()
                    if field.is_column
                ],
            }
            for one, endpoint in api.endpoints.items()
            if name in ("", one)
        ],
    }
