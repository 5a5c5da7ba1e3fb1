"""The languages of notes: files of messages (`.po`) -> Catalogue.

English is in the code, so it needs no file, and a start in English does not load the library that
reads them. `messages/NAME.po` beside the configuration adds a language, or rewords one. A message
that is missing there or cannot be used stays English; `problems_with` says which, for `doctor`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.language import ENGLISH, Catalogue, is_translation
from pipeline.core.text import counted, quoted

if TYPE_CHECKING:
    import polib

#: The name of the folders of these files.
FOLDER = "messages"
#: So many messages are named in a sentence.
_MOST_NAMED = 3


@dataclass
class _Found:
    """What files of one language hold."""

    #: (English message, that for other numbers than 1) -> its forms.
    messages: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    form_of: Callable[[int], int] | None = None
    problems: list[str] = field(default_factory=list)


def catalogue_of(language: str, config: Path, shipped: Path, problems: list[str]) -> Catalogue:
    """The catalogue of a language, for the configuration at this path.

    Adds a sentence to `problems` if there is no such language.
    """
    if not (files := _files(language, config, shipped)):
        if language == ENGLISH.language:
            return ENGLISH
        known = sorted({one.stem for folder in _folders(config, shipped) for one in _in(folder)})
        problems.append(
            f'sheet.language: there is no "{language}"; there is {", ".join(known)}. A file '
            f"{FOLDER}/NAME.po beside the configuration adds a language."
        )
        return ENGLISH
    found = _read(files)
    text = repr(sorted(found.messages.items()))
    version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if found.form_of is None:
        return Catalogue(language, found.messages, version)
    return Catalogue(language, found.messages, version, found.form_of)


def problems_with(language: str, config: Path, shipped: Path) -> list[str]:
    """Sentences about messages of a language that are said in English, and why; empty if none."""
    if not (files := _files(language, config, shipped)):
        return []
    found = _read(files)
    said = list(found.problems)
    if language == ENGLISH.language:
        return said
    missing = [one for one in _ids(shipped / f"{ENGLISH.language}.po") if one not in found.messages]
    if missing:
        some = ", ".join(quoted(one[0], 50) for one in missing[:_MOST_NAMED])
        more = ", …" if len(missing) > _MOST_NAMED else ""
        said.append(
            f"{counted(len(missing), 'message')} without a translation into {language} "
            f"{'is' if len(missing) == 1 else 'are'} shown in English: {some}{more}."
        )
    return said


def _folders(config: Path, shipped: Path) -> tuple[Path, Path]:
    return shipped, config.parent / FOLDER


def _in(folder: Path) -> Iterator[Path]:
    return folder.glob("*.po")


def _files(language: str, config: Path, shipped: Path) -> list[Path]:
    """The files of a language; those that come later count."""
    if not language.replace("-", "").replace("_", "").isalnum():
        return []
    is_english = language == ENGLISH.language
    folders = _folders(config, shipped)[1:] if is_english else _folders(config, shipped)
    files = (folder / f"{language}.po" for folder in dict.fromkeys(folders))
    return [file for file in files if file.is_file()]


def _read(files: list[Path]) -> _Found:
    found = _Found()
    for file in files:
        try:
            entries = _entries(file)
        except (OSError, ValueError) as e:
            why = " ".join(str(e).split())
            found.problems.append(f"{file} cannot be read, so it is not used: {why}.")
            continue
        if not entries:
            found.problems.append(f"{file} holds no messages.")
        if (rule := _plural(entries)) is not None:
            found.form_of = rule
        wrong = [_id(one) for one in entries if not _take_in(one, found)]
        found.problems += [
            f"{file.name}: the translation of {quoted(one[0], 60)} does not have the same values "
            "in braces, so that message is shown in English."
            for one in wrong
        ]
    return found


def _entries(file: Path) -> polib.POFile:
    """Raises OSError or ValueError if it cannot be read."""
    import polib  # 11 ms that a start in English does not need

    return polib.pofile(str(file), encoding="utf-8")


def _id(entry: polib.POEntry) -> tuple[str, ...]:
    return (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)


def _ids(file: Path) -> list[tuple[str, ...]]:
    """Every message of the program."""
    return [_id(one) for one in _entries(file) if not one.obsolete]


def _take_in(entry: polib.POEntry, found: _Found) -> bool:
    """Add the message of an entry; False if its translation cannot be used."""
    forms = tuple(text for _, text in sorted(entry.msgstr_plural.items())) or (entry.msgstr,)
    if entry.obsolete or entry.fuzzy or not all(forms):
        return True
    message = _id(entry)
    try:
        is_usable = all(is_translation(message, form) for form in forms)
    except ValueError:  # the message itself is none of ours
        return True
    if is_usable:
        found.messages[message] = forms
    return is_usable


def _plural(entries: polib.POFile) -> Callable[[int], int] | None:
    """Number -> which form, by the head of a file; None if it does not say."""
    from gettext import c2py

    _, _, rule = entries.metadata.get("Plural-Forms", "").partition("plural=")
    if not rule:
        return None
    try:
        form_of: Callable[[int], int] = c2py(rule.strip().rstrip(";"))
        form_of(1)
    except (ValueError, ArithmeticError):
        return None
    return form_of
