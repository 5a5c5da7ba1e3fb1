"""Switches are read the same way everywhere; chance and counts are exact."""

from __future__ import annotations

import pytest

from pipeline.sandbox import SandboxSettings, SettingsError
from pipeline.sandbox.chance import Chance
from pipeline.sandbox.counts import Window
from pipeline.sandbox.settings import merged
from tests.fakes.cases import each


def test_the_same_seed_has_the_same_faults() -> None:
    settings = merged(SandboxSettings(), {"lost": "0.3 any"})
    prompts = [f"p{n}" for n in range(200)]

    def struck(seed: int, order: list[str]) -> dict[str, str]:
        chance = Chance(seed, settings)
        faults = {key: chance.strikes("lost", "/imagine", key) for key in order}
        return {key: fault.kind for key, fault in faults.items() if fault}

    assert struck(1, prompts) == struck(1, prompts[::-1]) != struck(2, prompts)
    assert 30 < len(struck(1, prompts)) < 90
    assert set(struck(1, prompts).values()) == {"fin", "rst", "half", "trickle"}


def test_the_most_within_any_minute_is_counted_over_a_sliding_window() -> None:
    window = Window()
    for at in (0.0, 1.0, 59.0, 60.0, 60.5, 200.0):
        window.add(at)

    assert (window.most, window.size(200.0)) == (4, 1)


@each("value", [3, -0.1, "next", "next x", "", None, True, "0.1 rst fin", {"nxt": 1}, "nan", [1]])
def test_a_fault_that_cannot_be_read_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match="lost"):
        merged(SandboxSettings(), {"lost": value})


def test_a_fault_reads_the_same_in_words_and_in_json() -> None:
    words = merged(SandboxSettings(), {"lost": "next 3 rst /fetch*", "busy": "0.25"})
    json = merged(
        SandboxSettings(), {"lost": {"next": 3, "kind": "rst", "path": "/fetch*"}, "busy": 0.25}
    )

    assert words == json
    assert merged(words, {"lost": str(words.lost)}) == words
