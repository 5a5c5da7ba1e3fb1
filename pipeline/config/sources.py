"""What a configuration is read from, as one digest: the file, secrets, files about APIs.

The same sources give the same settings. So a run that finds the digest unchanged reads no settings,
and does not load the libraries that check them, which take most of its time. Nothing slow is
imported here.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline import __version__
from pipeline.config.secrets import kept, resolved, text_of
from pipeline.config.store import SQLITE, is_reference
from pipeline.core.errors import ConfigError

#: What is read where a key is left out.
USUAL_KEY: Final = "env:APIFRAME_API_KEY"
USUAL_STORE: Final = f"{SQLITE}promptsheet.db"
USUAL_FOLDER: Final = "media/"
#: What the name of a tab of the sheet itself begins with.
TAB: Final = "tab:"
#: The folder of the program itself.
PACKAGE: Final = Path(__file__).parents[1]
#: Folders beside the configuration, and with the program, whose files belong to configurations.
_FOLDERS: Final = ("providers", "messages")


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a configuration, as they were when this was made."""

    path: Path
    #: A digest of all of them; empty if they cannot be read.
    digest: str = ""
    #: The file of the sheet, and that of the store; None if it is none.
    sheet: Path | None = None
    store: Path | None = None
    #: The folder of the files that cells may name, and the file of the styles.
    inputs: Path | None = None
    styles: Path | None = None
    #: True if a service is called after each pass.
    has_ping: bool = False


def configs() -> Path:
    """The folder of the configurations that come with the program."""
    inside = PACKAGE / "configs"  # in a wheel
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def sources_of(path: Path, environ: Mapping[str, str] = os.environ) -> Sources:
    """The sources of the configuration at this path. Nothing in them is checked."""
    try:
        text = text_of(path)
        return _sources(path, text, tomllib.loads(text), environ)
    except (OSError, ValueError, TypeError, AttributeError, LookupError, ConfigError):
        return Sources(path)  # `load` says what is wrong.


def _sources(path: Path, text: str, raw: Mapping[str, Any], environ: Mapping[str, str]) -> Sources:
    source, url = raw["sheet"]["source"], raw.get("store", {}).get("url", USUAL_STORE).strip()
    media, styles = raw.get("media", {}), raw.get("prompt", {}).get("styles", "")
    # A link may have been changed: so the paths count that these places lead to now.
    sheet = None if "://" in source else resolved(path, source)
    store = resolved(path, url[len(SQLITE) :]) if url.startswith(SQLITE) else None
    inputs = resolved(path, media["inputs"]) if media.get("inputs") else None
    its_styles = resolved(path, styles) if styles and not styles.startswith(TAB) else None
    folder = resolved(path, media.get("save_to", USUAL_FOLDER))
    secrets = [
        (one, secret.reveal() if (secret := kept(one, path, environ)) else None)
        for one in (USUAL_KEY, *filter(is_reference, _texts(raw)))
    ]
    own = [(file.parent.name, file.name, file.read_bytes()) for file in _files(path.parent)]
    # Only an update changes the others, and reading them takes longer than everything else here.
    known = ((file, file.stat()) for file in _files(configs()))
    shipped = [(file, its.st_size, its.st_mtime_ns) for file, its in known]
    places = (path.resolve(), sheet, store, inputs, its_styles, folder)
    read = (text, places, secrets, own, shipped)
    digest = hashlib.sha256(f"{__version__} {read!r}".encode("utf-8", "surrogatepass")).hexdigest()
    has_ping = bool(raw.get("schedule", {}).get("ping_url"))
    return Sources(path, digest, sheet, store, inputs, its_styles, has_ping)


def _files(root: Path) -> Iterator[Path]:
    """The files below this folder that belong to configurations."""
    found = (file for kind in _FOLDERS for file in sorted((root / kind).glob("*.*")))
    return (file for file in found if file.is_file())


def _texts(value: object) -> Iterator[str]:
    """All texts among the values of a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
