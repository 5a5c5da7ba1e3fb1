"""Prompts made of columns, as a team uses them: sheet, plan, runs, edits, pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from pipeline import notebook
from pipeline.sandbox import Sandbox
from tests.fakes.program import Ended
from tests.fakes.team import Team

TASK_SECONDS = 0
TEAM_TABLES = """\
[media]
save_to = "media/"
[prompt]
text = "{product}, {Scene}. {style}"
styles = "styles.csv"
"""
STYLES = "name,text\nstudio,softbox light\nfilm,35 mm film\n"
SHEET = ("Product,scene,Style,owner", "a fox,in snow,studio,Zoë", "an owl,at night,Film,Ben")
FOX, OWL = "a fox, in snow. softbox light", "an owl, at night. 35 mm film"


@pytest.fixture
def campaign(team: Team) -> Team:
    (team.folder / "styles.csv").write_text(STYLES)
    team.write(*SHEET)
    return team


def tasks(api: Sandbox) -> dict[str, int]:
    found: dict[str, int] = api.state()["tasks"]
    return found


def test_rows_are_sent_with_their_finished_prompts_once_each(campaign: Team, api: Sandbox) -> None:
    ends = [campaign.run().code for _ in range(4)]

    assert ends == [0, 0, 0, 0]
    assert tasks(api) == {FOX: 1, OWL: 1}
    assert campaign.statuses() == {"done": 2}
    assert [row["owner"] for row in campaign.rows()] == ["Zoë", "Ben"]


def test_the_plan_shows_the_finished_prompts_and_the_run_sends_just_these(
    campaign: Team, api: Sandbox
) -> None:
    plan = campaign.run("--plan")

    assert FOX in plan.out
    assert OWL in plan.out
    assert tasks(api) == {}
    campaign.finish()
    assert tasks(api) == {FOX: 1, OWL: 1}


def test_a_row_that_lacks_a_part_costs_nothing_and_says_which(campaign: Team, api: Sandbox) -> None:
    campaign.write(SHEET[0], "a fox,,studio,", "an owl,at night,filn,", "a hare,in May,film,")

    ended = campaign.finish()

    fox, owl, hare = campaign.rows()
    assert ended.code == 1
    assert (fox["status"], owl["status"], hare["status"]) == ("invalid", "invalid", "done")
    assert fox["note"] == (
        "Not sent, nothing paid: scene is empty, and [prompt] text needs it: fill it in."
    )
    assert 'Style is "filn", and there is no such style; perhaps "film" is meant.' in owl["note"]
    assert tasks(api) == {"a hare, in May. 35 mm film": 1}
    with campaign.editing() as rows:
        rows[0]["scene"], rows[1]["Style"] = "in snow", "film"
    assert campaign.finish().code == 0
    assert tasks(api) == {FOX: 1, OWL: 1, "a hare, in May. 35 mm film": 1}


def test_a_new_template_or_style_sends_no_row_again(campaign: Team, api: Sandbox) -> None:
    campaign.finish()
    (campaign.folder / "styles.csv").write_text(STYLES.replace("softbox", "harsh"))
    text = campaign.config.read_text()
    campaign.config.write_text(text.replace("{product}, {Scene}", "{Scene}: {product}"))

    campaign.finish()

    assert campaign.statuses() == {"done": 2}
    assert tasks(api) == {FOX: 1, OWL: 1}
    with campaign.editing() as rows:
        rows.append({"Product": "a hare", "scene": "in May", "Style": "studio"})
    campaign.finish()
    assert tasks(api) == {FOX: 1, OWL: 1, "in May: a hare. harsh light": 1}


def test_a_row_is_sent_once_its_missing_style_is_in_the_file(campaign: Team, api: Sandbox) -> None:
    campaign.write(SHEET[0], "a fox,in snow,ink,")
    campaign.finish()
    assert campaign.statuses() == {"invalid": 1}

    (campaign.folder / "styles.csv").write_text(STYLES + "ink,ink on paper\n")
    campaign.finish()

    assert campaign.statuses() == {"done": 1}
    assert tasks(api) == {"a fox, in snow. ink on paper": 1}


def test_an_edited_part_is_shown_with_its_old_words_and_take_makes_it_new(
    campaign: Team, api: Sandbox
) -> None:
    campaign.write("Product,scene,Style,take", "a fox,in snow,studio,")
    campaign.finish()
    with campaign.editing() as rows:
        rows[0]["scene"] = "in May"
    campaign.finish()

    (row,) = campaign.rows()
    assert row["status"] == "edited"
    assert '"in snow"' in row["note"]
    assert tasks(api) == {FOX: 1}
    with campaign.editing() as rows:
        rows[0]["take"] = "2"
    campaign.finish()
    assert tasks(api) == {FOX: 1, "a fox, in May. softbox light": 1}


def test_each_take_gets_the_next_choice(campaign: Team, api: Sandbox) -> None:
    campaign.config.write_text(
        campaign.config.read_text().replace("{product},", "{product} {left|right},")
    )
    campaign.write("Product,scene,Style,take", "a fox,in snow,studio,")
    for take in ("1", "2"):
        with campaign.editing() as rows:
            rows[0]["take"] = take
        shown = campaign.run("--plan").out
        campaign.finish()
        (new,) = [prompt for prompt in tasks(api) if prompt in shown]
        assert new in shown

    assert tasks(api) == {
        "a fox left, in snow. softbox light": 1,
        "a fox right, in snow. softbox light": 1,
    }


def test_a_prompt_of_its_own_is_sent_as_it_is(campaign: Team, api: Sandbox) -> None:
    campaign.write("prompt,Product,scene,Style", "just a cat,,,", ",a fox,in snow,studio")

    campaign.finish()

    assert tasks(api) == {"just a cat": 1, FOX: 1}


def test_what_people_look_at_has_the_sentence_that_was_sent(campaign: Team) -> None:
    campaign.finish()
    (campaign.folder / "styles.csv").write_text(STYLES.replace("softbox", "harsh"))

    campaign.start("status", campaign.config)
    jobs = notebook.open(campaign.config).jobs()
    manifest = (campaign.folder / "media" / "manifest.jsonl").read_text()
    said = [json.loads(line)["prompt"] for line in manifest.splitlines()]

    assert list(jobs["prompt"]) == [FOX, OWL]
    assert set(said) == {FOX, OWL}


def test_a_follow_up_without_a_prompt_ignores_the_template(campaign: Team, api: Sandbox) -> None:
    campaign.write(
        "name,Product,scene,Style,endpoint,parent,index",
        "fox,a fox,in snow,studio,,,",
        "big,,,,upscale-1x,fox,2",
    )

    ended = campaign.finish()

    assert (ended.code, campaign.statuses()) == (0, {"done": 2}), campaign.rows()
    assert api.state()["tasks_taken"] == 2


@pytest.mark.parametrize("keys", ['"prompts.xlsx"\nstyles_tab = "Styles"', '"tab:Styles"'])
def test_styles_may_be_a_tab_of_the_workbook_with_the_rows(
    team: Team, api: Sandbox, keys: str
) -> None:
    book = Workbook()
    rows, styles = book.active, book.create_sheet("Styles")
    assert rows is not None
    for line in (("Product", "Style"), ("a fox", "ink")):
        rows.append(line)
    for line in (("Style", "Words"), ("Ink", "ink on paper")):
        styles.append(line)
    book.save(team.folder / "prompts.xlsx")
    team.configure(
        f'[media]\nsave_to = ""\n[prompt]\ntext = "{{product}}, {{style}}"\nstyles = {keys}\n',
        sheet="prompts.xlsx",
    )

    assert team.finish().code == 0
    assert tasks(api) == {"a fox, ink on paper": 1}
    styles.title = "Looks"
    book.save(team.folder / "prompts.xlsx")
    said = team.start("doctor", team.config).said
    assert said.count('there is no tab "Styles" in it') == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no file"),
        ("name,text\n", "has no styles"),
        ("name,text\nink,\n", "row 2 of styles.csv has no text"),
        ("name,text\n,words\n", "row 2 of styles.csv has no name"),
        ("name,text\nink,a\nINK ,b\n", 'something else about "INK"'),
    ],
)
def test_styles_that_cannot_be_used_stop_the_run_before_it_begins(
    campaign: Team, api: Sandbox, text: str | None, why: str
) -> None:
    styles = campaign.folder / "styles.csv"
    styles.unlink() if text is None else styles.write_text(text)

    ended = campaign.run()

    assert ended.code == 2
    assert f"[prompt] styles: {why}" in ended.said or why in ended.said
    assert tasks(api) == {}


def configured(team: Team, lines: str) -> Ended:
    team.configure(f"[prompt]\n{lines}\n")
    return team.run()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('text = "{product"', "prompt.text: a { is never closed"),
        ('text = "{status} fox"', "prompt.text: {status} is a column of Promptsheet itself"),
        ('text = "{Take} fox"', "prompt.text: {take} is a column of Promptsheet itself"),
        ('styles = "s.csv"', "prompt.styles: is only used with prompt.text"),
        ('text = "{product}"\nstyles = "s.csv"', "text has no {style} to put a style into"),
        ('text = "{style}"\nstyles = "s.docx"', "prompt.styles: write the name of a file"),
        ('text = "{style}"\nstyles = "tab:Looks"', "prompt.styles: prompts.csv has no tabs. Write"),
        ('text = "{style}"\nstyles = "tab:"', "prompt.styles: write the name of the tab here"),
        ('test = "{style}"', "prompt.test: there is no such key; did you mean text?"),
    ],
)
def test_a_wrong_table_says_what_to_write(team: Team, lines: str, why: str) -> None:
    team.write("product", "a fox")

    ended = configured(team, lines)

    assert ended.code == 2
    assert why in ended.said


def test_a_column_of_the_template_may_have_another_title(team: Team, api: Sandbox) -> None:
    team.configure('[columns]\nproduct = "Produkt"\n[prompt]\ntext = "{product} on white"\n')
    team.write("Produkt,owner", "ein Fuchs,Zoë")

    assert team.finish().code == 0
    assert tasks(api) == {"ein Fuchs on white": 1}


def test_a_missing_column_is_named(team: Team, api: Sandbox) -> None:
    team.configure('[prompt]\ntext = "{product} in {city}"\n')
    team.write("product", "a fox")

    team.finish()

    assert "there is no column city, which [prompt] text needs" in team.rows()[0]["note"]
    assert tasks(api) == {}


def test_a_sheet_with_only_a_header_says_which_columns_to_fill_in(campaign: Team) -> None:
    campaign.write(SHEET[0])

    assert "Fill in the columns product, Scene, style." in campaign.run("--plan").said


def test_a_default_fills_an_empty_cell(campaign: Team, api: Sandbox) -> None:
    text = campaign.config.read_text()
    campaign.config.write_text(f'{text}[defaults]\nstyle = "film"\n')
    campaign.write("product,scene,style", "an owl,at night,")

    assert campaign.finish().code == 0
    assert tasks(api) == {OWL: 1}


def test_the_gallery_shows_the_finished_sentence(campaign: Team) -> None:
    campaign.finish()

    pages = [path.read_text() for path in Path(campaign.folder).rglob("*.html")]
    if not pages:
        assert campaign.start("gallery", campaign.config).code == 0
        pages = [path.read_text() for path in Path(campaign.folder).rglob("*.html")]
    assert FOX in pages[0]
