"""Faults in the outlets that are tables."""

from __future__ import annotations

from tests.mutants.fault import Fault

_AIRTABLE = "pipeline/outlets/airtable_client.py"
_NOTION = "pipeline/outlets/notion.py"
_SQL = "pipeline/outlets/sql.py"
_SQL_TABLE = "pipeline/outlets/sql_table.py"
_MAPPING = "pipeline/outlets/mapping.py"

FAULTS = (
    Fault(
        "a repeated row is made in Notion before its page is looked for a second time",
        "P3",
        _NOTION,
        "if not page and message.is_repeat:",
        "if not page and not message.is_repeat and not SETTLE:",
        "tests/outlets/test_notion.py",
    ),
    Fault(
        "the page of an earlier take is overwritten where each take has its own",
        "P3",
        _NOTION,
        "if known.page and known.key == key:",
        "if known.page:",
        "tests/outlets/test_notion.py",
    ),
    Fault(
        "Airtable copies pictures again that have not changed",
        "P6",
        _AIRTABLE,
        "return bool(line.message.remote) and line.message.remote == _pictures_of(line)",
        "return False",
        "tests/outlets/test_airtable.py",
    ),
    Fault(
        "a record that was deleted comes back without its pictures",
        "P3",
        _AIRTABLE,
        "            if bare:\n",
        "            if bare and not bare:\n",
        "tests/outlets/test_airtable.py",
    ),
    Fault(
        "Airtable's redirects are followed",
        "P7",
        _AIRTABLE,
        "session.max_redirects = False, 0",
        "session.max_redirects = False, 30",
        "tests/outlets/test_airtable.py",
    ),
    Fault(
        "a unique index of some lines counts as a key",
        "P3",
        _SQL_TABLE,
        "if index.unique and not is_partial and is_of_columns:",
        "if index.unique and is_of_columns:",
        "tests/outlets/test_sql.py",
    ),
    Fault(
        "each statement is committed by itself",
        "P3",
        _SQL,
        "                transaction = connection.begin()\n",
        '                connection.execution_options(isolation_level="AUTOCOMMIT")\n'
        "                transaction = connection.begin()\n",
        "tests/outlets/test_sql.py",
    ),
    Fault(
        "one refused line keeps back all that were sent with it",
        "P3",
        _MAPPING,
        "        if len(lines) == 1:\n",
        "        if lines:\n",
        "tests/outlets/test_mapping.py tests/outlets/test_sql.py",
    ),
    Fault(
        "a column that no row fills is emptied",
        "P5",
        _MAPPING,
        "if value is None and not is_key and not self._fields:",
        "if value is None and not is_key and not self._key:",
        "tests/outlets/test_mapping.py",
    ),
)
