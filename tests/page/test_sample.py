"""The sample on the page: how it became, and the button that sends the other rows."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.program import call, until
from tests.page.test_approval import Desk, desk_with

SHEET = "prompt\nfox [fail]\nowl\ncat\ndog\nelk\n"
BUTTON = r'<form class="notice" method="post" action="(/continue/1)">(.*?)</form>'


def notice(desk: Desk) -> tuple[dict[str, str], str]:
    """The fields and the words of the form with the button Continue."""

    def found() -> re.Match[str] | None:
        return re.search(BUTTON, desk.client.get("/").text, re.DOTALL)

    # The page shows a change of the sheet within a second or two.
    until(found, "there is a button Continue", every=0.1)
    form = found()
    assert form
    words = " ".join(re.sub(r"<[^>]*>", " ", form[2]).split())
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2])), words


def test_the_page_says_how_the_sample_became_and_continue_sends_the_rows_that_were_shown(
    tmp_path: Path,
) -> None:
    with desk_with(tmp_path, SHEET, sample=2) as desk:
        desk.run()
        form, words = notice(desk)
        assert words == (
            "3 rows wait until you have looked at the sample. 1 of its 2 rows has a result. "
            "Continue: the sample is right"
        )
        plan = desk.client.get("/plan/1").text
        assert "The sample is done, and 3 rows wait. 1 of its 2 rows has a result." in plan

        # Two more rows have been read since the page was shown: they were not in its number.
        desk.edit("elk", "elk\nyak\newe")
        desk.run()
        assert desk.press("/continue/1", form) == "changed"
        desk.run()
        assert desk.paid == 2

        until(lambda: notice(desk)[1].startswith("5 rows wait"), "five rows wait", every=0.1)
        form, _ = notice(desk)
        assert desk.press("/continue/1", form) == "continued"
        desk.run()
        assert desk.paid == 7
        assert call("run", desk.config).code == 0
