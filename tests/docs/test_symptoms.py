"""The page about symptoms quotes the program: its words are found there."""

from __future__ import annotations

import re

from tests.fakes.program import ROOT

PAGE = (ROOT / "docs/how-to/when-things-go-wrong.md").read_text("utf-8")


def test_each_sentence_that_a_symptom_quotes_is_in_the_program() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "pipeline").rglob("*.py"))
    # A text that is written on several lines is one text; a value may stand for a number.
    text = re.sub(r"\"\s+f?\"", "", sources)
    text = re.sub(r"\{[^{}]*\}", "…", text)
    symptoms = re.findall(r"(?m)^\| (.*?) \|", PAGE)
    quoted = [words for one in symptoms for words in re.findall(r'"([^"]+)"', one)]

    assert len(quoted) >= 12
    assert [words for words in quoted if re.sub(r"\d+( minutes)?", "…", words) not in text] == []
