"""Read a provider file: TOML -> Provider. All problems of a file are reported in one error.

A file may be an alias: a table that tells, by the beginning of the API key, which file counts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from pipeline.config.problems import Place, nearest, place_of, sentences
from pipeline.config.provider_mistakes import mistakes_in
from pipeline.config.secrets import Secret
from pipeline.config.stand_ins import mended
from pipeline.config.values import span
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits
from pipeline.core.errors import ConfigError

#: Table -> its keys that hold one path or several.
_PATHS: Mapping[str, tuple[str, ...]] = {
    "task": ("id", "status", "percent", "reason", "credits"),
    "poll": ("address",),
    "account": ("credits", "at_once"),
    "upload": ("url",),
}
#: The keys of an entry of an alias.
_ENTRY = ("begins", "file", "path")
_ENDPOINT_PATHS = ("urls", "grid_url", "text", "ids", "image")
#: Keys that the program sets, not the file.
_SET = ("name", "base_path", "assumed")


def read_provider(name: str, key: Secret | None, own: Path, shipped: Path) -> Provider:
    """The API of this name, for this key. A file in `own` comes before one in `shipped`.

    Raises ConfigError with all problems of the file.
    """
    text = key.reveal().strip() if key else None
    try:
        raw, file = _raw(name, own, shipped)
        if "by_key" in raw:
            meant = _meant(raw, file, text, own, shipped)
            named = _provider(*_text_of(meant["file"], own, shipped))
            return replace(named, base_path=meant.get("path", ""), assumed=not text)
        return _provider(*_text_of(name, own, shipped))
    except ConfigError as e:
        if own == shipped:
            raise
        raise ConfigError(*(_with_folder(one, own) for one in e.problems)) from None


def _with_folder(problem: str, own: Path) -> str:
    """The problem of a provider file; one of a person's own is named with its folder."""
    is_own = (own / problem.partition(": ")[0]).is_file()
    return f"{own.name}/{problem}" if is_own else problem


def every_version(name: str, own: Path, shipped: Path) -> list[Provider]:
    """The API of this name; of an alias, each API that it names. Raises ConfigError."""
    raw, file = _raw(name, own, shipped)
    if "by_key" not in raw:
        return [_provider(*_text_of(name, own, shipped))]
    return [
        _provider(*_text_of(one["file"], own, shipped)) for one in _entries(raw, file, own, shipped)
    ]


class OwnPrices(NamedTuple):
    """An API with a person's own prices for endpoints; and those for models, in lower case."""

    provider: Provider
    models: dict[str, Credits]


def with_prices(
    provider: Provider, prices: Mapping[str, Credits], problems: list[str]
) -> OwnPrices:
    """Apply a person's own prices: name of an endpoint or a model -> credits.

    Adds a sentence to `problems` for each name that is neither.
    """
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
    return OwnPrices(replace(provider, endpoints=endpoints), own)


def base_url_of(provider: Provider, given: str) -> str:
    """Where requests go: an address of the configuration, or else the provider's.

    An address without a path gets that of the API which the key belongs to.
    """
    if not given:
        return provider.base_url.rstrip("/")
    given = given.rstrip("/")
    return given if urlsplit(given).path else given + provider.base_path


def _raw(name: str, own: Path, shipped: Path) -> tuple[Mapping[str, Any], Path]:
    """The tables of the file of this name, and the file."""
    file, text = _text_of(name, own, shipped)
    return _parsed(file, text), file


def _text_of(name: str, own: Path, shipped: Path) -> tuple[Path, str]:
    """The file of this name, and its text."""
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f'provider.name: "{name}" is not the name of a provider file')
    file = own / f"{name}.toml"
    if not file.is_file():
        file = shipped / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in shipped.glob("*.toml")))
        raise ConfigError(f'provider.name: there is no "{name}"; there is {known}')
    try:
        return file, file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file.name}: cannot be read: {e}") from None


#: The beginning of a table of keys in a TOML text.
_HAS_KEYS = re.compile(r"^[ \t]*(?:\[\[[ \t]*by_key|by_key[ \t]*=)", re.MULTILINE)


@lru_cache(maxsize=16)
def _parsed(file: Path, text: str) -> Mapping[str, Any]:
    """The tables of a file with this text. Parsing a provider file takes some 10 ms."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{file.name}: this is not TOML: {e}") from None


def _meant(
    raw: Mapping[str, Any], file: Path, key: str | None, own: Path, shipped: Path
) -> dict[str, str]:
    """The entry of an alias for a key; without a key, that for any other key."""
    entries = _entries(raw, file, own, shipped)
    for one in entries:
        if (key or "").startswith(one["begins"]):
            return one
    raise ConfigError(f'{file.name}: by_key: no entry fits this key; add one with begins = ""')


def _entries(
    raw: Mapping[str, Any], file: Path, own: Path, shipped: Path
) -> Sequence[dict[str, str]]:
    """The entries of an alias. Raises ConfigError with all of its problems."""
    problems = []
    if others := [name for name in raw if name not in ("by_key", "title")]:
        problems.append(
            f"by_key: a file with by_key has nothing else but a title: remove {', '.join(others)}"
        )
    entries = raw["by_key"]
    if not isinstance(entries, list) or not entries:
        problems.append("by_key: write tables [[by_key]], each with begins and file")
        entries = []
    begins = list[str]()
    for number, one in enumerate(entries, start=1):
        place = f"by_key (entry {number})"
        if not isinstance(one, dict):
            problems.append(f"{place}: write a table with begins and file")
            continue
        problems += [
            f"{place}.{name}: there is no such key{nearest(name, [*_ENTRY])}"
            for name in one
            if name not in _ENTRY
        ]
        wrong = [n for n in _ENTRY if not isinstance(one.get(n, "" if n == "path" else None), str)]
        problems += [f"{place}.{name}: write a text in quotation marks" for name in wrong]
        if wrong:
            continue
        if earlier := next((each for each in begins if one["begins"].startswith(each)), None):
            problems.append(f'{place}.begins: an earlier entry takes all keys with "{earlier}"')
        elif "" in begins:
            problems.append(f"{place}.begins: an earlier entry takes all keys: write that one last")
        begins.append(one["begins"])
        problems += _problems_of_entry(place, one, own, shipped)
    if problems:
        raise ConfigError(*(f"{file.name}: {problem}" for problem in problems))
    return entries


def _problems_of_entry(
    place: str, one: Mapping[str, str], own: Path, shipped: Path
) -> Iterator[str]:
    if one.get("path") and not re.fullmatch(r"/[^\s?#]*", one["path"]):
        yield f'{place}.path: write a path such as "/v2"'
    try:
        _, text = _text_of(one["file"], own, shipped)
    except ConfigError as e:
        yield from (problem.replace("provider.name", f"{place}.file", 1) for problem in e.problems)
    else:
        # Parsing the files of all entries would cost each start some 25 ms.
        if _HAS_KEYS.search(text):
            yield f"{place}.file: {one['file']} has by_key itself: name the file of an API"


@lru_cache(maxsize=16)
def _provider(file: Path, text: str) -> Provider:
    """The API of a file with this text. Raises ConfigError with all problems.

    It is kept, because several configurations may name one file, and checking it takes some 10 ms.
    """
    prepared, found = _prepared(_parsed(file, text))
    wrong: set[Place] = {tuple(problem.partition(":")[0].split(".")) for problem in found}
    provider: Provider | None
    try:
        provider = _validated(prepared)
    except ValidationError as e:
        found += sentences(e, Provider, prepared)
        wrong |= {tuple(problem["loc"]) for problem in e.errors()}
        provider = mended(prepared, e, _validated)
    if provider:
        # The other parts of the file are checked all the same, so that one correction is enough.
        spoilt = {place[:2] if place[0] == "endpoints" else place[:1] for place in wrong}
        found += (one for one in mistakes_in(provider) if not _is_about(one, spoilt))
    if found or provider is None:
        raise ConfigError(*(f"{file.name}: {problem}" for problem in found))
    return replace(provider, name=file.stem)


def _is_about(mistake: str, places: Collection[Place]) -> bool:
    """Whether a mistake is in a part of the file that has a wrong value."""
    return any(mistake.startswith((f"{(name := place_of(p))}:", f"{name}.")) for p in places)


def _validated(prepared: Mapping[str, Any]) -> Provider:
    return _adapter().validate_python(prepared, extra="forbid")


@cache
def _adapter() -> TypeAdapter[Provider]:
    """The validator of provider files, made once for all configurations of a start."""
    return TypeAdapter(Provider)


def _prepared(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The file with lists where one value may stand for a list of one, and spans of time.

    Also the problems that this found.
    """
    file = dict(raw)
    problems = [f"{name}: is set by the program: remove it" for name in _SET if name in file]
    if isinstance(file.get("account"), str):  # As files of earlier versions say it.
        left = file.pop("account_credits", "credits")
        file["account"] = {"path": file["account"], "credits": left}
    for table, keys in _PATHS.items():
        _listed(file, table, keys)
    if "links" in file:
        try:
            file["links"] = span(file["links"])
        except ValueError as e:
            problems.append(f"links: {e}")
            del file["links"]
    endpoints = file.get("endpoints")
    if isinstance(endpoints, dict):
        endpoints = file["endpoints"] = dict(endpoints)
        for name, endpoint in endpoints.items():
            _listed(endpoints, name, _ENDPOINT_PATHS)
            if isinstance(endpoint, dict) and isinstance(fields := endpoint.get("fields"), dict):
                endpoints[name]["fields"] = {n: _field(one) for n, one in fields.items()}
            if isinstance(endpoint, dict) and isinstance(prices := endpoint.get("prices"), list):
                endpoints[name]["prices"] = [_price(one) for one in prices]
    return file, problems


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
    if isinstance(parts := field.get("parts"), dict):
        field["parts"] = {name: _field(each) for name, each in parts.items()}
    return field


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else value


def key_problems(provider: Provider, key: Secret | None, own: Path) -> Iterator[str]:
    """Problems of a key for this API, one sentence each.

    `own` is the folder of a person's own provider files. A file there is named: it may be older
    than the key.
    """
    if key is None:
        return
    if re.search(r"\s", key.reveal()) or not key.reveal().isascii():
        yield "the key holds a space or another invalid character. Copy it again."
    for start, sentence in provider.key.refused.items():
        if key.reveal().startswith(start):
            file = own / f"{provider.name}.toml"
            yield f"{sentence} ({file} says so.)" if file.is_file() else sentence
