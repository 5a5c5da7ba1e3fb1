"""Secrets: read from the place that a reference names, never from the configuration itself."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.core.errors import ConfigError

#: The most characters of a configuration, or of a secret in a file.
_LONGEST = 1_000_000


class Secret:
    """A value that no repr, log or error shows; `reveal` returns it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


def kept(reference: str, path: Path, environ: Mapping[str, str]) -> Secret | None:
    """The secret that `env:NAME` or `file:PATH` names; None if it is missing or empty.

    `path` is the configuration file: a relative PATH begins in its folder.
    """
    kind, place = reference.split(":", 1)
    if kind == "env":
        value = environ.get(place.strip(), "").strip()
    else:
        try:
            value = text_of(resolved(path, place)).strip()
        except (OSError, UnicodeDecodeError):
            value = ""
    return Secret(value) if value else None


def exposed(references: Iterable[str], path: Path) -> Iterator[str]:
    """A warning for each file of secrets that other users of this machine can read.

    Besides the files that `references` name, a `.env` beside the configuration is checked.
    """
    if os.name == "nt":  # where the mode of a file says nothing about other users
        return
    places = [place for kind, _, place in (r.partition(":") for r in references) if kind == "file"]
    for place in dict.fromkeys([*places, ".env"]):
        file = resolved(path, place)
        try:
            mode = file.stat().st_mode
        except OSError:
            continue
        if mode & 0o077:
            yield (
                f"Other users of this machine can read {file.name}, which holds a secret. Run: "
                f"chmod 600 {shlex.quote(str(file))}"
            )


def text_of(path: Path) -> str:
    """The text of a small file. Raises OSError for one of more than a million characters."""
    with path.open(encoding="utf-8") as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return text


def resolved(path: Path, place: str) -> Path:
    """The absolute path of a place that the configuration file `path` names."""
    try:
        return (path.resolve().parent / Path(place.strip()).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError):
        # A link that leads to itself, the home of an unknown user, a NUL.
        raise ConfigError(f"{path.name}: {place!r} leads to no file. Correct that path.") from None
