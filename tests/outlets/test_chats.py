"""Slack, Teams and Discord: what people see, the limits of each service, and its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Notice,
    NoticeRow,
    Result,
    RowMessage,
    Trouble,
    Undelivered,
)
from pipeline.outlets import MOST_IN_DIGEST
from pipeline.outlets.cards import card_of, digest_card, without_pictures
from pipeline.outlets.chat import Chat, Service
from pipeline.outlets.discord import DISCORD
from pipeline.outlets.slack import SLACK
from pipeline.outlets.teams import TEAMS
from tests.fakes.cases import each
from tests.fakes.outlets import chat_services
from tests.fakes.outlets.chat_services import POISON, channel
from tests.fakes.outlets.use import using
from tests.fakes.web_service import DROPPED, LOST, Call, Failure, answers

AT = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
SERVICES = {"slack": SLACK, "teams": TEAMS, "discord": DISCORD}
PAGE = "https://pictures.example.com/?sheet=1"
KINDS = pytest.mark.parametrize("kind", list(SERVICES))
#: A row that tries to be more than text.
EVIL = (
    "<!channel> <@U123> @everyone <@&1> *bold* _it_ `x` ~s~ [click](https://evil.example) "
    "https://evil.example {{DATE(2026-01-01,SHORT)}} :tada: > q \u202e & <https://evil.example|x>"
)


def row(number: int = 1, kind: MessageKind = MessageKind.DONE, **changes: Any) -> RowMessage:
    """A message about one row."""
    values = {
        "name": f"fox-{number}",
        "prompt": f"a red fox in the snow, no. {number}",
        "status": kind.value,
        "note": "" if kind is MessageKind.DONE else 'Apiframe refused the prompt: "banned word".',
        **changes.pop("values", {}),
    }
    return replace(
        RowMessage(
            id=f"m{number}",
            kind=kind,
            at=AT,
            sheet="Spring campaign",
            row_id=f"r_{number:09}",
            take=1,
            values=values,
            urls=(f"https://cdn.example.com/{number}.png",) if kind is MessageKind.DONE else (),
            credits=4,
            vendor="Apiframe",
        ),
        **changes,
    )


def notice(kind: MessageKind = MessageKind.STOPPED, **changes: Any) -> Notice:
    sentence = "Sending stopped: Apiframe refused the key. Set a valid key, then resume."
    return replace(Notice("n1", kind, AT, "Spring campaign", sentence), **changes)


def delivered(
    service: Service, url: str, messages: Sequence[Message], **options: Any
) -> Sequence[Result]:
    """The results of one call."""
    opened = partial(Chat, service, url, link=PAGE, **options)
    return using(opened, lambda chat: chat.deliver(messages))


def checked(service: Service, url: str) -> Sequence[str]:
    return using(partial(Chat, service, url), lambda chat: chat.check())


def trouble_of(result: Result) -> Trouble:
    assert isinstance(result, Undelivered)
    return result.trouble


@KINDS
def test_a_digest_tells_numbers_costs_rows_and_pictures_in_one_message(kind: str) -> None:
    messages = [
        *(row(number) for number in range(1, 8)),
        row(8, credits=25, unit="US cents", vendor="Replicate"),
        row(9, MessageKind.FAILED, credits=0),
        row(10, MessageKind.CHECK_NEEDED, credits=0),
    ]
    with channel(kind) as (place, service, url):
        results = delivered(SERVICES[kind], url, messages, pictures=3)

    assert results == [Delivered()] * 10
    assert len(service.calls) == len(place.posted) == 1
    shown = place.shown()
    for text in (
        "Spring campaign: 8 done, 2 need attention",
        *("28 Apiframe credits", "25 US cents at Replicate", "2 rows need attention"),
        *("fox-9 (failed)", 'Apiframe refused the prompt: "banned word".', "fox-10 (check needed)"),
        "and 5 more pictures",
    ):
        assert text in shown
    # The newest first.
    assert place.pictures() == [f"https://cdn.example.com/{number}.png" for number in (8, 7, 6)]
    assert PAGE in json.dumps(place.posted)


@KINDS
def test_of_many_rows_that_need_attention_the_first_are_named_and_the_others_counted(
    kind: str,
) -> None:
    rows = tuple(
        NoticeRow(f"r_{n}", f"fox-{n}", n + 1, "invalid", f"Fill cell {n}.") for n in range(1, 23)
    )
    with channel(kind) as (place, _, url):
        delivered(SERVICES[kind], url, [notice(MessageKind.ATTENTION, rows=rows)])

    assert "22 rows need attention" in place.shown()
    assert "Row 2 · fox-1 (invalid)" in place.shown()
    assert "and 12 more rows" in place.shown()
    assert "fox-11" not in place.shown()


@KINDS
def test_notices_stand_before_everything_else(kind: str) -> None:
    failed = row(2, MessageKind.FAILED)
    with channel(kind) as (place, _, url):
        delivered(SERVICES[kind], url, [row(1), failed, notice()])

    shown = place.shown()
    assert shown.startswith("Spring campaign: sending stopped, 1 done, 1 needs attention")
    assert shown.index("Sending stopped: Apiframe") < shown.index("fox-2")


@KINDS
def test_a_possible_repeat_says_so_and_others_do_not(kind: str) -> None:
    for is_repeat in (True, False):
        with channel(kind) as (place, _, url):
            delivered(SERVICES[kind], url, [row(1), row(2, is_repeat=is_repeat)])

        assert ("Possibly a repeat: the first try may have arrived." in place.shown()) is is_repeat


@KINDS
def test_each_row_can_have_its_own_message_with_its_picture_prompt_and_note(kind: str) -> None:
    failed = row(2, MessageKind.FAILED, take=3)
    with channel(kind) as (place, _, url):
        results = delivered(SERVICES[kind], url, [row(1), failed, notice()], send="rows")

    assert results == [Delivered()] * 3
    first, second, third = ("\n".join(place.texts(message)) for message in place.posted)
    assert first.startswith("fox-1")
    assert "a red fox in the snow, no. 1" in first
    assert "4 Apiframe credits" in first
    assert place.pictures() == ["https://cdn.example.com/1.png"]
    assert "failed" in second
    assert "banned word" in second
    assert third.startswith("Spring campaign: sending stopped")


@KINDS
def test_only_public_pictures_are_shown(kind: str) -> None:
    hidden = (
        *("http://cdn.example.com/a.png", "https://127.0.0.1/a.png", "https://10.0.0.8/a.png"),
        *("https://localhost/a.png", "https://nas.local/a.png", "file:///etc/passwd", "a.png"),
        *("https://u:p@cdn.example.com/a.png", "https://cdn.example.com/a.mp4", "https://[::1]/a"),
        *("https://cdn.example.com/a.svg", "https://cdn.example.com/" + "a" * 2000, "https://["),
        *("https://cdn.example.com/a b.png", "javascript:alert(1)", "https://x.internal/a.png"),
    )
    messages = [row(n, urls=(url,)) for n, url in enumerate(hidden, start=1)]
    messages.append(row(99, urls=(*hidden, "https://cdn.example.com/ok.webp?sig=1")))
    with channel(kind) as (place, _, url):
        assert delivered(SERVICES[kind], url, messages)[0] == Delivered()

    assert place.pictures() == ["https://cdn.example.com/ok.webp?sig=1"]


def test_slack_gets_links_where_it_cannot_fetch_a_picture() -> None:
    with channel("slack") as (place, service, url):
        place.dead.add("https://cdn.example.com/1.png")
        results = delivered(SLACK, url, [row(1), row(2)])

    assert results == [Delivered()] * 2
    assert (len(service.calls), len(place.posted)) == (2, 1)
    assert place.pictures() == []
    assert "<https://cdn.example.com/1.png|Picture: fox-1>" in json.dumps(place.posted)


@KINDS
def test_text_of_a_row_is_text(kind: str) -> None:
    values = {"name": EVIL, "prompt": EVIL, "note": EVIL, "status": "failed"}
    messages: list[Message] = [
        row(1, MessageKind.FAILED, sheet=EVIL, values=values, vendor=EVIL),
        row(2, sheet=EVIL, values=values),
        notice(sentence=EVIL, rows=(NoticeRow("r_3", EVIL, 3, EVIL, EVIL),)),
    ]
    for send in ("digest", "rows"):
        with channel(kind) as (place, _, url):
            results = delivered(SERVICES[kind], url, messages, send=send)

        assert results == [Delivered()] * 3
        assert "<!channel> <@U123> @everyone" in place.shown()
        assert "\u202e" not in place.shown()
        match place:
            case chat_services.SlackChannel():
                assert place.mentions() == []
                assert {one["emoji"] for one in _plain_texts(place.posted)} == {False}
            case chat_services.DiscordChannel():
                assert place.pings() == []
                assert place.formatting() == []
            case chat_services.TeamsChannel():
                assert place.formatting() == place.failed_runs == []


def _plain_texts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for one in value for found in _plain_texts(one)]
    if not isinstance(value, dict):
        return []
    inner = [found for one in value.values() for found in _plain_texts(one)]
    return [value, *inner] if value.get("type") == "plain_text" else inner


TEXTS = st.text(max_size=30) | st.sampled_from(
    [EVIL * 40, "\ud83e", "&" * 5000, "*" * 5000, "🦊" * 5000, "", " ", "\n\n", "\x00", '"\\' * 900]
)
#: Addresses as long as a service takes them.
URLS = st.sampled_from(
    ["https://cdn.example.com/1.png", "https://cdn.example.com/" + "x&" * 900, "http://x/1.png"]
)


@st.composite
def any_message(draw: st.DrawFn) -> Message:
    """A message with any texts."""
    if draw(st.booleans()):
        rows = draw(st.integers(0, 30))
        made = NoticeRow("r", draw(TEXTS), draw(st.none() | st.integers(2)), *draw(_two()))
        kind = draw(st.sampled_from([one for one in MessageKind if one.value in str(_NOTICES)]))
        return notice(kind, sentence=draw(TEXTS), rows=(made,) * rows, sheet=draw(TEXTS))
    kind = draw(st.sampled_from([MessageKind.DONE, MessageKind.FAILED, MessageKind.TEST]))
    names = ("name", "prompt", "note", "status", "text")
    values = {name: draw(TEXTS) for name in names}
    urls = tuple(draw(st.lists(URLS, max_size=5)))
    cost = draw(st.integers(0, 10**9) | st.floats(0, 1e6))
    identity = f"r_{draw(st.integers(0, 99))}"
    return row(
        *(1, kind),
        values=values,
        urls=urls,
        credits=cost,
        vendor=draw(TEXTS),
        sheet=draw(TEXTS),
        unit=draw(TEXTS),
        row_id=identity,
        is_repeat=draw(st.booleans()),
    )


def _two() -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(TEXTS, TEXTS)


_NOTICES = [one.value for one in MessageKind][3:]


@KINDS
@settings(max_examples=20, deadline=None)
@given(messages=st.lists(any_message(), min_size=1, max_size=20), link=st.sampled_from(["", PAGE]))
def test_every_message_keeps_the_limits_of_the_service(
    kind: str, messages: list[Message], link: str
) -> None:
    place = chat_services.CHANNELS[kind]()
    digest = digest_card(messages, 4, link)
    cards = [digest, without_pictures(digest)]
    for card in [*cards, *(card_of(message, 4, link) for message in messages[:3])]:
        body = json.dumps(SERVICES[kind].render(card), ensure_ascii=False).encode()
        message = Call("POST", place.path, {"content-type": "application/json"}, body)
        reply = place.accept(message)

        assert reply.status in (200, 202, 204), reply.body
        assert getattr(place, "failed_runs", []) == []


@KINDS
@pytest.mark.parametrize("sign", ["x", "&", "*", "🦊", "\\", '"'])
def test_the_longest_texts_are_cut_to_the_limits_of_the_service(kind: str, sign: str) -> None:
    long, address = sign * 2000, "https://cdn.example.com/" + "x" * 1900
    values = dict.fromkeys(("name", "prompt", "note", "status", "text"), long)
    rows = [NoticeRow(f"r_{n}", long, n + 2, long, f"{n} {long}") for n in range(30)]
    messages: list[Message] = [
        *(row(n, urls=(f"{address}{n}",), values=values, vendor=long) for n in range(4)),
        *(notice(sentence=f"{n} {long}", rows=(rows[n],), sheet=f"{n} {long}") for n in range(30)),
    ]
    for told in (messages, messages[:1], messages[-1:]):
        with channel(kind) as (place, service, url):
            assert set(delivered(SERVICES[kind], url, told)) == {Delivered()}

        assert (len(service.calls), len(place.posted)) == (1, 1), place.__dict__


@KINDS
def test_a_digest_with_a_poisonous_row_is_refused_as_a_whole(kind: str) -> None:
    # Deliveries then look for it in smaller digests.
    poison = row(2, MessageKind.FAILED, values={"name": POISON, "note": POISON})
    with channel(kind) as (place, _, url):
        results = delivered(SERVICES[kind], url, [row(1), poison, row(3)])

    assert set(map(trouble_of, results)) == {Trouble.REFUSED}
    assert place.posted == []


@KINDS
def test_a_single_message_that_is_refused_is_not_sent_again_and_the_next_one_is_sent(
    kind: str,
) -> None:
    poison = row(2, MessageKind.FAILED, values={"name": POISON})
    with channel(kind) as (place, service, url):
        results = delivered(SERVICES[kind], url, [row(1), poison, row(3)], send="rows")

    assert (results[0], results[2]) == (Delivered(), Delivered())
    assert trouble_of(results[1]) is Trouble.REFUSED
    assert (len(service.calls), len(place.posted)) == (3, 2)


SLOW = answers(429, b"", Retry_After="7")
#: Kind -> an answer, what it means, what to wait at least, and a word of the sentence.
ANSWERS: list[tuple[str, Failure, Trouble, float, str]] = [
    *((kind, SLOW, Trouble.LATER, 7, "fewer messages") for kind in SERVICES),
    *((kind, answers(429), Trouble.LATER, 0, "fewer messages") for kind in SERVICES),
    *((kind, answers(503), Trouble.LATER, 0, "sent later") for kind in SERVICES),
    *((kind, answers(500), Trouble.UNSURE, 0, "may have arrived") for kind in SERVICES),
    *((kind, LOST, Trouble.UNSURE, 0, "may have arrived") for kind in SERVICES),
    *((kind, DROPPED, Trouble.UNSURE, 0, "may have arrived") for kind in SERVICES),
    *(
        (kind, answers(302, Location="https://x.example/"), Trouble.CLOSED, 0, "redirect")
        for kind in SERVICES
    ),
    *((kind, answers(403), Trouble.CLOSED, 0, "refuses the access") for kind in SERVICES),
    *((kind, answers(404), Trouble.CLOSED, 0, "no longer knows") for kind in SERVICES),
    *((kind, answers(410), Trouble.CLOSED, 0, "no longer knows") for kind in SERVICES),
    ("slack", answers(404, b"no_service"), Trouble.CLOSED, 0, "Make a new incoming webhook"),
    ("slack", answers(400, b"invalid_token"), Trouble.CLOSED, 0, "Copy it again"),
    ("slack", answers(410, b"channel_is_archived"), Trouble.CLOSED, 0, "archived"),
    ("slack", answers(403, b"action_prohibited"), Trouble.CLOSED, 0, "administrator"),
    ("slack", answers(200, b"<html>Sign in"), Trouble.UNSURE, 0, "not one of Slack"),
    (
        *("discord", answers(429, b'{"retry_after": 0.65, "global": false}', Retry_After="0")),
        *(Trouble.LATER, 0.65, "fewer messages"),
    ),
    (
        *("discord", answers(404, b'{"message": "Unknown Webhook", "code": 10015}')),
        *(Trouble.CLOSED, 0, "it was deleted"),
    ),
    ("discord", answers(401, b'{"code": 50027}'), Trouble.CLOSED, 0, "does not accept"),
    ("discord", answers(400, b'{"code": 220001}'), Trouble.CLOSED, 0, "forum"),
    ("discord", answers(429, b"error code: 1015"), Trouble.LATER, 0, "fewer messages"),
    (
        *("teams", answers(401, b'{"error": {"code": "DirectApiAuthorizationRequired"}}')),
        *(Trouble.CLOSED, 0, "Anyone"),
    ),
    (
        *("teams", answers(400, b'{"error": {"code": "WorkflowTriggerIsNotEnabled"}}')),
        *(Trouble.CLOSED, 0, "switched off"),
    ),
]


@each(("kind", "failure", "trouble", "wait", "word"), ANSWERS)
def test_each_answer_has_its_meaning_and_a_sentence(
    kind: str, failure: Failure, trouble: Trouble, wait: float, word: str
) -> None:
    with channel(kind) as (_, service, url):
        service.fail(failure)
        results = delivered(SERVICES[kind], url, [row(1, urls=()), row(2, urls=())])

    assert len(service.calls) == 1
    assert results[0] == results[1]
    assert trouble_of(results[0]) is trouble
    assert isinstance(results[0], Undelivered)
    assert wait <= results[0].wait <= wait + 2
    assert word in results[0].reason
    assert "s3cr3t" not in results[0].reason
    assert "127.0.0.1" not in results[0].reason


@KINDS
def test_after_a_failure_of_the_service_the_rows_that_follow_are_not_tried(kind: str) -> None:
    for failure, second in ((SLOW, Trouble.LATER), (answers(404), Trouble.CLOSED)):
        with channel(kind) as (_, service, url):
            service.fail(failure)
            results = delivered(SERVICES[kind], url, [row(1), row(2)], send="rows")

        assert len(service.calls) == 1
        assert trouble_of(results[1]) is second
    with channel(kind) as (_, service, url):
        service.fail(LOST)
        results = delivered(SERVICES[kind], url, [row(1), row(2)], send="rows")

    assert list(map(trouble_of, results)) == [Trouble.UNSURE, Trouble.LATER]


@KINDS
def test_a_check_posts_nothing_and_finds_a_webhook_that_is_gone(kind: str) -> None:
    with channel(kind) as (place, service, url):
        assert checked(SERVICES[kind], url) == []
        place.is_gone = True
        gone = checked(SERVICES[kind], url)

    assert place.posted == []
    assert [call.method for call in service.calls] == (["GET"] * 2 if kind == "discord" else [])
    assert bool(gone) == (kind == "discord")  # the others tell it only to a message
    assert checked(SERVICES[kind], url) == []  # now its server is away


@each(
    ("kind", "address", "words"),
    [
        (
            "slack",
            "https://discord.com/api/webhooks/1/s3cr3t",
            'a Discord address; write kind = "discord"',
        ),
        ("teams", "https://hooks.slack.com/services/T/B/s3cr3t", 'write kind = "slack"'),
        ("discord", "https://x.webhook.office.com/s3cr3t", 'write kind = "teams"'),
        ("teams", "https://x.webhook.office.com/webhookb2/s3cr3t", "classic connector"),
        ("teams", "https://outlook.office.com/webhook/s3cr3t", "classic connector"),
        ("teams", "https://prod-1.westus.logic.azure.com/workflows/s3cr3t", '"sig=" is missing'),
        ("teams", "https://teams.microsoft.com/l/channel/s3cr3t", "for people"),
        ("teams", "http://a.b.environment.api.powerplatform.com/s3cr3t?sig=1", "begin with https"),
        ("slack", "https://hooks.slack.com/services/T/s3cr3t", "not whole"),
        ("slack", "https://hooks.slack.com/triggers/T/1/s3cr3t", "starts a workflow"),
        ("slack", "xoxb-s3cr3t", "no Slack webhook"),
        ("slack", "https://example.com/s3cr3t", "no Slack webhook"),
        ("discord", "https://discord.com/channels/1/s3cr3t", "for people"),
        ("discord", "https://discord.com/api/webhooks/1/s3cr3t/slack", 'emove "/slack"'),
        ("discord", "https://discord.com/api/webhooks/1", "not whole"),
        ("discord", "https://[s3cr3t", "no Discord webhook"),
    ],
)
def test_a_wrong_address_is_named_and_nothing_is_sent_to_it(
    kind: str, address: str, words: str
) -> None:
    (problem,) = checked(SERVICES[kind], address)
    (result,) = delivered(SERVICES[kind], address, [row()])

    assert words in problem
    assert isinstance(result, Undelivered)
    assert (result.trouble, result.reason) == (Trouble.CLOSED, problem)
    assert "s3cr3t" not in problem + repr(Chat(SERVICES[kind], address))


@KINDS
def test_the_pace_is_that_of_the_service(kind: str) -> None:
    rows, digest = (Chat(SERVICES[kind], "", send=send).pace for send in ("rows", "digest"))

    assert (rows.most, digest.most) == (1, MOST_IN_DIGEST)
    assert rows.every == digest.every == SERVICES[kind].every
    assert not any(pace.is_repeatable for pace in (rows, digest))


def test_a_former_address_of_power_automate_is_named_when_it_does_not_work() -> None:
    chat = Chat(TEAMS, "https://prod-1.westus.logic.azure.com/workflows/1?sig=s3cr3t")
    answer = Response(404, {}, b"")

    assert "logic.azure.com" in str(chat._judged(answer))
    assert chat._judged(Response(202, {}, b"")) is None  # of Azure Logic Apps
    assert "logic.azure.com" not in str(Chat(TEAMS, "http://127.0.0.1/")._judged(answer))


@KINDS
def test_a_test_message_says_that_it_is_one(kind: str) -> None:
    samples: list[Message] = [
        row(kind=MessageKind.TEST),
        notice(MessageKind.TEST, sentence="This is a test message."),
    ]
    for sample in samples:
        with channel(kind) as (place, _, url):
            assert delivered(SERVICES[kind], url, [sample]) == [Delivered()]

        assert "test" in place.shown().lower()
        assert "need attention" not in place.shown()


@KINDS
def test_half_a_character_in_a_note_does_not_keep_a_digest_back(kind: str) -> None:
    note = {"note": "The prompt was refused: \ud83e"}
    with channel(kind) as (*_, url):
        (result,) = delivered(SERVICES[kind], url, [row(kind=MessageKind.FAILED, values=note)])
        assert isinstance(result, Delivered)
