"""What a word of the command line may become: commands, flags, files, endpoints, outlets.

Arguments are not parsed as a command does it: that would load pydantic and take twice as long.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer.main

from pipeline.cli.commands import app
from pipeline.cli.options import LogFormats
from pipeline.cli.start import USUAL
from pipeline.config.sources import configs

#: What a word may become -> what that is, in a few words; empty where the word says it.
Words = Mapping[str, str]

#: The title of an endpoint in a provider file.
_ENDPOINT: Final = re.compile(r"(?m)^\[endpoints\.\"?([^].\"]+)\"?\]")
#: The API of endpoints that are named without one.
_APIFRAME: Final = "apiframe"


@dataclass(frozen=True, slots=True)
class Files:
    """The files with one of these endings; without endings, all files."""

    endings: tuple[str, ...] = ()


CONFIGS: Final = Files((".toml",))
SHEETS: Final = Files((".csv", ".tsv", ".xlsx", ".xlsm"))


def candidates(words: Sequence[str], last: str) -> Words | Files:
    """What `last` may become after these words of the command line."""
    command, names, arguments, option = _position(words)
    if option is not None:
        return _values(names, option.name, last)
    name, equals, value = last.partition("=")
    if equals and (option := _option(command, name)):
        found = _values(names, option.name, value)
        return found if isinstance(found, Files) else {f"{name}={one}": "" for one in found}
    if last.startswith("-"):
        options = [one for one in command.params if one.param_type_name == "option"]
        flags = {one.opts[0]: one.help or "" for one in options if not one.hidden}
        return _begin(last, flags | {"--help": "Show this message and exit."})
    if hasattr(command, "commands"):
        listed = [(name, command.commands[name]) for name in command.list_commands(None)]
        return _begin(last, {name: one.get_short_help_str(60) for name, one in listed})
    places = [one for one in command.params if one.param_type_name == "argument"]
    if not places or (arguments >= len(places) and places[-1].nargs != -1):
        return {}
    return _values(names, places[min(arguments, len(places) - 1)].name, last)


def _position(words: Sequence[str]) -> tuple[Any, list[str], int, Any]:
    """Where the cursor is: the command, its names, how many arguments, and a flag without value."""
    command: Any = typer.main.get_command(app)
    names: list[str] = []
    arguments, option = 0, None
    for word in words:
        if option is not None:
            option = None
        elif word.startswith("-"):
            option = None if "=" in word else _option(command, word)
        elif hasattr(command, "commands"):
            command = command.commands.get(word, _NOTHING)
            names.append(word)
        else:
            arguments += 1
    return command, names, arguments, option


class _Nothing:
    """A command that there is not."""

    params = ()


_NOTHING: Final = _Nothing()


def _option(command: Any, name: str) -> Any:
    """The flag of that name if it takes a value, else None."""
    found = (one for one in command.params if name in one.opts and not one.is_flag)
    return next(found, None)


def _begin(last: str, words: Words) -> Words:
    return {word: says for word, says in words.items() if word.startswith(last)}


# Values ------------------------------------------------------------------------------------------


def _values(names: Sequence[str], parameter: str, last: str) -> Words | Files:
    """The values of an argument or a flag; any file where these are not known."""
    of_command = _VALUES.get((names[0], parameter)) if names else None
    found = of_command or _VALUES.get(("", parameter)) or Files()
    return found if isinstance(found, Files) else _begin(last, dict.fromkeys(found(last), ""))


def _endpoints(last: str) -> Iterator[str]:
    """The endpoints of Apiframe, and the other vendors; those of a vendor that is the only one."""
    yield from _of_apiframe(last)
    own = (name for name in _providers(last) if not name.startswith(_APIFRAME))
    vendors = [name for name in own if f"{name}/".startswith(last[: len(name) + 1])]
    if last and len(vendors) == 1:
        yield from (f"{vendors[0]}/{name}" for name in _endpoints_of(vendors[0]))
    else:
        yield from (f"{name}/" for name in vendors)


def _of_apiframe(_: str) -> Iterator[str]:
    yield from _endpoints_of(_APIFRAME)


def _endpoints_of(vendor: str) -> Iterator[str]:
    """The endpoints in the files of all versions of an API."""
    for file in _provider_files():
        if re.fullmatch(rf"{re.escape(vendor)}(-v\d+)?", file.stem):
            with suppress(OSError, UnicodeDecodeError):
                yield from _ENDPOINT.findall(file.read_text("utf-8"))


def _providers(_: str) -> Iterator[str]:
    yield from sorted({file.stem for file in _provider_files()})


def _provider_files() -> Iterator[Path]:
    for folder in (Path("providers"), configs() / "providers"):
        yield from folder.glob("*.toml")


def _outlets(_: str) -> Iterator[str]:
    """The names of the outlets in the usual configuration."""
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        outlets = tomllib.loads(USUAL.read_text("utf-8")).get("outlets", [])
        yield from [str(one.get("name") or one["kind"]) for one in outlets]


def _formats(_: str) -> Iterator[str]:
    yield from LogFormats


#: (first word of the command or any, parameter) -> its values.
_VALUES: Final[Mapping[tuple[str, str], Files | Callable[[str], Iterator[str]]]] = {
    ("", "config"): CONFIGS,
    ("", "configs"): CONFIGS,
    ("", "words"): CONFIGS,
    ("", "sheet"): SHEETS,
    ("", "endpoint"): _endpoints,
    ("endpoints", "name"): _of_apiframe,
    ("", "provider"): _providers,
    ("outlets", "name"): _outlets,
    ("outlets", "only"): _outlets,
    ("", "log_format"): _formats,
}
