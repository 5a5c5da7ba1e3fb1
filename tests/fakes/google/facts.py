"""Unknown facts about Google Sheets: each is a switch, and the program works with both settings.

A test that depends on one of them runs with both settings. `ALTERNATIVES` has one `Facts` for each
switch, turned the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Facts:
    """One boolean for each unknown fact; the defaults are the most likely values."""

    #: A sort of whole rows takes the rows' developer metadata along.
    sort_moves_row_metadata: bool = False
    #: `includeValuesInResponse` shows the cells that were `null` in the request as they are now;
    #: else only what was written, and the others as empty.
    answer_shows_untouched_cells: bool = True
    #: The answer's `updatedData` covers the range that was asked; else only the block of values.
    answer_covers_asked_range: bool = True
    #: A write by DataFilter that finds nothing answers 400; else it is done, with no responses.
    update_without_match_fails: bool = False
    #: The displayed text of an `IMAGE` formula is empty; else it is the formula's address.
    image_reads_empty: bool = True
    #: A block that starts at a single cell and runs past the grid makes the grid larger; else 400.
    anchor_grows_grid: bool = False
    #: A check box that nobody has touched reads as FALSE; else as empty.
    untouched_checkbox_is_false: bool = True
    #: The words about writing outside of the range put every title in quotes.
    write_error_quotes_title: bool = False
    #: A `null` over a cell that may not be edited is an attempt to edit it.
    null_counts_as_edit: bool = False
    #: Metadata on a column of which a part may not be edited is an attempt to edit it.
    naming_counts_as_edit: bool = False
    #: A reading lists what is protected against the one who asks; else only what that one may edit.
    lists_what_is_protected: bool = True
    #: Text that begins like a formula is shown with `'` before it where formulas are asked for.
    formula_reading_quotes_text: bool = False
    #: A copied row takes a copy of its developer metadata along (with another id).
    copy_doubles_row_metadata: bool = False
    #: Cells that are allocated but empty count to the ten million.
    empty_cells_count: bool = True
    #: Refused requests use up the quota as well.
    refused_requests_count: bool = False


#: Each switch turned the other way, by its name.
ALTERNATIVES = {
    field.name: replace(Facts(), **{field.name: not field.default}) for field in fields(Facts)
}
