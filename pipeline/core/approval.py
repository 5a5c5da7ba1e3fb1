"""Interprets cells of `approved` and `skip`, and what an approval covers.

An approved row is sent and paid for, so only words that are known to mean yes count. The Booleans
are those that Excel, LibreOffice and Google Sheets show in the user's language: a file that is
opened and saved elsewhere may come back with WAHR instead of TRUE.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from pipeline.core.feedback import wrote_before, wrote_for
from pipeline.core.inputs import canonical
from pipeline.core.invisible import is_blank, visible
from pipeline.core.known_rows import Seen, is_id
from pipeline.core.model import KnownRow
from pipeline.core.picks import Picked
from pipeline.core.revisions import revised, revision_in


class Tick(StrEnum):
    """The meaning of a cell that may be a check box."""

    YES = "yes"
    #: Empty, or a box that is not ticked.
    NO = "no"
    #: Any other text.
    OTHER = "other"


#: Some of the words that mean yes, for notes.
EXAMPLES = ("yes", "true", "x", "✓", "1", "ok", "approved", "ja", "oui", "sí", "da", "はい")

_TRUE = """
    true wahr vrai verdadero vero verdadeiro waar sant sand sann tosi prawda pravda igaz истина
    істина doğru dogru adevărat adevarat cert egia tõene tiesa patiess istina točno tačno тачно
    вярно αληθές αληθησ satt benar đúng 真 참 จริง
"""
_FALSE = """
    false falsch faux falso onwaar falskt falsk usann epätosi epatosi fałsz falsz nepravda hamis
    ложь хибність неправда yanlış yanlis fals faltsua väär vaar netiesa melas aplams neistina
    netočno netačno нетачно laž невярно ψευδές ψευδησ ósatt salah sai 假 거짓 เท็จ
"""
_YES = """
    y yes yep yeah t on ok okay approve approved accepted confirmed ticked x v ✓ ✔ ☑ ✅ 🗸 √ 👍
    j ja jawohl freigegeben genehmigt bestätigt akzeptiert
    oui approuvé approuvée validé validée accepté acceptée
    s sí si aprobado aprobada autorizado autorizada aceptado aceptada
    sì approvato approvata autorizzato autorizzata
    akkoord goedgekeurd
    sim aprovado aprovada
    godkänd godkänt godkendt godkjent kyllä hyväksytty já samþykkt jah kinnitatud jā apstiprināts
    taip patvirtinta
    tak zatwierdzone zatwierdzony zatwierdzona zaakceptowane zaakceptowano
    ano áno schváleno schválené schválený
    igen jóváhagyva
    da aprobat odobreno odobren potrjeno
    да утверждено утвержден утверждён одобрено одобрен согласовано так затверджено схвалено
    evet onaylandı onaylandi onaylı
    ναι εγκρίθηκε
    ya disetujui có
    はい 承認 承認済 承認済み 是 是的 同意 已同意 批准 已批准 已核准 예 네 승인 승인됨 ใช่
    نعم بله כן हाँ
"""
_NO = "n f no nein non nee nej nei ei nie ne nem нет ні não hayır hayir όχι tidak いいえ 否 不 off"

_ONE = re.compile(r"\+?0*1(?:[.,]0*)?")
_ZERO = re.compile(r"[+-]?0+(?:[.,]0*)?")
#: Skin tones of emoji.
_SHADE = re.compile("[\U0001f3fb-\U0001f3ff]")
#: Full-width letters, as keyboards for Japanese and Chinese write them -> plain ones.
_NARROW = {0xFF01 + at: 0x21 + at for at in range(94)}


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFC", _SHADE.sub("", visible(text)).translate(_NARROW))
    # Capitals of the Turkish i: the dotted one folds to two characters.
    return text.replace("İ", "i").casefold().rstrip(".!").strip()


def _words(text: str) -> frozenset[str]:
    return frozenset(map(_folded, text.split()))


_BOX_TICKED = _words(_TRUE)
_BOX_EMPTY = _words(_FALSE) | {"yanliş"}  # as the capitals fold
_MEANS_YES = _words(_YES) | {"onaylandi"}
_MEANS_NO = _words(_NO)


@lru_cache(maxsize=1024)
def box(cell: str) -> Tick:
    """A cell as a check box: YES or NO for a Boolean, 1 or 0; NO if empty; else OTHER."""
    if is_blank(cell):
        return Tick.NO
    word = _folded(cell)
    if word in _BOX_EMPTY or _ZERO.fullmatch(word):
        return Tick.NO
    return Tick.YES if word in _BOX_TICKED or _ONE.fullmatch(word) else Tick.OTHER


@lru_cache(maxsize=1024)
def approval(cell: str, words: tuple[str, ...] = ()) -> Tick:
    """The meaning of a cell of `approved`: YES for a ticked box and for words that mean yes.

    `words` are those that a team uses, instead of the usual ones.
    """
    if (tick := box(cell)) is not Tick.OTHER:
        return tick
    word = _folded(cell)
    if word in (frozenset(map(_folded, words)) or _MEANS_YES):
        return Tick.YES
    return Tick.NO if word in _MEANS_NO else Tick.OTHER


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
