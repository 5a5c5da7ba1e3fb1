"""`[rules] remake`: off by default, and only for pictures that are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import ConfigError
from pipeline.core.pictures.remakes import RemakeRule


def loaded(folder: Path, more: str) -> RemakeRule | None:
    path = folder / "promptsheet.toml"
    path.write_text(f'[sheet]\nsource = "prompts.csv"\n{more}')
    return load(path, need_key=False).remake


def test_nothing_is_made_again_unless_a_person_wants_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") is None
    assert loaded(tmp_path, '[media]\nsave_to = ""\n[rules]\nremake_limit = 3\n') is None
    assert loaded(tmp_path, '[rules]\nremake = ["damaged", "blank"]\n') == RemakeRule(
        ("blank", "damaged"), 1
    )


@pytest.mark.parametrize("media", ['save_to = ""', "check = false"])
def test_what_is_not_checked_cannot_be_made_again(tmp_path: Path, media: str) -> None:
    with pytest.raises(ConfigError, match="only pictures that are saved and checked"):
        loaded(tmp_path, f'[media]\n{media}\n[rules]\nremake = ["blank"]\n')


@pytest.mark.parametrize("rules", ['remake = ["ugly"]', 'remake = ["blank"]\nremake_limit = 0'])
def test_other_words_and_limits_are_refused(tmp_path: Path, rules: str) -> None:
    with pytest.raises(ConfigError, match=r"rules\.remake"):
        loaded(tmp_path, f"[rules]\n{rules}\n")
