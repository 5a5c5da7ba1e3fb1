"""`init --endpoint`: a sheet with the columns of an endpoint, and sample rows that can be sent.

Everything runs through the real command line and against the real sandbox.
"""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image

from pipeline.cli.new_rows import MASK, new_sheet, sample_mask
from pipeline.config.provider_files import read_provider
from pipeline.config.template import SANDBOX
from pipeline.core.api.provider import Provider
from pipeline.core.sheet.header import ALWAYS, CONTROLS, TEXT
from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, ROOT
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Row, Team

PROVIDERS = ROOT / "configs/providers"
V2_KEY = f"afk_{KEY}"
#: Endpoints whose sample needs an id that only the vendor can give.
NEEDS_AN_ID = {"lora", "ai-photo-train", "ai-photo-generate"}
#: Endpoints of version 2 that are not in the price list of the API.
UNLISTED = ("image-upscale", "image-edit", "background-remove", "video-upscale", "video-edit")


#: The tests make their own configurations.
TEAM_TABLES = None


def read(provider: str) -> Provider:
    return read_provider(provider, None, Path(), PROVIDERS)


def samples_of(provider: Provider) -> list[Row]:
    """The sample rows of every endpoint, with names that occur once."""
    rows = []
    for name, endpoint in provider.endpoints.items():
        new = new_sheet(provider, name, approval=False, aspect_ratio="")
        header, *samples = new.rows
        named = [dict(zip(header, sample, strict=True)) for sample in samples]
        asked = [provider.endpoints[row.get("endpoint") or name] for row in named]
        known = {*CONTROLS, *ALWAYS, TEXT}.union(*(one.columns for one in asked))
        assert {*header} <= known, name
        assert len(header) == len({*header}), name
        if not endpoint.select:
            assert {*header} >= endpoint.columns, name
        for row in named:
            own = {"name": f"{name} {row['name']}", "endpoint": row.get("endpoint") or name}
            if row.get("parent"):
                own["parent"] = f"{name} {row['parent']}"
            rows.append({title: text for title, text in row.items() if text} | own)
        assert rows[-1]["endpoint"] == name
    return rows


def write(team: Team, rows: list[Row]) -> None:
    titles = [*dict.fromkeys(title for row in rows for title in row), "text"]
    with team.sheet.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, titles, restval="")
        out.writeheader()
        out.writerows(rows)
    (team.folder / MASK).write_bytes(sample_mask())


def use_sandbox(team: Team, more: str = "") -> None:
    """Send requests to the sandbox of the tests, quickly."""
    lines = [line for line in team.config.read_text().splitlines() if "base_url" not in line]
    at = lines.index("[provider]") + 1
    lines[at:at] = [f'base_url = "{team.url}"', *more.splitlines()]
    lines += ["[pace]", 'poll_every = "20ms"', 'write_every = "20ms"', ""]
    team.config.write_text("\n".join(lines))


def run_as_cron_does(team: Team, key: str) -> None:
    """Plain runs, until every row is done."""
    for _ in range(60):
        ended = team.start("run", key=key)
        assert ended.code == 0, ended.said
        if all(row["status"] == "done" for row in team.rows()):
            return
    raise AssertionError(team.rows())


@pytest.mark.parametrize("version", [1, 2])
def test_the_sample_rows_of_every_endpoint_are_planned(team: Team, version: int) -> None:
    provider = read(f"apiframe-v{version}")
    rows = samples_of(provider)
    write(team, rows)
    gaps = [name for name, one in provider.endpoints.items() if one.credits is None]
    prices = dict.fromkeys(gaps if version == 1 else UNLISTED, 5)
    config = Team(team.folder, team.url, version).configured(
        tables={"media": {"save_to": "", "inputs": "."}}
    )
    priced = ", ".join(f'"{name}" = {price}' for name, price in prices.items())
    text = config.read_text()
    config.write_text(text.replace("[provider]\n", f"[provider]\ncredits = {{ {priced} }}\n"))

    plan = json.loads(team.start("run", config, "--plan", "--json").out)

    without_id = [row for row in rows if row["endpoint"] in NEEDS_AN_ID]
    planned = plan["requests"] + plan["requests_after_another_row"]
    assert planned == len(rows) - len(without_id)
    # A row with nothing but its name is not a row yet, and what follows it has no parent.
    assert plan["rows"]["invalid"] == 1


@pytest.mark.parametrize(
    ("key", "endpoint", "chain"),
    [
        (V2_KEY, "upscale", ["imagine", "upscale"]),
        (KEY, "inpaint", ["imagine", "upscale-1x", "inpaint"]),
        (V2_KEY, "flux", [""]),
    ],
)
def test_a_new_sheet_runs_to_its_results(
    team: Team, api: Sandbox, key: str, endpoint: str, chain: list[str]
) -> None:
    made = team.start("init", "--endpoint", endpoint, key=key)
    use_sandbox(team)
    planned = team.start("run", "--plan", key=key)
    run_as_cron_does(team, key)

    assert (made.code, planned.code) == (0, 0)
    assert "invalid" not in planned.said
    assert tomllib.loads(team.config.read_text())["provider"]["endpoint"] == endpoint
    rows = team.rows()
    assert [row.get("endpoint", "") for row in rows] == chain
    assert all(row["image_urls"] for row in rows)
    state = api.state()
    assert (state["tasks_taken"], state["tasks_repeated"]) == (len(chain), 0)


def test_a_text_has_a_column_in_the_new_sheet(team: Team) -> None:
    assert team.start("init", "--endpoint", "describe").code == 0
    use_sandbox(team)
    run_as_cron_does(team, KEY)

    assert [bool(row["text"]) for row in team.rows()] == [False, True]


def test_a_new_workbook_offers_the_values_that_the_endpoint_allows(team: Team) -> None:
    made = team.start("init", "plan.xlsx", "--endpoint", "kling", "--approval", key=V2_KEY)

    assert made.code == 0
    tab = load_workbook(team.folder / "plan.xlsx").worksheets[0]
    header, sample = list(tab.values)[:2]
    row = dict(zip(header, sample, strict=True))
    assert {"prompt", "duration", "mode", "start_image", "parent", "approved"} <= row.keys()
    lists = {
        header[next(one.sqref.ranges.__iter__()).min_col - 1]: one.formula1
        for one in tab.data_validations.dataValidation
    }
    assert lists["mode"] == '"standard,pro,4k"'
    assert lists["aspect_ratio"] == '"16:9,9:16,1:1"'
    assert lists["generate_audio"] == '"yes,no"'


def test_no_existing_file_is_overwritten(team: Team) -> None:
    inputs = team.folder / "inputs"
    inputs.mkdir()
    (inputs / MASK).write_text("the team's own")
    assert team.start("init", "--endpoint", "inpaint").code == 0
    before = team.traces()

    again = team.start("init", "--endpoint", "imagine")
    other = team.start("init", "--endpoint", "imagine", "--config", "other.toml")

    assert (again.code, other.code) == (2, 0)
    assert "promptsheet.toml already exists and was not changed." in again.err
    assert "prompts.csv already exists and was not changed." in other.out
    after = team.traces()
    assert {name: after[name] for name in before} == before
    assert (inputs / MASK).read_text() == "the team's own"


def test_the_sample_mask_is_a_picture_with_a_white_middle(tmp_path: Path) -> None:
    (tmp_path / MASK).write_bytes(sample_mask())

    with Image.open(tmp_path / MASK) as mask:
        assert [mask.getpixel(at) for at in ((0, 0), (512, 512), (1023, 1023))] == [0, 255, 0]


@pytest.mark.parametrize(
    ("words", "key", "said"),
    [
        ("imagin", KEY, 'Apiframe (API version 1) has no endpoint "imagin". Did you mean imagine'),
        ("gpt-image-2", V2_KEY, "Did you mean gpt-image"),
        ("midjourney", V2_KEY, "Did you mean imagine or upscale or vary?"),
        ("xyzzy", KEY, 'has no endpoint "xyzzy". promptsheet endpoints lists all of them.'),
        ("flux", KEY, "flux is an endpoint of Apiframe (API version 2), and your key is for"),
        ("nope/flux", KEY, 'there is no "nope"; there is apiframe, '),
        ("replicate/flux", KEY, "promptsheet endpoints --provider replicate lists all of them."),
        ("replicate/", KEY, 'has no endpoint "".'),
        ("apiframe-v1/describe", V2_KEY, "APIFRAME_API_KEY: This is a key for version 2 of"),
        ("../x/flux", KEY, '"../x" is not the name of a provider file'),
    ],
)
def test_the_error_for_an_unknown_endpoint_names_similar_ones(
    team: Team, words: str, key: str, said: str
) -> None:
    ended = team.start("init", "--endpoint", words, key=key)

    assert ended.code == 2
    assert said in ended.err
    assert team.traces() == {}


def test_the_name_of_an_endpoint_may_have_capitals(team: Team) -> None:
    assert team.start("init", "--endpoint", " FLUX ", key=V2_KEY).code == 0

    assert tomllib.loads(team.config.read_text())["provider"]["endpoint"] == "flux"


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("upscale-1x", "Fill in the columns parent, index."),
        ("ai-photo-train", "Fill in the column training_images_id."),
        ("imagine", "Write a prompt into the column prompt."),
    ],
)
def test_a_sheet_without_rows_says_which_columns_to_fill_in(
    team: Team, endpoint: str, said: str
) -> None:
    team.write("name,prompt,parent,index,training_images_id,endpoint")
    made = team.start("init", "prompts.csv", "--endpoint", endpoint)
    use_sandbox(team)

    for words in (("run", "--plan"), ("status",)):
        assert said in team.start(*words).said
    assert said in made.out


def test_without_a_key_the_endpoint_decides_the_version(team: Team) -> None:
    made = team.start("init", "--endpoint", "flux", "--sandbox", key=None)

    provider = tomllib.loads(team.config.read_text())["provider"]
    assert (provider["name"], provider["base_url"]) == ("apiframe-v2", f"{SANDBOX}/v2")
    assert "No key yet: it must be one for Apiframe (API version 2)." in made.out
    assert "export APIFRAME_API_KEY=afk_test" in made.out


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (KEY, "Your key is for Apiframe (API version 1)."),
        (V2_KEY, "Your key is for Apiframe (API version 2)."),
        (None, "No key yet: Apiframe (API version 1) is assumed until it is set."),
    ],
)
def test_init_says_which_api_the_key_is_for(team: Team, key: str | None, said: str) -> None:
    assert said in team.start("init", key=key).out
    assert said in team.start("init", key=key).out


def test_an_aspect_ratio_for_an_endpoint_without_one_is_refused(team: Team) -> None:
    ended = team.start("init", "--endpoint", "shorten", "--aspect-ratio", "16:9")

    assert (ended.code, ended.err) == (
        2,
        "shorten has no column aspect_ratio. Leave --aspect-ratio out.\n",
    )
    assert team.traces() == {}


def test_another_vendor_gets_its_own_key_and_stand_in(tmp_path: Path) -> None:
    with sandbox_process(KEY, provider="replicate", task_seconds=0.1) as vendor:
        team = Team(tmp_path, f"{vendor.url.removesuffix('/v1')}/v1")
        made = team.start("init", "--endpoint", "replicate/flux-schnell", "--sandbox", key=None)
        provider = tomllib.loads(team.config.read_text())["provider"]
        use_sandbox(team)
        text = team.config.read_text()
        team.config.write_text(text.replace("REPLICATE_API_TOKEN", "APIFRAME_API_KEY"))
        run_as_cron_does(team, KEY)

    assert (provider["name"], provider["base_url"]) == ("replicate", f"{SANDBOX}/v1")
    assert "# in US cents; the sample row costs 0.3\n" in text
    assert provider["api_key"] == "env:REPLICATE_API_TOKEN"
    assert "sandbox --provider replicate --port 8900 --key test" in made.out
    assert "export REPLICATE_API_TOKEN=test" in made.out
