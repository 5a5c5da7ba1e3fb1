"""CSV files with an uncertain encoding or delimiter: nothing is paid for a guess.

Each file is run twice by the real program, as cron does; the API counts what was paid.
"""

from __future__ import annotations

import csv
import json

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import call
from tests.fakes.team import Team


def rows_of(team: Team, delimiter: str = ",", codec: str = "utf-8") -> list[dict[str, str]]:
    with team.sheet.open(newline="", encoding=codec) as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@pytest.mark.parametrize(
    ("delimiter", "name"),
    [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")],
)
def test_a_row_with_an_unquoted_delimiter_is_invalid_and_the_others_are_done(
    team: Team, api: Sandbox, delimiter: str, name: str
) -> None:
    lines = ("prompt,owner", "a wolf, in snow,Zoë", "an owl,Zoë,,,", '"a cat, asleep",Zoë')
    text = "\n".join(lines).replace('"a cat, asleep"', f'"a cat{delimiter} asleep"')
    team.sheet.write_text(text.replace(",", delimiter) + "\n", encoding="utf-8")
    config = team.configured()

    codes = [call("run", config, "--wait").code for _ in range(2)]

    assert codes == [1, 0], "the row needs a person, and is reported once"
    assert api.state()["tasks"] == {"an owl": 1, f"a cat{delimiter} asleep": 1}
    cut, *others = rows_of(team, delimiter)
    assert cut["status"] == "invalid"
    assert f"Put quotation marks around text that contains a {name}" in cut["note"]
    assert [row["status"] for row in others] == ["done", "done"]

    fixed = team.sheet.read_text(encoding="utf-8").replace(
        f"a wolf{delimiter} in snow", f'"a wolf{delimiter} in snow"'
    )
    team.sheet.write_text(fixed, encoding="utf-8")

    assert call("run", config, "--wait").code == 0
    assert api.state()["tasks"][f"a wolf{delimiter} in snow"] == 1
    assert [row["status"] for row in rows_of(team, delimiter)] == ["done"] * 3


def test_the_note_names_an_unquoted_comma_and_not_the_text_that_moved_into_take(
    team: Team, api: Sandbox
) -> None:
    team.sheet.write_text("prompt,name,take\na cat, with a hat,cat,\na dog, asleep,dog,2\n")

    called = call("run", team.configured(), "--wait")

    assert called.code == 1
    assert api.state()["tasks_taken"] == 0
    # The first row ends with an empty cell, so nothing is in excess: its take is what is wrong.
    assert ["comma" in row["note"] for row in rows_of(team)] == [False, True]
    assert ["take" in row["note"] for row in rows_of(team)] == [True, False]


def test_columns_without_a_name_inside_the_table_are_allowed(team: Team, api: Sandbox) -> None:
    team.sheet.write_text(",prompt,,owner\n0,a fox,x,Zoë\n", encoding="utf-8")

    assert call("run", team.configured(), "--wait").code == 0
    assert api.state()["tasks"] == {"a fox": 1}


WORDS = ("příběh o lišce", "žlutý dům", "kočka")


def test_an_unknown_code_page_stops_the_run_until_it_is_configured(
    team: Team, api: Sandbox
) -> None:
    content = "\r\n".join(("prompt;owner", *(f"{words};Zdeněk" for words in WORDS), ""))
    team.sheet.write_bytes(content.encode("cp1250"))
    config = team.configured()

    for command in (("run", "--wait"), ("run",), ("run", "--plan")):
        stopped = call(command[0], config, *command[1:])

        said = stopped.said
        assert (stopped.code, stopped.is_plain) == (2, True), said
        assert 'encoding = "cp1250": příběh o lišce;Zdeněk' in said
        assert 'encoding = "cp1252": pøíbìh o lišce;Zdenìk' in said
    assert team.sheet.read_bytes() == content.encode("cp1250")
    assert api.state()["tasks"] == {}

    config = team.configured(tables={"sheet": {"encoding": "cp1250"}})
    plan = call("run", config, "--plan")
    first, again = call("run", config, "--wait"), call("run", config, "--wait")

    assert "Read as cp1250, cells separated by semicolons." in plan.said
    assert (first.code, again.code) == (0, 0), first.said + again.said
    assert api.state()["tasks"] == dict.fromkeys(WORDS, 1)
    rows = rows_of(team, ";", "cp1250")
    assert [(row["prompt"], row["status"]) for row in rows] == [(one, "done") for one in WORDS]


def test_a_plan_names_the_encoding_of_a_western_file(team: Team) -> None:
    team.sheet.write_bytes("prompt,owner\nun café près de la forêt,Zoë\n".encode("cp1252"))

    plan = json.loads(call("run", team.configured(), "--plan", "--json").said)

    assert plan["read_as"] == "Windows-1252, cells separated by commas"
