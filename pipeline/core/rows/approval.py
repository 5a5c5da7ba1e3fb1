"""What an approval covers: an approved row is sent and paid for as it was when it was approved.

`sheet.ticks` says which cells of `approved` mean yes. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from pipeline.core.inputs import canonical
from pipeline.core.invisible import visible
from pipeline.core.model import KnownRow
from pipeline.core.pictures.picks import Picked
from pipeline.core.prompts.revisions import revised, revision_in
from pipeline.core.rows.feedback import wrote_before, wrote_for
from pipeline.core.rows.known import Seen, is_id
from pipeline.core.sheet.ticks import Tick, approval, box


def approved(
    memory: KnownRow,
    cell: str,
    take: int | None,
    picked: Picked,
    words: tuple[str, ...] = (),
    *,
    is_copied: bool = False,
) -> KnownRow:
    """The row with the approval that its `approved` cell gives now.

    An approval covers the inputs and the take of the first reading that shows it. Later inputs are
    covered only after the cell said yes in another word, or was seen without a yes in between. A
    cell that came from another row (`is_copied`) covers nothing. The cell must not be an error.
    `words` as in `approval`, `picked` as in `wrote_for`.
    """
    if approval(cell, words) is not Tick.YES:
        return replace(memory, approved="", approved_for="") if memory.approved else memory
    covers = asked_for(memory, take, picked)
    if memory.approved and _content(cell) == _content(memory.approved):
        if memory.approved_for not in (covers, _asked_before(memory, take)):
            return memory
        # An earlier version noted no pictures. From now on it is for those that are picked now.
        return memory if memory.approved_for == covers else replace(memory, approved_for=covers)
    return replace(memory, approved=visible(cell), approved_for="" if is_copied else covers)


def is_copied(seen: Seen, cell: str) -> bool:
    """True if the cell `approved` may have come into the row with the id of another row.

    A person who copies a row, or sorts one column alone, has not approved what is beside the cell
    then.
    """
    mark, origin = seen.marked.mark, seen.origin
    if mark == seen.row_id or not is_id(mark):
        return False
    if origin is None:
        return seen.known is None  # a row of another sheet
    return bool(origin.approved) and _content(cell) == _content(origin.approved)


def is_covered(memory: KnownRow, take: int | None, picked: Picked) -> bool:
    """Returns whether the row was approved as it is now."""
    return bool(memory.approved) and memory.approved_for == asked_for(memory, take, picked)


class Outdated(StrEnum):
    """Why an approval does not cover a row as it is now."""

    TAKE = "it was for another take"
    PICTURE = "another picture was picked"
    ROW = "the row was changed"


def outdated(memory: KnownRow, take: int | None, picked: Picked) -> Outdated:
    """Why an approval in the sheet does not cover the row."""
    approved_take, _, covered = memory.approved_for.partition(" ")
    wanted = wrote_for(memory, take, picked)
    is_same_text = covered and _without_pictures(covered) == _without_pictures(wanted)
    if covered == memory.inputs or (is_same_text and approved_take != str(take)):
        return Outdated.TAKE
    return Outdated.PICTURE if is_same_text else Outdated.ROW


def covered_on_page(memory: KnownRow, take: int | None, picked: Picked, cell: str) -> str:
    """The content of an approval on the page, as one text: as `asked_for`, and `approved`.

    So a "rejected" that is written into the cell afterwards takes the approval back. An empty cell
    and a box that is not ticked are the same.
    """
    return _with_cell(asked_for(memory, take, picked), cell)


def is_covered_on_page(memory: KnownRow, take: int | None, picked: Picked, cell: str) -> bool:
    """Returns whether the row was approved on the page as it is now."""
    asked = asked_for(memory, take, picked), _asked_before(memory, take)
    return memory.approved_on_page in [_with_cell(one, cell) for one in asked]


def is_taken_back(memory: KnownRow, take: int | None, picked: Picked, cell: str) -> bool:
    """True if the cell has come to say something else since the row was approved on the page.

    A row that asks for something else by now does not count: it may come to ask for the same again.
    The cell must not be an error.
    """
    covers, asked = memory.approved_on_page, asked_for(memory, take, picked)
    before = _asked_before(memory, take)
    is_for_this = covers in (asked, before) or covers.startswith((f"{asked} ", f"{before} "))
    return is_for_this and not is_covered_on_page(memory, take, picked, cell)


def asked_for(memory: KnownRow, take: int | None, picked: Picked) -> str:
    """The content of an approval, as one text: the take, and what is wanted of it."""
    return f"{take} {wrote_for(memory, take, picked)}"


def _asked_before(memory: KnownRow, take: int | None) -> str:
    return f"{take} {wrote_before(memory, take)}"


def _with_cell(asked: str, cell: str) -> str:
    said = "" if box(cell) is Tick.NO else visible(cell)
    return f"{asked} {said}".strip()


def _without_pictures(wrote: str) -> str:
    wanted, feedback, _ = revision_in(wrote)
    return revised(canonical(wanted), feedback) if feedback else wrote


def _content(cell: str) -> str:
    """The cell's text; the same for a ticked box in every language."""
    return "true" if box(cell) is Tick.YES else visible(cell)
