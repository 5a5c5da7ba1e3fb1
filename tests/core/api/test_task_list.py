"""A list of tasks: which page to ask for, and what a page says of our tasks."""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline.config.provider_files import read_provider
from pipeline.core.api.provider import Provider
from pipeline.core.api.task_list import Page, page_answers, page_of, page_request
from pipeline.core.model import Request, Response
from pipeline.core.states import Failed, Progressed, Succeeded
from tests.fakes.cases import each
from tests.fakes.program import ROOT

FILES = ROOT / "configs/providers"
V2: Provider = read_provider("apiframe-v2", None, FILES, FILES)
IMAGE = V2.endpoints["imagine"]


def answer(body: object, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(body).encode())


def described(task: str, status: str, **more: object) -> dict[str, object]:
    return {"id": task, "status": status, "error": None, "creditCost": 16, **more}


@each(
    ("path", "cursor", "asked"),
    [
        ("/jobs?limit=100&cursor={cursor}", "", "/jobs?limit=100"),
        ("/jobs?limit=100&cursor={cursor}", "abc", "/jobs?limit=100&cursor=abc"),
        ("/jobs?page.cursor={cursor}", "", "/jobs"),
        # Text from outside cannot change the rest of the address.
        (
            "/jobs?cursor={cursor}",
            "a/../b?c=d&e#f g",
            "/jobs?cursor=a%2F..%2Fb%3Fc%3Dd%26e%23f%20g",
        ),
    ],
)
def test_a_page_is_named_by_its_cursor(path: str, cursor: str, asked: str) -> None:
    poll = replace(V2.poll, list=path)

    assert page_request(poll, cursor) == Request("GET", asked)


def test_a_page_holds_tasks_and_the_name_of_the_next_page() -> None:
    one, two = described("a", "QUEUED"), described("b", "FAILED")
    page = page_of(V2, answer({"jobs": [one, None, "x", {}, two], "nextCursor": "c2"}))

    assert page == Page({"a": one, "b": two}, "c2")
    assert page_of(V2, answer({"jobs": [], "nextCursor": None})) == Page()


@each(
    ("response", "page"),
    [
        (answer({"error": "Invalid cursor"}, 400), Page()),
        (answer({"error": "Not found"}, 404), Page()),
        (answer({"error": "broken"}, 500), None),
        (answer({"error": "slow down"}, 429), None),
        (answer({"error": "Invalid API key"}, 401), None),
        (answer({"id": "a", "status": "COMPLETED"}), None),
        (answer([described("a", "COMPLETED")]), None),
        (Response(200, {}, b"[" * 100_000), None),
        (Response(200, {}, b""), None),
    ],
)
def test_only_a_refusal_says_that_there_is_no_such_page(
    response: Response, page: Page | None
) -> None:
    assert page_of(V2, response) == page


def test_a_page_says_what_became_of_our_tasks_and_nothing_of_others() -> None:
    result = {"images": ["https://x/1.png"]}
    tasks = {
        "done": described("done", "COMPLETED", result=result),
        "other": described("other", "COMPLETED", result=result),
        "runs": described("runs", "PROCESSING", progress=40, result=None),
        "failed": described("failed", "FAILED", error="no"),
        "silent": described("silent", "FAILED"),
        "no result": described("no result", "COMPLETED"),
        "empty": described("empty", "COMPLETED", result={"images": []}),
    }
    ours = dict.fromkeys((name for name in tasks if name != "other"), IMAGE)

    answers = page_answers(V2, ours, Page(tasks))

    kinds = {task: type(event) for task, event in answers.events.items()}
    assert kinds == {"done": Succeeded, "runs": Progressed, "failed": Failed, "silent": Failed}
    assert answers.missing == ("empty", "no result")
    assert answers.strange == ()
