"""Read a provider file: TOML -> Provider. All problems of a file are reported in one error.

A file may be an alias: a table that tells, by the beginning of the API key, which file counts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from pipeline.config.problems import nearest, sentences
from pipeline.config.schema import span
from pipeline.config.secrets import Secret
from pipeline.core.credits import Credits
from pipeline.core.errors import ConfigError
from pipeline.core.fields import mistakes_in
from pipeline.core.header import ALWAYS, CONTROLS, IF_THERE
from pipeline.core.paths import PUT, READ
from pipeline.core.provider import Provider

#: Table -> its keys that hold one path or several.
_PATHS: Mapping[str, tuple[str, ...]] = {
    "task": ("id", "status", "percent", "reason", "credits"),
    "poll": ("address",),
    "account": ("credits", "at_once"),
    "upload": ("url",),
}
#: The keys of an entry of an alias.
_ENTRY = ("begins", "file", "path")
_ENDPOINT_PATHS = ("urls", "grid_url", "text", "ids")
#: Names that a field must not have: columns of these names mean something else.
_TAKEN = frozenset((*ALWAYS, *IF_THERE, *CONTROLS))


def read_provider(name: str, key: Secret | None, own: Path, shipped: Path) -> Provider:
    """The API of this name, for this key. A file in `own` comes before one in `shipped`.

    Raises ConfigError with all problems of the file.
    """
    text = key.reveal().strip() if key else None
    raw, file = _raw(name, own, shipped)
    if "by_key" in raw:
        meant = _meant(raw, file, text)
        raw, file = _raw(meant["file"], own, shipped)
        is_assumed = not text
        return replace(_provider(raw, file), base_path=meant.get("path", ""), assumed=is_assumed)
    return _provider(raw, file)


def every_version(name: str, own: Path, shipped: Path) -> list[Provider]:
    """The API of this name; of an alias, each API that it names. Raises ConfigError."""
    raw, file = _raw(name, own, shipped)
    if "by_key" not in raw:
        return [_provider(raw, file)]
    return [_provider(*_raw(str(one["file"]), own, shipped)) for one in raw["by_key"]]


def with_prices(
    provider: Provider, prices: Mapping[str, Credits], problems: list[str]
) -> tuple[Provider, dict[str, Credits]]:
    """The API with a person's own prices for its endpoints, and those for models, in lower case."""
    models = {
        word.casefold()
        for endpoint in provider.endpoints.values()
        for word in (
            str(endpoint.send.get("model", "")),
            *(endpoint.fields[endpoint.select].one_of if endpoint.select else ()),
        )
    }
    endpoints = dict(provider.endpoints)
    own = {}
    for name, price in prices.items():
        if name in endpoints:
            endpoints[name] = replace(endpoints[name], credits=price, prices=(), credits_times="")
        elif name.casefold() in models:
            own[name.casefold()] = price
        else:
            near = nearest(name, [*endpoints, *sorted(models - {""})])
            problems.append(f"provider.credits.{name}: is neither an endpoint nor a model{near}")
    return replace(provider, endpoints=endpoints), own


def base_url_of(provider: Provider, given: str) -> str:
    """Where requests go: an address of the configuration, or else the provider's.

    An address without a path gets that of the API which the key belongs to.
    """
    if not given:
        return provider.base_url.rstrip("/")
    given = given.rstrip("/")
    return given if urlsplit(given).path else given + provider.base_path


def _raw(name: str, own: Path, shipped: Path) -> tuple[Mapping[str, Any], Path]:
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f'provider.name: "{name}" is not the name of a provider file')
    file = own / f"{name}.toml"
    if not file.is_file():
        file = shipped / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in shipped.glob("*.toml")))
        raise ConfigError(f'provider.name: there is no "{name}"; there is {known}')
    try:
        return _parsed(file.read_text("utf-8")), file
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{file.name}: this is not TOML: {e}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file.name}: cannot be read: {e}") from None


@lru_cache(maxsize=16)
def _parsed(text: str) -> Mapping[str, Any]:
    """The tables of a TOML text. Parsing a provider file takes some 10 ms."""
    return tomllib.loads(text)


def _meant(raw: Mapping[str, Any], file: Path, key: str | None) -> dict[str, str]:
    """The entry of an alias for a key; without a key, that for any other key."""
    for one in raw["by_key"]:
        if not isinstance(one, dict) or not {"begins", "file"} <= {*one} <= {*_ENTRY}:
            raise ConfigError(f"{file.name}: by_key: each entry has {', '.join(_ENTRY)}")
        if (key or "").startswith(str(one["begins"])):
            return {name: str(value) for name, value in one.items()}
    raise ConfigError(f'{file.name}: by_key: no entry fits this key; add one with begins = ""')


def _provider(raw: Mapping[str, Any], file: Path) -> Provider:
    try:
        provider = _adapter().validate_python(_prepared(raw), extra="forbid")
    except ValidationError as e:
        raise ConfigError(*(f"{file.name}: {problem}" for problem in sentences(e))) from None
    if problems := [f"{file.name}: {problem}" for problem in _mistakes(provider)]:
        raise ConfigError(*problems)
    return replace(provider, name=file.stem)


@cache
def _adapter() -> TypeAdapter[Provider]:
    """The validator of provider files, made once for all configurations of a start."""
    return TypeAdapter(Provider)


def _prepared(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The file with lists where one value may stand for a list of one, and spans of time."""
    file = dict(raw)
    if isinstance(file.get("account"), str):  # As files of earlier versions say it.
        left = file.pop("account_credits", "credits")
        file["account"] = {"path": file["account"], "credits": left}
    for table, keys in _PATHS.items():
        _listed(file, table, keys)
    if "links" in file:
        file["links"] = span(file["links"])
    endpoints = file.get("endpoints")
    if isinstance(endpoints, dict):
        endpoints = file["endpoints"] = dict(endpoints)
        for name, endpoint in endpoints.items():
            _listed(endpoints, name, _ENDPOINT_PATHS)
            if isinstance(endpoint, dict) and isinstance(fields := endpoint.get("fields"), dict):
                endpoints[name]["fields"] = {n: _field(one) for n, one in fields.items()}
            if isinstance(endpoint, dict) and isinstance(prices := endpoint.get("prices"), list):
                endpoints[name]["prices"] = [_price(one) for one in prices]
    return file


def _listed(tables: dict[str, Any], name: str, keys: tuple[str, ...]) -> None:
    table = tables.get(name)
    if isinstance(table, dict):
        tables[name] = {
            key: [value] if key in keys and isinstance(value, str) else value
            for key, value in table.items()
        }


def _price(one: object) -> object:
    """A price whose conditions are texts: a file may write them as numbers."""
    if isinstance(one, dict) and isinstance(one.get("when"), dict):
        return {**one, "when": _texts(one["when"])}
    return one


def _field(one: object) -> object:
    """A field with its allowed values as text: a file may write them as numbers."""
    if not isinstance(one, dict):
        return one
    field = dict(one)
    if isinstance(words := field.get("one_of"), list):
        field["one_of"] = [_text(word) for word in words]
    if isinstance(more := field.get("variants"), list):
        field["variants"] = [_field(each) for each in more]
    return field


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else value


def _mistakes(provider: Provider) -> Iterator[str]:
    if "{id}" not in provider.poll.one and not provider.poll.one_field:
        yield "poll: with GET, `one` needs {id}; with POST, one_field is missing"
    yield from _path_mistakes("task", provider.task, ("id", "status", "percent", "reason"), READ)
    if provider.webhook:
        places = (provider.webhook.url_field, provider.webhook.secret_field)
        for place in filter(None, (*places, *provider.webhook.fields)):
            if not PUT.fullmatch(place):
                yield f'webhook: "{place}" is not a path'
        has_header = provider.webhook.header or provider.webhook.proof in ("standard", "none")
        if not has_header:
            yield "webhook.header: is missing"
    for name, endpoint in provider.endpoints.items():
        place = f"endpoints.{name}"
        yield from (f"{place}.{mistake}" for mistake in mistakes_in(endpoint))
        yield from _path_mistakes(place, endpoint, _ENDPOINT_PATHS, READ)
        for field, one in endpoint.fields.items():
            if field in _TAKEN:
                yield f"{place}.fields.{field}: is a column of ours: rename it, use to"
            for each in (one, *one.variants):
                if each.to and not PUT.fullmatch(each.to):
                    yield f'{place}.fields.{field}.to: "{each.to}" is not a path'
                if each.encode == "upload" and provider.upload is None:
                    yield f"{place}.fields.{field}.encode: upload needs a table [upload]"
        for path in endpoint.send:
            if not PUT.fullmatch(path):
                yield f'{place}.send: "{path}" is not a path'
        for parent in endpoint.parents:
            if parent not in provider.endpoints:
                yield f"{place}.parents: there is no endpoint {parent}"


def _path_mistakes(
    place: str, table: object, keys: tuple[str, ...], shape: re.Pattern[str]
) -> Iterator[str]:
    for key in keys:
        for path in getattr(table, key):
            if not shape.fullmatch(path):
                yield f'{place}.{key}: "{path}" is not a path'


def key_problems(provider: Provider, key: Secret | None) -> Iterator[str]:
    """Problems of a key for this API, one sentence each."""
    if key is None:
        return
    if re.search(r"\s", key.reveal()) or not key.reveal().isascii():
        yield "the key holds a space or another invalid character. Copy it again."
    for start, sentence in provider.key.refused.items():
        if key.reveal().startswith(start):
            yield sentence
