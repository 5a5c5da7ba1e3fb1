"""E-mail and other services through apprise: the real library against real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    MessageKind,
    Result,
    Trouble,
    Undelivered,
)
from pipeline.outlets.apprise import AppriseOutlet
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.outlets.mail_server import MailServer, mail_server
from tests.fakes.web_service import (
    DROPPED,
    LOST,
    Call,
    Failure,
    Reply,
    Service,
    answers,
    serving,
)
from tests.outlets.test_chats import EVIL, PAGE, notice, row, trouble_of

SECRET = "s3cr3t"


def delivered(url: str, messages: Sequence[Message], **options: Any) -> Sequence[Result]:
    """The results of one call."""
    return event_loop.run(AppriseOutlet(url, link=PAGE, **options).deliver(messages))


def mail_address(server: MailServer, to: str = "team@example.com") -> str:
    return f"mailto://user:{SECRET}@127.0.0.1:{server.port}?from=us@example.com&to={to}"


def json_address(service: Service) -> str:
    """The address of a service of apprise's own JSON; its path is the secret."""
    return f"json://{service.url.removeprefix('http://')}/{SECRET}"


def fine(call: Call) -> Reply:
    return Reply(200, b"ok")


def told(service: Service) -> list[str]:
    """What arrived, the title and the text of each message."""
    bodies = [json.loads(call.body) for call in service.calls]
    return [f"{body['title']}\n{body['message']}" for body in bodies]


def test_a_digest_by_e_mail_tells_numbers_rows_pictures_and_the_page() -> None:
    messages: list[Message] = [row(1), row(2), row(3, MessageKind.FAILED), notice()]
    with mail_server() as server:
        assert delivered(mail_address(server), messages, pictures=1) == [Delivered()] * 4

    (mail,) = server.mails
    assert mail["subject"] == "Spring campaign: sending stopped, 2 done, 1 needs attention"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    text = body.get_content()
    for words in (
        *("Sending stopped: Apiframe", "Done: 2", "12 Apiframe credits", "1 row needs attention"),
        *("fox-3 (failed)", "banned word", "https://cdn.example.com/2.png", "and 1 more picture"),
        PAGE.split("?")[0],
    ):
        assert words in text


def test_saved_pictures_are_attached_up_to_the_number_of_the_configuration(tmp_path: Path) -> None:
    messages: list[Message] = []
    for number in range(1, 5):
        # Signs that are options to apprise, where they stand in an address.
        file = tmp_path / f"fox %20 ?name=x&{number}.png"
        Image.new("RGB", (8, 8)).save(file)
        messages.append(row(number, files=(file, tmp_path / "gone.png")))
    with mail_server() as server:
        results = delivered(mail_address(server), messages, attach=True, pictures=2)
        plain = delivered(mail_address(server), messages)

    assert [*results, *plain] == [Delivered()] * 8
    with_files, without = server.mails
    assert [one.get_filename() for one in with_files.iter_attachments()] == [
        "fox %20 ?name=x&4.png",
        "fox %20 ?name=x&3.png",
    ]
    assert list(without.iter_attachments()) == []


def test_files_that_are_too_big_for_mail_are_left_out(tmp_path: Path) -> None:
    big, small = tmp_path / "big.png", tmp_path / "small.png"
    big.write_bytes(b"x" * 8_000_000)
    small.write_bytes(b"x" * 1000)
    with mail_server() as server:
        delivered(mail_address(server), [row(1, files=(small,)), row(2, files=(big,))], attach=True)

    assert [one.get_filename() for one in server.mails[0].iter_attachments()] == ["small.png"]


@each(
    ("command", "answer", "trouble", "words"),
    [
        ("AUTH", "535 5.7.8 wrong", Trouble.CLOSED, "app password"),
        ("AUTH", "550 5.7.30 basic authentication is not supported", Trouble.CLOSED, "Microsoft"),
        ("RCPT", "550 no such person", Trouble.CLOSED, "refuses a recipient"),
        ("RCPT", "450 try again", Trouble.LATER, "sent later"),
        ("MAIL", "553 not yours", Trouble.CLOSED, "refuses the sender"),
        ("MAIL", "451 greylisted", Trouble.LATER, "sent later"),
        ("<data>", "554 looks like spam", Trouble.REFUSED, "SMTP 554"),
        ("<data>", "452 no space", Trouble.LATER, "sent later"),
        ("EHLO", "", Trouble.LATER, "no connection"),
        ("DATA", "", Trouble.UNSURE, "may have arrived"),
    ],
)
def test_each_answer_of_a_mail_server_has_its_meaning(
    command: str, answer: str, trouble: Trouble, words: str
) -> None:
    with mail_server() as server:
        server.answers[command] = answer
        (result,) = delivered(mail_address(server), [row()])

    assert server.mails == []
    assert trouble_of(result) is trouble
    assert words in str(result)
    assert SECRET not in str(result)
    assert "127.0.0.1" not in str(result)


def test_a_mail_whose_answer_was_lost_may_have_arrived() -> None:
    with mail_server() as server:
        server.loses_answers = True
        (result,) = delivered(mail_address(server), [row()])

    assert len(server.mails) == 1
    assert trouble_of(result) is Trouble.UNSURE


@each(
    ("failure", "trouble", "wait"),
    [
        (answers(429, b'{"parameters": {"retry_after": 33}}'), Trouble.LATER, 33),
        (answers(429), Trouble.LATER, 0),
        (answers(503), Trouble.LATER, 0),
        (answers(500), Trouble.UNSURE, 0),
        (answers(302, Location="http://127.0.0.1:9/"), Trouble.CLOSED, 0),
        (answers(401), Trouble.CLOSED, 0),
        (answers(403), Trouble.CLOSED, 0),
        (answers(404), Trouble.CLOSED, 0),
        (answers(400), Trouble.REFUSED, 0),
        (answers(413), Trouble.REFUSED, 0),
        (
            answers(400, b'{"parameters": {"migrate_to_chat_id": -100123}}'),
            *(Trouble.CLOSED, 0),
        ),
        (LOST, Trouble.UNSURE, 0),
        (DROPPED, Trouble.UNSURE, 0),
    ],
)
def test_each_answer_of_a_web_service_has_its_meaning_after_one_try(
    failure: Failure, trouble: Trouble, wait: float
) -> None:
    with serving(fine) as service:
        service.fail(failure)
        results = delivered(json_address(service) + "?retry=3&redirect=yes", [row(1), row(2)])

    assert len(service.calls) == 1
    assert results[0] == results[1]
    assert trouble_of(results[0]) is trouble
    assert isinstance(results[0], Undelivered)
    assert results[0].wait == wait
    assert SECRET not in results[0].reason
    assert "127.0.0.1" not in results[0].reason
    assert ("-100123" in results[0].reason) == (b"migrate" in getattr(failure.reply, "body", b""))


def test_a_server_that_is_not_there_certainly_got_nothing() -> None:
    with serving(fine) as service, mail_server() as mail:
        addresses = json_address(service), mail_address(mail)
    unknown = "json://api.apiframe.invalid/s3cr3t", "mailto://u:p@mail.invalid?to=a@example.com"

    for address in (*addresses, *unknown):
        assert trouble_of(delivered(address, [row()])[0]) is Trouble.LATER


def test_with_several_recipients_a_failure_may_have_reached_some() -> None:
    with mail_server() as server:
        server.answers["MAIL"] = "451 greylisted"
        (result,) = delivered(mail_address(server, "a@example.com,b@example.com"), [row()])

    assert trouble_of(result) is Trouble.UNSURE


def test_each_row_can_have_its_own_message_and_a_refused_one_does_not_stop_the_others() -> None:
    with serving(fine) as service:
        service.fail(answers(400))
        results = delivered(json_address(service), [row(1), row(2), notice()], send="rows")

    assert list(map(type, results)) == [Undelivered, Delivered, Delivered]
    assert len(service.calls) == 3
    assert told(service)[1].startswith("fox-2\nStatus: done")


def test_nobody_is_called_by_the_text_of_a_row() -> None:
    values = {"name": EVIL, "prompt": EVIL, "note": EVIL}
    with serving(fine) as service:
        delivered(json_address(service), [row(1, MessageKind.FAILED, sheet=EVIL, values=values)])

    (text,) = told(service)
    assert "everyone" in text
    assert not any(call in text for call in ("@everyone", "<!channel>", "<@U", "\u202e"))
    assert ":tada:" in text


def test_text_stays_text_in_a_mail_of_html() -> None:
    values = {"name": "<b>x</b>", "note": "<img src=x onerror=alert(1)> & more"}
    with mail_server() as server:
        address = mail_address(server) + "&format=html"
        delivered(address, [row(1, MessageKind.FAILED, values=values)])

    html = server.mails[0].get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()
    assert "&lt;img&nbsp;src=x" in html.get_content()


def test_a_possible_repeat_says_so() -> None:
    with serving(fine) as service:
        delivered(json_address(service), [row(1, is_repeat=True)])

    assert "Possibly a repeat: the first try may have arrived." in told(service)[0]


def test_a_long_digest_is_one_message_within_the_length_of_the_service() -> None:
    values = {"name": "fox " * 50, "note": "why " * 200}
    messages = [row(number, MessageKind.FAILED, values=values) for number in range(100)]
    with serving(fine) as service:
        # A service with a short limit, 1,000 characters, that can run here.
        host = service.url.removeprefix("http://")
        assert delivered(f"rocket://hook/{SECRET}@{host}/#room", messages)[0] == Delivered()

    assert len(service.calls) == 1
    assert "100 need attention" in service.calls[0].body.decode()


def test_nothing_of_an_address_is_logged_printed_or_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines: list[str] = []
    handler = logging.StreamHandler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        with serving(fine) as service, mail_server() as server:
            server.answers["AUTH"] = "535 no"
            addresses = [json_address(service), mail_address(server), f"nonsense://{SECRET}/x"]
            for address in addresses:
                service.fail(answers(404))
                outlet = AppriseOutlet(address)
                results = event_loop.run(outlet.deliver([row()]))
                lines += [repr(results), repr(outlet), repr(event_loop.run(outlet.check()))]
                assert trouble_of(results[0]) is Trouble.CLOSED
    finally:
        logging.getLogger().removeHandler(handler)

    assert SECRET not in "".join([*lines, *capfd.readouterr()])


def test_a_check_sends_nothing_and_names_what_is_wrong() -> None:
    def checked(address: str) -> Sequence[str]:
        return event_loop.run(AppriseOutlet(address).check())

    with serving(fine) as service, mail_server() as server:
        assert checked(json_address(service)) == checked(mail_address(server)) == []
    assert (service.calls, server.mails) == ([], [])
    assert checked(mail_address(server)) == []  # now its server is away
    assert "does not understand" in checked("nonsense://x")[0]
    assert 'kind = "slack"' in checked("https://hooks.slack.com/services/T/B/s3cr3t")[0]
    (result,) = delivered("nonsense://x", [row()])
    assert trouble_of(result) is Trouble.CLOSED
