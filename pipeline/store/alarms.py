"""Lasting problems that outlets got a message about: one when it begins, and some when it ends.

Lines of the table `promptsheet` that exist only while something is wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.text import one_line
from pipeline.store.outbox_messages import announce
from pipeline.store.transactions import StorePart, keep_value, number_of, value_of


class Alarms(StorePart):
    """The alarms of each sheet, by their names."""

    def set(
        self,
        sheet: str,
        name: str,
        state: str,
        kind: MessageKind,
        sentence: str,
        apart: timedelta = timedelta(),
    ) -> bool:
        """Note what is wrong now ("": nothing), and tell outlets if that is new.

        An empty sentence tells them nothing. What ended and is wrong again is new only so long
        after they were told of it. Returns whether it was new.
        """
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            line = f"alarm {name} of {number}"
            if not number or value_of(connection, line) == state:
                return False
        with self._database.writing() as connection:
            if value_of(connection, line) == state:
                return False
            now = self._database.now()
            if apart and state:
                told, _, at = value_of(connection, f"told {line}").rpartition(" ")
                if told == state and now - datetime.fromisoformat(at) < apart:
                    return False
                keep_value(connection, f"told {line}", f"{state} {now.isoformat()}")
            keep_value(connection, line, state)
            if sentence:
                body = {"sentence": one_line(sentence), "is_over": not state}
                announce(connection, number, kind, f"{name} {state} {now.isoformat()}", body, now)
            return True
