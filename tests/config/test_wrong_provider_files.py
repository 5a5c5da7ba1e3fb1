"""Incorrect provider files: each problem is a sentence with its place, and all come together."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.provider_files import read_provider
from pipeline.core.errors import ConfigError

GOOD = """\
title = "Example"
base_url = "https://api.example.com/v2"
[key]
header = "Authorization"
value = "Bearer {key}"
[task]
id = "id"
status = "status"
finished = ["completed"]
failed = ["failed"]
[poll]
method = "GET"
one = "/jobs/{id}"
[webhook]
url_field = "webhook"
header = "X-Signature"
proof = "body"
secret_field = "secret"
[account]
path = "/me"
[upload]
path = "/uploads"
field = "file"
url = "url"
[once]
header = "Idempotency-Key"
hours = 24
[endpoints.image]
path = "/images"
credits = 16
urls = "images[]"
[endpoints.image.fields]
prompt = { required = true }
images = { type = "integer", least = 1, most = 4 }
model = { one_of = ["a", "b"] }
[endpoints.video]
path = "/videos"
credits = 20
urls = "video"
parents = ["image"]
[endpoints.video.fields.start]
to = "params.start"
type = "address"
parent = "url"
"""


def problems(folder: Path, text: str, **more: str) -> list[str]:
    """The problems of a provider file, without its name; `more` are further files."""
    for name, content in {"example": text, **more}.items():
        (folder / f"{name}.toml").write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_provider("example", None, folder, folder)
    assert all(one.startswith("example.toml: ") for one in caught.value.problems)
    return [one.removeprefix("example.toml: ") for one in caught.value.problems]


def changed(*changes: tuple[str, str]) -> str:
    """The good file with these lines replaced."""
    text = GOOD
    for line, other in changes:
        assert text.count(f"{line}\n") == 1, line
        text = text.replace(f"{line}\n", f"{other}\n" if other else "")
    return text


def cases() -> list[tuple[str, str, list[str]]]:
    """The wrong files of the table: a line of the good file, what is there instead, the error."""
    table = Path(__file__).with_name("wrong_provider_files.txt").read_text().split("\n\n")
    return [
        (
            "\n".join(line[2:] for line in case.splitlines() if line.startswith("- ")),
            "\n".join(line[2:] for line in case.splitlines() if line.startswith("+ ")),
            [line[2:] for line in case.splitlines() if line.startswith("! ")],
        )
        for case in table[1:]
        if case.strip()
    ]


def test_the_good_file_has_no_problems(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(GOOD)

    assert read_provider("example", None, tmp_path, tmp_path).endpoints.keys() == {"image", "video"}


@pytest.mark.parametrize(("line", "other", "said"), cases())
def test_a_wrong_file_says_what_is_wrong_and_where(
    line: str, other: str, said: list[str], tmp_path: Path
) -> None:
    assert said
    assert problems(tmp_path, changed((line, other))) == said


def test_all_problems_of_a_file_come_in_one_error(tmp_path: Path) -> None:
    text = changed(
        ('title = "Example"', "title = 5"),
        ('id = "id"', ""),
        ('one = "/jobs/{id}"', 'one = "jobs"'),
        ("hours = 24", "hours = 0"),
        ("credits = 16", 'credits = "many"'),
        ("credits = 20", "credits = -1"),
        ('parents = ["image"]', 'parents = ["image", "song"]'),
    )

    assert problems(tmp_path, text) == [
        "title: write a text in quotation marks",
        "task.id: is missing",
        "endpoints.image.credits: write a number",
        'poll.one: "jobs" must begin with /, without spaces, ? and #',
        "poll.one: with GET it needs {id}, the place of the task id",
        "once.hours: must be more than 0",
        "endpoints.video.parents: there is no endpoint song",
        "endpoints.video.credits: write a price, 0 or more",
    ]


ALIAS = '[[by_key]]\nbegins = "new_"\nfile = "other"\n[[by_key]]\nbegins = ""\nfile = "other"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("by_key = 5", ["by_key: write tables [[by_key]], each with begins and file"]),
        (
            ALIAS.replace('"other"', '"nothing"', 1),
            ['by_key (entry 1).file: there is no "nothing"'],
        ),
        (ALIAS.replace('"other"', '"../other"', 1), ['by_key (entry 1).file: "../other" is not']),
        (ALIAS.replace('"other"', '"example"', 1), ["by_key (entry 1).file: example has by_key"]),
        (
            ALIAS.replace("begins =", "begin =", 1),
            [
                "by_key (entry 1).begin: there is no such key; did you mean begins?",
                "by_key (entry 1).begins: write a text in quotation marks",
            ],
        ),
        (ALIAS.replace('"new_"', '""', 1), ["by_key (entry 2).begins: an earlier entry takes all"]),
        (ALIAS + 'path = "v2"', ['by_key (entry 2).path: write a path such as "/v2"']),
        (
            'base_url = "https://x.example"\n' + ALIAS,
            ["by_key: a file with by_key has nothing"],
        ),
        (ALIAS.split('[[by_key]]\nbegins = ""')[0], ["by_key: no entry fits this key; add one"]),
        (
            ALIAS.replace('"other"', '"nothing"', 1) + "path = 5",
            ['by_key (entry 1).file: there is no "nothing"', "by_key (entry 2).path: write a text"],
        ),
    ],
)
def test_a_wrong_alias_says_what_is_wrong_and_where(
    text: str, said: list[str], tmp_path: Path
) -> None:
    found = problems(tmp_path, text, other=GOOD)

    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True)), found


@pytest.mark.parametrize(
    "text",
    ["title = 'a' = b", GOOD + "[endpoints.image]\n", "title =", "\x00", "[endpoints]\nimage = {"],
)
def test_a_file_that_is_not_toml_is_reported_in_one_sentence(text: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, text)

    assert problem.startswith("this is not TOML: ")


@pytest.mark.parametrize(
    "text", ["", "endpoints = 5", "endpoints.image = 5", "task = []", "poll = 'x'", "key = 1"]
)
def test_a_wrong_table_in_a_file_gives_no_traceback(text: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text)
