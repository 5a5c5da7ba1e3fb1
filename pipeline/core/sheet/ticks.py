"""What a cell of `approved` or `skip` says: yes, no, or something else.

An approved row is sent and paid for, so only words that are known to mean yes count. The Booleans
are those that Excel, LibreOffice and Google Sheets show in the user's language: a file that is
opened and saved elsewhere may come back with WAHR instead of TRUE. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from pipeline.core.invisible import is_blank, visible


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
