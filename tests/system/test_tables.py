"""Results in tables, from the real program: one line for each row, even after kills."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.fakes.outlets import airtable, notion
from tests.fakes.program import Program, until
from tests.fakes.team import Team
from tests.fakes.web_service import Call, Reply, serving

ROWS = 6


def with_tables(team: Team, base_url: str, notion_url: str) -> Path:
    """A sheet whose results go into a table of each kind."""
    texts = {"token": airtable.TOKEN, "ntn": notion.TOKEN, "db": f"sqlite:///{team.folder}/shop.db"}
    for name, text in texts.items():
        (team.folder / name).write_text(text)
    with closing(sqlite3.connect(team.folder / "shop.db")) as file:
        file.execute(
            "CREATE TABLE pictures (row_id TEXT PRIMARY KEY, status, image_urls, campaign)"
        )
    team.write("prompt,campaign", *(f"fox {n},Autumn {n}" for n in range(ROWS)))
    return team.configure(
        '[media]\nsave_to = ""\n'
        f'[[outlets]]\nkind = "airtable"\ntoken = "file:token"\nbase = "{airtable.BASE}"\n'
        f'table = "{airtable.TABLE}"\nbase_url = "{base_url}"\n'
        '[[outlets]]\nkind = "notion"\ntoken = "file:ntn"\n'
        f'database = "https://www.notion.so/{notion.DATABASE}"\nbase_url = "{notion_url}"\n'
        '[[outlets]]\nkind = "sql"\nurl = "file:db"\ntable = "pictures"\n'
    )


def lines(team: Team) -> dict[str, tuple[Any, ...]]:
    """The lines of the SQL table, by row."""
    with closing(sqlite3.connect(team.folder / "shop.db")) as file:
        return {one: tuple(rest) for one, *rest in file.execute("SELECT * FROM pictures")}


def test_each_row_has_one_line_in_each_table_and_a_new_take_overwrites_it(team: Team) -> None:
    base, workspace = airtable.Airtable(), notion.Notion()
    with serving(base) as first, serving(workspace) as second:
        with_tables(team, first.url, second.url)
        until(lambda: team.finish().code == 0 and len(workspace.pages) == ROWS, "all are told")
        rows = {row["row_id"]: row for row in team.rows()}
        assert {one["row_id"] for one in base.by_name()} == rows.keys()
        assert {page["row_id"] for page in workspace.texts()} == rows.keys()
        assert lines(team) == {
            row_id: ("done", row["image_urls"], row["campaign"]) for row_id, row in rows.items()
        }
        asked = len(first.calls), len(second.calls)
        assert team.finish().code == 0
        assert (len(first.calls), len(second.calls)) == asked

    [record, *_] = base.by_name()
    row = rows[record["row_id"]]
    assert (record["Prompt"], record["Status"]) == (row["prompt"], "done")
    assert [one["url"] for one in record["Image URLs"]] == row["image_urls"].split("\n")


def test_a_run_that_is_killed_while_it_writes_leaves_one_line_for_each_row(team: Team) -> None:
    base, workspace = airtable.Airtable(), notion.Notion()
    running: list[Program] = []

    def accept(call: Call) -> Reply:
        reply = workspace(call)
        if running and len(workspace.pages) == 2:
            running.pop().kill()  # after the page was made, and before the answer
        return reply

    with serving(base) as first, serving(accept) as second:
        config = with_tables(team, first.url, second.url)
        with Program("run", config, "--wait", folder=team.folder) as program:
            running.append(program)
            assert program.end().code == -9
        until(lambda: team.finish().code == 0 and len(workspace.pages) >= ROWS, "all are told")

    row_ids = sorted(row["row_id"] for row in team.rows())
    assert sorted(page["row_id"] for page in workspace.texts()) == row_ids
    assert sorted(one["row_id"] for one in base.by_name()) == row_ids
    assert sorted(lines(team)) == row_ids
