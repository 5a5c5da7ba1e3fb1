"""The configuration: what is accepted and refused, and that all problems are reported together."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline import config
from pipeline.config import outlets
from pipeline.config.schema import Document, FormerTable
from pipeline.core.errors import ConfigError
from tests.fakes.cases import each

ROOT = Path(__file__).parents[2]
PROVIDERS = ROOT / "configs" / "providers"
KEY = {"APIFRAME_API_KEY": "k-123"}

ADDRESS = "https://docs.google.com/spreadsheets/d/1AbC"


def load(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None, need_key: bool = True
) -> config.Settings:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, need_key, PROVIDERS, KEY if environ is None else environ)


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environ)
    return list(caught.value.problems)


def test_a_configuration_needs_only_a_source(tmp_path: Path) -> None:
    settings = load(tmp_path, '[sheet]\nsource = "rows.csv"\n')

    assert settings.source == tmp_path / "rows.csv"
    assert settings.base_url == "https://api.apiframe.pro"
    assert settings.store_url == f"sqlite:///{tmp_path / 'promptsheet.db'}"
    assert settings.media == tmp_path / "media"


def test_all_problems_are_in_one_error(tmp_path: Path) -> None:
    text = """
        [sheet]
        source = "rows.csv"
        setle = "3s"
        [pace]
        poll_every = "soon"
        [budget]
        per_runn = 3
    """

    assert problems(tmp_path, text) == [
        "mine.toml: sheet.setle: there is no such key; did you mean settle?",
        'mine.toml: pace.poll_every: write a span of time such as "30s", "5m" or "2h"',
        "mine.toml: budget.per_runn: there is no such key; did you mean per_run?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pace]\nconcurrency = 'many'", "pace.concurrency: write a whole number"),
        ("[pace]\nconcurrency = 0", "pace.concurrency: must be 1 or more"),
        ("[pace]\nconcurrency = 1001", "pace.concurrency: must be 1000 or less"),
        ("[rules]\napproval = 'maybe'", "rules.approval: write true or false"),
        ("[sheet]\ntab = 5", "sheet.tab: write a text in quotation marks"),
        ("[provider]\ncredits = { imagine = 'few' }", "provider.credits.imagine: write a number"),
        ("[provider]\ncredits = { imagine = -1 }", "provider.credits.imagine: must be 0 or more"),
        ("[provider]\ncredits = 5", "provider.credits: write a table, such as { name = value }"),
        ("pace = 5", "pace: write a table, such as { name = value }"),
        (
            "[webhook]\ntrusted_proxies = ['10.0.0.1', 5]",
            "webhook.trusted_proxies (entry 2): write a text in quotation marks",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_one_plain_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    sheet = "[sheet]\nsource = 'rows.csv'\n"
    whole = text.replace("[sheet]\n", sheet) if "[sheet]" in text else f"{text}\n{sheet}"

    assert problems(tmp_path, whole) == [f"mine.toml: {said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[budget]\nper_day = -1", "budget.per_day: write a whole number of credits, 0 or more"),
        ("[budget]\nper_day = 1.5", "budget.per_day: write a whole number of credits, 0 or more"),
        ("[budget]\nper_day = '50 $'", "budget.per_day: write a whole number of credits, or an"),
        ("[budget]\nper_run = '50 USD'", "budget.per_run: 50.00 USD needs the price of one credit"),
        (
            "[provider]\ncredit_price = '0.01 EUR'\n[budget.per]\ncampaign = '50 USD'",
            "budget.per.campaign: 50.00 USD is not in EUR, the currency of provider.credit_price",
        ),
        (
            "[providers.replicate]\napi_key = 'env:K'\nbudget.per_month = '5 USD'",
            "providers.replicate.budget.per_month: 5.00 USD needs the price of one US cent of Rep",
        ),
    ],
)
def test_a_budget_is_credits_or_money_in_the_currency_of_the_price_of_a_credit(
    tmp_path: Path, text: str, said: str
) -> None:
    problem = problems(tmp_path, f"{text}\n[sheet]\nsource = 'rows.csv'\n")[-1]

    assert problem.startswith(f"mine.toml: {said}")


def test_problems_of_all_tables_are_reported_together(tmp_path: Path) -> None:
    text = """
        [sheet]
        source = "rows.ods"
        [columns]
        stats = "Image status"
        [defaults]
        aspect_ratio = "wide"
        colour = "red"
        [store]
        url = "mysql://x"
    """

    found = problems(tmp_path, text, {})

    assert [p.split(": ")[1] for p in found] == [
        "provider.api_key",
        "columns.stats",
        "defaults.colour",
        "defaults",
        "store.url",
        "sheet.source",
    ]


def test_a_key_in_the_file_is_refused_and_not_quoted(tmp_path: Path) -> None:
    text = '[sheet]\nsource = "rows.csv"\n[provider]\napi_key = "sk-very-secret"\n'

    (problem,) = problems(tmp_path, text)

    assert "never write it here" in problem
    assert "sk-very-secret" not in problem


def test_a_missing_key_is_a_problem_only_if_one_is_needed(tmp_path: Path) -> None:
    text = '[sheet]\nsource = "rows.csv"\n'

    assert load(tmp_path, text, {}, need_key=False).api_key is None
    assert problems(tmp_path, text, {}) == [
        "mine.toml: provider.api_key: the environment variable APIFRAME_API_KEY is not set. "
        "Put your API key there."
    ]


@pytest.mark.parametrize(
    ("key", "file", "about"),
    [
        ("afk_1234567", "apiframe-v2", "API version 2"),
        ("1234567-afk_", "apiframe-v1", "API version 1"),
    ],
)
def test_the_form_of_the_key_shows_its_api_version(
    tmp_path: Path, key: str, file: str, about: str
) -> None:
    settings = load(tmp_path, '[sheet]\nsource = "rows.csv"\n', {"APIFRAME_API_KEY": key})

    assert (settings.provider.name, settings.provider.about) == (file, about)
    assert settings.header.read_line(["prompt", "aspect_ratio"]).inputs == (
        "aspect_ratio",
        "prompt",
    )


def test_a_persons_own_prices_come_before_listed_ones(tmp_path: Path) -> None:
    text = '[sheet]\nsource = "rows.csv"\n[provider]\ncredits = { imagine = 5, "Seedream-4" = 8 }\n'

    settings = load(tmp_path, text, {"APIFRAME_API_KEY": "afk_new"})

    assert settings.provider.endpoints["imagine"].credits == 5
    assert settings.prices == {"seedream-4": 8}
    (problem,) = problems(tmp_path, text.replace("Seedream-4", "Seadream-4"))
    assert problem.startswith("mine.toml: provider.credits.Seadream-4: is neither an endpoint nor")


def test_a_base_url_without_a_path_works_with_either_key(tmp_path: Path) -> None:
    text = '[sheet]\nsource = "rows.csv"\n[provider]\nbase_url = "http://127.0.0.1:8900"\n'

    one, two = (load(tmp_path, text, {"APIFRAME_API_KEY": key}) for key in ("old", "afk_new"))

    assert (one.base_url, two.base_url) == ("http://127.0.0.1:8900", "http://127.0.0.1:8900/v2")


def test_a_version_2_key_is_refused_for_version_1(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        '[sheet]\nsource = "rows.csv"\n[provider]\nname = "apiframe-v1"\n',
        {"APIFRAME_API_KEY": "afk_1234567"},
    )

    assert "version 2" in problem
    assert "1234567" not in problem


def test_a_key_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("k-from-file\n")

    settings = load(
        tmp_path, '[sheet]\nsource = "rows.csv"\n[provider]\napi_key = "file:key.txt"\n', {}
    )

    assert settings.api_key is not None
    assert settings.api_key.reveal() == "k-from-file"


def test_no_repr_shows_the_key(tmp_path: Path) -> None:
    settings = load(tmp_path, '[sheet]\nsource = "rows.csv"\n')

    assert "k-123" not in repr(settings) + str(settings) + repr(settings.api_key)


def test_a_provider_file_next_to_the_configuration_replaces_ours(tmp_path: Path) -> None:
    own = tmp_path / "providers"
    own.mkdir()
    text = (PROVIDERS / "apiframe-v1.toml").read_text().replace("credits = 4", "credits = 7")
    (own / "apiframe.toml").write_text(text)

    settings = load(tmp_path, '[sheet]\nsource = "rows.csv"\n')

    assert settings.provider.endpoints["imagine"].credits == 7


def test_a_misspelled_key_in_a_provider_file_is_reported(tmp_path: Path) -> None:
    own = tmp_path / "providers"
    own.mkdir()
    text = (PROVIDERS / "apiframe-v1.toml").read_text().replace("deadline = 60", "dedline = 60")
    (own / "apiframe.toml").write_text(text)

    (problem,) = problems(tmp_path, '[sheet]\nsource = "rows.csv"\n')

    assert problem.startswith(
        "providers/apiframe.toml: endpoints.imagine.dedline: there is no such key"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"30s"', timedelta(seconds=30)),
        ('"500ms"', timedelta(milliseconds=500)),
        ('"1.5h"', timedelta(minutes=90)),
        ("45", timedelta(seconds=45)),
    ],
)
def test_a_duration_is_read_in_common_spellings(
    tmp_path: Path, written: str, meant: timedelta
) -> None:
    text = f'[sheet]\nsource = "rows.csv"\n[pace]\ngive_up_after = {written}\n'

    assert load(tmp_path, text).pace.give_up_after == meant


def test_a_missing_configuration_gives_a_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no file .*nope.toml. Run promptsheet init"):
        config.load(tmp_path / "nope.toml", True, PROVIDERS, KEY)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_an_endless_file_gives_a_clear_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^/dev/zero cannot be read: File too large\.$"):
        config.load(Path("/dev/zero"), True, PROVIDERS, KEY)


def test_a_workbook_in_place_of_a_configuration_gives_a_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"team\.xlsx is a sheet\. Give its configuration"):
        config.load(tmp_path / "team.xlsx", True, PROVIDERS, KEY)


@pytest.mark.parametrize("place", ["loop.csv", "~nobody-of-that-name/rows.csv", "a\\u0000.csv"])
@pytest.mark.parametrize(
    "text",
    [
        '[sheet]\nsource = "{}"',
        '[sheet]\nsource = "rows.csv"\n[media]\nsave_to = "{}"',
        '[sheet]\nsource = "rows.csv"\n[store]\nurl = "sqlite:///{}"',
    ],
)
def test_an_unusable_path_gives_a_clear_sentence(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")

    (problem,) = problems(tmp_path, text.format(place))

    assert problem.startswith("mine.toml: ")
    assert problem.endswith(" leads to no file. Correct that path.")


def test_a_file_that_is_not_toml_gives_a_clear_sentence(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[sheet\n")

    assert "this is not TOML" in problem


def test_the_example_shows_every_key_with_a_comment_and_its_default(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "example.toml").read_text()
    shown = tomllib.loads(text)

    for table, field in Document.model_fields.items():
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            assert table in shown or f"# [[{table}]]" in text
            continue
        for key, asked in inner.model_fields.items():
            if asked.annotation == FormerTable | None:
                assert f"# [{table}.{key}]" in text
                continue
            line = next((row for row in _table(text, table) if row.startswith(f"{key} =")), "")
            assert line, f"configs/example.toml does not show {key} in [{table}]"
            assert "#" in line, f"{table}.{key} has no comment"
            if not asked.is_required():
                given = inner.model_validate(shown[table])
                assert getattr(given, key) == asked.default, f"{table}.{key}"
    assert load(tmp_path, text).source.name == "prompts.csv"


@each("kind", outlets.KINDS)
def test_the_example_shows_every_key_of_an_outlet(kind: str) -> None:
    text = (ROOT / "configs" / "example.toml").read_text().split("# Outlets send ")[1]

    for key in outlets.KINDS[kind].model_fields.keys() - {"name", "when"}:
        assert re.search(rf"(?m)^# {key} = ", text), key
    assert f'kind = "{kind}"' in text or kind in text.split("# [[outlets]]", 4)[1]


def _table(text: str, table: str) -> list[str]:
    return text.split(f"\n[{table}]", 1)[1].split("\n[", 1)[0].splitlines()


HOOKS = {**KEY, "HOOKS": "h" * 24, "OLD": "o" * 24, "SHORT": "h" * 23}
SHEET = '[sheet]\nsource = "rows.csv"\n[webhook]\n'


def test_webhooks_need_an_address_and_a_secret_which_is_never_shown(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        SHEET
        + """
        public_url = "https://hooks.example.com/studio/"
        secret = "env:HOOKS"
        previous_secret = "env:OLD"
        listen = "127.0.0.1:8641"
        trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
        """,
        HOOKS,
    )

    webhook = settings.webhook
    assert webhook.public_url == "https://hooks.example.com/studio"
    assert (webhook.listen, webhook.trusted_proxies) == (
        "127.0.0.1:8641",
        ("127.0.0.1/32", "10.0.0.0/8"),
    )
    assert webhook.secret is not None
    assert webhook.secret.reveal() == "h" * 24
    assert webhook.previous_secret is not None
    assert "hhhh" not in repr(settings)
    assert "oooo" not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('public_url = "https://x.example"', "webhook.secret: is missing: without it anybody"),
        ('public_url = "hooks.example.com"\nsecret = "env:HOOKS"', "write an address such as"),
        ('public_url = "https://x.example/?a=b"\nsecret = "env:HOOKS"', "write an address such as"),
        ('public_url = "https://a:b@x.example"\nsecret = "env:HOOKS"', "a user name or a password"),
        ('public_url = "http://x.example"\nsecret = "env:HOOKS"', "must begin with https://"),
        ('secret = "env:NOPE"', 'webhook.secret: "env:NOPE" is not set, missing or empty'),
        ('secret = "env:SHORT"', "webhook.secret: is too short to be safe"),
        ('secret = "hunter2hunter2hunter2hun"', "never write it here"),
        ('previous_secret = "env:OLD"', "previous_secret: is only used together with secret."),
        ('listen = "8641"', 'listen: write a host and a port, such as "127.0.0.1:8641"'),
        ('listen = "127.0.0.1:86410"', "listen: write a host and a port"),
        ('trusted_proxies = ["*"]', "write the addresses of your own proxies"),
        ('public_ur = ""', "webhook.public_ur: there is no such key; did you mean public_url?"),
    ],
)
def test_problems_of_webhooks_are_reported(tmp_path: Path, lines: str, sentence: str) -> None:
    (problem,) = problems(tmp_path, SHEET + lines, HOOKS)

    assert sentence in problem


#: The keys with an address, each with the other required keys of its table.
ADDRESSES = {
    "provider.base_url": '[sheet]\nsource = "rows.csv"\n[provider]\nbase_url = "{}"\n',
    "sheet.base_url": f'[sheet]\nsource = "{ADDRESS}"\nbase_url = "{{}}"\n',
    "webhook.public_url": SHEET + 'secret = "env:HOOKS"\npublic_url = "{}"\n',
    "page.public_url": '[sheet]\nsource = "rows.csv"\n[page]\npublic_url = "{}"\n',
}


@pytest.mark.parametrize("key", ADDRESSES)
@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443",
        "https://8.8.8.8",
        "http://localhost:8900",
        "http://127.0.0.1:8900",
        "http://127.8.9.10",
        "http://[::1]:8900",
        "http://10.1.2.3",
        "http://172.31.0.9:80",
        "http://192.168.1.20:8900",
        "http://[fd12::7]:8900",
        "http://[::ffff:192.168.1.20]",
        "http://sandbox:8900",
        "http://nas.local",
        "http://api.studio.internal",
        "http://LOCALHOST:8900",
    ],
)
def test_https_is_accepted_anywhere_and_http_in_private_networks(
    tmp_path: Path, key: str, url: str
) -> None:
    load(tmp_path, ADDRESSES[key].format(url), HOOKS)


@pytest.mark.parametrize("key", ADDRESSES)
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://api.example.com", "must begin with https://"),
        ("http://8.8.8.8", "must begin with https://"),
        ("http://172.32.0.1", "must begin with https://"),
        ("http://[2001:4860::1]", "must begin with https://"),
        ("http://[::ffff:8.8.8.8]", "must begin with https://"),
        ("http://134744072", "must begin with https://"),
        ("http://0x8080808", "must begin with https://"),
        ("http://127.0.0.1.example.com", "must begin with https://"),
        ("http://localhost.example.com", "must begin with https://"),
        ("http://api.studio.ınternal", "must begin with https://"),
        ("https://ann:hunter2@api.example.com", "holds a user name or a password."),
        ("https://hunter2@api.example.com", "holds a user name or a password."),
        ("http://127.0.0.1:80@api.example.com", "holds a user name or a password."),
        ("https://api.example.com\\\\@hunter2.example.com", "holds a user name or a password."),
        ("https://api.example.com?key=hunter2", "write an address"),
        ("https://api.example.com#hunter2", "write an address"),
        ("https://api.example.com:99999", "write an address"),
        ("https://api .example.com", "write an address"),
        ("https://api\\u001b[31m.example.com", "write an address"),
        ("https://", "write an address"),
        ("https:api.example.com", "write an address"),
        ("ftp://api.example.com", "write an address"),
        ("file:///etc/passwd", "write an address"),
        ("[", "write an address"),
    ],
)
def test_any_other_address_is_refused_without_quoting_it(
    tmp_path: Path, key: str, url: str, sentence: str
) -> None:
    (problem,) = problems(tmp_path, ADDRESSES[key].format(url), HOOKS)

    assert problem.startswith(f"mine.toml: {key}: {sentence}")
    assert "hunter2" not in problem


def test_the_address_in_a_provider_file_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "providers").mkdir()
    text = (
        (PROVIDERS / "apiframe-v1.toml").read_text().replace("https://api.apiframe", "http://api.x")
    )
    (tmp_path / "providers" / "apiframe.toml").write_text(text)

    (problem,) = problems(tmp_path, '[sheet]\nsource = "rows.csv"\n')

    assert problem.startswith("providers/apiframe.toml: base_url: must begin with https://")


@pytest.mark.parametrize(
    "text",
    [
        '[sheet]\nsource = "\\u001b]0;owned\\u0007.ods"\n',
        '[sheet]\nsource = "rows.csv"\n"\\u001b[2J" = 1\n',
        '[sheet]\nsource = "rows.csv"\n[defaults]\naspect_ratio = "\\u009b31m\\n- forged"\n',
        '[sheet]\nsource = "rows.csv"\n[provider]\napi_key = "env:A\\u001b[31m"\n',
        '[sheet]\nsource = "rows.csv"\n[provider]\nendpoint = "\\u202egnp"\n',
    ],
)
def test_a_problem_is_one_line_without_terminal_controls(tmp_path: Path, text: str) -> None:
    for problem in problems(tmp_path, text, {}):
        assert problem.isprintable()


@pytest.mark.skipif(os.name == "nt", reason="modes of files say nothing there")
def test_secrets_readable_by_others_are_reported_with_the_command_that_helps(
    tmp_path: Path,
) -> None:
    modes = {"key.txt": 0o644, "bot.json": 0o640, "page token": 0o600, ".env": 0o604}
    for name, mode in modes.items():
        (tmp_path / name).write_text("h" * 30)
        (tmp_path / name).chmod(mode)
    text = (
        f'[sheet]\nsource = "{ADDRESS}"\ncredentials = "file:bot.json"\n'
        '[provider]\napi_key = "file:key.txt"\n[page]\ntoken = "file:page token"\n'
    )

    warnings = load(tmp_path, text, {}).warnings

    assert list(warnings) == [
        f"Other users of this machine can read {name}, which holds a secret. Run: "
        f"chmod 600 {tmp_path / name}"
        for name in ("key.txt", "bot.json", ".env")
    ]
    for name in modes:
        (tmp_path / name).chmod(0o600)
    assert load(tmp_path, text, {}).warnings == ()


def test_a_google_sheet_is_recognised_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "bot.json").write_text("hidden words")
    settings = load(
        tmp_path,
        """
        [sheet]
        source = "https://docs.google.com/spreadsheets/d/1AbC-d_9/edit?usp=sharing#gid=42"
        credentials = "file:bot.json"
        """,
    )

    source = settings.source
    assert isinstance(source, config.GoogleSource)
    assert (source.spreadsheet, source.tab, source.gid) == ("1AbC-d_9", "", 42)
    assert settings.settle.total_seconds() == 30
    assert settings.pace.write_every.total_seconds() == 10
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('source = "https://example.com/sheet"', "is not the address of a Google Sheet. Copy it"),
        ('source = "rows.csv"\ncredentials = "env:X"', "credentials: is only for a Google Sheet"),
        (f'source = "{ADDRESS}"\ncredentials = "env:NOPE"', '"env:NOPE" is not set, missing or'),
        (f'source = "{ADDRESS}"\ncredentials = "abc"', "never write it here"),
        (f'source = "{ADDRESS}"\nbase_url = "elsewhere"', "write an address without a path"),
    ],
)
def test_problems_of_a_google_sheet_are_reported(tmp_path: Path, lines: str, sentence: str) -> None:
    (problem,) = problems(tmp_path, f"[sheet]\n{lines}\n")

    assert sentence in problem


def test_a_pass_is_due_every_minute_unless_the_schedule_says_otherwise(tmp_path: Path) -> None:
    sheet = '[sheet]\nsource = "rows.csv"\n'
    plain = load(tmp_path, sheet).schedule
    spaced = load(tmp_path, f'{sheet}[schedule]\nevery = "30s"\n').schedule
    timed = load(tmp_path, f'{sheet}[schedule]\ncron = " */5 * * * * "\n').schedule

    assert (plain.cron, plain.every) == ("", timedelta(minutes=1))
    assert (spaced.cron, spaced.every) == ("", timedelta(seconds=30))
    assert (timed.cron, timed.every) == ("*/5 * * * *", None)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ('cron = "61 * * * *"', "schedule.cron: the minute cannot be read; write five fields"),
        ('cron = "* * * * *"\nevery = "5m"', "schedule: cron and every are both set. Remove one"),
        ('every = "0s"', "schedule.every: must be more than 0"),
        ('every = "often"', "schedule.every: write a span of time"),
    ],
)
def test_an_impossible_schedule_is_refused(tmp_path: Path, schedule: str, says: str) -> None:
    (problem,) = problems(tmp_path, f'[sheet]\nsource = "rows.csv"\n[schedule]\n{schedule}\n')

    assert problem.startswith(f"mine.toml: {says}")


@pytest.mark.parametrize("name", ["cp1250", "CP1250", "iso-8859-2", "mac_roman", "cp932", "utf-8"])
def test_a_code_page_can_be_named(name: str, tmp_path: Path) -> None:
    assert load(tmp_path, f'[sheet]\nsource = "a.csv"\nencoding = "{name}"').encoding == name


@pytest.mark.parametrize("name", ["nope", "utf-16", "rot13", "iso2022_jp", "utf-7", "cp037"])
def test_an_unknown_code_page_is_a_problem(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='write the name of a code page, such as "cp1250"'):
        load(tmp_path, f'[sheet]\nsource = "a.csv"\nencoding = "{name}"')


def test_an_encoding_is_allowed_only_for_csv(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sheet.encoding: is only for a .csv or .tsv file"):
        load(tmp_path, '[sheet]\nsource = "a.xlsx"\nencoding = "cp1250"')


def test_an_error_about_an_own_provider_file_names_the_file_also_where_it_refuses_the_key(
    tmp_path: Path,
) -> None:
    own = tmp_path / "providers" / "apiframe.toml"
    own.parent.mkdir()
    own.write_text((PROVIDERS / "apiframe-v1.toml").read_text("utf-8"), "utf-8")
    afk, source = {"APIFRAME_API_KEY": "afk_1"}, '[sheet]\nsource = "rows.csv"\n'

    (refused,) = problems(tmp_path, source, afk)
    own.rename(own.with_name("apiframe-v2.toml")).write_text("title = 5\n")
    wrong = problems(tmp_path, source, afk)

    assert refused.endswith(f"({own} says so.)")
    assert wrong
    assert all(one.startswith("providers/apiframe-v2.toml: ") for one in wrong)


PLACE = '[sheet]\nsource = "rows.csv"\n[media]\n'


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("s3://bucket", "s3"),
        ("gs://bucket/a/b", "gs"),
        ("az://container/a", "az"),
        ("sftp://team@files.example.com:2222/srv/media", "sftp"),
    ],
)
def test_pictures_can_be_saved_on_another_machine(tmp_path: Path, address: str, kind: str) -> None:
    text = f'{PLACE}save_to = "{address}"\ncredentials = "env:PLACE"\n'
    settings = load(tmp_path, text, KEY | {"PLACE": "a-secret-key"})

    assert settings.remote is not None
    assert (settings.remote.kind, settings.remote.address) == (kind, address)
    assert (settings.media, settings.saves_files) == (None, True)
    assert "a-secret-key" not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('save_to = "ftp://host/x"', "media.save_to: write a folder"),
        ('save_to = "sftp://me:geheim@host/x"', "A password or a key belongs in media.credentials"),
        ('save_to = "s3://"', "media.save_to: write a folder"),
        (
            'save_to = "s3://bucket"\ncredentials = "env:NONE"',
            "media.credentials: there is nothing in",
        ),
        ('save_to = "s3://bucket"\nbase_url = "http://s3.example.com"', "media.base_url: "),
        ('save_to = "sftp://host/x"\nbase_url = "https://x.com"', "media.base_url: sftp"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_without_repeating_a_password(
    tmp_path: Path, lines: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, PLACE + lines + "\n")

    assert says in str(refusal.value)
    assert "geheim" not in str(refusal.value)


def test_an_outlet_in_single_brackets_is_told_what_to_write(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[sheet]\nsource = "a.csv"\n[outlets]\nkind = "slack"\n')

    assert problem == (
        "mine.toml: outlets: write [[outlets]] in double brackets: there may be several."
    )
