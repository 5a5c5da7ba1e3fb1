"""A table in Airtable gets one record for each row, through the real client over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Result,
    Trouble,
    Undelivered,
)
from pipeline.outlets.airtable import MOST, AirtableOutlet
from tests.fakes.outlets.airtable import BASE, COLUMNS, TABLE, TOKEN, Airtable
from tests.fakes.outlets.killed import deliver_and_kill
from tests.fakes.outlets.messages import NASTY, POISON, notice
from tests.fakes.outlets.rows import LINK, row
from tests.fakes.outlets.use import tried_again, using
from tests.fakes.service import free_port
from tests.fakes.web_service import DROPPED, LOST, Service, answers, serving


@pytest.fixture(autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two requests, where the limit of the service is not what is tested."""
    if "limit" not in request.node.name:
        monkeypatch.setattr("pipeline.outlets.airtable_client.EVERY", 0.0)
        monkeypatch.setattr(Airtable, "per_second", 10_000, raising=False)


@pytest.fixture
def base() -> Airtable:
    return Airtable()


@pytest.fixture
def service(base: Airtable) -> Iterator[Service]:
    with serving(base) as running:
        yield running


def deliver(service: Service, *messages: Message, **settings: Any) -> Sequence[Result]:
    """The results of one delivery by a new outlet."""
    opened = partial(outlet_for, service.url, **settings)
    return using(opened, lambda outlet: outlet.deliver(messages))


def check(service: Service, **settings: Any) -> Sequence[str]:
    return using(partial(outlet_for, service.url, **settings), lambda outlet: outlet.check())


def outlet_for(url: str, **settings: Any) -> AirtableOutlet:
    usual = {"token": TOKEN, "base": BASE, "table": TABLE, "base_url": url}
    return AirtableOutlet(**(usual | settings))


def test_each_row_has_one_record_and_a_later_take_overwrites_it(
    base: Airtable, service: Service
) -> None:
    message = row()
    for one in (message, message, row(take=2, prompt="a grey wolf")):
        assert [type(result) for result in deliver(service, one)] == [Delivered]

    assert base.by_name() == [
        {
            "row_id": "r_000000001",
            "Prompt": "a grey wolf",
            "Status": "done",
            "Image URLs": [{"url": LINK}],
            "Credits": 1.5,
            "Finished at": "2026-11-28T09:30:15.000Z",
        }
    ]


def test_ten_records_go_in_one_request(base: Airtable, service: Service) -> None:
    messages = [row(f"r_{n:09}") for n in range(10)]

    assert [type(one) for one in deliver(service, *messages)] == [Delivered] * 10
    assert [call.method for call in service.calls] == ["GET", "PATCH"]
    assert len(base.records) == MOST == 10


def test_pictures_are_sent_only_when_they_change(base: Airtable, service: Service) -> None:
    first = row()
    second = tried_again(first, deliver(service, first))
    third = tried_again(row(urls=(LINK, f"{LINK}?2")), deliver(service, second))
    deliver(service, third)

    assert base.copied == [LINK, LINK, f"{LINK}?2"]


def test_a_deleted_record_is_made_again_with_its_pictures(base: Airtable, service: Service) -> None:
    message = row()
    again = tried_again(message, deliver(service, message))
    base.records.clear()

    deliver(service, again)

    [record] = base.by_name()
    assert record["Image URLs"] == [{"url": LINK}]


def test_with_the_take_in_the_key_every_take_has_its_record(service: Service) -> None:
    base = Airtable({**COLUMNS, "Take": "number"})
    service.accept = base
    first = row(take=1)
    remote = deliver(service, first, key=("row_id", "Take"))
    second = tried_again(row(take=2), remote)
    deliver(service, second, key=("row_id", "Take"))

    assert [(one["Take"], "Image URLs" in one) for one in base.by_name()] == [(1, True), (2, True)]


def test_fields_say_which_column_gets_what(service: Service) -> None:
    base = Airtable({"Key": "singleLineText", "Words": "multilineText", "Status": "singleLineText"})
    service.accept = base

    deliver(service, row(campaign="Spring"), key=("Key",), fields={"Words": "Campaign"})

    assert base.by_name() == [{"Key": "r_000000001", "Words": "Spring"}]


def test_markup_of_a_row_stays_text_where_the_column_formats(service: Service) -> None:
    base = Airtable({"row_id": "singleLineText", "Prompt": "richText", "Name": "multilineText"})
    service.accept = base

    deliver(service, row(prompt=NASTY, name=NASTY))

    [record] = base.by_name()
    assert r"\*\*bold\*\* \[x\](https://evil.test) \<b\>b\</b\>" in record["Prompt"]
    assert record["Name"] == NASTY


def test_a_row_that_is_refused_does_not_stop_the_others_within_the_limit_of_the_service(
    base: Airtable, service: Service
) -> None:
    messages = [row(f"r_{n:09}", prompt=POISON if n == 2 else "fox") for n in range(5)]

    results = deliver(service, *messages, notice())

    assert [getattr(one, "trouble", None) for one in results] == [
        *(None, None, Trouble.REFUSED, None, None),
        Trouble.REFUSED,
    ]
    assert len(base.records) == 4


@pytest.mark.parametrize(
    ("columns", "settings", "problems"),
    [
        (
            {"Name": "singleLineText", "Number": "singleLineText"},
            {},
            [
                'There is no column "row_id" to identify rows by. Add it as text, or name another '
                "column in key."
            ],
        ),
        (
            {"Row ID": "singleLineText", "Picture": "checkbox", "Cost": "formula"},
            {"fields": {"Picture": "image_urls", "Cost": "credits", "Pictur": "prompt"}},
            [
                'There is no column "Pictur"; did you mean "Picture"? Add it, or correct fields.',
                'The column "Picture" (checkbox) takes yes or no, and image_urls is something '
                "else. Make it text, or say in fields what goes where.",
                'The column "Cost" (formula) cannot be written. Name another column in fields.',
            ],
        ),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_row(
    service: Service, columns: dict[str, str], settings: dict[str, Any], problems: list[str]
) -> None:
    base = Airtable(columns)
    service.accept = base

    assert list(check(service, **settings)) == problems
    [result] = deliver(service, row(), **settings)
    assert result == Undelivered(Trouble.CLOSED, " ".join(problems))
    assert base.written == 0


def test_a_good_table_has_no_problems_and_a_computed_column_is_left_alone(
    service: Service,
) -> None:
    base = Airtable({**COLUMNS, "Name": "formula"})
    service.accept = base
    assert list(check(service)) == []
    assert [type(one) for one in deliver(service, row())] == [Delivered]


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"token": "patWRONG.s3cr3t"}, "Airtable refuses the token."),
        ({"base": "appWRONGWRONG123"}, "The token may not use this base or table."),
        ({"table": "tblWRONGWRONG123"}, "There is no such table in the base."),
    ],
)
def test_wrong_access_closes_the_outlet_with_a_sentence(
    service: Service, settings: dict[str, str], start: str
) -> None:
    [said] = check(service, **settings)
    [result] = deliver(service, row(), **settings)

    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.CLOSED
    assert said.startswith(start)
    assert result.reason.startswith(start)
    assert "s3cr3t" not in f"{said} {result} {outlet_for(service.url, **settings)!r}"


def test_an_owner_who_may_only_read_is_named(base: Airtable, service: Service) -> None:
    base.permission = "read"
    assert check(service) == ["The owner of the token may only read the base. Let them edit it."]


@pytest.mark.parametrize(
    ("failure", "trouble", "wait"),
    [
        (answers(429), Trouble.LATER, 30.0),
        (answers(429, retry_after="90"), Trouble.LATER, 90.0),
        (
            answers(429, b'{"error":{"type":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}}'),
            Trouble.LATER,
            3600.0,
        ),
        (answers(503), Trouble.LATER, 0.0),
        (answers(500), Trouble.UNSURE, 0.0),
        (answers(302, location="https://elsewhere.test/"), Trouble.CLOSED, 0.0),
        (answers(307, location="https://elsewhere.test/"), Trouble.CLOSED, 0.0),
        (answers(200, b"<html>Sign in</html>"), Trouble.UNSURE, 0.0),
        (answers(200, b"{}"), Trouble.UNSURE, 0.0),
        (answers(403), Trouble.CLOSED, 0.0),
        (answers(404), Trouble.CLOSED, 0.0),
        (answers(422, b'{"error":{"type":"UNKNOWN_FIELD_NAME"}}'), Trouble.LATER, 0.0),
        (DROPPED, Trouble.UNSURE, 0.0),
        (LOST, Trouble.UNSURE, 0.0),
    ],
)
def test_each_failure_is_asked_once_and_has_its_meaning(
    base: Airtable, service: Service, failure: Any, trouble: Trouble, wait: float
) -> None:
    async def both() -> tuple[Result, Result, int]:
        outlet = outlet_for(service.url)
        assert not await outlet.check()
        # The check has read the columns for itself; a delivery reads them once.
        await outlet.deliver([row("r_000000009")])
        before = len(service.calls)
        service.fail(failure)
        [failed] = await outlet.deliver([row()])
        asked = len(service.calls) - before
        [after] = await outlet.deliver([row(is_repeat=True)])
        await outlet.close()
        return failed, after, asked

    failed, after, asked = asyncio.run(both())
    assert isinstance(failed, Undelivered)
    assert (failed.trouble, failed.wait, asked) == (trouble, wait, 1)
    assert "127.0.0.1" not in failed.reason
    assert isinstance(after, Delivered)
    assert len(base.records) == 2


def test_a_service_that_is_not_there_is_tried_later() -> None:
    async def delivered() -> Sequence[Result]:
        return await outlet_for(f"http://127.0.0.1:{free_port()}").deliver([row()])

    [result] = asyncio.run(delivered())
    assert isinstance(result, Undelivered)
    assert result.trouble is Trouble.LATER


def test_a_password_in_netrc_does_not_replace_the_token(
    base: Airtable, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert [type(one) for one in deliver(service, row())] == [Delivered]


def test_two_records_with_the_same_key_are_named(base: Airtable, service: Service) -> None:
    key = base.id_of("row_id")
    base.records = {"rec1": {key: "r_000000001"}, "rec2": {key: "r_000000001"}}
    [result] = deliver(service, row())
    assert result == Undelivered(
        Trouble.REFUSED,
        "Several records of the table have the key of this row. Delete those that are too many.",
    )


@pytest.mark.parametrize("step", ["tables", TABLE])
def test_a_kill_at_any_request_leaves_one_record_for_each_row(
    base: Airtable, service: Service, step: str
) -> None:
    deliver_and_kill(
        service,
        step,
        f"AirtableOutlet({TOKEN!r}, {BASE!r}, {TABLE!r}, base_url={service.url!r})",
    )
    assert len(base.records) == (2 if step == TABLE else 0)

    results = deliver(service, row("r_1", is_repeat=True), row("r_2", is_repeat=True))

    assert [type(one) for one in results] == [Delivered] * 2
    assert sorted(one["row_id"] for one in base.by_name()) == ["r_1", "r_2"]


def test_a_failed_row_says_so_and_has_no_pictures(base: Airtable, service: Service) -> None:
    message = row()
    again = tried_again(row(take=2, kind=MessageKind.FAILED, urls=()), deliver(service, message))
    deliver(service, again)
    [record] = base.by_name()
    assert (record["Status"], record.get("Image URLs")) == ("failed", None)
