"""A cell that shows an error, or no result yet, is not a prompt, in any language."""

from __future__ import annotations

from pipeline.core.cell_errors import FormulaZero, error_text, is_error, is_unfinished
from tests.core.build import columns_of, planned
from tests.fakes.cases import each

#: As spreadsheets show them; see the module for the sources.
ERRORS = (
    *("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#ERROR!", "#SPILL!"),
    *("#CALC!", "#FIELD!", "#BUSY!", "#CONNECT!", "#BLOCKED!", "#UNKNOWN!", "#EXTERNAL!"),
    *("#PYTHON!", "#TIMEOUT!", "#MACRO?", "#ADDIN?", "Err:502", "Err:509", "Err:522"),
    # German, French, Spanish.
    *(
        "#NV",
        "#BEZUG!",
        "#WERT!",
        "#ZAHL!",
        "#ÜBERLAUF!",
        "#PLUG-IN?",
        "#MAKRO?",
        "Fehler:502",
        "Fehler:520",
    ),
    *("#N/D", "#NOM ?", "#VALEUR !", "#DIV/0 !", "#REF !", "#RÉF\xa0!", "#NUL!", "Err :502"),
    *("#¡REF!", "#¡VALOR!", "#¿NOMBRE?", "#¡DIV/0!", "#¡NULO!", "#¿COMPL?", "#¡DESBORDAMIENTO!"),
    # Others.
    *("#N/B", "#DELING.DOOR.0!", "#WAARDE!", "Fout:502", "#N/DISP", "#NÚM!", "Erro:502", "#RIF!"),
    *("#VÆRDI!", "Fejl:502", "#I/T", "#IT", "#VERDI!", "Feil:502", "#SAKNAS", "#VÄRDE!", "Fel:502"),
    *("#JAKO/0!", "#PUUTTUU", "#LISÄOSA?", "Virhe:502", "#ADR!", "#DZIEL/0!", "Błąd:502"),
    *("Chyba:502", "#HIÁNYZIK", "#ZÉRÓOSZTÓ!", "#BŐVÍTŐMODUL?", "Hiba:502", "#YOK", "#BÖLÜ/0!"),
    *("Hata:502", "#Н/Д", "#ССЫЛКА!", "#ДЕЛ/0!", "#ИМЯ?", "Ошибка:502", "Помилка:502", "#ПОСИЛ!"),
    *("#ΑΝΑΦ!", "Σφάλμα:502", "エラー:502", "오류:502", "错误:502", "#####", "###"),
)
PROMPTS = (
    *("0", "a fox", "#1 dad mug", "#fox", "#Fox!", "#", "##", "# Title!", "#NO WAY, a fox!"),
    *("Error: a glitchy screen", "Err", "Room:502", "Err:5021", "C#!", "#3!", "Loading a truck"),
)


@each("text", ERRORS)
def test_an_error_is_recognised_in_every_language(text: str) -> None:
    assert is_error(text)
    assert error_text(f" {text} ") == text


@each("text", ["#GETTING_DATA", "Loading...", "Loading…"])
def test_a_formula_that_is_still_computing_is_recognised(text: str) -> None:
    assert is_unfinished(text)
    assert error_text(text) == text


@each("text", PROMPTS)
def test_ordinary_text_is_not_an_error(text: str) -> None:
    assert not is_error(text)
    assert not is_unfinished(text)


def test_an_error_cell_with_its_own_text_counts_as_an_error() -> None:
    assert is_error(error_text("something new"))
    assert is_error(error_text(""))


@each("text", ERRORS)
def test_a_row_whose_prompt_shows_an_error_waits_and_costs_nothing(text: str) -> None:
    (line,) = planned(f"prompt \n {text}")

    assert (line.status, line.endpoint) == ("waiting", "")


def test_a_zero_from_a_formula_is_no_input_but_a_typed_zero_is() -> None:
    zero = FormulaZero("0")
    grid = (("prompt", "skip", "take"), (zero, zero, zero), ("0", "0", "0"))
    formula, typed = columns_of(grid).rows(grid)

    assert formula.inputs == '{"prompt":"Loading…"}'
    assert typed.inputs == '{"prompt":"0"}'
    assert (formula.take, typed.take) == ("Loading…", "0")
