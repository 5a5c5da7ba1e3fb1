"""The gallery shows every row, is self-contained, and runs no outside code."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import Settings, configs, load
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.inputs import canonical
from pipeline.core.model import JobKey, Result
from pipeline.core.states import Succeeded
from pipeline.core.text import duration
from pipeline.open_sheet import open_sheet
from pipeline.reports import charts, gallery
from pipeline.reports.gallery import write_gallery
from pipeline.store import Fact, Intent, Limits, Store
from tests.fakes.cases import each
from tests.fakes.histories import EVIL
from tests.reports.test_results import Sheet, demo, edit
from tests.store.build import save

NOW = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """A parsed page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.text += f"{data} "

    def all(self, tag: str, attribute: str) -> list[str]:
        return [
            attrs[attribute] for name, attrs in self.elements if name == tag and attribute in attrs
        ]


def page_of(settings: Settings, tmp_path: Path) -> Page:
    return Page(write_gallery(settings, tmp_path / "wall.html", lambda: NOW).read_text("utf-8"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo, with a row in which all text looks like markup."""

    def change(sheet: Sheet) -> None:
        table = next(row for row in sheet if "table" in row)
        table[sheet[0].index("Prompt")] = EVIL
        table[sheet[0].index("Name")] = '"><b>bold</b>'

    folder = tmp_path_factory.mktemp("gallery")
    with demo(folder) as run:
        edit(folder / "prompts.csv", change)
        return run()


@pytest.fixture(scope="module")
def wall(ran: Settings, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The gallery of the demo, written once: the tests only read it."""
    return page_of(ran, tmp_path_factory.mktemp("wall"))


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    """A configuration with an empty store."""
    (tmp_path / "demo.toml").write_bytes((configs() / "demo.toml").read_bytes())
    settings = load(tmp_path / "demo.toml")
    Store(settings.store_url).close()
    return settings


def deliver(settings: Settings, result: Result, files: Iterable[str] = ()) -> None:
    """Record this result, with these files saved for its first addresses."""
    with Store(settings.store_url) as store:
        key = JobKey(open_sheet(settings, store).key, "r_abcdefghi", 1)
        store.jobs.add([key])
        words = canonical({"prompt": "a fox"})
        intent = Intent(key, 1, words, ("prompt",), "imagine", 4, deadline=60)
        store.attempts.begin([intent], Limits("k", "run", "2026-03-09", None, None))
        store.attempts.record([Fact(key, 1, Succeeded(result, task_id="t-1"))])
        for url, file in zip(result.urls, files, strict=False):
            save(store, key, 1, url, file)


def test_every_row_is_shown_in_order_with_its_status_and_its_note(wall: Page) -> None:
    numbers = re.findall(r"Row +(\d+)", wall.text)
    assert numbers == [str(line) for line in range(2, 14)]
    for words in (
        *("retail-poster", "No prompt", "invalid", "Not sent, nothing paid: Prompt is empty"),
        *("knight", "Apiframe refused the prompt", "boats", "Apiframe could not generate it"),
        *(
            "hut",
            "skipped",
            "Skipped because the Skip cell is filled in",
            "Grüntöne",
            "a fox asleep under",
        ),
    ):
        assert words in wall.text


def test_every_picture_is_embedded_and_has_an_alternative_text(wall: Page) -> None:
    sources, words = wall.all("img", "src"), wall.all("img", "alt")
    assert len(sources) == 32
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert "Picture 2 of 4, teehaus: Ein gemütliches Teehaus über den Dächern" in words[13]


def test_the_header_counts_rows_pictures_credits_and_statuses(wall: Page) -> None:
    text = " ".join(wall.text.split())

    assert "rows 12 pictures 32 credits 36 typical wait" in text
    assert "all 12 done 8 failed 2 invalid 1 skipped 1" in text
    assert "· 9 Mar 2026, 14:05 UTC" in text
    assert "Made with Apiframe (API version 1) at 127.0.0.1:" in text


def test_the_page_loads_nothing_from_outside(wall: Page) -> None:
    tags = {tag for tag, _ in wall.elements}
    assert not tags & {"script", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert all(link.startswith("#") for link in wall.all("a", "href"))
    assert wall.all("link", "href") == ["data:,"]
    assert not any(name.startswith("on") for _, attrs in wall.elements for name in attrs)
    assert not any("style" in attrs for _, attrs in wall.elements)


def test_the_content_security_policy_allows_only_the_one_style(
    ran: Settings, tmp_path: Path
) -> None:
    html = write_gallery(ran, tmp_path / "wall.html").read_text("utf-8")

    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(
        content for content in Page(html).all("meta", "content") if "default-src" in content
    )
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_text_that_looks_like_markup_is_shown_as_text(wall: Page) -> None:
    assert EVIL in wall.text
    assert '"><b>bold</b>' in wall.text
    assert wall.all("h2", "id")[1] == "row-2-title"


def test_every_internal_link_has_a_target_and_every_id_is_unique(wall: Page) -> None:
    names = [attrs["id"] for _, attrs in wall.elements if "id" in attrs]
    assert len(names) == len(set(names))
    assert {link[1:] for link in wall.all("a", "href")} <= set(names)
    assert set(wall.all("label", "for")) == set(wall.all("input", "id"))


def test_pictures_are_scaled_down_and_never_up(empty: Settings, tmp_path: Path) -> None:
    assert empty.media
    empty.media.mkdir()
    Image.effect_noise((1600, 800), 90).save(empty.media / "large.png")
    Image.new("RGB", (30, 60)).save(empty.media / "small.jpg")
    deliver(
        empty, Result(("https://a.example/1", "https://a.example/2")), ["large.png", "small.jpg"]
    )

    page = page_of(empty, tmp_path)

    assert list(zip(page.all("img", "width"), page.all("img", "height"), strict=True)) == [
        ("640", "320"),
        ("30", "60"),
    ]
    first = base64.b64decode(page.all("img", "src")[0].partition(",")[2])
    with Image.open(BytesIO(first)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (640, 320))


def test_a_page_with_many_pictures_has_smaller_ones() -> None:
    assert [gallery._side(number) for number in (0, 80, 81, 1000, 5000)] == [
        640,
        640,
        420,
        280,
        200,
    ]


@pytest.mark.filterwarnings("error")
def test_a_file_that_is_not_a_picture_is_named_and_linked(empty: Settings, tmp_path: Path) -> None:
    assert empty.media
    empty.media.mkdir()
    (empty.media / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    (empty.media / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    (empty.media / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    Image.new("1", (20_000, 10_000)).save(empty.media / "bomb.png")
    files = ["film.mp4", "torn.png", "drawing.png", "bomb.png"]
    urls = tuple(f"https://a.example/{number}" for number in range(5))
    deliver(empty, Result(urls), files)

    page = page_of(empty, tmp_path)

    assert page.all("img", "src") == []
    assert all(file in page.text for file in files)
    assert "5 of 5 is not saved" in " ".join(page.text.split())
    assert [link for link in page.all("a", "href") if not link.startswith("#")] == list(urls)
    assert set(page.all("a", "rel")) == {"noreferrer noopener nofollow"}


def test_only_web_addresses_become_links(empty: Settings, tmp_path: Path) -> None:
    deliver(empty, Result(("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd")))

    page = page_of(empty, tmp_path)

    assert all(link.startswith("#") for link in page.all("a", "href"))
    assert "javascript" not in page.text


def test_a_job_without_its_row_is_shown_as_such(empty: Settings, tmp_path: Path) -> None:
    deliver(empty, Result(("https://a.example/1",)))

    text = page_of(empty, tmp_path).text

    assert "a fox" in text
    assert "No longer in the sheet" in text


def test_a_sheet_without_rows_says_what_to_do(empty: Settings, tmp_path: Path) -> None:
    assert "No rows yet. Write a prompt into prompts.csv" in page_of(empty, tmp_path).text


def test_before_the_first_run_no_page_is_written(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_bytes((configs() / "demo.toml").read_bytes())

    with pytest.raises(StoreError, match="Nothing has been run yet"):
        write_gallery(load(tmp_path / "demo.toml"), tmp_path / "wall.html")

    assert not (tmp_path / "wall.html").exists()


def test_a_failed_write_changes_no_file(empty: Settings, tmp_path: Path) -> None:
    place = tmp_path / "pages"
    (place / "wall.html").mkdir(parents=True)

    with pytest.raises(ConfigError, match=r"wall\.html cannot be written: "):
        write_gallery(empty, place / "wall.html")

    assert list(place.iterdir()) == [place / "wall.html"]


def test_a_gallery_never_replaces_the_configuration(empty: Settings) -> None:
    before = empty.path.read_bytes()
    with pytest.raises(ConfigError, match="is the sheet or belongs to it"):
        write_gallery(empty, empty.path)
    assert empty.path.read_bytes() == before


def test_missing_folders_are_created_and_the_path_is_returned(
    empty: Settings, tmp_path: Path
) -> None:
    assert write_gallery(empty, tmp_path / "a" / "b.html") == (tmp_path / "a" / "b.html").resolve()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.html"]


def test_every_status_can_be_selected_and_has_a_colour_in_charts() -> None:
    style = (gallery.TEMPLATES / "gallery.css").read_text("utf-8")

    words = {status.replace(" ", "-") for status in gallery.STATUSES}
    picked = re.findall(r"has\(#pick-([a-z-]+):checked\) \.row:not\(\.s-([a-z-]+)\)", style)
    assert set(picked) == {(word, word) for word in words}
    assert set(charts.STATUSES) == set(gallery.STATUSES)


def test_all_text_has_enough_contrast_in_light_and_dark_mode() -> None:
    style = (gallery.TEMPLATES / "base.css").read_text("utf-8")
    light, dark = (
        dict(_colours(block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    )

    for colours in (light, light | dark):
        tones = ("good", "busy", "bad", "look", "turn", "calm")
        pairs = [(tone, f"{tone}-bg") for tone in tones]
        pairs += [
            (ink, on) for ink in ("ink", "soft", "accent") for on in ("page", "sheet", "gutter")
        ]
        too_faint = {
            (ink, on): round(contrast, 2)
            for ink, on in pairs
            if (contrast := _contrast(colours[ink], colours[on])) < 4.5
        }
        assert too_faint == {}


@each(
    ("seconds", "words"),
    [
        (0.04, "0 s"),
        (3.44, "3.4 s"),
        (36, "36 s"),
        (59.96, "1 min"),
        (125, "2 min 5 s"),
        (4200, "1 h 10 min"),
    ],
)
def test_a_waiting_time_is_shown_in_common_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def _colours(block: str) -> Iterator[tuple[str, str]]:
    for name, colour in re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block):
        short = colour[1:]
        yield name, short if len(short) == 6 else "".join(c * 2 for c in short)


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG: 4.5 is enough for text."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
