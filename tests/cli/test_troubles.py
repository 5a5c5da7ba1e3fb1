"""Common errors of new users, each with its own sentence and exit code."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.sandbox import Sandbox
from tests.fakes.cases import each
from tests.fakes.team import Team


def test_all_problems_of_a_configuration_are_reported_together(team: Team) -> None:
    team.config.write_text(
        '[sheet]\nsorce = "prompts.csv"\n[provider]\napi_key = "abc"\n'
        '[pace]\npoll_every = "5 parsecs"\n[budget]\nper_runn = 3\n'
    )
    ended = team.run("--plan")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "5 problems in the configuration:\n"
        "  - promptsheet.toml: sheet.source: is missing\n"
        "  - promptsheet.toml: sheet.sorce: there is no such key; did you mean source?\n"
        '  - promptsheet.toml: provider.api_key: name where it is kept, "env:NAME" or '
        '"file:PATH"; never write it here\n'
        '  - promptsheet.toml: pace.poll_every: write a span of time such as "30s", "5m" or "2h"\n'
        "  - promptsheet.toml: budget.per_runn: there is no such key; did you mean per_run?\n"
    )


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            '[columns]\nstattus = "x"\n',
            "columns.stattus: there is no such column; did you mean status?",
        ),
        (
            '[columns]\nignore = ["Note"]\n',
            'columns.ignore: "Note" is the title of a column that we write. '
            'Set note = "Image note" instead.',
        ),
        (
            '[defaults]\ncolour = "red"\n',
            "defaults.colour: no endpoint has such a field; there is aspect_ratio, prompt",
        ),
        (
            '[store]\nurl = "postgresql://x"\n',
            "store.url: the address names no database. Write its name at the end: "
            "postgresql://USER@HOST/DATABASE",
        ),
    ],
)
def test_the_reason_is_given_for_an_unusable_configuration(
    team: Team, tables: str, sentence: str
) -> None:
    team.configure(tables)

    ended = CliRunner().invoke(app, ["run", str(team.config), "--plan"])

    assert str(ended.exception) == f"promptsheet.toml: {sentence}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no file {path}. Run promptsheet init to make a configuration."),
        (b"[sheet\n", "promptsheet.toml: this is not TOML: Expected ']'"),
        (b"\xff", "{path} cannot be read: it is not UTF-8 text."),
        (b'[sheet]\nsource = "a.xls"\n', 'promptsheet.toml: sheet.source: "a.xls" is not a .csv'),
    ],
)
def test_the_reason_is_given_for_an_unreadable_configuration(
    team: Team, content: bytes | None, sentence: str
) -> None:
    team.config.unlink()
    if content is not None:
        team.config.write_bytes(content)

    ended = CliRunner().invoke(app, ["status", str(team.config)])

    assert str(ended.exception).startswith(sentence.format(path=team.config))


@each(
    "words",
    [
        ["run", "--bogus", "x.toml"],
        ["run", "x.toml", "--limit", "-1"],
        ["run", "x.toml", "--limit", "many"],
        ["doctor", "x.toml", "y.toml"],
        ["runn", "x.toml"],
        [],
    ],
)
def test_a_misspelled_command_line_has_exit_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_usage_error_is_shown_by_the_program_itself(team: Team) -> None:
    ended = team.start("runn", fresh=True)

    assert ended.code == 2
    assert "No such command 'runn'. Did you mean 'run'?" in ended.err


def test_a_missing_or_wrong_key_or_one_for_another_version_is_reported(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox")
    missing = team.run(key=None)
    torn = team.run(key="two words")
    before = team.sheet.read_text()
    newer = team.run(key="afk_123")
    wrong = team.run(key="wrong")
    doctor = team.start("doctor", team.config, key="wrong")

    start = "promptsheet.toml: provider.api_key: "
    assert [one.code for one in (missing, newer, torn, wrong, doctor)] == [2, 3, 2, 3, 3]
    assert missing.said == (
        f"{start}the environment variable APIFRAME_API_KEY is not set. Put your API key there."
    )
    # A key of the other version goes to the other API.
    assert 'refused the API key (401). It says: "Invalid API key".' in newer.said
    assert torn.said == (
        f"{start}the key holds a space or another invalid character. Copy it again."
    )
    assert before == "prompt\na fox\n"
    assert wrong.said == (
        "prompts.csv: Apiframe refused the API key (401). Check [provider] api_key, and "
        "restart watch if it runs. "
        "prompts.csv: 0 new, 0 done, 1 still to send, 0 credits"
    )
    assert "✗ Apiframe refused the API key (401). Check [provider] api_key, and" in doctor.said
    assert [row["status"] for row in team.rows()] == ["queued"]
    assert api.state()["tasks_taken"] == 0


def test_an_account_without_credits_stops_sending_until_it_has_credits(
    team: Team, api: Sandbox
) -> None:
    api.set(credits=4)
    team.write("prompt", "a fox", "an owl")
    out = team.run()
    doctor = team.start("doctor", team.config)
    api.set(credits=1000)

    assert out.code == 3
    assert 'Apiframe is out of credits (402). It says: "Insufficient credits". ' in out.said
    assert "1 new, 0 done, 1 in progress, 1 still to send, 4 credits" in out.said
    assert doctor.code == 1
    assert "! Apiframe (API version 1) accepts the key; 0 credits are left." in doctor.said
    assert team.finish().code == 0
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_with_an_unreachable_api_nothing_is_paid_and_the_exit_code_is_3(team: Team) -> None:
    team.write("prompt", "a fox")
    closed_port = "http://127.0.0.1:9"
    team.config.write_text(team.config.read_text().replace(team.url, closed_port))

    ended = team.run()
    doctor = team.start("doctor", team.config)

    assert (ended.code, doctor.code) == (3, 3)
    assert ended.said == (
        "prompts.csv: Apiframe cannot be reached: no connection (connection refused). Nothing was "
        "sent or paid. prompts.csv: 0 new, 0 done, 1 still to send, 0 credits"
    )
    assert "✗ Apiframe cannot be reached: no connection (connection refused)." in doctor.said
    assert [row["status"] for row in team.rows()] == ["queued"]


def test_an_unusable_sheet_is_named_with_its_remedy(team: Team) -> None:
    gone = team.run()
    assert (gone.code, gone.said) == (
        3,
        f"{team.sheet} does not exist. Put it back, or correct [sheet] source.",
    )
    assert team.start("status", team.config).said == gone.said

    team.sheet.mkdir()
    assert team.run("--plan").said == (
        f"{team.sheet} is a folder. Set [sheet] source to the file in it."
    )
    team.sheet.rmdir()

    team.sheet.write_text("")
    empty = team.run()
    assert (empty.code, empty.said) == (
        2,
        "prompts.csv: The sheet is empty. Write a header with a column named prompt.",
    )

    team.write("words,owner", "a fox,Ann")
    nameless = team.start("doctor", team.config)
    assert nameless.code == 2
    assert (
        "✗ No column is named like something to send (aspect_ratio, prompt). The header must be "
        'the first line; name a column prompt, or set [columns] prompt = "Your title".'
        in nameless.said
    )

    team.write("prompt,prompt", "a fox,an owl")
    doubled = team.run()
    assert (doubled.code, doubled.out.splitlines()[0]) == (
        2,
        "prompts.csv: Columns A and B have one name, prompt. Rename all but one of them.",
    )


def test_an_unwritable_folder_for_pictures_is_reported_until_it_is_writable(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = "pictures"\n')
    team.write("prompt", "a fox")
    in_the_way = team.folder / "pictures"
    in_the_way.write_text("a file of that name")
    words = (
        f"prompts.csv: 4 pictures were not saved. Pictures cannot be saved in {in_the_way}: That "
        "is no folder. Make it a folder with room, in which this account may write, or change "
        "[media] save_to. A later run tries again."
    )

    for ended in (team.finish(), team.run()):
        assert ended.code == 3
        assert words in ended.said
    assert api.state()["most_pictures_in_flight"] == 0
    in_the_way.unlink()
    at_last = team.finish()

    assert (at_last.code, at_last.said) == (0, "")
    assert len(list(in_the_way.glob("*.png"))) == 4
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_read_only_sheet_keeps_its_results_in_the_store(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    assert team.run().code == 0
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    team.sheet.chmod(0o444)

    ended = team.finish()
    doctor = team.start("doctor", team.config)
    team.sheet.chmod(0o644)

    words = f"{team.sheet} is read-only. Make it writable. Nothing was changed; results are kept"
    assert ended.code == doctor.code == 3
    assert ended.said.startswith(words)
    assert f"✗ {words}" in doctor.said
    assert team.finish().code == 0
    assert [row["status"] for row in team.rows()] == ["done", "done"]
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_a_sheet_of_another_configuration_is_left_unchanged(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    team.finish()
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    second = team.configure(name="second")

    ended = team.start("run", second)

    assert ended.code == 1
    assert ended.said.startswith(
        f"prompts.csv is run by another configuration, {team.config}. Use that one, or move it "
        "away if this one takes its place."
    )
    team.config.rename(team.folder / "away")
    after = team.start("run", second, "--wait")
    assert after.code == 0
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1}


def test_a_store_of_several_sheets_is_migrated_and_named_once(team: Team) -> None:
    team.write_prompts(["a fox"], "b.csv")
    other = team.configure(name="b", sheet="b.csv")

    migrated = team.start("migrate", team.config, other)

    assert (migrated.code, migrated.said.count("The store")) == (0, 1)
