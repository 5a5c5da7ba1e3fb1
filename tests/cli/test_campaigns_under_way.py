"""Samples, templates and budgets of columns in all kinds of sheets and changes under way."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from openpyxl import Workbook, load_workbook

from pipeline.sandbox import Sandbox
from tests.fakes.google_sheets import google_sheets
from tests.fakes.google_team import GoogleTeam
from tests.fakes.program import ROOT, Program, at_one_instant, call
from tests.fakes.team import Team

TASK_SECONDS = 0
TEMPLATE = '[prompt]\ntext = "{product}. {style}"\nstyles = "styles.csv"\n'
TEAM_TABLES = f'[media]\nsave_to = ""\n{TEMPLATE}'
RULES = "[rules]\nsample = 3\n[budget]\nper = { campaign = 20 }\n"
STYLES = "name,text\nstudio,soft light\n"
#: With a budget of 20, only five of the spring fit.
ROWS = [
    *([f"fox {number}", "studio", "spring"] for number in range(7)),
    *([f"owl {number}", "studio", "autumn"] for number in range(2)),
]
HEADER = ["product", "style", "campaign"]


def tasks(api: Sandbox) -> dict[str, int]:
    found: dict[str, int] = api.state()["tasks"]
    return found


def animals(api: Sandbox) -> Counter[str]:
    found: Counter[str] = Counter()
    for prompt, times in tasks(api).items():
        assert prompt.endswith(". soft light")
        found[prompt.split()[0]] += times
    return found


def test_a_workbook_with_sample_template_and_budgets(team: Team, api: Sandbox) -> None:
    book, path = Workbook(), team.folder / "campaign.xlsx"
    for row in (HEADER, *ROWS):
        book.worksheets[0].append(row)
    styles = book.create_sheet("Styles")
    for cells in (["name", "text"], ["Studio", "soft light"]):
        styles.append(cells)
    book.save(path)
    template = TEMPLATE.replace("styles.csv", "campaign.xlsx") + 'styles_tab = "Styles"\n'
    team.configure(f'[media]\nsave_to = ""\n{template}{RULES}', sheet="campaign.xlsx")

    def statuses() -> Counter[object]:
        header, *rows = load_workbook(path).worksheets[0].values
        return Counter(row[header.index("status")] for row in rows)

    assert [team.finish().code for _ in range(2)] == [1, 1]
    assert (statuses(), animals(api)) == ({"done": 3, "waiting": 6}, {"fox": 3})
    team.start("continue", team.config)
    team.finish()
    assert (statuses(), animals(api)) == ({"done": 7, "over budget": 2}, {"fox": 5, "owl": 2})


def test_a_google_sheet_with_sample_template_and_budgets_whose_rows_settle(
    team: Team, api: Sandbox
) -> None:
    (team.folder / "styles.csv").write_text(STYLES)
    with google_sheets() as google:
        book = google.new_book("Spring", [HEADER, *ROWS])
        shared = GoogleTeam(google, book, team.folder, api)
        config = shared.configure(settle="2s")
        config.write_text(f"{config.read_text()}{TEMPLATE}{RULES}")

        plan = shared.run("--plan")
        assert "3 requests" in plan.said
        shared.run("--wait")
        found = Counter(row["status"] for row in shared.rows())
        assert (found, animals(api)) == ({"done": 3, "waiting": 6}, {"fox": 3})
        call("continue", config)
        shared.run("--wait")
        found = Counter(row["status"] for row in shared.rows())
        assert found == {"done": 7, "over budget": 2}
        assert animals(api) == {"fox": 5, "owl": 2}


def test_many_starts_at_one_moment_send_one_sample(team: Team, api: Sandbox) -> None:
    (team.folder / "styles.csv").write_text(STYLES)
    team.write(",".join(HEADER), *(",".join(row) for row in ROWS))
    team.configure(f'[media]\nsave_to = ""\n{TEMPLATE}{RULES}')

    starts: list[Sequence[str | Path]] = [["run", team.config, "--wait"]] * 5
    ended = at_one_instant(starts)

    assert all(one.is_plain for one in ended)
    assert animals(api) == {"fox": 3}
    ended = at_one_instant([*starts, ["continue", team.config], *starts])
    assert all(one.is_plain for one in ended)
    team.finish()
    assert animals(api) == {"fox": 5, "owl": 2}
    assert set(tasks(api).values()) == {1}


def test_styles_may_be_gone_or_wrong_for_a_while_as_long_as_watch_runs(
    team: Team, api: Sandbox
) -> None:
    styles = team.folder / "styles.csv"
    styles.write_text(STYLES)
    team.write("product,style", "a fox,studio")
    team.configure(f'{TEAM_TABLES}[schedule]\nevery = "1s"\n')

    with Program("watch", team.config) as watch:
        watch.until(lambda: tasks(api) == {"a fox. soft light": 1}, "the first row is sent")
        for wrong in (None, b"name,text\nstudio,\n", b"\xff\xfe\x00"):
            styles.unlink() if wrong is None else styles.write_bytes(wrong)
            with team.editing() as rows:
                rows.append({"product": f"an owl {len(rows)}", "style": "studio"})
            refused = team.run("--plan")
            assert (refused.code, "[prompt] styles: " in refused.said) == (2, True)
        styles.write_text(STYLES.replace("soft", "hard"))
        watch.until(lambda: sum(tasks(api).values()) == 4, "the other rows are sent")

    # A pass that began before goes on with the styles that it has read.
    prompts = sorted(tasks(api))
    assert set(tasks(api).values()) == {1}
    assert [one.rpartition(".")[0] for one in prompts] == [
        "a fox",
        "an owl 1",
        "an owl 2",
        "an owl 3",
    ]
    assert {one.rpartition(". ")[2] for one in prompts} <= {"soft light", "hard light"}


def test_a_lost_submission_is_sent_again_with_its_words_though_the_template_has_changed(
    tmp_path: Path, api: Sandbox
) -> None:
    api.reset()
    team = Team(tmp_path, api.url, version=2)
    (tmp_path / "styles.csv").write_text(STYLES)
    prompt = {"text": "{product}. {style}", "styles": "styles.csv"}
    config = team.configured(tables={"prompt": prompt, "rules": {"sample": 1}})
    team.write("product,style", "a fox,studio", "an owl,studio")
    api.set(lost="next 1 rst")
    call("run", config)
    assert tasks(api) == {"a fox. soft light": 1}

    (tmp_path / "styles.csv").write_text(STYLES.replace("soft", "hard"))
    config.write_text(config.read_text().replace("{product}.", "the {product}:"))
    for _ in range(3):
        call("run", config, "--wait")

    assert tasks(api) == {"a fox. soft light": 1}
    assert team.statuses() == {"done": 1, "waiting": 1}
    call("continue", config)
    call("run", config, "--wait")
    assert tasks(api) == {"a fox. soft light": 1, "the an owl: hard light": 1}


def test_a_store_of_version_1_goes_on_with_sample_template_and_budgets(
    team: Team, api: Sandbox
) -> None:
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection:
        connection.executescript((ROOT / "tests/stores/version_1.sql").read_text())
    (team.folder / "styles.csv").write_text(STYLES)
    ids = (f"r_00000000{number}" for number in range(3))
    team.write(
        "prompt,row_id,product,style,campaign",
        *(f"a fox,{row_id},,,spring" for row_id in ids),
        *(f",,owl {number},studio,spring" for number in range(3)),
    )
    text = TEAM_TABLES + "[rules]\nsample = 2\n[budget]\nper = { campaign = 8 }\nper_month = 100\n"
    team.configure(text)
    team.config.write_text(team.config.read_text().replace("[sheet]\n", '[sheet]\nid = "sheet"\n'))

    ended = [team.run() for _ in range(3)]

    assert all(one.is_plain for one in ended), ended[-1].said
    # The row that was not sent before, and one of the new rows.
    assert tasks(api) == {"a fox": 1, "owl 0. soft light": 1}
    assert team.statuses()["waiting"] + team.statuses()["over budget"] == 2
