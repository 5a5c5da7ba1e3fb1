"""What the errors of database drivers mean for a delivery.

SQLAlchemy's classes say little: the codes of PostgreSQL (SQLSTATE) and MySQL decide, and the text
where a driver gives no code. No text of a driver goes into a reason: it may hold the address.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from sqlalchemy import exc

from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.core.text import quoted

_REACH: Final = (
    "The database cannot be reached. Check that it is running, and the address that url names."
)
_ACCESS: Final = (
    "The database refuses the access. Check the user name, the password and the name of the "
    "database in the address that url names."
)
_RIGHTS: Final = (
    "The user of the database may not write into the table. Give it SELECT, INSERT and UPDATE."
)
UNSURE: Final = "The connection broke at the end of a transaction, so it may have been written."
_BUSY: Final = "The table is locked by another program."
_CHANGED: Final = "The table has changed since it was read. It is read again before the next try."

#: SQLSTATEs of PostgreSQL and numbers of MySQL that say that a person must act.
_NO_ACCESS: Final = ("28000", "28P01", "3D000", "1044", "1045", "1049", "1698")
_NO_RIGHTS: Final = ("42501", "25006", "1142", "1143", "1290")
#: The text at the start of a failed connection to PostgreSQL, where there is no SQLSTATE.
_NO_ACCESS_TEXT: Final = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry"
    r'|role "[^"]*" does not exist|database "[^"]*" does not exist|peer authentication failed'
    r"|ident authentication failed|access denied|unknown database",
    re.IGNORECASE,
)
_LOCKED: Final = ("55P03", "57014", "40001", "40P01", "1205", "1213")
#: Numbers of MySQL about values that its driver calls operational errors.
_RULE: Final = ("3819", "4025")
_VALUE: Final = (*_RULE, "1264", "1292", "1364", "1366")


def _code(error: exc.DBAPIError) -> str:
    """The SQLSTATE, or the number of MySQL; empty if there is none."""
    its = error.orig
    number = its.args[0] if its and its.args else None
    if isinstance(number, int):
        return str(number)
    state = getattr(its, "sqlstate", None) or getattr(its, "pgcode", None)
    return state if isinstance(state, str) else ""


def _text(error: exc.DBAPIError) -> str:
    with suppress(Exception):  # The text of a driver's exception can be anything.
        return str(error.orig)
    return ""


def is_locked(error: exc.DBAPIError) -> bool:
    return _code(error) in _LOCKED or "database is locked" in _text(error)


def trouble_of(error: exc.DBAPIError) -> Undelivered:
    """What a failure before the end of a transaction means: nothing was written."""
    code, text = _code(error), _text(error)
    if is_locked(error):
        return Undelivered(Trouble.LATER, _BUSY)
    if code in _NO_ACCESS or _NO_ACCESS_TEXT.search(text):
        return Undelivered(Trouble.CLOSED, _ACCESS)
    if code in _NO_RIGHTS or "readonly database" in text:
        return Undelivered(Trouble.CLOSED, _RIGHTS)
    if "not a database" in text or "unable to open database" in text:
        return Undelivered(
            Trouble.CLOSED,
            "The file is no SQLite database, or may not be opened. Correct the address that url "
            "names, or the rights of the file.",
        )
    if isinstance(error, exc.ProgrammingError) or "has no column" in text or "no such" in text:
        return Undelivered(Trouble.LATER, _CHANGED)
    return Undelivered(Trouble.LATER, _REACH)


def refusal_of(error: exc.DBAPIError) -> str:
    column = getattr(getattr(error.orig, "diag", None), "column_name", None)
    where = f" in the column {quoted(column)}" if column else ""
    is_rule = isinstance(error, exc.IntegrityError) or _code(error) in _RULE
    what = "a rule of the table" if is_rule else "the type of a column"
    return (
        f"The database refuses a value of this row{where}: it breaks {what}. Compare the row with "
        "the table."
    )


def is_about_values(error: exc.DBAPIError) -> bool:
    """True if the database refuses what a line holds."""
    code = _code(error)
    is_code = code in _VALUE or re.fullmatch(r"2[23]\w{3}", code) is not None
    return isinstance(error, exc.IntegrityError | exc.DataError) or is_code
