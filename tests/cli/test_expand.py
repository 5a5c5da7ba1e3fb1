"""All combinations of some lists as new rows: shown with their price, asked for, added once."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.table import Table

from pipeline.sandbox import Sandbox
from pipeline.store import Store, utc_now
from tests.fakes.google_sheets import Asked, Cut, google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import KEY, KEY_NAME, Program, at_one_instant, call
from tests.fakes.team import Team
from tests.fakes.terminal import terminal

TASK_SECONDS = 0
TEAM_TABLES = """\
[media]
save_to = ""
[prompt]
text = "{product}, {style}"
styles = "styles.csv"
"""
LISTS = ("product=a fox,an owl", "style=@styles.csv:name", "aspect_ratio=1:1,9:16")
MANY = [f"{name}={','.join(map(str, range(n)))}" for name, n in (("product", 101), ("owner", 100))]
#: The bytes of the sheet, with quotation marks that are not needed, and no line end at its end.
SHEET = (
    '\ufeff"product";style;aspect_ratio;owner\r\na fox;ink;1:1;"Zoë; =1"\r\n"a cat";ink;;'.encode()
)


@pytest.fixture
def campaign(team: Team) -> Team:
    (team.folder / "styles.csv").write_text("name,text\nink,ink on paper\nneon,neon light\n")
    team.sheet.write_bytes(SHEET)
    return team


def combinations(team: Team) -> list[tuple[str, str, str]]:
    with team.sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return [(row["product"], row["style"], row["aspect_ratio"]) for row in rows]


EVERY = [(p, s, r) for p in ("a fox", "an owl") for s in ("ink", "neon") for r in ("1:1", "9:16")]


def test_what_is_missing_is_shown_asked_for_and_added_once(campaign: Team, api: Sandbox) -> None:
    text = campaign.config.read_text().replace("[provider]", '[provider]\ncredit_price = "1 EUR"')
    campaign.config.write_text(text)
    before = campaign.traces()

    plan = campaign.start("expand", campaign.config, *LISTS, "--plan")
    alone = campaign.start("expand", campaign.config, *LISTS)

    assert "7 new rows, 2 product × 2 style × 2 aspect_ratio: 28 credits (28.00 EUR)" in plan.said
    assert "1 combination is in the sheet already." in plan.said
    # The first rows with the cells in which they differ, and their prompts.
    assert "row 4: 9:16, a fox, ink on paper" in plan.out
    assert "row 5: 1:1, a fox, neon light" in plan.out
    assert (plan.code, alone.code) == (0, 2)
    assert "Nothing was written. Add --yes" in alone.err
    assert campaign.traces() == before

    done = campaign.start("expand", campaign.config, *LISTS, "--yes")

    assert (done.code, "7 rows were added to prompts.csv" in done.said) == (0, True)
    assert campaign.sheet.read_bytes().startswith(SHEET + b"\r\na fox;ink;9:16;\r\n")
    assert combinations(campaign) == [EVERY[0], ("a cat", "ink", ""), *EVERY[1:]]
    after = campaign.sheet.read_bytes()
    again = campaign.start("expand", campaign.config, *LISTS, "--yes")
    assert "nothing to add. 8 combinations are in the sheet already" in again.said
    assert campaign.sheet.read_bytes() == after

    assert [campaign.run().code for _ in range(3)] == [0, 0, 0]
    assert api.state()["tasks_taken"] == 9
    assert "nothing to add" in campaign.start("expand", campaign.config, *LISTS, "--yes").said


def test_at_a_terminal_only_a_yes_adds_rows_and_only_those_that_were_shown(campaign: Team) -> None:
    words = ("expand", *LISTS)
    with terminal(campaign.folder, *words, width=120, key=KEY) as shown:
        shown.answer("Add 7 rows to prompts.csv?", "n\n")
        assert shown.end() == 1
    assert campaign.sheet.read_bytes() == SHEET

    with terminal(campaign.folder, *words, width=120, key=KEY) as shown:
        shown.answer("Add 7 rows to prompts.csv?", "")
        # Meanwhile a person deletes the combination that was there, and types one of the others.
        first, _, last = SHEET.split(b"\r\n")
        campaign.sheet.write_bytes(b"\r\n".join((first, last, b"an owl;neon;1:1;Ann\r\n")))
        shown.answer("", "y\n")
        assert shown.end() == 0
    found = combinations(campaign)
    assert sorted(found) == sorted([*EVERY[1:], ("a cat", "ink", "")])


def test_nothing_is_written_while_the_file_is_open(campaign: Team) -> None:
    (campaign.folder / ".~lock.prompts.csv#").write_text(",zoe,desk,01.01.2026 10:00,file:///x;")

    ended = campaign.start("expand", campaign.config, *LISTS, "--yes")

    assert (ended.code, "prompts.csv is open in another program" in ended.err) == (3, True)
    assert campaign.sheet.read_bytes() == SHEET


def test_one_call_waits_for_no_other_and_adds_nothing_meanwhile(campaign: Team) -> None:
    words = ("expand", campaign.config, *LISTS, "--yes")
    with Store(f"sqlite:///{campaign.folder / 'promptsheet.db'}", now=utc_now) as store:
        lease = store.leases.take(f"{campaign.sheet.resolve()} expand", "elsewhere:1", 60)

        assert lease is not None
        ended = campaign.start(*words)
        assert (ended.code, "Another call of expand (elsewhere:1)" in ended.err) == (3, True)
        assert campaign.sheet.read_bytes() == SHEET
        store.leases.end(lease.sheet, lease.word)

    assert campaign.start(*words).code == 0
    assert len(combinations(campaign)) == 9


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["prodct=a fox"], 'prompts.csv has no column prodct: did you mean "product"?'),
        (["product=@nowhere.csv:name"], "There is no file nowhere.csv."),
        (["product=@styles.csv:nam"], 'styles.csv has no column nam: did you mean "name"?'),
        (["product=@Lists:name"], "prompts.csv has no tabs"),
        (["product==1+1"], '"=1+1" would be a formula'),
        (["product=a,b,c", "--limit", "2"], "3 product are 3 rows, and at most 2 are added"),
        (MANY, "101 product × 100 owner are 10,100 rows, and at most 10,000 are added at once"),
        ([], "Name the lists to combine"),
        (["product=a", "style"], "style is not a list"),
    ],
)
def test_a_mistake_is_named_before_anything_is_written(
    campaign: Team, words: list[str], why: str
) -> None:
    before = campaign.traces()

    ended = campaign.start("expand", campaign.config, *words, "--yes")

    assert ended.code == 2
    assert why in ended.said
    assert campaign.traces() == before


def test_calls_at_one_instant_and_a_run_leave_each_combination_once(
    campaign: Team, api: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = f"product={','.join(f'bird {n}' for n in range(40))}"
    words = ("expand", str(campaign.config), wide, "style=ink,neon", "--yes")
    monkeypatch.setenv(KEY_NAME, KEY)

    ends = at_one_instant([words, words, ("run", str(campaign.config), "--wait"), words])

    assert {end.code for end in ends} <= {0, 3}, [end.said for end in ends]
    assert 0 in {ends[at].code for at in (0, 1, 3)}
    assert campaign.start(*words).code == 0
    assert campaign.finish().code == 0
    found = combinations(campaign)
    assert len(found) == len({*found}) == 82
    assert api.state()["tasks_taken"] == 82
    assert set(api.state()["tasks"].values()) <= {1, 2}


def test_columns_of_a_file_go_together_and_a_workbook_looks_the_same(
    campaign: Team, api: Sandbox
) -> None:
    book = Workbook()
    tab = book.worksheets[0]
    for line in (["Product", "Style", "Campaign"], ["a cat", "ink", "spring"]):
        tab.append(line)
    tab["A2"].number_format = "@"
    tab.add_table(Table(displayName="Rows", ref="A1:C2"))
    lists = book.create_sheet("Lists")
    for line in (["what", "when"], ["a fox", "spring"], ["an owl", "autumn"]):
        lists.append(line)
    book.save(campaign.folder / "team.xlsx")
    campaign.configure(TEAM_TABLES, sheet="team.xlsx")
    words = ("product,campaign=@Lists:what,when", "style=@styles.csv")

    ended = campaign.start("expand", campaign.config, *words, "--yes")
    again = campaign.start("expand", campaign.config, *words, "--yes")

    assert ended.code == again.code == 0, ended.said
    assert "4 rows were added to team.xlsx" in ended.said
    tab = load_workbook(campaign.folder / "team.xlsx").worksheets[0]
    assert [list(row)[:3] for row in tab.values][2:] == [
        ["a fox", "ink", "spring"],
        ["a fox", "neon", "spring"],
        ["an owl", "ink", "autumn"],
        ["an owl", "neon", "autumn"],
    ]
    assert tab.tables["Rows"].ref == "A1:C6"
    assert tab["A6"].number_format == "@"
    assert campaign.finish().code == 0
    assert api.state()["tasks_taken"] == 5


@pytest.fixture
def google_team(tmp_path: Path, api: Sandbox) -> Iterator[GoogleTeam]:
    api.reset()
    with google_sheets(reads=10**6, writes=10**6) as google:
        book = google.new_book("Spring", [["prompt", "remark"], ["a fox", "=1+1"]], rows=50)
        team = GoogleTeam(google, book, tmp_path, api)
        team.configure(settle="30s")
        yield team


def test_a_google_sheet_is_read_twice_and_written_once(google_team: GoogleTeam) -> None:
    team, config = google_team, google_team.folder / "promptsheet.toml"

    ended = call("expand", str(config), "prompt=a fox,=an owl,a hare", "--yes")

    assert ended.code == 0, ended.said
    assert "2 rows were added to Spring / " in ended.said
    # A new row is sent once it has not changed for a while; its price is shown before.
    assert "2 new rows, 3 prompt: 8 credits" in ended.said
    assert (team.google.reads, team.google.writes) == (2, 1)
    assert [row["prompt"] for row in team.rows()] == ["a fox", "=an owl", "a hare"]
    assert team.book.sheets[0].cell(1, 1).formula == "=1+1"


@pytest.mark.parametrize("applied", [False, True])
def test_after_a_kill_a_second_call_adds_what_is_missing(
    google_team: GoogleTeam, applied: bool
) -> None:
    team = google_team
    words = ("expand", str(team.folder / "promptsheet.toml"), "prompt=a fox,an owl,a hare", "--yes")
    with Program(*words) as program:

        def kill(asked: Asked) -> None:
            if asked.is_write:
                program.kill()
                if not applied:
                    raise Cut(reset=True)

        team.google.between(kill)
        assert program.end().code == -9
        team.google.between(None)
    assert [row["prompt"] for row in team.rows()][1:] == ["an owl", "a hare"] * applied

    assert call(*words).code == 0

    assert [row["prompt"] for row in team.rows()] == ["a fox", "an owl", "a hare"]
