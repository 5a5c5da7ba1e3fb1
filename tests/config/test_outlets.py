"""The `[[outlets]]` tables of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.config import Settings, load
from pipeline.config.outlets import AirtableTable, SqlTable
from pipeline.core.errors import ConfigError
from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.outlets.table_addresses import airtable_place, notion_id


def settings(
    folder: Path, tables: str, environ: Mapping[str, str] | None = None, need_key: bool = False
) -> Settings:
    """The settings of a configuration with these tables."""
    file = folder / "promptsheet.toml"
    file.write_text(f'[sheet]\nsource = "prompts.csv"\n{tables}')
    return load(file, need_key=need_key, environ=environ or {})


def problems(folder: Path, tables: str, need_key: bool = False) -> list[str]:
    """The problems of such a configuration, without the name of its file."""
    keys = {"APIFRAME_API_KEY": "KEY"}
    with pytest.raises(ConfigError) as found:
        settings(folder, tables, keys, need_key)
    return [one.removeprefix("promptsheet.toml: ") for one in found.value.problems]


def test_a_configuration_without_outlets_has_none(tmp_path: Path) -> None:
    assert settings(tmp_path, "").outlets == ()


def test_an_outlet_without_a_name_is_called_by_its_kind(tmp_path: Path) -> None:
    slack, push = settings(
        tmp_path,
        '[[outlets]]\nkind = "slack"\nurl = "env:SLACK"\n'
        '[[outlets]]\nkind = "push"\nname = "shop"\nurl = "env:P"\nheaders = { X-Key = "env:X" }\n',
        {"SLACK": "https://hooks.slack.com/services/T/B/X", "X": "key"},
    ).outlets
    assert (slack.name, slack.kind) == ("slack", "slack")
    assert slack.secrets["url"].reveal() == "https://hooks.slack.com/services/T/B/X"
    assert (push.name, set(push.secrets)) == ("shop", {"headers.X-Key"})


def test_tables_are_told_of_rows_and_chats_of_everything(tmp_path: Path) -> None:
    tables = '[[outlets]]\nkind = "push"\nurl = "env:P"\n[[outlets]]\nkind = "teams"\nurl = "env:T"'
    push, teams = (one.table.model_dump()["when"] for one in settings(tmp_path, tables).outlets)
    assert push == (MessageKind.DONE, MessageKind.FAILED, MessageKind.CHECK_NEEDED)
    assert set(teams) == set(MessageKind) - {MessageKind.TEST}


def test_no_repr_shows_an_address_of_an_outlet(tmp_path: Path) -> None:
    environ = {"S": "https://hooks.slack.com/services/T/B/secret"}
    its = settings(tmp_path, '[[outlets]]\nkind = "slack"\nurl = "env:S"', environ)
    assert its.outlets[0].secrets["url"].reveal() == environ["S"]
    assert "hooks.slack.com" not in repr(its)


def test_every_problem_of_every_outlet_is_reported_at_once(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        '[[outlets]]\nkind = "slak"\n'
        '[[outlets]]\nkind = "slack"\nurl = "https://hooks.slack.com/services/T/B/X"\n'
        '[[outlets]]\nkind = "push"\nurl = "env:P"\nsecrt = "env:S"\n'
        '[[outlets]]\nkind = "push"\nurl = "env:P"\nwhen = ["finished"]\n'
        "[[outlets]]\n"
        '[[outlets]]\nkind = "push"\nname = "a b"\nurl = "env:P"\n',
    ) == [
        'outlets (entry 1).kind: there is no "slak"; did you mean slack?',
        'outlets (entry 2).url: name where it is kept, "env:NAME" or "file:PATH"; '
        "never write it here",
        "outlets (entry 3).secrt: there is no such key; did you mean secret?",
        'outlets (entry 4).when (entry 1): write "done", "failed", "check needed", "attention", '
        '"budget", "stopped" or "silent"',
        "outlets (entry 5).kind: is missing. Write slack, teams, discord, apprise, airtable, "
        "notion, sql, push",
        'outlets (entry 6).name: write a short name of letters, digits, "-" and "_"',
    ]


def test_two_outlets_of_one_name_are_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, '[[outlets]]\nkind = "push"\nurl = "env:P"\n' * 2) == [
        'outlets (entry 2).name: another outlet is called "push". Choose another name'
    ]


def test_a_run_needs_the_address_of_each_outlet_and_a_look_does_not(tmp_path: Path) -> None:
    tables = '[[outlets]]\nkind = "slack"\nurl = "env:SLACK_URL"\n'
    assert settings(tmp_path, tables).outlets
    assert problems(tmp_path, tables, need_key=True) == [
        'outlets (entry 1).url: "env:SLACK_URL" is not set, missing or empty'
    ]


def test_an_address_of_another_service_is_a_problem_that_does_not_quote_it(tmp_path: Path) -> None:
    environ = {
        "D": "https://discord.com/api/webhooks/1/s3cr3t",
        "C": "https://acme.webhook.office.com/webhookb2/s3cr3t",
        "S": "https://hooks.slack.com/services/T/B/s3cr3t",
        "F": "https://1.api.powerplatform.com/workflows/s3cr3t",
    }
    kinds = {"slack": "D", "teams": "C", "discord": "F", "apprise": "S"}
    tables = "".join(f'[[outlets]]\nkind = "{k}"\nurl = "env:{v}"\n' for k, v in kinds.items())
    with pytest.raises(ConfigError) as found:
        settings(tmp_path, tables, environ)

    assert "s3cr3t" not in str(found.value)
    assert [one.split(".url: ")[1] for one in found.value.problems] == [
        'this is a Discord address; write kind = "discord"',
        "this is the address of a classic connector, which Microsoft has ended; make a workflow in "
        'Teams ("Send webhook alerts to a channel"), and copy its address',
        'this is a Teams address; write kind = "teams"',
        'this is a Slack address; write kind = "slack", with pictures',
    ]


def test_the_usual_addresses_of_each_service_are_right(tmp_path: Path) -> None:
    flow = "triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers&sv=1.0&sig=x-y_z"
    addresses = {
        "slack": ["https://hooks.slack.com/services/T0/B0/x", "http://127.0.0.1:8080/anything"],
        "teams": [
            f"https://a.1.environment.api.powerplatform.com:443/powerautomate/workflows/1/{flow}",
            f"https://prod-1.westeurope.logic.azure.com:443/workflows/1/{flow}",
            f"https://flows.example.com/{flow}",
        ],
        "discord": [
            *(
                "https://discord.com/api/webhooks/1/a-b_c",
                "https://discordapp.com/api/webhooks/1/a",
            ),
            "https://canary.discord.com/api/v10/webhooks/1/a?thread_id=2",
        ],
        "apprise": ["mailtos://user:pw@example.com?to=a@example.com", "tgram://1:a/2", "json://x"],
    }
    for kind, urls in addresses.items():
        for url in urls:
            table = f'[[outlets]]\nkind = "{kind}"\nurl = "env:U"\n'
            assert settings(tmp_path, table, {"U": url}).outlets


SECRET = "whsec_" + "c2VjcmV0IG9mIHRlc3RzLCAyNCBieXRlcyBhbmQgbW9yZQ=="


@pytest.mark.parametrize(
    ("url", "rest", "problem"),
    [
        ("https://shop.example/hook?key=s3cr3t", "", ""),
        ("http://127.0.0.1:5678/webhook/x", "allow_private = true", ""),
        ("http://shop.example/s3cr3t", "", "it begins with http://"),
        ("https://me:s3cr3t@shop.example/", "", "it holds a user name"),
        *(
            (url, "", "it leads to no web address")
            for url in ("shop.example/s3cr3t", "ftp://s3cr3t.example", "https:///s3cr3t")
        ),
        *(
            (url, "", "it leads to no web address")
            for url in ("https://a b/s3cr3t", "https://a:b/s3cr3t", "https://[x/s3cr3t")
        ),
    ],
)
def test_an_address_for_pushes_is_checked_and_never_quoted(
    tmp_path: Path, url: str, rest: str, problem: str
) -> None:
    table = f'[[outlets]]\nkind = "push"\nurl = "env:P"\n{rest}\n'
    if not problem:
        assert settings(tmp_path, table, {"P": url}).outlets
        return
    with pytest.raises(ConfigError) as found:
        settings(tmp_path, table, {"P": url})

    assert f"outlets (entry 1).url: {problem}" in str(found.value)
    assert "s3cr3t" not in str(found.value)


@pytest.mark.parametrize(
    ("secret", "is_good"),
    [
        (SECRET, True),
        (f"{SECRET} {SECRET}", True),
        *((one, False) for one in ("s3cr3t", "whsec_c2hvcnQ=", SECRET[6:], f"{SECRET} s3cr3t")),
    ],
)
def test_a_secret_for_pushes_is_that_of_standard_webhooks(
    tmp_path: Path, secret: str, is_good: bool
) -> None:
    table = '[[outlets]]\nkind = "push"\nurl = "env:P"\nsecret = "env:S"\n'
    environ = {"P": "https://shop.example/", "S": secret}
    if is_good:
        assert settings(tmp_path, table, environ).outlets
        return
    with pytest.raises(ConfigError, match=r"\.secret: it must be whsec_ and the base64") as found:
        settings(tmp_path, table, environ)

    assert secret not in str(found.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *((name, "key", "") for name in ("X-Key", "Authorization", "Team-Key", "User-Agent")),
        *((name, "key", "is set by the push") for name in ("webhook-id", "Content-Type", "HOST")),
        *((name, "key", "is no name of a header") for name in ("X Key", "X:Key", "Schlüssel")),
        *(("X-Key", value, "one line of ASCII") for value in ("a\nb", "é", "a\x00b")),
    ],
)
def test_each_header_of_a_push_is_checked(
    tmp_path: Path, name: str, value: str, problem: str
) -> None:
    table = f'[[outlets]]\nkind = "push"\nurl = "env:P"\nheaders = {{ "{name}" = "env:X" }}\n'
    environ = {"P": "https://shop.example/", "X": value}
    if not problem:
        assert settings(tmp_path, table, environ).outlets
        return
    with pytest.raises(ConfigError, match=problem):
        settings(tmp_path, table, environ)


def test_what_is_wrong_with_a_table_is_said_before_the_first_row(tmp_path: Path) -> None:
    tables = (
        '[[outlets]]\nkind = "airtable"\ntoken = "env:T"\nbase = "Shop"\ntable = "Pictures"\n'
        '[[outlets]]\nkind = "airtable"\nname = "b"\ntoken = "env:T"\nbase_url = "ftp://x"\n'
        'base = "appXXXXXXXXXXXXXX"\nkey = ["a", "b", "c", "d"]\nwhen = ["done", "budget"]\n'
        '[[outlets]]\nkind = "notion"\ntoken = "env:T"\ndatabase = "Pictures"\nkey = []\n'
        '[[outlets]]\nkind = "sql"\nurl = "env:U"\ntable = " "\n'
    )
    environ = {"T": "keyABCDEFGHIJKLMN", "U": "https://db.example/s3cr3t"}
    with pytest.raises(ConfigError) as found:
        settings(tmp_path, tables, environ)

    assert "s3cr3t" not in str(found.value)
    assert [one.removeprefix("promptsheet.toml: outlets ") for one in found.value.problems] == [
        "(entry 1).base: write the id of the base, which begins with app: it is in the address of "
        "the base in the browser",
        "(entry 1).token: Airtable ended API keys in 2024. Create a token at "
        "airtable.com/create/tokens",
        "(entry 2).when: a table holds rows only. Write done, failed, check needed",
        '(entry 2).base_url: write an address such as "https://api.airtable.com"',
        "(entry 2).table: write the id of the table, which begins with tbl: it is in the address "
        "of the table in the browser",
        "(entry 2).token: Airtable ended API keys in 2024. Create a token at "
        "airtable.com/create/tokens",
        "(entry 2).key: Airtable merges by three columns at most",
        "(entry 3).key: write the name of the column that identifies a row, such as row_id",
        "(entry 3).database: write the address of the database (open it as a full page, ••• and "
        "Copy link), or its id of 32 digits and letters",
        "(entry 4).table: write the name of the table",
        "(entry 4).url: is no address of a database. Write one such as "
        "postgresql://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME or "
        "sqlite:////full/path/results.db",
    ]


def test_a_table_is_named_by_what_people_copy_and_its_key_is_one_name_or_several(
    tmp_path: Path,
) -> None:
    base, table = "appABCDEFGHIJKLMN", "tblABCDEFGHIJKLMN"
    first, second = settings(
        tmp_path,
        f'[[outlets]]\nkind = "airtable"\ntoken = "env:T"\nkey = "Key"\n'
        f'base = "https://airtable.com/{base}/{table}/viwX"\n'
        '[[outlets]]\nkind = "sql"\nurl = "env:U"\ntable = "t"\nkey = ["row_id", "take"]\n',
    ).outlets
    assert isinstance(first.table, AirtableTable)
    assert isinstance(second.table, SqlTable)
    assert airtable_place(first.table.base, first.table.table) == (base, table)
    assert (first.table.key, second.table.key) == (("Key",), ("row_id", "take"))
    assert notion_id(f"https://www.notion.so/team/Shop-{'1a' * 16}?v={'2b' * 16}") == "1a" * 16
