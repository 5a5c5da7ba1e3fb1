"""The menu of a Google Sheet: its script in a real engine, with a real service behind it.

Google's side is a fake: menu, dialogs, permissions and triggers were not tried at Google.
"""

from __future__ import annotations

import json
import re
import signal

from pipeline.sandbox import Sandbox
from tests.fakes.apps_script import ADDRESS, FOLDER, Seen, chosen
from tests.fakes.cases import each
from tests.fakes.program import Program
from tests.fakes.service import free_port
from tests.fakes.team import Team
from tests.fakes.trigger import TOKEN, triggered

TASK_SECONDS = 0.1
TEAM_TABLES = None
RIGHT = {"PROMPTSHEET_ADDRESS": ADDRESS, "PROMPTSHEET_TOKEN": TOKEN}


def shown(seen: Seen) -> str:
    """The only message that the person saw."""
    ((title, text, *_),) = [*seen.toasts, *seen.alerts]
    assert title == "Promptsheet"
    return text


def test_the_menu_runs_pauses_and_shows_the_cost_of_a_real_sheet(team: Team, api: Sandbox) -> None:
    team.write_prompts([])
    config, caller = triggered(team)
    base = f"http://127.0.0.1:{caller.port}"
    with Program("watch", config) as program:
        program.until(lambda: caller.is_idle(), "the first pass has ended")
        team.add_prompts(["a fox", "an owl"])
        cost = shown(chosen("showCost", base, RIGHT))
        paused = shown(chosen("pauseSending", base, RIGHT))
        later = shown(chosen("showCost", base, RIGHT))
        held = shown(chosen("runNow", base, RIGHT))
        sent = api.state()["tasks_taken"]
        resumed = shown(chosen("resumeSending", base, RIGHT))
        run = shown(chosen("runNow", base, RIGHT))
        program.until(lambda: team.statuses()["done"] == 2, "both rows are done")
        program.until(lambda: caller.is_idle(), "the pass has ended")
        state = shown(chosen("showState", base, RIGHT))
        team.add_prompts(["a hare"])
        edited = chosen("edited", base, RIGHT)
        program.until(lambda: team.statuses()["done"] == 3, "the third row is done")
        program.signal(signal.SIGTERM)
        ended = program.end()

    assert cost == (
        "2 rows to send, for 8 credits. The account has 1,000,000 credits: enough. When it will be "
        "finished is not known yet: no task of imagine has ended."
    )
    assert paused == "Paused. Results still arrive, and nothing more is sent."
    assert later == f"The sheet is paused. Once it resumes: {cost}"
    assert "nothing is sent until it resumes" in held
    assert sent == 0
    assert resumed == "Resumed. The next run sends again."
    assert "2 rows to send, for 8 credits." in run
    assert re.fullmatch(
        r"No run is working on the sheet. The last run ended \d+ s ago. Rows: 2 done.", state
    )
    assert (edited.toasts, edited.alerts) == ([], []), "nobody is disturbed while typing"
    assert edited.logged[0].startswith("A run ")
    assert api.state()["tasks"] == {"a fox": 1, "an owl": 1, "a hare": 1}
    assert ended.is_plain


@each(
    ("properties", "says"),
    [
        ({}, "The address or the token is missing."),
        ({**RIGHT, "PROMPTSHEET_TOKEN": " "}, "The address or the token is missing."),
        (
            {**RIGHT, "PROMPTSHEET_ADDRESS": "http://runs.example.com/run/pipeline"},
            "PROMPTSHEET_ADDRESS is not the address of a sheet.",
        ),
        ({**RIGHT, "PROMPTSHEET_ADDRESS": "https://runs.example.com"}, "It looks like https://"),
        (RIGHT, "Promptsheet cannot be reached."),
    ],
)
def test_a_missing_property_and_a_silent_service_are_named(
    properties: dict[str, str], says: str
) -> None:
    seen = chosen("runNow", f"http://127.0.0.1:{free_port()}", properties)

    assert says in shown(seen)
    assert TOKEN not in json.dumps(seen.__dict__)


def test_a_wrong_token_a_wrong_name_and_another_program_are_named(team: Team, api: Sandbox) -> None:
    team.write_prompts(["a fox"])
    config, caller = triggered(team)
    base = f"http://127.0.0.1:{caller.port}"
    with Program("serve", config) as program:
        program.until(lambda: bool(caller.state()), "it answers")
        token = shown(chosen("runNow", base, {**RIGHT, "PROMPTSHEET_TOKEN": "another"}))
        name = shown(chosen("runNow", base, {**RIGHT, "PROMPTSHEET_ADDRESS": f"{ADDRESS}s"}))
        serve = shown(chosen("runNow", base, RIGHT))
        program.signal(signal.SIGTERM)
        program.end()
    other = shown(chosen("runNow", api.url, RIGHT))

    assert token == "The token is not right. Correct the script property PROMPTSHEET_TOKEN."
    assert name == "There is no such sheet for this token. There is: pipeline."
    assert serve.startswith("No runs start here: this is promptsheet serve.")
    assert "There is no answer from Promptsheet (status 40" in other


def test_the_script_may_do_two_things_and_the_menu_calls_functions_that_exist() -> None:
    manifest = json.loads((FOLDER / "appsscript.json").read_text())
    code = (FOLDER / "Code.gs").read_text()
    menu = chosen("onOpen", "http://127.0.0.1:1", {}).menu

    assert [scope.rpartition("/")[2] for scope in manifest["oauthScopes"]] == [
        "spreadsheets.currentonly",
        "script.external_request",
    ]
    assert [title for title, _ in menu] == [
        *("Run now", "What would it cost?", "How is it going?", "Pause", "Resume"),
    ]
    assert {called for _, called in menu} <= set(re.findall(r"(?m)^function (\w+)\(", code))
    assert "getRange" not in code, "nothing is read from cells, and nothing is written into them"
