"""Ticks on pictures, feedback for the next take, and all takes of a row beside each other."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.config import PageSettings
from pipeline.core.inputs import canonical
from pipeline.core.model import JobKey, Result
from pipeline.core.picture_findings import Findings
from pipeline.core.rows.feedback import of_page
from pipeline.core.states import Succeeded
from pipeline.page.actions import LONGEST_FEEDBACK
from pipeline.store import Fact, Intent, Limits, NewFile, SavedFile
from tests.fakes.program import until
from tests.page.test_approval import desk_with
from tests.page.test_auth import DONE, FAILED, PageBench, opened
from tests.page.test_people import ANNA, BEA, PAGE, history, signed_in

HOSTILE = "softer <script>alert(1)</script> light"


@pytest.fixture
def team(tmp_path: Path) -> Iterator[PageBench]:
    with opened(tmp_path, PAGE) as one:
        yield one


def tick(bench: PageBench, client: httpx.Client, number: int, ticked: str, take: int = 1) -> str:
    form = {"csrf": bench.csrf(client), "ticked": ticked, "stay": f"{DONE}/{take}/{number}"}
    answer = client.post(f"/pick/1/{DONE}/{take}/{number}", data=form)
    assert answer.status_code == 303
    return answer.headers["location"]


def ticked(bench: PageBench, take: int = 1) -> tuple[int, ...]:
    return bench.store.picks.of(bench.campaign.key).get(JobKey(bench.campaign.key, DONE, take), ())


def make_take_2(bench: PageBench) -> None:
    """A second take of the done row, with one result."""
    job = JobKey(bench.campaign.key, DONE, 2)
    bench.store.jobs.add([job])
    inputs = canonical({"prompt": "a fox"})
    intent = Intent(job, 1, inputs, ("prompt",), "imagine", 4, 60)
    bench.store.attempts.begin([intent], Limits("key", "run", "day"))
    done = Succeeded(Result(("https://x/new",)), task_id="t-9")
    bench.store.attempts.record([Fact(job, 1, done)])


def test_a_tick_counts_once_for_two_people_and_is_taken_back_by_the_next(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna, signed_in(team, BEA) as bea:
        said = [tick(team, anna, 1, ""), tick(team, bea, 1, ""), tick(team, anna, 6, "1")]
        assert said == [
            f"/row/1/{DONE}/1?picture=1&said=picked",
            f"/row/1/{DONE}/1?picture=1&said=changed",
            f"/row/1/{DONE}/1?picture=6&said=picked",
        ]
        assert ticked(team) == (1, 6)
        assert "Picked picture 1, on the page by anna" in history(anna, DONE)
        page = anna.get(f"/row/1/{DONE}/1?picture=6&said=picked").text
        assert 'role="status">Picked.</p>' in page
        assert tick(team, bea, 1, "1,6").endswith("said=unpicked")

    assert ticked(team) == (6,)
    assert team.store.rows.extra_takes(team.campaign.key) == {}


def test_a_tick_is_only_for_a_picture_that_the_row_shows_now(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna:
        assert tick(team, anna, 7, "").endswith("said=changed")
        assert tick(team, anna, 0, "").endswith("said=changed")
        assert tick(team, anna, 2, "").endswith("said=picked")
        team.store.rows.ask_again(team.campaign.key, DONE, 0)
        make_take_2(team)
        assert tick(team, anna, 1, "2").endswith("said=changed")
        assert tick(team, anna, 1, "", take=2).endswith("said=picked")
        page = anna.get(f"/row/1/{DONE}/2").text

    assert (ticked(team), ticked(team, 2)) == ((2,), (1,))
    assert f"/pick/1/{DONE}/1/" not in page
    assert f"/pick/1/{DONE}/2/1" in page


def test_feedback_asks_for_one_take_and_is_kept_for_that_take_alone(team: PageBench) -> None:
    key = team.campaign.key
    with signed_in(team, ANNA) as anna:
        page = anna.get(f"/row/1/{DONE}/1").text
        assert re.search(r"Make the next take\s*<small>4 credits</small>", page)
        form = {"again": "0", "feedback": f"  {HOSTILE}\n "}
        assert [team.press(anna, "again", **form) for _ in range(2)] == ["again", "changed"]
        assert "Asked for on the page by anna take 2" in history(anna, DONE)

    kept = team.store.rows.feedback(key)[DONE]
    assert (of_page(kept, 2), of_page(kept, 3)) == (HOSTILE, "")
    assert team.store.rows.extra_takes(key) == {DONE: 1}
    assert (team.folder / "prompts.csv").read_text().count("a fox") == 1


def test_feedback_that_cannot_be_used_asks_for_nothing(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna:
        long = {"again": "0", "feedback": "x" * (LONGEST_FEEDBACK + 1)}
        assert team.press(anna, "again", **long) == "changed"
        assert team.press(anna, "again", **{**long, "feedback": "x", "again": "1"}) == "changed"
        assert "With feedback" not in anna.get("/").text

    assert team.store.rows.extra_takes(team.campaign.key) == {}


def test_the_takes_of_a_row_are_beside_each_other_with_what_is_wrong_with_them(
    team: PageBench,
) -> None:
    with signed_in(team, ANNA) as anna:
        assert "side by side" not in anna.get(f"/row/1/{DONE}/1").text
        assert team.press(anna, "again", again="0") == "again"
        make_take_2(team)
        job, file = JobKey(team.campaign.key, DONE, 1), SavedFile("fox.png", "", "")
        blank = NewFile(job, 1, "https://x/1", file, findings=Findings("blank"))
        team.store.files.save([blank])
        page = anna.get(f"/row/1/{DONE}/1").text

    found = re.search(r'<section class="takes".*?</section>', page, re.DOTALL)
    assert found
    second, first = found[0].split('<li class="one')[1:]
    assert "on the page by anna" in html.unescape(second)
    assert "on the page" not in first
    assert "blank" in first
    assert [one.count("a fox") for one in (second, first)] == [1, 1]
    assert all("4 credits" in one for one in (second, first))


def test_an_address_to_stay_at_leads_to_a_row_of_this_page_only(team: PageBench) -> None:
    with signed_in(team, ANNA) as anna:
        for stay in ("//evil.example/1/1", "https://evil.example", "../x/1/1", "r/1/1?x=1", "r/1"):
            form = {"csrf": team.csrf(anna), "ticked": "no", "stay": stay}
            to = anna.post(f"/pick/1/{DONE}/1/1", data=form).headers["location"]
            assert to == "/?sheet=1&said=changed"


def test_a_row_without_a_picture_has_nothing_to_pick(tmp_path: Path) -> None:
    with opened(tmp_path, PageSettings(wanted=True)) as bench, bench.visitor() as client:
        assert "/pick/" not in client.get(f"/row/1/{FAILED}/1").text


def test_a_take_with_feedback_shows_it_and_the_cell_pick_counts_instead_of_ticks(
    tmp_path: Path,
) -> None:
    with desk_with(tmp_path, "prompt,pick,feedback,take\na fox,,make it warmer,\n") as desk:
        desk.run()
        address, form = desk.form("again")
        row_id = desk.team.rows()[0]["row_id"]
        page = desk.client.get(f"/row/1/{row_id}/1").text
        assert re.search(r"<textarea[^>]*>\s*make it warmer</textarea>", page)
        assert desk.press(address, {**form, "feedback": HOSTILE}) == "again"
        desk.run()

        assert f"a fox. {HOSTILE}" in desk.sandbox.state()["tasks"]
        shown = desk.client.get(f"/row/1/{row_id}/2").text
        assert HOSTILE not in shown
        assert shown.count(html.escape(HOSTILE)) >= 3
        assert f"/pick/1/{row_id}/2/4" in shown
        with desk.team.editing() as rows:
            rows[0]["pick"] = "2"
        desk.run()

        def of_cell() -> bool:
            now = desk.client.get(f"/row/1/{row_id}/2").text
            return (
                "picked in the sheet" in now and "/pick/" not in now and now.count("✓ Picked") == 1
            )

        until(of_cell, "the cell counts", every=0.1)
        refused = {"ticked": "", "stay": "", "csrf": form["csrf"]}
        assert desk.press(f"/pick/1/{row_id}/2/1", refused) == "changed"
        assert (desk.team.rows()[0]["feedback"], desk.paid) == ("make it warmer", 2)


def test_a_tick_after_an_approval_on_the_page_takes_it_back(tmp_path: Path) -> None:
    sheet = "prompt,approved,feedback,take\na fox,yes,,\n"
    with desk_with(tmp_path, sheet, approval=True) as desk:
        desk.run()
        row_id = desk.team.rows()[0]["row_id"]
        with desk.team.editing() as rows:
            rows[0].update(approved="", feedback="make it warmer", take="2")
        desk.run()
        until(lambda: desk.offers("approve"), "there is a button approve", every=0.1)
        address, form = desk.form("approve")
        assert desk.press(address, form) == "approved"

        ticked = {"ticked": "", "stay": "", "csrf": form["csrf"]}
        assert desk.press(f"/pick/1/{row_id}/1/2", ticked) == "picked"
        desk.run()

        assert (desk.team.rows()[0]["status"], desk.paid) == ("needs approval", 1)
        until(lambda: desk.offers("approve"), "it can be approved again", every=0.1)
        assert desk.press(*desk.form("approve")) == "approved"
        desk.run()
        assert desk.paid == 2
