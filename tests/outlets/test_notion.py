"""A data source in Notion gets one page for each row, through the real client and a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.outlets.outbox import Delivered, Message, Result, Trouble, Undelivered
from pipeline.outlets import notion
from pipeline.outlets.notion import NotionOutlet
from pipeline.outlets.notion_values import in_pieces
from tests.fakes.outlets.killed import deliver_and_kill
from tests.fakes.outlets.messages import NASTY, POISON, notice
from tests.fakes.outlets.notion import DATABASE, PROPERTIES, SOURCE, TOKEN, Notion
from tests.fakes.outlets.rows import LINK, row
from tests.fakes.outlets.use import tried_again, using
from tests.fakes.service import free_port
from tests.fakes.web_service import DROPPED, LOST, Service, answers, serving


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two requests."""
    monkeypatch.setattr(notion, "EVERY", 0.0)
    monkeypatch.setattr(notion, "SETTLE", 0.01)


@pytest.fixture
def workspace() -> Notion:
    return Notion()


@pytest.fixture
def service(workspace: Notion) -> Iterator[Service]:
    with serving(workspace) as running:
        yield running


def deliver(service: Service, *messages: Message, **settings: Any) -> Sequence[Result]:
    """The results of one delivery by a new outlet."""
    opened = partial(outlet_for, service.url, **settings)
    return using(opened, lambda outlet: outlet.deliver(messages))


def check(service: Service, **settings: Any) -> Sequence[str]:
    return using(partial(outlet_for, service.url, **settings), lambda outlet: outlet.check())


def outlet_for(url: str, **settings: Any) -> NotionOutlet:
    return NotionOutlet(**({"token": TOKEN, "database": DATABASE, "base_url": url} | settings))


def test_each_row_has_one_page_and_a_later_take_overwrites_it(
    workspace: Notion, service: Service
) -> None:
    first = deliver(service, row())
    deliver(service, row())  # nothing remembered: found by its key
    deliver(service, tried_again(row(take=2, prompt="a grey wolf"), first))

    assert workspace.texts() == [
        {
            "Name": "Fox",
            "row_id": "r_000000001",
            "Prompt": "a grey wolf",
            "Status": "done",
            "Image URLs": [{"url": LINK}],
            "Credits": 1.5,
            "Finished at": "2026-11-28T09:30:15+00:00",
        }
    ]


def test_a_remembered_page_costs_one_request(service: Service) -> None:
    async def requests() -> int:
        outlet = outlet_for(service.url)
        first = await outlet.deliver([row()])
        before = len(service.calls)
        await outlet.deliver([tried_again(row(take=2), first)])
        await outlet.close()
        return len(service.calls) - before

    assert asyncio.run(requests()) == 1


@pytest.mark.parametrize("how", ["trash", "deletion"])
def test_a_page_that_somebody_removed_is_made_again(
    workspace: Notion, service: Service, how: str
) -> None:
    first = deliver(service, row())
    if how == "trash":
        workspace.trash.update(workspace.pages)
    else:
        workspace.pages.clear()

    [result] = deliver(service, tried_again(row(), first))

    assert isinstance(result, Delivered)
    [page] = workspace.pages.keys() - workspace.trash
    assert workspace.pages[page]["Image URLs"]["files"][0]["external"] == {"url": LINK}


def test_a_creation_without_an_answer_makes_no_second_page(
    workspace: Notion, service: Service
) -> None:
    workspace.lag = 1  # the first query does not show it yet

    async def delivered() -> tuple[Result, Result]:
        outlet = outlet_for(service.url)
        await outlet.check()
        service.fail(answers(200, b'{"results": []}'), LOST)
        [lost] = await outlet.deliver([row()])
        [then] = await outlet.deliver([row(is_repeat=True)])
        await outlet.close()
        return lost, then

    lost, then = asyncio.run(delivered())
    assert isinstance(lost, Undelivered)
    assert (lost.trouble, lost.wait > 0) == (Trouble.UNSURE, True)
    assert isinstance(then, Delivered)
    assert len(workspace.pages) == 1


def test_saved_pictures_are_uploaded_once_and_others_are_linked(
    workspace: Notion, service: Service, tmp_path: Path
) -> None:
    saved, odd = tmp_path / "fox.png", tmp_path / "fox.avif"
    saved.write_bytes(b"a picture")
    odd.write_bytes(b"another")
    message = row(urls=(LINK, f"{LINK}?2"), files=(saved, odd))

    first = deliver(service, message)
    deliver(service, tried_again(message, first))

    assert list(workspace.uploads.values()) == [b"a picture"]
    [page] = workspace.texts()
    assert page["Image URLs"] == [{"id": "upload-1"}, {"url": f"{LINK}?2"}]

    saved.unlink()
    deliver(service, tried_again(row(urls=(LINK,), files=(saved,)), first))
    assert workspace.texts()[0]["Image URLs"] == [{"url": LINK}]


def test_an_upload_that_notion_refuses_becomes_a_link(
    workspace: Notion, service: Service, tmp_path: Path
) -> None:
    saved = tmp_path / "fox.png"
    saved.write_bytes(b"a picture")

    async def delivered() -> Result:
        outlet = outlet_for(service.url)
        await outlet.check()
        nothing = answers(200, b'{"results": []}')
        service.fail(nothing, answers(400, b'{"code": "validation_error", "message": "size"}'))
        [result] = await outlet.deliver([row(files=(saved,))])
        await outlet.close()
        return result

    assert isinstance(asyncio.run(delivered()), Delivered)
    assert workspace.texts()[0]["Image URLs"] == [{"url": LINK}]


def test_long_texts_are_cut_into_pieces_as_notion_counts_them(
    workspace: Notion, service: Service
) -> None:
    prompt = "🦊" * 1999 + "x" + "🐺" * 1500

    [result] = deliver(service, row(prompt=prompt))

    assert isinstance(result, Delivered)
    assert workspace.texts()[0]["Prompt"] == prompt
    assert in_pieces("ab🦊c", 3) == ["ab", "🦊c"]
    assert in_pieces("") == []


def test_a_text_beyond_the_limit_is_refused_and_says_so(service: Service) -> None:
    [result] = deliver(service, row(prompt="x" * 200_001))
    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.REFUSED
    assert "200,001 characters" in result.reason


def test_markup_stays_text_and_a_row_without_a_name_has_its_prompt_as_title(
    workspace: Notion, service: Service
) -> None:
    deliver(service, row(name="", prompt=NASTY))
    [page] = workspace.texts()
    assert (page["Name"], page["Prompt"]) == (NASTY, NASTY)


def test_with_the_take_in_the_key_every_take_has_its_page(service: Service) -> None:
    workspace = Notion({**PROPERTIES, "Take": "number"})
    service.accept = workspace
    key = ("row_id", "Take")
    first = deliver(service, row(), key=key)
    deliver(service, tried_again(row(take=2), first), key=key)
    deliver(service, row(take=2, is_repeat=True), key=key)
    assert [page["Take"] for page in workspace.texts()] == [1, 2]


def test_a_row_that_is_refused_does_not_stop_the_others(
    workspace: Notion, service: Service
) -> None:
    results = deliver(service, row("r_1"), row("r_2", prompt=POISON), row("r_3"), notice())
    assert [getattr(one, "trouble", None) for one in results] == [
        *(None, Trouble.REFUSED, None),
        Trouble.REFUSED,
    ]
    assert len(workspace.pages) == 2


@pytest.mark.parametrize(
    ("properties", "settings", "problems"),
    [
        (
            {"Name": "title", "Status": "status"},
            {},
            [
                'There is no property "row_id" to identify rows by. Add it as text, or name '
                "another property in key.",
                'The property "Status" (status) lacks "failed", "check needed". Add these choices, '
                "or make it text.",
            ],
        ),
        (
            {"Name": "title", "row_id": "rich_text", "Picture": "checkbox", "Cost": "formula"},
            {"fields": {"Picture": "image_urls", "Cost": "credits"}},
            [
                'The property "Picture" (checkbox) takes yes or no, and image_urls is something '
                "else. Make it text, or say in fields what goes where.",
                'The property "Cost" (formula) cannot be written. Name another property in fields.',
            ],
        ),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_row(
    service: Service, properties: dict[str, str], settings: dict[str, Any], problems: list[str]
) -> None:
    workspace = Notion(properties)
    service.accept = workspace

    assert list(check(service, **settings)) == problems
    assert deliver(service, row(), **settings) == [Undelivered(Trouble.CLOSED, " ".join(problems))]
    assert workspace.written == 0


def test_the_id_of_a_data_source_will_do_and_several_sources_are_named(
    workspace: Notion, service: Service
) -> None:
    assert list(check(service, database=SOURCE)) == []
    workspace.sources = [SOURCE, "6" * 32]
    [said] = check(service)
    assert said.startswith("The database has several data sources.")
    assert f"Source 6 ({'6' * 32})" in said


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"token": "ntn_wrong_s3cr3t"}, "Notion refuses the token."),
        ({"database": "e" * 32}, "The database is not there, or is not shared"),
    ],
)
def test_wrong_access_closes_the_outlet_with_a_sentence(
    service: Service, settings: dict[str, str], start: str, capfd: pytest.CaptureFixture[str]
) -> None:
    [said] = check(service, **settings)
    [result] = deliver(service, row(), **settings)

    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.CLOSED
    assert said.startswith(start)
    shown = f"{said} {result} {outlet_for(service.url, **settings)!r} {capfd.readouterr()}"
    assert "s3cr3t" not in shown


def test_a_workspace_without_blocks_is_named(workspace: Notion, service: Service) -> None:
    workspace.blocks = 1
    results = deliver(service, row("r_1"), row("r_2"), row("r_1", 2))
    assert [getattr(one, "trouble", None) for one in results] == [None, Trouble.CLOSED, None]
    assert "no blocks left" in str(results[1])


@pytest.mark.parametrize(
    ("failure", "trouble", "wait"),
    [
        (answers(429, retry_after="90"), Trouble.LATER, 90.0),
        (answers(429), Trouble.LATER, 60.0),
        (answers(529, b'{"code": "service_overload"}', retry_after="7"), Trouble.LATER, 7.0),
        (answers(409, b'{"code": "conflict_error", "message": "x"}'), Trouble.LATER, 1.0),
        (answers(503), Trouble.LATER, 0.0),
        (answers(500), Trouble.UNSURE, 0.01),
        (answers(504), Trouble.UNSURE, 0.01),
        (answers(302, location="https://elsewhere.test/"), Trouble.CLOSED, 0.0),
        (answers(307, location="https://elsewhere.test/"), Trouble.CLOSED, 0.0),
        (answers(200, b"<html>Sign in</html>"), Trouble.UNSURE, 0.0),
        (answers(401), Trouble.CLOSED, 0.0),
        (answers(403), Trouble.CLOSED, 0.0),
        (
            answers(400, b'{"code": "validation_error", "message": "x is not a property that"}'),
            Trouble.LATER,
            0.0,
        ),
        (DROPPED, Trouble.UNSURE, 0.01),
        (LOST, Trouble.UNSURE, 0.01),
    ],
)
def test_each_failure_is_asked_once_and_has_its_meaning(
    workspace: Notion, service: Service, failure: Any, trouble: Trouble, wait: float
) -> None:
    async def both() -> tuple[Result, Result, int]:
        outlet = outlet_for(service.url)
        first = await outlet.deliver([row()])
        before = len(service.calls)
        service.fail(failure)
        [failed] = await outlet.deliver([tried_again(row(take=2), first)])
        asked = len(service.calls) - before
        [after] = await outlet.deliver([tried_again(row(take=2), first)])
        await outlet.close()
        return failed, after, asked

    failed, after, asked = asyncio.run(both())
    assert isinstance(failed, Undelivered)
    assert (failed.trouble, failed.wait, asked) == (trouble, wait, 1)
    assert "127.0.0.1" not in failed.reason
    assert isinstance(after, Delivered)
    assert len(workspace.pages) == 1


def test_a_service_that_is_not_there_is_tried_later() -> None:
    opened = partial(outlet_for, f"http://127.0.0.1:{free_port()}")
    [result] = using(opened, lambda outlet: outlet.deliver([row()]))

    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.LATER


@pytest.mark.parametrize(("step", "pages"), [("query", 0), ("pages", 1)])
def test_a_kill_at_any_request_leaves_one_page_for_each_row(
    workspace: Notion, service: Service, step: str, pages: int
) -> None:
    deliver_and_kill(
        service, step, f"NotionOutlet({TOKEN!r}, {DATABASE!r}, base_url={service.url!r})"
    )
    assert len(workspace.pages) == pages

    results = deliver(service, row("r_1", is_repeat=True), row("r_2", is_repeat=True))

    assert [type(one) for one in results] == [Delivered] * 2
    assert sorted(page["row_id"] for page in workspace.texts()) == ["r_1", "r_2"]
