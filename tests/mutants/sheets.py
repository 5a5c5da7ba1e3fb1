"""Faults in Google Sheets, Excel workbooks and CSV files."""

from __future__ import annotations

from tests.mutants.fault import Fault

_GOOGLE = "tests/sheets/google/test_sheet.py"
_BY_MISTAKE = f"{_GOOGLE}::test_a_cell_of_the_team_that_a_write_hit_by_mistake_is_as_it_was"
_EXCEL = "tests/sheets/excel/test_sheet.py"
_CSV = "tests/sheets/csv/test_sheet.py"
_WRITER = "pipeline/sheets/google/writer.py"

FAULTS = (
    Fault(
        "cells hit by a write without an answer stay",
        "P5",
        _WRITER,
        """        except Unsure:
            self.debts.append(Debt(snapshot, tuple(part), snapshot[0] if snapshot else (), names))
            raise
        except GoogleRefused as e:
            if not""",
        """        except GoogleRefused as e:
            if not""",
        _BY_MISTAKE,
    ),
    Fault(
        "text that looks like a formula keeps a quote",
        "P5",
        _WRITER,
        """return value[1:] if isinstance(value, str) and value.startswith("'=") else value""",
        "return value",
        _BY_MISTAKE,
    ),
    Fault(
        "text that looks like a formula becomes one",
        "P5",
        "pipeline/sheets/google/sheet.py",
        "        if same:\n",
        "        if not same:\n",
        _BY_MISTAKE,
    ),
    Fault(
        "the last line has no neighbour below",
        "P5",
        "pipeline/core/misplaced.py",
        "            below = self._height\n",
        "            below = None\n",
        _BY_MISTAKE,
    ),
    Fault(
        "a large patch is one request",
        "P6",
        _WRITER,
        "if size + length > allowed:",
        "if not parts:",
        f"{_GOOGLE}::test_what_is_too_much_for_one_request_is_sent_in_several",
    ),
    Fault(
        "a row declares a smaller span",
        "P5",
        "pipeline/sheets/excel/worksheet.py",
        "        tag = re.sub(",
        "        tag = self.content[row.start : row.inside] or re.sub(",
        _EXCEL,
    ),
    Fault(
        "the delimiter of PROMPTS.TSV is guessed",
        "P5",
        "pipeline/sheets/csv/sheet.py",
        'if path.suffix.lower() == ".tsv"',
        'if path.suffix == ".tsv"',
        _CSV,
    ),
    Fault(
        "a save during the slow step is lost",
        "P5",
        "pipeline/sheets/files/replace.py",
        """    if not holds(came_out, base):
        return False
    came_out.unlink()""",
        "    came_out.unlink()",
        _CSV,
    ),
)
