"""Lasting problems that outlets got a message about: one when it begins, and some when it ends.

Lines of the table `promptsheet` that exist only while something is wrong.
"""

from __future__ import annotations

from pipeline.core.outbox import MessageKind
from pipeline.core.text import one_line
from pipeline.store.outbox_messages import announce
from pipeline.store.transactions import StorePart, keep_value, number_of, value_of


class Alarms(StorePart):
    """The alarms of each sheet, by their names."""

    def set(self, sheet: str, name: str, state: str, kind: MessageKind, sentence: str) -> bool:
        """Note what is wrong now ("": nothing), and tell outlets if that is new.

        An empty sentence tells them nothing. Returns whether it was new.
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
            keep_value(connection, line, state)
            if sentence:
                body = {"sentence": one_line(sentence)}
                announce(connection, number, kind, f"{name} {state} {now.isoformat()}", body, now)
            return True
