"""All endpoints with a sample row each, and all input columns, from the provider files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docs.tools.blocks import code, plain, table
from pipeline.cli.endpoints import shown_credits
from pipeline.cli.new_rows import new_sheet
from pipeline.config import configs
from pipeline.config.provider_files import every_version
from pipeline.core.api.provider import Endpoint, Provider
from pipeline.core.sheet.header import ALWAYS

#: Cells of a sample row that say nothing about its endpoint.
_NOT_SHOWN = {"name", "endpoint", "parent", *ALWAYS}


def providers() -> list[Provider]:
    """All APIs that have a file, Apiframe first."""
    folder = configs() / "providers"
    names = ["apiframe", *(one.stem for one in sorted(folder.glob("*.toml")))]
    found = {
        api.name: api
        for name in names
        if name == "apiframe" or not name.startswith("apiframe")
        for api in every_version(name, Path(), folder)
    }
    return [*found.values()]


def samples() -> str:
    """A table for each API: every endpoint with a row that can be sent."""
    titles = ["endpoint", "what it is", "gives", "credits", "a row for it"]
    return "\n\n".join(
        f"## {plain(api.full_title)}\n\n{table(titles, _samples(api))}" for api in providers()
    )


def _samples(api: Provider) -> Iterator[list[str]]:
    for name, endpoint in api.endpoints.items():
        header, *rows = new_sheet(api, name, approval=False, aspect_ratio="").rows
        chain = [dict(zip(header, row, strict=True)) for row in rows]
        shown = [
            f"{code(title)} {plain(cell)}"
            for title, cell in chain[-1].items()
            if cell and title not in _NOT_SHOWN
        ]
        if len(chain) > 1:
            shown.insert(0, f"`parent` a row of {code(chain[-2]['endpoint'])}")
        ended = f" (until {endpoint.ended})" if endpoint.ended else ""
        price = shown_credits(endpoint, api)
        yield [code(name), plain(endpoint.about) + ended, endpoint.kind, price, "<br>".join(shown)]


def columns() -> str:
    """Every column that an endpoint reads, with the endpoints that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    apis = providers()
    for api in apis:
        for name, endpoint in api.endpoints.items():
            for column in _columns(endpoint):
                found.setdefault(column, {}).setdefault(api.name, []).append(name)
    main, others = apis[:2], apis[2:]
    rows = (
        [
            code(column),
            *(_listed(its.get(api.name, []), api) for api in main),
            ", ".join(
                code(f"{api.name}/{name}") for api in others for name in its.get(api.name, [])
            ),
        ]
        for column, its in sorted(found.items())
    )
    return table(["column", *(f"Apiframe, {api.about}" for api in main), "other vendors"], rows)


def _columns(endpoint: Endpoint) -> list[str]:
    own = [name for name, one in endpoint.fields.items() if one.is_column]
    more = ["parent"] * endpoint.takes_parent + ["image"] * bool(endpoint.image)
    return [*dict.fromkeys([*own, *more])]


def _listed(names: list[str], api: Provider) -> str:
    rest = [name for name in api.endpoints if name not in names]
    if len(rest) <= 5:
        return f"all but {', '.join(map(code, rest))}" if rest else "all"
    return ", ".join(map(code, names))
