"""Completion at a Tab, in the words of bash, zsh and fish.

The shells call the program with the script that `--install-completion` writes. PowerShell is
answered by typer.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.cli.start import COMPLETE


def answer() -> bool:
    """Print what the word at the cursor may become. Returns False for any other instruction."""
    asked = os.environ[COMPLETE]
    if asked == "complete_fish" and os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return True  # Files are among our answers, so fish need not look for them.
    if asked not in ("complete_bash", "complete_zsh", "complete_fish"):
        return False
    from pipeline.cli.completion import Files, candidates

    words, last = _words_of_bash() if asked == "complete_bash" else _typed()
    found = candidates(words, last)
    lines = _FILES[asked](last, found.endings) if isinstance(found, Files) else _WORDS[asked](found)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return True


def mend_zsh() -> None:
    """Let the script for zsh complete at the first Tab: typer's only loads itself then."""
    with suppress(ImportError, AttributeError, KeyError):  # another version of typer
        from typer import _completion_shared

        scripts = _completion_shared._completion_scripts
        loaded = "compdef %(complete_func)s %(prog_name)s\n"
        scripts["zsh"] = scripts["zsh"].replace(
            f"\n{loaded}",
            '\nif [[ "$funcstack[1]" = "_%(prog_name)s" ]]; then\n'
            f'  %(complete_func)s "$@"\nfi\n{loaded}',
        )


# What was typed ----------------------------------------------------------------------------------


def _words_of_bash() -> tuple[list[str], str]:
    """The words after the name of the program, and the word at the cursor."""
    typed, at = _split(os.environ.get("COMP_WORDS", "")), int(os.environ.get("COMP_CWORD", "1"))
    words, last = typed[1:at], typed[at] if at < len(typed) else ""
    # bash makes three words of --endpoint=flux, and replaces only the last one.
    if last == "=":
        return words, ""
    if words[-1:] == ["="]:
        words.pop()
    return words, last


def _typed() -> tuple[list[str], str]:
    line = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(line)[1:]
    if words and not line[-1:].isspace():
        return words[:-1], words[-1]
    return words, ""


def _split(line: str) -> list[str]:
    """The words of a line, whose last quotation may be open."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


# What each shell reads ---------------------------------------------------------------------------


def _bash_words(words: Mapping[str, str]) -> Iterator[str]:
    """The words with backslashes, which bash does not take away between quotation marks."""
    typed = os.environ.get("COMP_WORDS", "").split("\n")[int(os.environ.get("COMP_CWORD", "1")) :]
    if "".join(typed[:1]).startswith(("'", '"')):
        yield from words
    else:
        yield from (re.sub(r"([^\w./,:=@%+-])", r"\\\1", word) for word in words)


def _bash_files(last: str, endings: tuple[str, ...]) -> Iterator[str]:
    """The files with these endings; nothing if there is none: bash then completes files itself."""
    found = _inside(last, endings) if endings else []
    yield from _bash_words({name: "" for name in found if not name.endswith("/")})


def _zsh_words(words: Mapping[str, str]) -> Iterator[str]:
    """A call that zsh evaluates, as one line."""
    shown = [word.replace(":", r"\:") + f":{says}" * bool(says) for word, says in words.items()]
    yield f"local -a found; found=( {shlex.join(shown)} ); _describe -V promptsheet found"


def _zsh_files(_: str, endings: tuple[str, ...]) -> Iterator[str]:
    names = " ".join(f"*{ending}" for ending in endings)
    yield f"_files -g {shlex.quote(names)}" if names else "_files"


def _fish_words(words: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{word}\t{says}" if says else word for word, says in words.items())


def _fish_files(last: str, endings: tuple[str, ...]) -> Iterator[str]:
    yield from _inside(last, endings)


def _inside(last: str, endings: tuple[str, ...]) -> list[str]:
    """The files with these endings, and the folders, whose path begins with `last`."""
    folder, slash, start = last.rpartition("/")
    found = []
    with suppress(OSError, RuntimeError):
        for one in Path(folder + slash or ".").expanduser().iterdir():
            is_folder = one.is_dir()
            is_kind = is_folder or not endings or one.suffix.casefold() in endings
            is_hidden = one.name.startswith(".") and not start
            if is_kind and not is_hidden and one.name.startswith(start):
                found.append(f"{folder}{slash}{one.name}{'/' * is_folder}")
    return sorted(found)


_WORDS = {"complete_bash": _bash_words, "complete_zsh": _zsh_words, "complete_fish": _fish_words}
_FILES = {"complete_bash": _bash_files, "complete_zsh": _zsh_files, "complete_fish": _fish_files}
