"""The page in the language of its sheet: nothing is left in English but what belongs to the sheet.

The pages are rendered with a catalogue that has the German of this repository in wide letters. So
whatever is in plain letters was not said in German.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import jinja2
import polib
import pytest
from jinja2 import nodes

from pipeline.config import PageSettings, Secret
from pipeline.core.language import ENGLISH, Catalogue
from pipeline.page.actions import MESSAGES, MESSAGES_WHILE_HELD
from pipeline.page.cards import DISMISSED, EARLIER, NEEDING
from pipeline.page.languages import chosen
from tests.fakes.cases import each
from tests.language.collected import ROOT
from tests.language.test_messages import GERMAN, SHIPPED
from tests.page.test_auth import DONE, FAILED, LOST, TOKEN, PageBench, opened

TEMPLATES = ROOT / "pipeline" / "templates"
#: What a reader or a screen reader says of an element, besides its text.
SAID = ("alt", "title", "placeholder", "aria-label", "data-away", "data-unreached", "data-copied")


class _Words(HTMLParser):
    """The words of a page that are not marked as English, with the attributes that are read out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._english: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        its = dict(attrs)
        if self._english or (its.get("lang") == "en" and tag != "html"):
            self._english.append(tag)
            return
        self.found += [its[name] or "" for name in SAID if name in its]

    def handle_endtag(self, tag: str) -> None:
        if self._english and tag == self._english[-1]:
            self._english.pop()
        elif tag in self._english:  # elements without an end, such as <img>
            while self._english.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._english:
            self.found.append(data)


def _plain(page: str) -> set[str]:
    """The words in plain letters."""
    return {word for text in _Words(page).found for word in re.findall(r"[A-Za-z]{2,}", text)}


def in_wide_letters(text: str) -> str:
    """The text in wide letters; the names of its values stay."""
    wide = {letter: letter + 0xFEE0 for letter in range(ord("A"), ord("z") + 1)}
    return "".join(
        words.translate(wide).replace("{", "{{").replace("}", "}}")
        + (f"{{{name}}}" if name is not None else "")
        for words, name, _, _ in Formatter().parse(text)
    )


@pytest.fixture(scope="module")
def wide_messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the German translations in wide letters."""
    entries = polib.pofile(str(SHIPPED / "de.po"))
    for one in entries:
        one.msgstr = in_wide_letters(one.msgstr)
        one.msgstr_plural = {
            form: in_wide_letters(text) for form, text in one.msgstr_plural.items()
        }
    file = tmp_path_factory.mktemp("messages") / "de.po"
    entries.save(str(file))
    return file


@pytest.fixture
def german(tmp_path: Path, wide_messages: Path) -> Iterator[PageBench]:
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "de.po").write_bytes(wide_messages.read_bytes())
    page = PageSettings(wanted=True, token=Secret(TOKEN))
    with opened(tmp_path, page, 'language = "de"\n') as one:
        yield one


def _of_the_sheet(bench: PageBench) -> set[str]:
    """Words that belong to the sheet, to its files, and to its API."""
    settings = bench.campaign.settings
    texts = [
        (bench.folder / "prompts.csv").read_text(),
        settings.source.name,
        settings.provider.full_title,
        *settings.provider.endpoints,
        *(one.about for one in settings.provider.endpoints.values()),
        *(one.name for one in (bench.folder / "media").iterdir()),
    ]
    columns, answer = {"take", "parent", "index"}, {"no"}
    return (
        {"Promptsheet", "UTC"}
        | columns
        | answer
        | {word for text in texts for word in re.findall(r"[A-Za-z]{2,}", text)}
    )


def test_the_board_and_the_pages_of_rows_are_in_the_language_of_the_sheet(
    german: PageBench,
) -> None:
    with german.visitor() as client:
        pages = [client.get(f"/row/1/{row}/1").text for row in (DONE, FAILED, LOST)]
        german.press(client, "again", again="0")
        german.press(client, "dismiss", FAILED)
        pages += [
            *(client.get(f"/row/1/{row}/1").text for row in (DONE, FAILED, "r_0")),
            *(client.get(f"/?status={one}").text for one in (NEEDING, DISMISSED, EARLIER)),
            *(client.get(f"/?status={one}&q=0").text for one in ("", DISMISSED)),
            *(client.get(f"/?said={one}").text for one in (*MESSAGES, *MESSAGES_WHILE_HELD)),
            client.get("/plan/1").text,
        ]
        client.post("/pause/1", data={"csrf": german.csrf(client)})
        pages += [client.get("/").text, client.get(f"/row/1/{DONE}/1").text]

    assert all('<html lang="de">' in page for page in pages)
    left = {word for page in pages for word in _plain(page)} - _of_the_sheet(german)
    assert left == set()
    assert all("Ｚｅｉｌｅ" in page for page in pages if "badge" in page)


def test_before_signing_in_the_page_is_in_the_language_of_the_browser_or_of_the_first_sheet(
    german: PageBench,
) -> None:
    with german.without_cookie(headers={"Origin": german.address}) as client:
        answers = [
            client.get("/login"),
            client.post("/login", data={"token": "x"}),
            client.get(german.gate.link("").removeprefix("http://")),
            client.get("/enter/x"),
            client.get("/live/1"),
            client.get("/nothing"),
        ]

    assert {word for one in answers[:4] for word in _plain(one.text)} == {"Promptsheet"}
    assert _plain(answers[4].text) == set()


FRENCH, AUSTRIAN = Catalogue("fr", {}), Catalogue("de_AT", {})


@each(
    ("accepted", "language"),
    [
        ("", GERMAN),
        ("de-AT,de;q=0.9,en;q=0.8", GERMAN),
        ("en-US,en;q=0.9,de;q=0.8", ENGLISH),
        ("de;q=0.5, fr;q=0.9, en;q=0.8", FRENCH),
        ("it, *;q=0.1", GERMAN),
        ("fr;q=x", FRENCH),
    ],
)
def test_the_language_before_signing_in(accepted: str, language: Catalogue) -> None:
    assert chosen([GERMAN, ENGLISH, FRENCH], accepted) is language


def test_a_language_of_a_country_is_chosen_before_the_language_alone() -> None:
    assert chosen([GERMAN, AUSTRIAN], "de-AT,de;q=0.9") is AUSTRIAN
    assert chosen([ENGLISH, AUSTRIAN], "de-CH,en;q=0.1") is ENGLISH


@each("file", sorted(TEMPLATES.rglob("*.j2")))
def test_a_template_has_no_words_outside_of_messages(file: Path) -> None:
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).parse(file.read_text())
    text = "".join(
        one.data if isinstance(one, nodes.TemplateData) else "x0"
        for output in template.find_all(nodes.Output)
        for one in output.nodes
    )
    # A message is a value of the template; what is left of its text is in no message. A block may
    # have attributes of a tag that begins elsewhere.
    text = re.sub(r' (?!alt|title|placeholder|aria-label)[a-z-]+="[^"]*"', "", text)
    assert _plain(text) <= {"Promptsheet"}


def test_buttons_have_the_same_names_in_notes_as_on_the_page() -> None:
    named = {"Continue on the page": "Weiter", "press Retry": "Retry", "press Resume": "Resume"}
    named["“dismissed”"] = "dismissed"
    for words, button in named.items():
        name = GERMAN.messages.get((button,), (button,))[0]
        notes = [its for message, its in GERMAN.messages.items() if words in message[0]]
        assert notes, words
        assert all(name in form for its in notes for form in its), words
