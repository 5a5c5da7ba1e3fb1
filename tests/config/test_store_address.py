"""`[store] url`: a file, or a database whose address is kept elsewhere, because it is a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import ConfigError

ADDRESS = "postgresql://anna:s3cr3t@db.example:5433/team?sslmode=require"


def written(folder: Path, url: str) -> Path:
    path = folder / "pipeline.toml"
    path.write_text(f'[sheet]\nsource = "rows.csv"\n[store]\nurl = "{url}"\n')
    return path


def test_the_address_of_a_database_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"{ADDRESS}\n".replace("postgresql:", "postgres:"))
    (tmp_path / "address").chmod(0o600)
    for url in ("env:STORE", "file:address"):
        settings = load(written(tmp_path, url), environ={"STORE": ADDRESS})
        assert settings.store_url == ADDRESS
        assert settings.store_file is None
        assert settings.has_store
        assert settings.rescue_file == tmp_path / "db.example-team.db.rescue"
        assert settings.work == tmp_path / ".db.example-team-downloads"
        assert "s3cr3t" not in repr(settings)


def test_an_address_without_a_password_may_stand_in_the_configuration(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "postgresql://anna@db.example/team"), environ={})

    assert settings.store_url == "postgresql://anna@db.example/team"


def test_a_variable_may_name_a_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "env:STORE"), environ={"STORE": "sqlite:///a.db"})

    assert settings.store_file == tmp_path / "a.db"


def test_others_are_warned_of_a_readable_file_with_the_address(tmp_path: Path) -> None:
    (tmp_path / "address").write_text(ADDRESS)
    (tmp_path / "address").chmod(0o644)

    settings = load(written(tmp_path, "file:address"), environ={})

    assert "can read address" in settings.warnings[0]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (ADDRESS, "the address holds a password, which does not belong into a configuration"),
        ("postgresql://anna@db/team?password=s3cr3t", "the address holds a password"),
        ("postgresql://anna@db", "the address names no database"),
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set. Put the address"),
        ("file:not-there", "the file not-there is missing, empty or cannot be read"),
        ("mysql://anna:s3cr3t@db/team", 'write "sqlite:///FILE"'),
        ("env:BROKEN", 'write "sqlite:///FILE"'),
        ("s3cr3t", 'write "sqlite:///FILE"'),
    ],
)
def test_a_problem_with_the_address_is_a_sentence_that_does_not_quote_it(
    tmp_path: Path, url: str, problem: str
) -> None:
    broken = {"BROKEN": "postgresql://anna:s3cr3t@[db/team"}
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, url), environ=broken)

    assert f"store.url: {problem}" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
