"""Which words in `approved` and `skip` count: a wrong guess would be paid for."""

from __future__ import annotations

from pipeline.core.planning.lines import Line
from pipeline.core.sheet.ticks import EXAMPLES, Tick, approval, box
from tests.core.build import planned
from tests.fakes.cases import each

#: The Booleans of spreadsheets, by language of the program.
TRUE = (
    *("TRUE", "true", "True", "WAHR", "VRAI", "VERDADERO", "VERO", "VERDADEIRO", "WAAR", "SANT"),
    *("SAND", "SANN", "TOSI", "PRAWDA", "PRAVDA", "IGAZ", "ИСТИНА", "ІСТИНА", "DOĞRU", "doğru"),
    *("ADEVĂRAT", "CERT", "TÕENE", "ΑΛΗΘΗΣ", "真", "참", "1", "1.0", "1,0", "01"),
)
FALSE = (
    *("FALSE", "False", "FALSCH", "FAUX", "FALSO", "ONWAAR", "FALSKT", "FALSK", "USANN"),
    *("EPÄTOSI", "FAŁSZ", "NEPRAVDA", "HAMIS", "ЛОЖЬ", "ХИБНІСТЬ", "YANLIŞ", "yanlış", "FALS"),
    *("ΨΕΥΔΗΣ", "假", "거짓", "0", "0.0", "0,0", "00", "-0", "0.00"),
)
YES = (
    *EXAMPLES,
    *(
        "Yes",
        "YES.",
        "y",
        "X",
        "Ok!",
        "OKAY",
        "✔",
        "✔\ufe0f",
        "☑️",
        "✅",
        "👍",
        "👍🏽",
        "√",
        "Approved",
    ),
    *("ＯＫ", "Ja", "j", "Freigegeben", "genehmigt", "Oui", "approuvé", "approuve\u0301", "validé"),
    *("Sí", "si", "aprobado", "Sì", "approvato", "akkoord", "goedgekeurd", "Sim", "aprovado"),
    *("godkänd", "godkendt", "kyllä", "Tak", "zatwierdzone", "Ano", "schváleno", "áno", "igen"),
    *("Да", "одобрено", "так", "EVET", "onaylandı", "ONAYLANDI", "Ναι", "da", "odobreno", "是"),
    *("同意", "承認済み", "네", "승인", " yes ", "yes\u200b"),
)
NOT_YES = (
    *("rejected", "abgelehnt", "pending", "offen", "waiting", "later", "not yet", "?", "-", "–"),
    *("✗", "✘", "❌", "☐", "☒", "👎", "n/a", "N.A.", "tbd", "draft", "Kim", "Ann, 3 May"),
    *("no!", "No", "n", "f", "nein", "non", "nej", "não", "нет", "hayır", "HAYIR", "いいえ", "否"),
    *(
        "2",
        "-1",
        "10",
        "0.5",
        "1/2",
        "100%",
        "yes?",
        "yes, but smaller",
        "not approved",
        "unapproved",
    ),
    *("=TRUE()", "done?", "o", "O", "", " ", "\u200b", "\ufeff\u00a0", "."),
)


@each("word", [*TRUE, *YES])
def test_a_word_for_yes_approves_the_row(word: str) -> None:
    assert approval(word) is Tick.YES


@each("word", [*FALSE, *NOT_YES])
def test_any_other_word_does_not_approve_the_row(word: str) -> None:
    assert approval(word) is not Tick.YES


@each("word", [*FALSE, "", "\u200b"])
def test_an_unticked_skip_box_does_not_skip_the_row(word: str) -> None:
    assert box(word) is Tick.NO


@each("word", [*TRUE, "x", "no", "later", "-", "✗"])
def test_any_other_text_in_skip_skips_the_row(word: str) -> None:
    assert box(word) is not Tick.NO


@each("word", NOT_YES)
def test_a_row_with_an_unknown_approval_word_costs_nothing(word: str) -> None:
    line = _line(word)

    assert (line.status, line.endpoint) == ("needs approval", "")


def test_the_note_of_an_unknown_word_names_words_that_count() -> None:
    note = _line("pending").note

    assert note.startswith('Not approved: approved says "pending". ')
    assert all(word in note for word in EXAMPLES)
    assert len(note) < 200


@each("word", FALSE)
def test_a_row_with_an_unticked_approval_box_waits_for_approval(word: str) -> None:
    assert (
        _line(word).note
        == 'Waiting for approval. Write yes into "approved", or tick it, to generate this row.'
    )


def _line(word: str) -> Line:
    (line,) = planned(f"prompt | approved \n a fox | {word}")
    return line


@each("word", ["Go", "GO!", "released ", "TRUE", "WAHR", "1"])
def test_the_words_of_the_team_and_a_tick_count(word: str) -> None:
    assert approval(word, ("go", "Released")) is Tick.YES


@each("word", ["yes", "approved", "ok", "Pending", "Rejected"])
def test_no_other_word_counts_beside_those_of_the_team(word: str) -> None:
    assert approval(word, ("go", "Released")) is not Tick.YES


@each("word", ["Pending", "Rejected", "In review", "Ausstehend", "Abgelehnt"])
def test_the_other_words_of_a_drop_down_do_not_count(word: str) -> None:
    assert approval(word) is not Tick.YES
