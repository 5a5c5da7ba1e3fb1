"""Which addresses cells show: of several, the most useful one, and always the same."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.model import Job, JobKey, Result, State
from pipeline.core.pictures.cell_links import CellLinks, page_link_of
from tests.core.build import attempt
from tests.fakes.cases import each

PAGE = "https://pictures.example.com"
KEY = JobKey("s", "r_abc123def", 2)
URLS = ("https://api/1.png", "https://api/2.png", "https://api/3.png")
JOB = Job(
    KEY,
    attempts=(attempt(State.FAILED), attempt(State.SUCCEEDED, number=2, result=Result(URLS))),
    files={URLS[0]: "s3://b/1.png", URLS[1]: "s3://b/2.png"},
    links={URLS[1]: "https://cdn.example.com/2.png"},
)


def shown(links: CellLinks, job: Job = JOB) -> list[str]:
    return [links.shown_in(job).links.get(url, url) for url in URLS]


def test_a_saved_picture_has_its_own_address_or_that_of_the_page() -> None:
    assert shown(CellLinks()) == list(URLS)
    assert shown(CellLinks(page=PAGE)) == list(URLS)
    assert shown(CellLinks(own=True)) == [URLS[0], "https://cdn.example.com/2.png", URLS[2]]
    assert shown(CellLinks(own=True, page=PAGE)) == [
        f"{PAGE}/saved/r_abc123def/2/1",
        "https://cdn.example.com/2.png",
        URLS[2],  # not saved
    ]


def test_the_page_is_better_than_a_path_on_the_machine_that_runs_it() -> None:
    job = replace(JOB, links={URLS[0]: "/srv/media/1.png"})
    assert shown(CellLinks(own=True), job)[0] == "/srv/media/1.png"
    assert shown(CellLinks(own=True, page=PAGE), job)[0] == f"{PAGE}/saved/r_abc123def/2/1"


def test_a_second_success_changes_no_address() -> None:
    more = attempt(State.SUCCEEDED, number=3, result=Result(("https://api/4.png",)))
    job = replace(
        JOB,
        attempts=(*JOB.attempts, more),
        files={**JOB.files, "https://api/4.png": "s3://b/4.png"},
    )
    links = CellLinks(own=True, page=PAGE)
    assert shown(links, job) == shown(links)
    assert "https://api/4.png" not in links.shown_in(job).links


@each(
    ("text", "found"),
    [
        (f"{PAGE}/saved/r_abc123def/2/1", ("r_abc123def", 2)),
        ("http://10.0.0.5:8640/saved/r_abc123def/12/4", ("r_abc123def", 12)),
        (f"{PAGE}/saved/r_abc123def/2/1?x=1", None),
        (f"{PAGE}/p/saved/r_abc123def/2/1", None),
        (f"{PAGE}/saved/fox/2/1", None),
        ("https://cdn.example.com/r_abc123def-2-1.png", None),
    ],
)
def test_an_address_of_the_page_is_known_whatever_its_host(
    text: str, found: tuple[str, int] | None
) -> None:
    assert page_link_of(text) == found
