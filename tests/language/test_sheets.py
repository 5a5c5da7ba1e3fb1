"""A sheet whose notes are in German: first and later passes, and another language in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.rows.attention import said_by
from pipeline.open_sheet import open_sheet
from pipeline.reports import results
from pipeline.sync.outcome import Asked
from tests.sync.bench import Bench, reply

GERMAN = 'language = "de"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Rows of which one is refused, one fails, and one is incomplete, in a German sheet."""
    bench = Bench(tmp_path, [])
    bench.api.replies["a bear"] = reply({"error": "no bears"}, 400)
    bench.api.failing.add("a cat")
    bench.write(
        [
            ["prompt", "take", "aspect_ratio", "approved"],
            ["a fox", "", "", "yes"],
            ["a bear", "", "", "yes"],
            ["a cat", "", "", "yes"],
            ["an owl", "two", "wide", "yes"],
            ["a wolf", "", "", ""],
        ]
    )
    _say(bench, "de")
    yield bench
    bench.close()


def _say(bench: Bench, language: str) -> None:
    lines = [one for one in bench.config.read_text().splitlines() if "language" not in one]
    lines.insert(1, f'language = "{language}"')
    bench.config.write_text("\n".join(lines))
    bench.settings = bench.loaded("", {})


def _notes(bench: Bench) -> dict[str, tuple[str, str]]:
    return {row["prompt"]: (row["status"], row["note"]) for row in bench.rows()}


IN_GERMAN = {
    "a fox": ("done", ""),
    "a bear": (
        "failed",
        'Apiframe hat den Prompt abgelehnt: "no bears". prompt ändern, um die Zeile noch einmal zu '
        "senden.",
    ),
    "a cat": (
        "failed",
        'Apiframe konnte es nicht erzeugen: "it did not work". prompt ändern oder einen neuen '
        "Versuch veranlassen. Der fehlgeschlagene Auftrag kann 4 Credits gekostet haben.",
    ),
    "an owl": (
        "invalid",
        'Nicht gesendet: take ist "two". Eine ganze Zahl ab 1 eintragen oder die Zelle leeren, '
        'oder [columns] ignore = ["take"] setzen, falls das eine eigene Spalte ist.',
    ),
    "a wolf": (
        "needs approval",
        'Wartet auf Freigabe. yes in "approved" schreiben oder ein Häkchen setzen, um diese Zeile '
        "zu erzeugen.",
    ),
}
PAID = {"a fox": 1, "a bear": 1, "a cat": 1}


def test_notes_are_in_german_in_the_first_pass_and_in_later_ones(bench: Bench) -> None:
    bench.run()
    first = bench.file.read_bytes()
    assert _notes(bench) == IN_GERMAN

    bench.run()

    assert bench.file.read_bytes() == first
    assert bench.api.prompts == PAID


def test_rows_are_reported_in_english(bench: Bench) -> None:
    outcome = bench.run()
    told = {row.prompt: row.note for row in outcome.attention}
    bench.run()
    unchanged = {row.prompt: row.note for row in bench.run(Asked(wait=True)).attention}

    assert told.keys() == {"a bear", "a cat", "an owl"}
    assert told["a bear"] == (
        'Apiframe refused the prompt: "no bears". Change the prompt to send the row again.'
    )
    assert unchanged == told


def test_the_page_shows_the_notes_of_the_sheet(bench: Bench) -> None:
    bench.run()

    shown = results.results_and_waiting_rows(bench.settings)

    assert {one.prompt: (one.status, one.note) for one in shown} == IN_GERMAN


def test_another_language_is_written_once_and_pays_nothing(bench: Bench) -> None:
    bench.run()
    _say(bench, "en")

    bench.run()
    english = bench.file.read_bytes()
    notes = _notes(bench)

    assert [status for status, _ in notes.values()] == [one for one, _ in IN_GERMAN.values()]
    assert (
        notes["a wolf"][1]
        == 'Waiting for approval. Write yes into "approved", or tick it, to generate this row.'
    )
    assert notes["a bear"][1].startswith("Apiframe refused the prompt")
    bench.run()
    assert bench.file.read_bytes() == english
    _say(bench, "de")
    bench.run()
    assert _notes(bench) == IN_GERMAN
    assert bench.api.prompts == PAID


def test_a_reworded_note_is_written_once(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    (tmp_path / "messages").mkdir()
    message = "Waiting for approval. Write {word} into {column}, or tick it, to generate this row."
    (tmp_path / "messages" / "de.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        f'msgid "{message}"\nmsgstr "Das Marketing gibt frei: {{column}}, {{word}}"\n',
        "utf-8",
    )
    _say(bench, "de")

    bench.run()

    wolf = ("needs approval", 'Das Marketing gibt frei: "approved", yes')
    assert _notes(bench) == IN_GERMAN | {"a wolf": wolf}
    assert bench.api.prompts == PAID


def test_an_approval_in_a_german_sheet_sends_the_row_once(bench: Bench) -> None:
    bench.run()
    lines = bench.lines()
    lines[5][3] = "bald"
    bench.write(lines)
    bench.run()

    assert _notes(bench)["a wolf"][1].startswith("Nicht freigegeben: In approved steht")
    lines = bench.lines()
    lines[5][3] = "yes"
    bench.write(lines)
    bench.run()

    assert _notes(bench)["a wolf"] == ("done", "")
    assert bench.api.prompts == PAID | {"a wolf": 1}


def test_what_a_provider_file_says_of_a_field_is_in_german_too(bench: Bench) -> None:
    bench.write([["prompt", "aspect_ratio"], ["a fox", "wide"], ["a bear {name}", ""]])

    bench.run()

    assert _notes(bench)["a fox"] == (
        "invalid",
        'Nicht gesendet, nichts bezahlt: aspect_ratio ist "wide"; möglich ist nur: zwei Zahlen '
        "mit Doppelpunkt, etwa 16:9.",
    )
    assert _notes(bench)["a bear {name}"][1] == (
        'Bitte prüfen: prompt enthält "{name}", einen nicht ausgefüllten Platzhalter.'
    )


def test_a_row_that_was_dismissed_on_the_page_stays_dismissed(bench: Bench) -> None:
    bench.run()
    owl = next(row for row in bench.rows() if row["prompt"] == "an owl")
    with bench.store() as store:
        key = open_sheet(bench.settings, store).key
        known = store.rows.memory(key).known[owl["row_id"]]
        store.rows.dismiss(key, known.row_id, said_by(known.since, owl["status"], owl["note"]))

    for _ in range(2):
        assert "an owl" not in {row.prompt for row in bench.run().attention}
