"""What is logged on standard error, and in which form."""

from __future__ import annotations

import logging
import threading

from pipeline import event_log, terminal
from pipeline.cli.options import LogFormats
from pipeline.core.errors import ConfigError

log = logging.getLogger("promptsheet")


def log_above(level: int) -> None:
    """Send log lines of this level and above to standard error, with times if below ERROR.

    They are for people: no events are logged.
    """
    terminal.write_errors_as_text()
    event_log.stop()
    times = "%(asctime)s " if level < logging.ERROR else "%(name)s: "
    _log_to(terminal.OneLine(f"{times}%(message)s", "%H:%M:%S"), level)


def set_verbosity(
    verbose: bool, quiet: bool = False, log_format: LogFormats = LogFormats.TEXT
) -> None:
    """Set how much is printed. Raises ConfigError if both flags are set."""
    if verbose and quiet:
        raise ConfigError("Use -v or -q, not both.")
    if log_format is LogFormats.JSON:
        handler = _log_to(terminal.JsonLines(), logging.INFO if verbose else logging.ERROR)
        terminal.write_errors_as_json(handler)
        events = logging.StreamHandler()
        events.setFormatter(handler.formatter)
        event_log.send_to(events, logging.WARNING if quiet else logging.INFO)
        _log_what_libraries_print()
    elif verbose:
        log_above(logging.INFO)


def _log_what_libraries_print() -> None:
    """Log warnings of Python, and errors that end a thread, which are printed otherwise."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING)
    threading.excepthook = _thread_ended


def _thread_ended(its: threading.ExceptHookArgs) -> None:
    name = its.thread.name if its.thread else "unknown"
    log.error("An error has ended the thread %s.", name, exc_info=its.exc_value)


def _log_to(form: logging.Formatter, level: int) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(form)
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    for name in ("promptsheet", "pipeline"):
        logging.getLogger(name).setLevel(level)
    return handler
