"""Faults in the languages of notes."""

from __future__ import annotations

from tests.mutants.fault import Fault

FAULTS = (
    Fault(
        "a translation becomes a formula",
        "P5",
        "pipeline/core/cells/content.py",
        "return row_notes.as_text(catalogue.text(line.note))",
        "return catalogue.text(line.note)",
        "tests/language/test_messages.py",
    ),
    Fault(
        "a translation that lacks a value is used",
        "P3",
        "pipeline/config/languages.py",
        "is_usable = all(is_translation(message, form) for form in forms)",
        "is_usable = True",
        "tests/language/test_messages.py",
    ),
    Fault(
        "finished rows keep their notes when a team rewords them",
        "P3",
        "pipeline/core/language.py",
        '    version: str = ""',
        '    version: str = field(default="", repr=False)',
        "tests/language/test_sheets.py",
    ),
    Fault(
        "a row that was dismissed in a German sheet needs attention again",
        "P3",
        "pipeline/sync/row_reports.py",
        "line.status, note_of(line, sync.rules.catalogue))",
        "line.status, line.note)",
        "tests/language/test_sheets.py",
    ),
)
