"""The page "Your first hour" is what people see: its answers are typed here.

Each block of the page with answers is one start of the program at a terminal. `…` in it stands for
any text. Apiframe is the sandbox, and Google the fake one.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest

from pipeline.config import configs
from pipeline.sandbox import Sandbox
from tests.fakes.google.account import EMAIL
from tests.fakes.google_sheets import google_sheets
from tests.fakes.program import KEY, ROOT
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

PAGE = (ROOT / "docs/tutorial/first-hour.md").read_text("utf-8")
#: The tests make their own configurations.
TEAM_TABLES = None
ENTER = "⏎"


def part(title: str) -> str:
    """The text below a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, kind: str) -> Iterator[str]:
    yield from re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


def typed(title: str) -> list[str]:
    """The lines of the only transcript below a heading."""
    (block,) = blocks(part(title), "text")
    return block.splitlines()


@pytest.fixture
def beginner(team: Team, api: Sandbox) -> Team:
    """Somebody in an empty folder, for whom Apiframe has the address of the sandbox."""
    text = (configs() / "providers" / "apiframe-v2.toml").read_text()
    address = 'base_url = "https://api.apiframe.ai/v2"'
    assert address in text
    (team.folder / "providers").mkdir()
    own = team.folder / "providers" / "apiframe-v2.toml"
    own.write_text(text.replace(address, f'base_url = "{api.url}/v2"'))
    return team


def plays(
    team: Team,
    lines: Sequence[str],
    *words: str,
    key: str = "",
    before: Callable[[str], object] = lambda line: None,
) -> None:
    """Start the program, type what the lines say, and compare what is shown, line by line.

    `before` is called with each question, before its answer is typed.
    """
    with terminal(team.folder, *words, width=100) as screen:
        for line in lines:
            if line.endswith(ENTER):
                question, _, typed = line.removesuffix(ENTER).rpartition(": ")
                is_key = "not shown" in question
                screen.answer(f"{question}: ", "")
                before(line)
                screen.answer("", f"{(is_key and key) or typed}\n")
        assert screen.end() == 0, screen.shown
    shown = " ".join(screen.shown.split())
    assert not key or key not in shown
    assert_in_order(
        [re.sub(r": [^:]*$", ":", line) if line.endswith(ENTER) else line for line in lines], shown
    )


def assert_in_order(lines: Sequence[str], shown: str) -> None:
    """Check that the lines are shown in their order; other text, such as bars, may be between."""
    at = 0
    for line in filter(str.strip, lines):
        words = map(re.escape, line.split())
        found = re.compile(r"\s+".join(words).replace("…", r"\S+")).search(shown, at)
        assert found, f"{line!r} is not shown after {shown[:at][-200:]!r}: {shown[at:]!r}"
        at = found.end()


def test_the_csv_part_of_the_page_is_what_a_beginner_sees(beginner: Team, api: Sandbox) -> None:
    first, second = (typed(title) for title in ("3. A CSV", "4. Real pictures"))
    edit, start = blocks(part("4. Real pictures"), "sh")

    plays(beginner, first, "init")
    assert api.state()["tasks_taken"] == 0
    subprocess.run(["sh", "-c", edit], cwd=beginner.folder, check=True)
    plays(beginner, second, *start.split()[1:], key=f"afk_{KEY}")

    assert api.state()["tasks"] == {"an owl at night": 1}
    assert [row["status"] for row in beginner.rows()] == ["done", "done"]
    assert len(list((beginner.folder / "media").glob("*.png"))) == 8


def test_the_google_part_of_the_page_is_what_a_beginner_sees(team: Team) -> None:
    lines = typed("5. A Google Sheet")
    # The run itself waits for 30 seconds.
    last = next(at for at, line in enumerate(lines) if line.startswith("Let the stand-in"))
    lines = [*lines[:last], lines[last].replace(ENTER, f"n{ENTER}")]
    domain = EMAIL.partition("@")[2]
    lines = [line.replace("….iam.gserviceaccount.com", domain) for line in lines]
    with google_sheets() as google:
        book = google.new_book("Spring", tab="Prompts")
        editors = {*book.editors}
        book.editors.clear()
        (team.folder / "bot.json").write_text(json.dumps(google.key))
        (team.folder / "bot.json").chmod(0o600)

        def shares(line: str) -> None:
            if line.startswith("Press Enter to try again"):
                book.editors.update(editors)

        words = ("init", "--google", book.url, "--base-url", google.url)
        plays(team, lines, *words, before=shares)

        header, row = google.table(book)[:2]
    assert row[header.index("prompt")] == "a fox in the snow"
