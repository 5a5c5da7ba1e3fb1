"""Faults in Google Sheets, Excel workbooks and CSV files."""

from __future__ import annotations

from tests.mutants.fault import Fault

_GOOGLE = "tests/sheets/google/test_sheet.py"
_BY_MISTAKE = f"{_GOOGLE}::test_a_persons_cell_hit_by_a_misplaced_write_is_restored"
_EXCEL = "tests/sheets/excel/test_sheet.py"
_CSV = "tests/sheets/csv/test_sheet.py"
_WRITER = "pipeline/sheets/google/writer.py"
_REQUESTS = "pipeline/sheets/google/write_requests.py"

FAULTS = (
    Fault(
        "cells hit by a write without an answer stay",
        "P5",
        _WRITER,
        """        except Unsure:
            self.unverified.append(
                Unverified(snapshot, tuple(part), snapshot[0] if snapshot else (), names)
            )
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
        _REQUESTS,
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
        "pipeline/core/sheet/misplaced.py",
        "            below = self._height\n",
        "            below = None\n",
        _BY_MISTAKE,
    ),
    Fault(
        "a large patch is one request",
        "P6",
        _REQUESTS,
        "if size + length > allowed:",
        "if not parts:",
        f"{_GOOGLE}::test_a_write_too_large_for_one_request_is_sent_in_several",
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
    Fault(
        "the style of a cell is dropped",
        "P5",
        "pipeline/sheets/excel/worksheet.py",
        "self._cell(number, column, text, cell.style)",
        'self._cell(number, column, text, "")',
        "tests/sheets/excel/test_sheet.py",
    ),
    Fault(
        "a shared formula is broken",
        "P5",
        "pipeline/sheets/excel/worksheet.py",
        "                if hit:\n"
        "                    raise SharedFormula(name_of(number, column))\n",
        "",
        "tests/sheets/excel/test_sheet.py",
    ),
    Fault(
        "text in a workbook is not escaped",
        "P5",
        "pipeline/sheets/excel/xml_text.py",
        'return re.sub("[&<>]", lambda match: _MARKS[match.group()], text)',
        "return text",
        "tests/sheets/excel/test_sheet.py",
    ),
    Fault(
        "the dimension of a worksheet is too small",
        "P5",
        "pipeline/sheets/excel/worksheet.py",
        "        edits += self._wider(cells)\n",
        "",
        "tests/sheets/excel/test_sheet.py",
    ),
    Fault(
        "new rows are put at the end",
        "P5",
        "pipeline/sheets/excel/worksheet.py",
        "at = self.rows[numbers[after]].start if after < len(numbers) else self.close",
        "at = self.close",
        "tests/sheets/excel/test_sheet.py",
    ),
    Fault(
        "a delimiter inside a text is not quoted",
        "P5",
        "pipeline/sheets/csv/text.py",
        "for mark in special + '\"\\r\\n')",
        "for mark in '\"\\r\\n')",
        "tests/sheets/csv/test_text.py",
    ),
    Fault(
        "a quote inside a text is not doubled",
        "P5",
        "pipeline/sheets/csv/text.py",
        "return '\"' + text.replace('\"', '\"\"') + '\"'",
        "return '\"' + text + '\"'",
        "tests/sheets/csv/test_text.py",
    ),
    Fault(
        "a quote that is left open is read",
        "P5",
        "pipeline/sheets/csv/text.py",
        "        if last != (_END, _END):",
        "        if last != (_END, _END) and not rows:",
        "tests/sheets/csv/test_sheet.py tests/sheets/csv/test_text.py",
    ),
    Fault(
        "a text becomes a formula with another delimiter",
        "P5",
        "pipeline/sheets/csv/text.py",
        "    if not _MAY_BE_LIVE.search(text):",
        "    if _MAY_BE_LIVE.search(text):",
        "tests/sheets/csv/test_text.py tests/sheets/test_formulas.py",
    ),
    Fault(
        "a file that changed meanwhile is replaced",
        "P3",
        "pipeline/sheets/files/replace.py",
        "        if _is_settled(came_out, target, base):\n",
        "        came_out.unlink()\n        if True:\n",
        "tests/sheets/csv/test_sheet.py",
    ),
    Fault(
        "the original is not kept",
        "P5",
        "pipeline/sheets/files/replace.py",
        "        _keep_original(target, base)\n",
        "",
        "tests/sheets/csv/test_sheet.py",
    ),
    Fault(
        "what others save during the last write of a pass waits for the next pass",
        "use",
        "pipeline/sync/look_timer.py",
        "        if 1 <= self._disturbed <= MOST_DISTURBED:\n",
        "        if 2 <= self._disturbed <= MOST_DISTURBED:\n",
        "tests/sync/test_saved_meanwhile.py",
    ),
)
