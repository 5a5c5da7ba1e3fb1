"""The messages of the program and their files, and sentences in other languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polib
import pytest

from pipeline.config.languages import catalogue_of, problems_with
from pipeline.core.cells.content import note_of
from pipeline.core.language import (
    ENGLISH,
    Catalogue,
    Said,
    fields_of,
    is_translation,
    said_again,
    say,
    say_counted,
    together,
)
from pipeline.core.messages import picture_notes, reasons, row_notes, sent_notes
from pipeline.core.picture_findings import Findings
from pipeline.core.planning.causes import cause_again, sender_again
from tests.core.build import planned
from tests.fakes.cases import each
from tests.language.collected import ROOT, Used, used

SHIPPED = ROOT / "configs" / "messages"
GERMAN = catalogue_of("de", SHIPPED / "none.toml", SHIPPED, [])


def _message(entry: polib.POEntry) -> tuple[str, ...]:
    return (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)


@each("language", ["en", "de"])
def test_a_file_has_every_message_of_the_code_and_no_other(language: str) -> None:
    entries = polib.pofile(str(SHIPPED / f"{language}.po"))
    found = [_message(one) for one in entries if not one.obsolete]

    assert sorted(found) == sorted({one.message for one in used()}), "run make messages"


def test_every_message_is_in_german_with_the_same_values() -> None:
    entries = [one for one in polib.pofile(str(SHIPPED / "de.po")) if not one.obsolete]
    forms = {_message(one): [*one.msgstr_plural.values()] or [one.msgstr] for one in entries}

    assert [one for one, its in forms.items() if not all(its)] == []
    assert [
        one for one, its in forms.items() for text in its if not is_translation(one, text)
    ] == []
    assert GERMAN.messages.keys() == forms.keys()


def test_english_is_only_in_the_code() -> None:
    entries = polib.pofile(str(SHIPPED / "en.po"))

    assert [one.msgid for one in entries if one.msgstr or any(one.msgstr_plural.values())] == []


def _gets_what_it_names(one: Used) -> bool:
    return one.values is None or (
        fields_of(one.message[-1]) == one.values
        and fields_of(one.message[0]) | {"number"} == one.values | {"number"}
    )


def test_each_message_gets_the_values_that_it_names() -> None:
    assert len([one for one in used() if one.values]) > 300
    assert [one for one in used() if not _gets_what_it_names(one)] == []


def test_a_note_is_said_in_german_to_its_last_part() -> None:
    note = sent_notes.files_lost([1, 3], 4, "", True, row_notes.write_take(2))

    assert note.endswith("Later runs try again; to pay for new ones, put 2 in the take column.")
    assert GERMAN.text(note) == (
        "Die Bilder 1 und 3 von 4 konnten nicht gespeichert werden. Spätere Läufe versuchen es "
        "wieder; um neue zu bezahlen: 2 in die Spalte take schreiben."
    )
    assert ENGLISH.text(note) == note


@each(
    ("twin", "german"),
    [
        ({"row": "r_abcdefghi", "name": "fox"}, 'dem Bild der Zeile "fox" (r_abcdefghi)'),
        ({"row": "r_abcdefghi"}, "dem Bild der Zeile r_abcdefghi"),
        ({"take": 2}, "dem Bild von Take 2"),
        ({"picture": 1, "attempt": 2}, "Bild 1 von Versuch 2"),
        ({"picture": 3}, "Bild 3"),
        ({"generation": "9:16"}, "dem Bild von 9:16"),
    ],
)
def test_what_the_store_keeps_in_english_is_said_in_german(
    twin: dict[str, str], german: str
) -> None:
    same = picture_notes.twin_of(**twin)  # type: ignore[arg-type]
    note = picture_notes.about({1: Findings(same=same)}, 4, "Apiframe", "")

    assert f"Picture 1 of 4 is the same as {same}: " in note
    assert GERMAN.text(note).startswith(f"Bild 1 von 4 gleicht genau {german}: ")


def test_a_text_that_is_no_message_stays_as_it_is() -> None:
    outside = "Waiting for {column}"

    assert GERMAN.text(outside) == outside
    assert said_again(outside, "that of take {take}") == outside
    assert GERMAN.text(say("{which}: {note}", which="1:1", note=outside)) == f"1:1: {outside}"


def test_numbers_have_the_plural_of_the_language() -> None:
    polish = Catalogue(
        "pl",
        {("{number} picture", "{number} pictures"): ("{number} a", "{number} b", "{number} c")},
        form_of=lambda n: 0 if n == 1 else 1 if n % 10 in (2, 3, 4) and n % 100 != 12 else 2,
    )
    said = [say_counted(n, "{number} picture", "{number} pictures") for n in (1, 2, 5, 2.5)]

    assert said == ["1 picture", "2 pictures", "5 pictures", "2.5 pictures"]
    assert [polish.text(one) for one in said] == ["1 a", "2 b", "5 c", "2.5 b"]


def test_texts_that_are_empty_are_left_out() -> None:
    assert together(("", say("it failed"), "")) == "it failed"
    assert (together(()), isinstance(together(()), Said)) == ("", True)
    assert GERMAN.text(together((say("it failed"), "x"), "; ")) == "sie ist fehlgeschlagen; x"


def _own(tmp_path: Path, text: str, name: str = "de") -> Path:
    (tmp_path / "messages").mkdir()
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    plural = '"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
    (tmp_path / "messages" / f"{name}.po").write_text(head + plural + text, "utf-8")
    return tmp_path / "promptsheet.toml"


def test_a_team_rewords_one_message_and_keeps_the_others(tmp_path: Path) -> None:
    config = _own(tmp_path, 'msgid "it failed"\nmsgstr "sie ging schief"\n')
    catalogue = catalogue_of("de", config, SHIPPED, [])

    assert catalogue.text(say("it failed")) == "sie ging schief"
    assert catalogue.text(say("it is queued")) == "sie ist an der Reihe"
    assert problems_with("de", config, SHIPPED) == []
    assert catalogue != GERMAN
    assert catalogue.version in repr(catalogue)  # by which unchanged rows are planned again


def test_a_team_rewords_english(tmp_path: Path) -> None:
    config = _own(tmp_path, 'msgid "it failed"\nmsgstr "it went wrong"\n', "en")

    assert catalogue_of("en", config, SHIPPED, []).text(say("it failed")) == "it went wrong"
    assert problems_with("en", config, SHIPPED) == []


def test_a_new_language_is_english_where_it_is_not_translated_yet(tmp_path: Path) -> None:
    config = _own(
        tmp_path,
        'msgid "{number} credit"\nmsgid_plural "{number} credits"\n'
        'msgstr[0] "{number} crédit"\nmsgstr[1] "{number} crédits"\n',
        "fr",
    )
    catalogue = catalogue_of("fr", config, SHIPPED, [])
    said = [say_counted(n, "{number} credit", "{number} credits") for n in (0, 1, 2)]

    assert [catalogue.text(one) for one in said] == ["0 crédit", "1 crédit", "2 crédits"]
    assert catalogue.text(say("it failed")) == "it failed"
    (problem,) = problems_with("fr", config, SHIPPED)
    assert "without a translation into fr are shown in English" in problem


@pytest.mark.parametrize(
    "translation",
    [
        "Wartet auf {colum}.",
        "Häkchen!",
        "{column} {0}",
        "{column} {column.x}",
        "{column} {",
        "{column!r}",
    ],
)
def test_a_translation_that_does_not_fit_stays_english(tmp_path: Path, translation: str) -> None:
    note = row_notes.skipped("skip")
    text = next(one for one, *_ in GERMAN.messages if one.startswith("Skipped because"))
    config = _own(tmp_path, f'msgid "{text}"\nmsgstr "{translation}"\n', "fr")

    assert catalogue_of("fr", config, SHIPPED, []).text(note) == note
    assert "does not have the same values" in problems_with("fr", config, SHIPPED)[0]


def test_a_file_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    config = _own(tmp_path, 'msgid "it failed"\nthis is no line of such a file\n')

    german = catalogue_of("de", config, SHIPPED, [])
    assert german.text(say("it failed")) == "sie ist fehlgeschlagen"
    assert "de.po cannot be read, so it is not used" in problems_with("de", config, SHIPPED)[0]


def test_a_file_without_messages_is_named(tmp_path: Path) -> None:
    config = _own(tmp_path, "")

    assert problems_with("de", config, SHIPPED)[0].endswith("de.po holds no messages.")


def test_a_translation_cannot_become_a_formula() -> None:
    (line,) = planned("prompt\na fox")
    live = Catalogue("de", {("it failed",): ("=HYPERLINK(1)",)})

    assert note_of(replace(line, note=say("it failed")), live) == "'=HYPERLINK(1)"


def test_a_rule_for_plurals_that_fails_stops_nothing(tmp_path: Path) -> None:
    text = (
        'msgid "{number} credit"\nmsgid_plural "{number} credits"\n'
        'msgstr[0] "{number} a"\nmsgstr[1] "{number} b"\n'
    )
    config = _own(tmp_path, text, "fr")
    file = tmp_path / "messages" / "fr.po"
    file.write_text(file.read_text("utf-8").replace("(n > 1)", "1 % (n - 7)"), "utf-8")
    catalogue = catalogue_of("fr", config, SHIPPED, [])

    assert catalogue.text(say_counted(7, "{number} credit", "{number} credits")) == "7 a"


@pytest.mark.parametrize("language", ["fr", "", "../de", "de/../de"])
def test_an_unknown_language_is_a_mistake_in_the_configuration(
    tmp_path: Path, language: str
) -> None:
    problems: list[str] = []
    catalogue_of(language, tmp_path / "promptsheet.toml", SHIPPED, problems)

    assert problems == [
        f'sheet.language: there is no "{language}"; there is de, en. A file messages/NAME.po '
        "beside the configuration adds a language."
    ]


@each("kept", reasons.ALL)
def test_a_reason_of_ours_that_the_store_kept_is_said_in_german(kept: str) -> None:
    text = kept.format(**dict.fromkeys(fields_of(kept), "7"))
    german = GERMAN.messages[kept,][0].format(**dict.fromkeys(fields_of(kept), "7"))
    note = sent_notes.files_lost([1], 1, text, True, "")

    assert f" {text} Later runs" in note
    assert f" {german} Spätere Läufe" in GERMAN.text(note)


@each(
    ("again", "kept", "german"),
    [
        (cause_again, "every picture was blank", "kein Bild war brauchbar (leer)"),
        (sender_again, "a call of POST /run", "ein Aufruf von POST /run"),
        (
            reasons.told,
            '"fox.png": Apiframe did not take fox.png: it answers 400 and says "too dark"',
            '"fox.png": Apiframe hat fox.png nicht angenommen: Antwort 400, dazu "too dark"',
        ),
    ],
)
def test_what_is_inside_a_reason_that_the_store_kept_is_said_in_german_too(
    again: Callable[[str], str], kept: str, german: str
) -> None:
    assert (again(kept), GERMAN.text(again(kept))) == (kept, german)
