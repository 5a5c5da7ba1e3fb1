"""The JSON of a push: its published schema, and its limit of 20,000 bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.outlets.outbox import Message, MessageKind, NoticeRow
from pipeline.outlets.push_body import MOST_BYTES, TYPES, body_of
from tests.fakes.cases import each
from tests.fakes.outlets.messages import AT, NASTY, notice, row
from tests.fakes.outlets.receiver import SCHEMA, problems_of

ROOT = Path(__file__).parents[2]


def body(message: Message, **fields: str) -> Any:
    """The body for a message, read back; it is valid and short enough."""
    raw = body_of(message, fields)
    read = json.loads(raw.decode("utf-8"))
    assert problems_of(read) == []
    assert len(raw) < MOST_BYTES
    return read


def test_a_done_row_has_every_documented_property() -> None:
    read = body(row(7))

    assert (read["type"], read["timestamp"]) == ("row.done", "2026-11-28T09:30:15Z")
    assert read["data"] == {
        "message_id": "store-7-1",
        "is_repeat": False,
        "sheet": "Autumn",
        "row_id": "r_00007",
        "take": 1,
        "name": "fox 7",
        "prompt": "a fox, number 7",
        "endpoint": "imagine",
        "status": "done",
        "note": "",
        "task_id": "task-7",
        "text": "",
        "image_urls": ["https://cdn.test/7/1.png"],
        "files": ["r_00007.png"],
        "credits": 8,
        "unit": "credits",
        "vendor": "Apiframe",
        "submitted_at": "2026-11-28T09:30:15Z",
        "finished_at": "2026-11-28T09:30:15Z",
        "columns": {"aspect_ratio": "16:9"},
        "is_shortened": False,
    }
    row_schema, message_schema = SCHEMA["$defs"]["row"], SCHEMA["$defs"]["message"]
    assert read["data"].keys() == {*row_schema["required"], *message_schema["required"]}


def test_each_kind_of_message_has_a_documented_type() -> None:
    assert set(TYPES) == set(MessageKind)
    assert list(TYPES.values()) == SCHEMA["properties"]["type"]["enum"]
    for kind, name in TYPES.items():
        message = row(kind=kind) if name.startswith("row.") else notice(kind)
        assert body(message)["type"] == name
    assert body(row(kind=MessageKind.TEST))["type"] == "test"


def test_the_columns_that_the_configuration_names_are_found_as_titles_of_a_sheet_are() -> None:
    message = row(columns={"Camp-aign": "Autumn 26"})

    assert body(message, campaign="camp aign", where="image_urls", none="other")["data"][
        "columns"
    ] == {
        "aspect_ratio": "16:9",
        "Camp-aign": "Autumn 26",
        "campaign": "Autumn 26",
        "where": ["https://cdn.test/1/1.png"],
        "none": "",
    }


def test_text_is_text() -> None:
    assert body(row(prompt=NASTY))["data"]["prompt"] == NASTY


def test_times_are_in_utc_and_a_missing_one_is_null() -> None:
    there = timezone(timedelta(hours=9))
    moved = datetime(2026, 11, 28, 18, 30, 15, 999_999, tzinfo=there)
    read = body(replace(row(submitted_at=moved, finished_at=""), at=moved))

    assert read["timestamp"] == "2026-11-28T09:30:15Z"
    assert read["data"]["submitted_at"] == "2026-11-28T09:30:15Z"
    assert read["data"]["finished_at"] is None
    assert moved.astimezone(UTC) > AT


def test_numbers_that_json_has_not_are_null() -> None:
    assert body(row(x=float("nan"), y=float("-inf"), z=0.5))["data"]["columns"] == {
        "aspect_ratio": "16:9",
        "x": None,
        "y": None,
        "z": 0.5,
    }


def test_files_are_told_as_in_the_sheet_without_folders_of_this_machine() -> None:
    there = Path("/var/lib/team/media/autumn/fox.png")
    saved = ("autumn/fox.png", "s3://pictures/autumn/hen.png")
    data = body(replace(row(files=saved), files=(there,)))["data"]

    assert data["files"] == list(saved)


@each("text", ["x" * 50_000, "𝔣" * 9_000, "\x01" * 9_000, "é\n" * 15_000])
def test_a_long_text_is_cut_and_ids_and_addresses_stay_whole(text: str) -> None:
    columns = dict.fromkeys(map(str, range(20)), text)
    long = row(prompt=text, note=text, name=text, columns=columns)
    data = body(long)["data"]

    assert data["is_shortened"]
    assert (data["row_id"], data["image_urls"]) == ("r_00001", list(long.urls))
    assert 0 < len(data["prompt"]) < len(text)


def test_an_address_is_whole_or_left_out() -> None:
    urls = tuple(f"https://cdn.test/{'s' * 700}/{n}.png" for n in range(64))
    data = body(row(image_urls=urls))["data"]

    assert data["is_shortened"]
    assert 10 < len(data["image_urls"]) < 64
    assert set(data["image_urls"]) < set(urls)


def test_a_notice_about_a_thousand_rows_tells_how_many_there_are() -> None:
    data = body(notice(count=1000))["data"]

    assert (len(data["rows"]), data["row_count"], data["is_shortened"]) == (50, 1000, True)


def test_a_notice_says_whether_what_it_tells_of_is_over() -> None:
    over = replace(notice(count=0), is_over=True)

    assert [body(one)["data"]["is_over"] for one in (notice(count=0), over)] == [False, True]


def test_a_short_notice_is_whole() -> None:
    data = body(notice(count=2))["data"]

    assert (len(data["rows"]), data["row_count"], data["is_shortened"]) == (2, 2, False)


VALUES = st.one_of(
    st.text(max_size=300),
    st.text(max_size=50).map(lambda text: text * 500),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=3000), max_size=40).map(tuple),
    st.datetimes(timezones=st.just(UTC)),
)


@settings(max_examples=30)
@given(
    values=st.dictionaries(st.text(max_size=2000), VALUES, max_size=30),
    urls=st.lists(st.text(max_size=30_000), max_size=64),
    files=st.lists(st.text("ab", min_size=1, max_size=200), max_size=64),
)
def test_every_row_makes_a_valid_body_of_less_than_20_kb(
    values: dict[str, Any], urls: list[str], files: list[str]
) -> None:
    ours = row()
    mixed = values | dict(ours.values)
    mixed |= {name: values[name] for name in values.keys() & {"prompt", "note", "text"}}

    mixed |= {"image_urls": tuple(urls), "files": tuple(files)}
    body(replace(ours, values=mixed))


@settings(max_examples=30)
@given(
    sentence=st.text(max_size=30_000),
    texts=st.lists(st.text(max_size=3000), min_size=1, max_size=100),
)
def test_every_notice_makes_a_valid_body_of_less_than_20_kb(
    sentence: str, texts: list[str]
) -> None:
    about = tuple(NoticeRow(text, text, None, text, text) for text in texts)

    body(replace(notice(), sentence=sentence, rows=about))


def test_the_message_on_the_page_is_one_that_the_schema_allows() -> None:
    page = (ROOT / "docs" / "how-to" / "push.md").read_text("utf-8")
    shown = json.loads(page.split("```json\n")[1].split("```")[0])

    assert problems_of(shown) == []
    assert shown["data"].keys() == body(row())["data"].keys()
    assert {name for name in TYPES.values() if f"`{name}`" not in page} == set()


def test_the_workflow_for_n8n_is_whole_and_has_no_secret() -> None:
    workflow = json.loads((ROOT / "configs/deploy/n8n/receive-push.json").read_text("utf-8"))
    names = [node["name"] for node in workflow["nodes"]]
    ways = {
        source: [way["node"] for branch in targets["main"] for way in branch]
        for source, targets in workflow["connections"].items()
    }

    assert len(names) == len(set(names))
    assert {*ways, *(name for way in ways.values() for name in way)} == set(names)
    assert ways["Is it from Promptsheet?"] == ["Each message once", "Refuse"]
    assert "whsec_" not in json.dumps(workflow)
