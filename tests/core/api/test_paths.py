"""Paths into JSON: what they lead to, and what they put."""

from __future__ import annotations

from pipeline.core.api.paths import elements, first_text, merged, put, values
from tests.fakes.cases import each

BODY = {
    "id": 7,
    "result": {"images": ["a", None, "b"], "grid": "g"},
    "songs": [{"url": "s1"}, {"other": 1}, {"url": ["s2", "s3"]}],
    "error": {"message": "no"},
}


@each(
    ("path", "leads_to"),
    [
        ("id", [7]),
        ("result.grid", ["g"]),
        ("result.images[]", ["a", "b"]),
        ("result.images", [["a", None, "b"]]),
        ("songs[].url", ["s1", ["s2", "s3"]]),
        ("songs.url", []),
        ("id[]", []),
        ("id.more", []),
        ("nothing.here[]", []),
    ],
)
def test_a_path_leads_to_values(path: str, leads_to: list[object]) -> None:
    assert list(values(BODY, path)) == leads_to


def test_a_list_at_the_end_counts_as_its_elements() -> None:
    assert list(elements(BODY, "result.images")) == ["a", "b"]
    assert list(elements(BODY, "songs[].url")) == ["s1", "s2", "s3"]


def test_the_first_path_with_a_text_counts() -> None:
    assert first_text(BODY, ["error", "error.message"]) == "no"
    assert first_text(BODY, ["nothing", "id"]) == "7"
    assert first_text(BODY, ["result", "songs[]"]) == ""


def test_a_value_is_put_into_objects_that_are_made_on_the_way() -> None:
    body: dict[str, object] = {"model": "m", "params": "a constant"}

    put(body, "params.aspect_ratio", "1:1")
    put(body, "params.more.deep", 1)

    assert body == {"model": "m", "params": {"aspect_ratio": "1:1", "more": {"deep": 1}}}


def test_two_bodies_become_one_without_changing_either() -> None:
    first: dict[str, object] = {"config": {"mode": "fast"}, "n": 1}
    second = {"config": {"webhook": {"url": "u"}}, "n": 2}

    assert merged(first, second) == {"config": {"mode": "fast", "webhook": {"url": "u"}}, "n": 2}
    assert first == {"config": {"mode": "fast"}, "n": 1}
