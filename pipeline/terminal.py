"""Standard output and standard error. Every command writes through this module.

It ensures three things. A character that the output encoding lacks is replaced, so that no encoding
ends the program. Text from outside (a sheet, a file name, an API) reaches the terminal without
control characters. A reader that goes away, such as `head`, does not end the program.

`prepare` changes `sys.stdout` and `sys.stderr` once, at the start of the program.
"""

from __future__ import annotations

import codecs
import logging
import os
import sys
from contextlib import suppress

from pipeline.core.text import control_characters_escaped, one_line, printable

#: Takes what `print_error` writes, if it has a handler: with `--log-format json`.
_log_of_errors = logging.getLogger("promptsheet.errors")
#: Replacement for a character that the output encoding lacks.
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
    """Let standard output and standard error accept any text, whatever their encoding is."""
    codecs.register_error("promptsheet", _substitute)
    for stream in (sys.stdout, sys.stderr):
        # A calling program may have replaced the stream by one of another kind.
        if reconfigure := getattr(stream, "reconfigure", None):
            with suppress(OSError):  # its file descriptor was opened for another purpose
                reconfigure(errors="promptsheet")


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(SUBSTITUTES.get(c, "?") for c in lost), error.end


def write(text: str) -> None:
    """Write a line to standard output. Control characters become spaces."""
    _put(text, sys.stdout)


def print_error(text: str, title: str = "") -> None:
    """Write a message of one or more lines to standard error. For `title` see `about`."""
    said = about(title, text) if title else text
    if writes_json():
        _log_of_errors.error(one_line(said))
    else:
        _put(said.rstrip(), sys.stderr)


def write_json(value: object) -> None:
    """Write a value to standard output as one line of JSON, in ASCII."""
    import json

    is_utf = (sys.stdout.encoding or "").casefold().startswith("utf")
    line = json.dumps(value, ensure_ascii=not is_utf)
    _put(control_characters_escaped(line), sys.stdout)


def _put(text: str, stream: object) -> None:
    try:
        print(printable(text), file=stream, flush=True)  # type: ignore[call-overload]
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Discard all further output: the reader of standard output is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def finish() -> None:
    """Flush standard output. Raises OSError if it cannot be written, as on a full disk."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()


class OneLine(logging.Formatter):
    """Formats a log record as one line without control characters, whatever text it contains."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The first line of a record. A traceback follows on its own lines."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The traceback, without control characters."""
        return printable(super().formatException(ei))  # type: ignore[arg-type]


class JsonLines(logging.Formatter):
    """Formats a log record as one line of JSON, in ASCII, whatever text it contains.

    Each has `time` (RFC 3339, UTC), `level` and `event`. An event of `event_log` has its fields;
    any other record is a `message` with its text, and a `traceback` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line feed."""
        import json
        from datetime import UTC, datetime

        fields = getattr(record, "fields", None)
        at = getattr(record, "at", None) or datetime.fromtimestamp(record.created, UTC)
        event = "message" if fields is None else record.getMessage()
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": event,
        }
        if fields is None:
            line["message"] = one_line(record.getMessage())
            if record.exc_info:
                line["traceback"] = printable(self.formatException(record.exc_info))
        else:
            line |= {k: one_line(v) if isinstance(v, str) else v for k, v in fields.items()}
        return json.dumps(line)


def writes_json() -> bool:
    """Returns whether standard error is a log of JSON lines."""
    return bool(_log_of_errors.handlers)


def write_errors_as_text() -> None:
    """From now on, write messages on standard error as they are."""
    _log_of_errors.handlers = []


def write_errors_as_json(handler: logging.Handler) -> None:
    """From now on, write messages on standard error as records of this handler."""
    _log_of_errors.handlers = [handler]
    _log_of_errors.propagate = False


def about(title: str, sentence: str) -> str:
    """The sentence with the title of its sheet in front, unless it already has it."""
    words = one_line(sentence)
    return words if title in words else f"{title}: {words}"
