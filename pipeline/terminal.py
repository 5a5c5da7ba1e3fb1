"""Standard output and standard error: what every command writes goes through here.

Three things hold for all of it. A character that the other end cannot show is replaced, so that no
encoding ends the program. Text from outside (a sheet, a file name, an API) reaches the terminal
without control characters. A reader that goes away, as `head` does, ends nothing.

`prepare` changes `sys.stdout` and `sys.stderr` once, at the start of the program.
"""

from __future__ import annotations

import codecs
import logging
import os
import sys
from contextlib import suppress

from pipeline.core.text import control_characters_escaped, one_line, printable

#: What stands for a character that the encoding of the output does not have.
SUBSTITUTES = {
    "✓": "ok",
    "✗": "x",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "→": "->",
    "×": "x",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "·": "-",
    "\u00a0": " ",
}


def prepare() -> None:
    """Let standard output and error take any text, whatever their encoding is."""
    codecs.register_error("promptsheet", _substitute)
    for stream in (sys.stdout, sys.stderr):
        # A stream that a program set in our place may be of any kind.
        if reconfigure := getattr(stream, "reconfigure", None):
            with suppress(OSError):  # its descriptor is not what it was opened for
                reconfigure(errors="promptsheet")


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(SUBSTITUTES.get(c, "?") for c in lost), error.end


def write(text: str) -> None:
    """Write a line to standard output. A control character becomes a space."""
    _put(text, sys.stdout)


def complain(text: str, title: str = "") -> None:
    """Write a message to standard error; it may have several lines. See `about` for `title`."""
    said = about(title, text) if title else text
    _put(said.rstrip(), sys.stderr)


def write_json(value: object) -> None:
    """Write a value to standard output as one line of JSON, which any encoding can carry."""
    import json

    is_utf = (sys.stdout.encoding or "").casefold().startswith("utf")
    line = json.dumps(value, ensure_ascii=not is_utf)
    _put(control_characters_escaped(line), sys.stdout)


def _put(text: str, stream: object) -> None:
    try:
        print(printable(text), file=stream, flush=True)  # type: ignore[call-overload]
    except BrokenPipeError:
        abandon()


def abandon() -> None:
    """Discard all further output: the reader of standard output is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def finish() -> None:
    """Flush standard output. Raises OSError if it cannot be written, as on a full disk."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        abandon()


class OneLine(logging.Formatter):
    """Formats a log record as one line without control characters, whatever text it quotes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The first line of a record; a traceback follows on lines of its own."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The traceback, without control characters."""
        return printable(super().formatException(ei))  # type: ignore[arg-type]


def about(title: str, sentence: str) -> str:
    """A sentence that names the sheet it is about, once."""
    words = one_line(sentence)
    return words if title in words else f"{title}: {words}"
