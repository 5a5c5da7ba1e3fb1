"""`promptsheet endpoints`: what can be requested, without a key and without network."""

from __future__ import annotations

import json
from datetime import date
from io import StringIO
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.cli.endpoints import print_endpoints


def said(*words: str) -> str:
    ended = CliRunner().invoke(app, ["endpoints", *words], env={"COLUMNS": "200"})
    assert ended.exit_code == 0, ended.exception
    return ended.stdout


def test_all_endpoints_of_both_versions_are_listed_with_their_credits() -> None:
    text = said()

    assert "Apiframe (API version 2); credits as read on 2026-" in text
    assert "Apiframe (API version 1)" in text
    line = next(line for line in text.splitlines() if line.split()[:1] == ["imagine"])
    assert line.split()[:3] == ["imagine", "image", "16"]
    assert "by model" in next(line for line in text.splitlines() if " flux " in f" {line} ")


def test_an_endpoint_shows_its_columns_and_what_they_may_hold() -> None:
    text = said("upscale-1x")

    assert "Credits: 2" in text
    assert "parent" in text
    assert "a whole number; 1 to 4" in text


def test_the_endpoints_of_another_vendor_can_be_listed() -> None:
    assert "flux-schnell" in said("--provider", "replicate")


def test_the_endpoints_are_printed_as_json() -> None:
    two, one = json.loads(said("imagine", "--json"))

    assert (two["provider"], one["provider"]) == ("apiframe-v2", "apiframe-v1")
    (endpoint,) = one["endpoints"]
    assert endpoint["credits"] == 4
    assert [(each["name"], each["needed"]) for each in endpoint["columns"]] == [
        ("prompt", True),
        ("aspect_ratio", False),
    ]


def test_the_error_for_an_unknown_endpoint_lists_the_known_ones() -> None:
    ended = CliRunner().invoke(app, ["endpoints", "nope"])

    assert 'There is no endpoint "nope". There is imagine' in str(ended.exception)


def test_an_endpoint_without_any_price_says_so() -> None:
    assert "Credits: not listed" in said("imagine-video")
    assert "by model" not in said("--provider", "leonardo")
    assert "Credits: by model" in said("kling")


def test_what_ends_on_a_known_day_is_shown_until_then_and_left_out_after() -> None:
    def shown(today: date) -> str:
        out = Console(file=StringIO(), width=300)
        print_endpoints(out, "apiframe", "image", own=Path("-"), as_json=False, today=today)
        return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]

    assert "model gpt-image-1.5 ends on 2026-12-01." in shown(date(2026, 11, 30))
    assert "gpt-image-1.5 ends" not in shown(date(2026, 12, 1))


def test_a_list_of_objects_is_explained() -> None:
    words = " ".join(said("video").split())

    assert 'one shot on each line: its seconds and its prompt, such as "5s: a fox runs"' in words
    assert "duration: a whole number, 1 to 15" in words
