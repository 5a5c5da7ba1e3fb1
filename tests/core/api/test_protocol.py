"""Requests to an API and the meaning of its answers, from the answers in tests/replies/apiframe.

Each of those files has its source, then the status, the headers and the body.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config.provider_files import read_provider
from pipeline.core.api.fields import problems_with
from pipeline.core.api.protocol import (
    Answers,
    Verdict,
    may_be_polled_at,
    meaning_of,
    poll_answer,
    polls,
    reason_of,
    retry_after,
    submission,
    task_event,
    verdict,
)
from pipeline.core.api.provider import Endpoint, Field, Meaning, Poll
from pipeline.core.inputs import canonical
from pipeline.core.model import Request, Response, Result
from pipeline.core.rows.rules import Rules
from pipeline.core.states import Accepted, Event, Failed, Lost, Postponed, Progressed, Succeeded
from tests.fakes.cases import each

NOW = datetime(2026, 3, 15, 10, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
APIFRAME = read_provider("apiframe-v1", None, Path(), ROOT / "configs/providers")
IMAGINE = APIFRAME.endpoints["imagine"]
TASK = "29e983ca-7e86-4017-a9e3-ef6fe9cd5f2a"
OTHER = "8f7d1a52-3c0e-4f0b-9d27-51a2a6c0b9e4"
STRANGE = "11111111-2222-3333-4444-555555555555"
FOUR = Result(
    urls=tuple(f"https://cdn.apiframe.pro/images/40312345-{n}.png" for n in range(1, 5)),
    grid_url="https://cdn.apiframe.pro/images/40312345-0.png",
)
NUMBERS = Endpoint(
    path="/numbers",
    fields={
        "seed": Field("integer"),
        "weight": Field("number"),
        "turbo": Field("boolean"),
        "mode": Field(one_of=("fast", "relax")),
    },
    urls=("image_url",),
)


def reply(name: str) -> Response:
    text = (ROOT / f"tests/replies/apiframe/{name}.txt").read_text("utf-8")
    head, _, body = text.partition("\n\n")
    status, *headers = [line for line in head.splitlines() if not line.startswith("#")]
    named = dict(line.lower().split(": ", 1) for line in headers)
    return Response(int(status), named, body.encode())


def said(status: int, body: object, **headers: str) -> Response:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {n.replace("_", "-"): v for n, v in headers.items()}, text)


# -- asking


def test_a_submission_has_the_values_of_the_row_and_nothing_else() -> None:
    request = submission(IMAGINE, {"prompt": "a fox", "aspect_ratio": "", "team": "red"})

    assert request == Request("POST", "/imagine", {"prompt": "a fox"})


def test_a_default_is_sent_for_an_empty_cell() -> None:
    rules = Rules("a", APIFRAME, "imagine", defaults={"aspect_ratio": "1:1", "unknown": 1})

    assert [
        submission(IMAGINE, rules.given(canonical({"prompt": "a fox", **row}), 1)).body
        for row in ({}, {"aspect_ratio": "16:9"})
    ] == [
        {"aspect_ratio": "1:1", "prompt": "a fox"},
        {"aspect_ratio": "16:9", "prompt": "a fox"},
    ]


def test_cells_are_converted_to_the_type_of_the_field() -> None:
    cells = {"seed": "-7", "weight": "0.5", "turbo": "Yes", "mode": "fast"}

    assert submission(NUMBERS, cells).body == {
        "seed": -7,
        "weight": 0.5,
        "turbo": True,
        "mode": "fast",
    }


@each(
    ("word", "value"),
    [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("False", False), ("0", False)],
)
def test_yes_and_no_are_read_in_their_common_spellings(word: str, value: bool) -> None:
    assert submission(NUMBERS, {"turbo": word}).body == {"turbo": value}


def test_a_complete_row_has_no_problems() -> None:
    assert problems_with(IMAGINE, {"prompt": "a fox", "aspect_ratio": "16:9"}) == []
    assert problems_with(NUMBERS, {}) == []


def test_all_problems_of_a_row_are_reported_together_with_what_to_write() -> None:
    assert problems_with(IMAGINE, {"aspect_ratio": "wide"}) == [
        "prompt is empty: write one",
        'aspect_ratio is "wide"; it must be two numbers with a colon, such as 16:9',
    ]
    assert problems_with(
        NUMBERS, {"seed": "1.5", "weight": "much", "turbo": "maybe", "mode": "slow"}
    ) == [
        'seed is "1.5"; it must be a whole number',
        'weight is "much"; it must be a number',
        'turbo is "maybe"; it must be yes or no',
        'mode is "slow"; it can be fast, relax',
    ]


@each("text", ["nan", "inf", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_express_is_a_problem_of_the_row(text: str) -> None:
    assert problems_with(NUMBERS, {"weight": text}) == [
        f'weight is "{text}"; it must be a number',
    ]


def test_tasks_are_polled_in_groups_of_twenty_and_a_single_one_alone() -> None:
    tasks = [f"t{n}" for n in range(41)]

    assert list(polls(APIFRAME.poll, tasks, frozenset())) == [
        (Request("POST", "/fetch-many", {"task_ids": tasks[:20]}), tuple(tasks[:20])),
        (Request("POST", "/fetch-many", {"task_ids": tasks[20:40]}), tuple(tasks[20:40])),
        (Request("POST", "/fetch", {"task_id": "t40"}), ("t40",)),
    ]


@each("count", range(65))
def test_every_task_is_polled_exactly_once(count: int) -> None:
    tasks = [f"t{n}" for n in range(count)]
    alone = frozenset(tasks[::7])

    batches = [batch for _, batch in polls(APIFRAME.poll, tasks, alone)]

    assert sorted(task for batch in batches for task in batch) == sorted(tasks)
    assert not [batch for batch in batches if len(batch) > 1 and alone & set(batch)]


def test_a_task_missing_from_a_group_answer_is_polled_alone() -> None:
    assert list(polls(APIFRAME.poll, ["a", "b", "c"], frozenset({"b"}))) == [
        (Request("POST", "/fetch-many", {"task_ids": ["a", "c"]}), ("a", "c")),
        (Request("POST", "/fetch", {"task_id": "b"}), ("b",)),
    ]


def test_an_api_without_group_polls_is_polled_one_task_at_a_time() -> None:
    assert list(polls(Poll(one="/job", one_field="id"), ["a", "b"], frozenset())) == [
        (Request("POST", "/job", {"id": "a"}), ("a",)),
        (Request("POST", "/job", {"id": "b"}), ("b",)),
    ]


# -- what an answer to a submission means


@each(
    ("name", "meant"),
    [
        ("accepted", Verdict(Accepted(TASK))),
        ("accepted_taskId", Verdict(Accepted(TASK))),
        ("processing_text_percent", Verdict(Accepted(TASK))),
        ("finished", Verdict(Succeeded(FOUR, TASK))),
        ("finished_with_status", Verdict(Succeeded(FOUR, TASK))),
        ("failed_message", Verdict(Failed("Banned prompt: blood", TASK))),
        ("bad_request", Verdict(Failed("Invalid request", refused=True))),
        (
            "bad_request_two",
            Verdict(Failed("prompt is required; aspect_ratio is not valid", refused=True)),
        ),
        (
            "unauthorized",
            Verdict(
                Postponed(""),
                stop="Apiframe refused the API key (401). Check [provider] api_key, and "
                "restart watch if it runs.",
            ),
        ),
        (
            "no_credits",
            Verdict(
                Postponed("Insufficient credits"),
                stop='Apiframe is out of credits (402). It says: "Insufficient credits".'
                " Top up the account, then run again.",
            ),
        ),
        (
            "who_are_you",
            Verdict(
                Postponed("error code: 1010"),
                stop='Apiframe refused the API key (403). It says: "error code: 1010".'
                " Check [provider] api_key, and restart watch if it runs.",
            ),
        ),
        ("too_many_seconds", Verdict(Postponed("Too many requests"), pause=7.0)),
        ("too_many_date", Verdict(Postponed("Too many requests"), pause=30.0)),
        ("unavailable", Verdict(Postponed("Queue unavailable"), pause=20.0)),
        ("server_error", Verdict(Lost("HTTP 500"))),
        ("bad_gateway", Verdict(Lost("HTTP 502: api.apiframe.pro | 502: Bad gateway"))),
    ],
)
def test_each_answer_to_a_submission_has_its_meaning(name: str, meant: Verdict) -> None:
    assert verdict(APIFRAME, IMAGINE, reply(name), NOW) == meant


@each("body", [b"", b"OK", b"[]", b"null", b'"id"', b"[" * 100_000, b"\xff\xfe"])
def test_an_unreadable_success_is_a_lost_answer(body: bytes) -> None:
    meant = verdict(APIFRAME, IMAGINE, said(200, body), NOW)

    assert meant == Verdict(Lost("HTTP 200 without a readable answer"))


@each("body", [{}, {"task_id": None}, {"task_id": ""}, {"task_id": ["a"]}])
def test_a_success_without_a_task_id_is_a_lost_answer(body: object) -> None:
    meant = verdict(APIFRAME, IMAGINE, said(200, body), NOW)

    assert meant == Verdict(Lost("HTTP 200 without a task id"))


def test_a_submission_that_is_answered_with_a_finished_task_is_polled_for_its_result() -> None:
    body = {"task_id": TASK, "status": "finished"}

    assert verdict(APIFRAME, IMAGINE, said(200, body), NOW) == Verdict(Accepted(TASK))


def test_a_task_id_may_be_a_number() -> None:
    meant = verdict(APIFRAME, IMAGINE, said(200, {"task_id": 1717171717171}), NOW)

    assert meant == Verdict(Accepted("1717171717171"))


def test_the_new_address_of_a_redirect_is_quoted_as_one_safe_line() -> None:
    place = "https://evil.example/\x1b[2J\x07\r\n=HYPERLINK(1)" + "x" * 1000

    stop = verdict(APIFRAME, IMAGINE, said(301, b"", location=place), NOW).stop

    assert stop.startswith("Apiframe has moved: it points to https://evil.example/ [2J =HYPERLINK")
    assert stop.endswith("x… (301). Set [provider] base_url.")
    assert (stop.isprintable(), len(stop) < 400) == (True, True)


@each(
    ("status", "headers", "meaning"),
    [
        (200, {}, "taken"),
        (204, {}, "taken"),
        (302, {}, "stop"),
        (400, {}, "refused"),
        (401, {}, "stop"),
        (402, {}, "stop"),
        (403, {}, "stop"),
        (404, {}, "refused"),
        (408, {}, "lost"),
        (409, {}, "lost"),
        (413, {}, "refused"),
        (418, {}, "lost"),
        (422, {}, "refused"),
        (429, {}, "busy"),
        (500, {}, "lost"),
        (500, {"retry-after": "5"}, "lost"),
        (503, {}, "lost"),
        (503, {"retry-after": "5"}, "busy"),
        (999, {}, "lost"),
    ],
)
def test_each_status_code_has_its_meaning(
    status: int, headers: dict[str, str], meaning: Meaning
) -> None:
    assert meaning_of(APIFRAME, Response(status, headers, b"")) == meaning


def test_a_provider_file_can_change_the_meaning_of_a_status_code() -> None:
    other = replace(APIFRAME, meanings={"409": "refused", "5xx": "busy", "503": "lost"})

    meanings = [
        meaning_of(other, Response(status, {"retry-after": "5"}, b"")) for status in (409, 500, 503)
    ]

    assert meanings == ["refused", "busy", "lost"]


@each(
    ("body", "words"),
    [
        ({}, ""),
        ({"errors": [{"msg": "Invalid request"}]}, "Invalid request"),
        ({"errors": ["plain"], "message": "not read"}, "plain"),
        ({"errors": [], "message": "read"}, "read"),
        ({"error": "e", "message": "m"}, "m"),
        ({"message": "two\r\nlines\x1b[31m"}, "two lines [31m"),
        ({"message": "x" * 400}, "x" * 299 + "…"),
        ({"message": "\ud800 half"}, "half"),
        (b"error code: 1010", "error code: 1010"),
        (b"<p>Bad&nbsp;<b>gateway</b> &lt;1&gt;</p>", "Bad gateway <1>"),
        (b"", ""),
    ],
)
def test_the_apis_message_becomes_one_short_line(body: object, words: str) -> None:
    assert reason_of(APIFRAME, said(400, body)) == words


@each(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("Sun, 15 Mar 2026 10:00:30 GMT", 30.0),
        ("Sun, 15 Mar 2026 11:00:20 +0100", 20.0),
        ("Sun, 15 Mar 2026 09:00:00 GMT", 1.0),
        ("0", 1.0),
        ("-5", 1.0),
        ("86400", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
        ("Sun, 15 Mar 99999999999999999999 10:00:30 GMT", None),
        ("Sun, 15 Mar 2026 10:00:30 +99999999999999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(Response(429, {"retry-after": value}, b""), NOW) == seconds


# -- what a description of a task means, in a poll or a webhook


@each(
    ("name", "event"),
    [
        ("finished", Succeeded(FOUR, TASK)),
        ("finished_with_status", Succeeded(FOUR, TASK)),
        ("finished_taskId", Succeeded(FOUR, TASK)),
        ("finished_without_id", Succeeded(FOUR, TASK)),
        ("processing_text_percent", Progressed(40, TASK)),
        ("processing_number_percent", Progressed(40, TASK)),
        ("processing_half_filled", Progressed(93, TASK)),
        ("retrying", Progressed(None, TASK)),
        ("unknown_status", Progressed(None, TASK)),
        ("failed_message", Failed("Banned prompt: blood", TASK)),
        ("failed_error", Failed("Job was blocked by the moderator", TASK)),
        ("failed_silent", Failed("Apiframe gave no reason", TASK)),
    ],
)
def test_each_answer_about_one_task_has_its_meaning(name: str, event: Event) -> None:
    assert poll_answer(APIFRAME, {TASK: IMAGINE}, reply(name), NOW) == Answers({TASK: event})


def test_group_answers_are_matched_by_task_id_and_not_by_order() -> None:
    asked = {TASK: IMAGINE, OTHER: IMAGINE}

    assert poll_answer(APIFRAME, asked, reply("many"), NOW) == Answers(
        {TASK: Succeeded(FOUR, TASK), OTHER: Progressed(7, OTHER)}
    )


def test_a_group_answer_without_an_id_is_ignored() -> None:
    asked = {TASK: IMAGINE, OTHER: IMAGINE}

    assert poll_answer(APIFRAME, asked, reply("many_one_without_id"), NOW) == Answers(
        {OTHER: Progressed(None, OTHER)}, missing=(TASK,)
    )


def test_an_answer_about_an_unrequested_task_is_logged_and_changes_nothing() -> None:
    asked = {TASK: IMAGINE, OTHER: IMAGINE}

    assert poll_answer(APIFRAME, asked, reply("many_strange"), NOW) == Answers(
        {TASK: Succeeded(FOUR, TASK)}, missing=(OTHER,), strange=(STRANGE,)
    )


@each(
    ("name", "answers"),
    [
        ("server_error", Answers({})),
        ("bad_gateway", Answers({})),
        ("bad_request", Answers({})),
        ("too_many_seconds", Answers({}, pause=7.0)),
        (
            "unauthorized",
            Answers(
                {},
                stop="Apiframe refused the API key (401). Check [provider] api_key, and "
                "restart watch if it runs.",
            ),
        ),
    ],
)
def test_a_failed_poll_changes_no_task(name: str, answers: Answers) -> None:
    assert poll_answer(APIFRAME, {TASK: IMAGINE}, reply(name), NOW) == answers


def test_an_html_page_instead_of_an_answer_changes_no_task() -> None:
    page = said(200, b"<html>Maintenance</html>")

    assert poll_answer(APIFRAME, {TASK: IMAGINE}, page, NOW) == Answers({})


@each(
    "address",
    ["=HYPERLINK(1)", "javascript:alert(1)", "/etc/passwd", "https://a b", "https://a\nb", 7, None],
)
def test_only_a_web_address_is_a_result(address: object) -> None:
    body = {"task_id": TASK, "image_urls": [address]}

    assert task_event(APIFRAME, IMAGINE, body, TASK) == Progressed(None, TASK)


@each(
    ("more", "reason"),
    [
        ({}, "Apiframe says finished, but sent no result"),
        (
            {"message": "all filtered"},
            "Apiframe says finished and: all filtered, but sent no result",
        ),
        ({"image_urls": []}, "Apiframe says finished, but sent no result"),
        ({"image_urls": ["=HYPERLINK(1)"]}, "Apiframe says finished, but sent no result"),
    ],
)
def test_a_finished_task_without_a_result_has_failed_and_says_so(
    more: dict[str, object], reason: str
) -> None:
    body = {"task_id": TASK, "status": "finished", **more}

    assert task_event(APIFRAME, IMAGINE, body, TASK) == Failed(reason, TASK)


def test_with_too_many_results_the_first_are_kept_and_the_rest_is_counted() -> None:
    addresses = [f"https://x/{n}.png" for n in range(1000)]
    body = {"task_id": TASK, "status": "finished", "image_urls": addresses}

    event = task_event(APIFRAME, IMAGINE, body, TASK)

    assert event == Succeeded(Result(tuple(addresses[:64]), left_out=936), TASK)


@each(
    ("percent", "known"),
    [
        *(("40", 40), (40, 40), ("40%", 40), (39.9, 39), ("", None), ("soon", None), (None, None)),
        *((4200, 100), (-3, None), ("12345678901234567890", None)),
    ],
)
def test_progress_can_be_text_or_a_number(percent: object, known: int | None) -> None:
    body = {"status": "processing", "percentage": percent}

    assert task_event(APIFRAME, IMAGINE, body, TASK) == Progressed(known, TASK)


@each("amount", [-4, "-1e9", 1e300, "12345678901234567890", "nan", "inf"])
def test_impossible_amounts_of_credits_are_ignored(amount: object) -> None:
    frank = replace(APIFRAME, task=replace(APIFRAME.task, credits=("cost",)))
    body = {"status": "failed", "cost": amount, "message": "no"}

    assert task_event(frank, IMAGINE, body, TASK) == Failed("no", TASK, reported=None)


def test_case_and_spaces_in_a_status_are_ignored() -> None:
    body = {"status": " FAILED ", "message": "no"}

    assert task_event(APIFRAME, IMAGINE, body, TASK) == Failed("no", TASK)


def test_a_reported_cost_is_kept_with_the_event() -> None:
    frank = replace(APIFRAME, task=replace(APIFRAME.task, credits=("cost",)))
    body = {"status": "failed", "message": "no", "cost": "3"}

    assert task_event(frank, IMAGINE, body, TASK) == Failed("no", TASK, reported=3)


@each(("amount", "cost"), [("4.5", 4.5), (0.15, 0.15), (3.0, 3), (0.1 + 0.2, 0.3)])
def test_fractions_of_a_reported_cost_are_kept(amount: object, cost: float) -> None:
    frank = replace(APIFRAME, task=replace(APIFRAME.task, credits=("cost",)))

    event = verdict(frank, IMAGINE, said(200, {"task_id": TASK, "cost": amount}), NOW).event

    assert event == Accepted(TASK, reported=cost)


def test_every_stored_reply_names_its_source() -> None:
    for path in (ROOT / "tests/replies/apiframe").iterdir():
        assert path.read_text("utf-8").startswith(
            ("# Written", "# Observed", "# Not", "# Inv", "# The")
        )


@each("address", ["https://[x", "https://x:99999999/", "https://x:y/"])
def test_what_is_no_address_gets_no_key_and_is_no_error(address: str) -> None:
    assert not may_be_polled_at(Poll(one="/job", hosts=("x",)), address, "https://api.example")
