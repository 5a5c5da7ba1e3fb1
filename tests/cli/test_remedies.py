"""Tests of every remedy that a hold or a note recommends: afterwards the row is done and paid once.

The list of remedies is derived from the program: from the kinds of hold, the losses of columns, the
notes, and the commands that its sentences name. A new one without a test here fails.
"""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sqlite3
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.core.messages import feedback_notes, picture_notes, row_notes, sent_notes
from pipeline.core.sheet import header_checks
from pipeline.sandbox import Sandbox
from pipeline.sync.hold import Hold
from tests.cli.test_drive import configure, consent, write
from tests.fakes.google_drive import google_drive
from tests.fakes.program import KEY, ROOT, until
from tests.fakes.team import Team

Act = Callable[[Team, Sandbox], None]

#: What a remedy is performed for -> the tests that perform one.
PERFORMED: dict[str, list[str]] = {}
REMEDIES: list[Act] = []

#: Functions of `messages` that return parts of sentences, or for which no action is needed.
NOTHING_TO_DO = {
    *("as_text", "or_ignore", "write_take", "made_from", "not_a_value", "in_a_list"),
    *("about", "twin_of", "in_a_few_words"),
    *("to_be_made_again", "waiting_for_check"),  # end by themselves
    "asked_on_the_page",
    "second_success",
    *("warning", "left_out"),
    *("settling", "sent_again", "price_unread"),  # end by themselves
    "files_missing",  # later runs try again
    "account_differs",  # about what else may have used the account; all rows are done
    # About a first take, which is made; and tested with endpoints that have pictures or no prompt.
    *("feedback_too_early", "too_many_picked", "picked_is_gone", "takes_no_feedback"),
    "forgotten",  # says when it was done
    "charged_more",  # about prices; all rows are done (tests/sync/test_charges.py)
}


def without_endpoint(team: Team, name: str) -> Path:
    """A provider file next to the configuration, in which the endpoint has another name."""
    file = team.folder / "providers" / "apiframe-v1.toml"
    file.parent.mkdir()
    text = (ROOT / "configs/providers/apiframe-v1.toml").read_text("utf-8")
    file.write_text(text.replace(f"[endpoints.{name}", f"[endpoints.{name}-2"), "utf-8")
    return file


def remedy(*troubles: str) -> Callable[[Act], Act]:
    """Mark a test: it follows the recommendation for these."""

    def kept(act: Act) -> Act:
        for trouble in troubles:
            PERFORMED.setdefault(trouble, []).append(act.__name__)
        REMEDIES.append(act)
        return act

    return kept


#: How long a task takes at the API.
TASK_SECONDS = 0


#: Pictures are saved.
TEAM_TABLES = ""


def test_every_recommended_remedy_has_a_test() -> None:
    kinds = typing.get_args(typing.get_type_hints(Hold)["kind"])
    sentences = {
        name
        for module in (row_notes, feedback_notes, picture_notes, sent_notes)
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__ and not name.startswith("_")
    }
    assert sentences >= NOTHING_TO_DO
    recommended = {
        *(f"hold {kind}" for kind in kinds),
        *(f"loss {number}" for number in range(1, losses() + 1)),
        *(f"note {name}" for name in sentences - NOTHING_TO_DO),
        *(f"command {command}" for command in commands()),
    }

    assert PERFORMED.keys() == recommended


def losses() -> int:
    """The number of ways to lose columns or rows; each returns its own sentence."""
    body = ast.parse(inspect.getsource(header_checks.loss))
    returned = [node.value for node in ast.walk(body) if isinstance(node, ast.Return)]
    return sum(not (isinstance(one, ast.Constant) and one.value == "") for one in returned)


def commands() -> set[str]:
    """The commands that sentences about a sheet recommend."""
    found: set[str] = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        source = path.read_text("utf-8")
        # Parsing takes long, and most modules have no such words.
        if "sandbox" not in path.parts and re.search(r"\b[Rr]un\b", source):
            for text in _texts(ast.parse(source)):
                found |= set(_COMMAND.findall(text))
    return found


_COMMAND = re.compile(
    r"\b[Rr]un (?:once with |promptsheet )?"
    r"((?:doctor|retry|init) --[a-z]+|resume|--[a-z-]+)(?![a-z])"
)


def _texts(tree: ast.AST) -> Iterator[str]:
    """All texts of a module but its docstrings."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documented:
            yield str(node.value)  # type: ignore[attr-defined]


# -- holds -----------------------------------------------------------------------------------


@remedy("hold owner", "command doctor --adopt")
def another_store_owns_it(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    team.folder.joinpath("promptsheet.db").unlink()
    held(team, "belongs to another store", "doctor --adopt")
    assert "belongs to this store now" in team.start("doctor", team.config, "--adopt").said
    goes_on(team, api, {"a fox": 1})


@remedy("command doctor --adopt")
def its_claim_is_damaged(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    claim = team.folder / "prompts.csv.promptsheet"
    claim.write_text("{")
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    held(team, "delete it and run promptsheet doctor --adopt", code=3)
    claim.unlink()
    team.start("doctor", team.config, "--adopt")
    goes_on(team, api, {"a fox": 1, "an owl": 1})


@remedy("hold config")
def another_configuration_ran_it_first(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    other = team.configure(name="other")
    ended = team.start("run", other)
    assert (ended.code, "in a column named endpoint" in ended.said) == (1, True), ended.said
    team.retitle(lambda head: f"{head},endpoint")
    with team.editing() as rows:
        rows.append({"prompt": "an owl", "endpoint": "imagine"})
    goes_on(team, api, {"a fox": 1, "an owl": 1})


@remedy("hold paused", "command resume")
def it_is_paused(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    team.start("pause", team.config)
    held(team, "Run promptsheet resume to continue")
    team.start("resume", team.config)
    goes_on(team, api, {"a fox": 1})


@remedy("hold columns", "loss 1")
def two_columns_have_one_name(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    team.retitle(lambda head: f"{head},Prompt")
    held(team, "Rename all but one of them", code=2)
    team.retitle(lambda head: head.replace(",Prompt", ",Draft"))
    goes_on(team, api, {"a fox": 1})


def a_column_is_lost(team: Team) -> None:
    team.write("prompt,take", "a fox,1")
    team.finish()
    team.retitle(lambda head: head.replace("take", "tried", 1))
    held(team, "The column take is gone")


@remedy("loss 2")
def a_lost_column_is_put_back(team: Team, api: Sandbox) -> None:
    a_column_is_lost(team)
    team.retitle(lambda head: head.replace("tried", "take", 1))
    goes_on(team, api, {"a fox": 1})


@remedy("loss 2")
def a_lost_column_is_named_in_the_configuration(team: Team, api: Sandbox) -> None:
    a_column_is_lost(team)
    team.configure('[columns]\ntake = "tried"\n')
    goes_on(team, api, {"a fox": 1})


@remedy("loss 2", "command --accept-columns")
def a_lost_column_is_accepted(team: Team, api: Sandbox) -> None:
    a_column_is_lost(team)
    assert team.run("--accept-columns").code == 0
    goes_on(team, api, {"a fox": 1})


def all_rows_are_deleted(team: Team) -> bytes:
    a_fox_is_done(team)
    whole = team.sheet.read_bytes()
    team.sheet.write_bytes(whole.splitlines(keepends=True)[0])
    held(team, "All rows are gone")
    return whole


@remedy("loss 3")
def lost_rows_are_put_back(team: Team, api: Sandbox) -> None:
    team.sheet.write_bytes(all_rows_are_deleted(team))
    goes_on(team, api, {"a fox": 1})


@remedy("loss 3", "command --accept-columns")
def a_sheet_is_emptied_on_purpose(team: Team, api: Sandbox) -> None:
    all_rows_are_deleted(team)
    assert team.run("--accept-columns").code == 0
    for _ in range(2):
        empty = team.run()
        assert (empty.code, empty.said) == (0, "")
    goes_on(team, api, {"a fox": 1})


@remedy()
def the_key_is_refused(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    api.set(code="1 401")
    held(team, "key", code=3)
    api.set(code="off")
    goes_on(team, api, {"a fox": 1})


@remedy("command init --adopt")
def another_tool_filled_our_columns(team: Team, api: Sandbox) -> None:
    team.write("prompt,status", "a fox,ready")
    held(team, "run promptsheet init --adopt", code=2)
    adopted = team.start("init", team.sheet.name, "--adopt", "--config", team.config.name)
    assert adopted.code == 0, adopted.said
    goes_on(team, api, {"a fox": 1})


@remedy()
def a_column_of_ours_is_renamed(team: Team, api: Sandbox) -> None:
    team.write("prompt,status", "a fox,ready")
    held(team, '[columns] status = "Image status"', code=2)
    team.configure('[columns]\nstatus = "Image status"\n')
    team.finish()
    assert [(row["status"], row["Image status"]) for row in team.rows()] == [("ready", "done")]


# -- notes: the row is not sent --------------------------------------------------------------------


@remedy("note incomplete")
def an_incomplete_row_is_completed(team: Team, api: Sandbox) -> None:
    team.write("prompt,aspect_ratio", "a fox,wide")
    noted(team, "invalid", "Not sent, nothing paid")
    change(team, aspect_ratio="16:9")
    goes_on(team, api, {"a fox": 1})


@remedy("note incomplete")
def a_column_that_is_not_for_us_is_ignored(team: Team, api: Sandbox) -> None:
    team.write("prompt,Parent", "a fox,id:17")
    noted(team, "invalid", '[columns] ignore = ["Parent"]')
    team.configure('[columns]\nignore = ["Parent"]\n')
    team.run("--accept-columns")
    goes_on(team, api, {"a fox": 1})


@remedy("note too_many_cells")
def a_comma_is_quoted(team: Team, api: Sandbox) -> None:
    team.write("prompt,remark", "a fox, in snow,soon")
    ended = team.finish()
    assert "Put quotation marks around text" in ended.said
    text = team.sheet.read_text("utf-8").replace("a fox, in snow", '"a fox, in snow"', 1)
    team.sheet.write_text(text, "utf-8")
    goes_on(team, api, {"a fox, in snow": 1})


@remedy("note bad_take")
def a_take_that_is_no_number_is_written_as_one(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", "a fox,two")
    noted(team, "invalid", "Write a whole number, 1 or more")
    change(team, take="1")
    goes_on(team, api, {"a fox": 1})


@remedy("note jumped_take")
def a_take_that_jumped_is_lowered(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", "a fox,1")
    team.finish()
    change(team, take="7")
    noted(team, "invalid", "Write 2 to generate this row again, or 1 to keep it")
    change(team, take="1")
    goes_on(team, api, {"a fox": 1})
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})


@remedy("note no_such_take")
def a_take_before_the_first_is_raised(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", "a fox,3")
    team.finish()
    change(team, take="2")
    noted(team, None, "Write 3 to see its pictures")
    change(team, take="3")
    goes_on(team, api, {"a fox": 1})


@remedy("note no_price")
def a_price_is_added(team: Team, api: Sandbox) -> None:
    shutil.copytree(ROOT / "configs" / "providers", team.folder / "providers")
    file = team.folder / "providers" / "apiframe-v1.toml"
    whole = file.read_text("utf-8")
    priced = re.compile(r"(?m)^credits = \d+.*$")
    assert priced.search(whole)
    file.write_text(priced.sub("", whole), "utf-8")
    team.write("prompt", "a fox")
    noted(
        team,
        "invalid",
        "lists no credits for imagine. In the configuration, set [provider] credits",
    )
    priced_by_hand = '[provider]\ncredits = { "imagine" = 10 }\n'
    team.config.write_text(team.config.read_text().replace("[provider]\n", priced_by_hand))
    goes_on(team, api, {"a fox": 1})


@remedy("note needs_approval")
def a_row_is_ticked(team: Team, api: Sandbox) -> None:
    team.write("prompt,approved", "a fox,")
    noted(team, "needs approval", 'Write yes into "approved"')
    change(team, approved="TRUE")
    goes_on(team, api, {"a fox": 1}, approved="yes")


@remedy("note not_approved")
def a_word_is_replaced_by_one_that_counts(team: Team, api: Sandbox) -> None:
    team.write("prompt,approved", "a fox,soon")
    noted(team, "needs approval", "Tick it, or write one of these: yes")
    change(team, approved="yes")
    goes_on(team, api, {"a fox": 1}, approved="yes")


@remedy("note needs_approval_again")
def a_row_that_changed_is_ticked_again(team: Team, api: Sandbox) -> None:
    team.write("prompt,approved", "a fox,yes")
    team.run("--limit", "0")
    change(team, prompt="a red fox")
    noted(team, "needs approval", "Untick approved, wait for the next run, then tick it again")
    change(team, approved="")
    team.run()
    change(team, approved="yes")
    goes_on(team, api, {"a red fox": 1}, approved="yes")


@remedy("note needs_approval_column")
def a_column_for_approval_is_added(team: Team, api: Sandbox) -> None:
    team.configure("[rules]\napproval = true\n")
    team.write("prompt", "a fox")
    noted(team, "needs approval", "Add a column named approved and write yes into it")
    team.retitle(lambda head: f"{head},approved")
    change(team, approved="yes")
    goes_on(team, api, {"a fox": 1}, approved="yes")


@remedy("note skipped")
def a_skipped_row_is_wanted_again(team: Team, api: Sandbox) -> None:
    team.write("prompt,skip", "a fox,later")
    noted(team, "skipped", "Clear it")
    change(team, skip="")
    goes_on(team, api, {"a fox": 1})


@remedy("note unfinished_cell")
def a_formula_is_computed(team: Team, api: Sandbox) -> None:
    team.write("prompt", "Loading...")
    noted(team, "waiting", "open the sheet and save it")
    change(team, prompt="a fox")
    goes_on(team, api, {"a fox": 1})


@remedy("note broken_cell")
def a_broken_formula_is_repaired(team: Team, api: Sandbox) -> None:
    team.write("prompt", "#REF!")
    noted(team, "waiting", "Correct that cell")
    change(team, prompt="a fox")
    goes_on(team, api, {"a fox": 1})


@remedy("note copy")
def a_copy_is_changed_or_made_once_more(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", "a fox,1")
    team.finish()
    with team.editing() as rows:
        rows += [dict(rows[0]), dict(rows[0])]
    noted(team, "copy", "Change its prompt", place=1)
    with team.editing() as rows:
        rows[1]["prompt"] = "an owl"
        rows[2]["take"] = "2"
    goes_on(team, api, {"a fox": 2, "an owl": 1})


@remedy("note unrecognized")
def rows_of_a_lost_store_are_taken_over(team: Team, api: Sandbox) -> None:
    store_is_lost(team)
    assert "belongs to this store now" in team.start("doctor", team.config, "--adopt").said
    goes_on(team, api, {"a fox": 1})


@remedy("note unrecognized")
def a_row_of_a_lost_store_is_made_again(team: Team, api: Sandbox) -> None:
    store_is_lost(team)
    team.retitle(lambda head: f"{head},take")
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})


@remedy("note no_longer_filled")
def a_row_typed_again_after_one_of_a_lost_store_runs_with_the_next_take(
    team: Team, api: Sandbox
) -> None:
    store_is_lost(team)
    team.retitle(lambda head: f"{head},take")
    change(team, **{name: "" for name in team.rows()[0] if name not in ("prompt", "take")})
    noted(team, "waiting", "they are no longer here")
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})


def store_is_lost(team: Team) -> None:
    a_fox_is_done(team)
    for name in ("promptsheet.db", "prompts.csv.promptsheet"):
        team.folder.joinpath(name).unlink()
    assert team.run().code == 0
    said = team.start("status", team.config).said
    assert "Run promptsheet doctor --adopt" in said
    said = team.start("status", team.config, "--row", "2").said
    assert "put 2 in it" in said


@remedy("note over_budget")
def a_budget_is_raised(team: Team, api: Sandbox) -> None:
    team.configure("[budget]\nper_day = 4\n")
    team.write("prompt", "a fox", "an owl")
    noted(team, "over budget", "raise the budget", place=1)
    team.configure("[budget]\nper_day = 100\n")
    goes_on(team, api, {"a fox": 1, "an owl": 1})


@remedy("note beyond_budget")
def a_budget_below_one_row_is_raised(team: Team, api: Sandbox) -> None:
    team.configure("[budget]\nper_run = 3\n")
    team.write("prompt", "a fox")
    noted(team, "over budget", "Raise per_run")
    team.configure("[budget]\nper_run = 100\n")
    goes_on(team, api, {"a fox": 1})


# -- notes: the row was sent -----------------------------------------------------------------------


@remedy("note refused")
def a_refused_prompt_is_changed(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a [refuse] fox")
    noted(team, "failed", "Change the prompt to send the row again")
    change(team, prompt="a fox")
    goes_on(team, api, {"a fox": 1})


@remedy("note refused_when_sent_again")
def a_prompt_that_was_refused_when_it_was_sent_again_is_changed(team: Team, api: Sandbox) -> None:
    (team.folder / "key").write_text(f"afk_{KEY}")
    text = team.config.read_text()
    team.config.write_text(text.replace("[provider]\n", '[provider]\napi_key = "file:key"\n'))
    team.write("prompt,credits", "a fox,")
    api.set(cut="1 rst")
    team.run()
    api.set(cut="0", code="1 400")
    team.run()
    (row,) = team.rows()
    assert (row["status"], row["credits"]) == ("failed", "16")
    assert "it may have cost 16 credits" in row["note"]
    api.set(code="0")
    change(team, prompt="a red fox")
    goes_on(team, api, {"a red fox": 1})


@remedy("note refused")
def a_wrong_base_url_is_corrected(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    right = team.config.read_text()
    team.config.write_text(right.replace(team.url, f"{team.url}/nothing"))
    noted(team, "failed", "check [provider] base_url; promptsheet retry then sends the row again")
    team.config.write_text(right)
    assert team.start("retry", team.config).code == 0
    goes_on(team, api, {"a fox": 1})


@remedy("note failed")
def a_failed_prompt_is_changed(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a [fail] fox")
    noted(team, "failed", "Change the prompt, or ask for a retry")
    change(team, prompt="a fox")
    goes_on(team, api, {"a [fail] fox": 1, "a fox": 1})


@remedy("note failed")
def a_failed_row_is_retried(team: Team, api: Sandbox) -> None:
    api.set(fail="next 1")
    team.write("prompt", "a fox")
    noted(team, "failed", "ask for a retry")
    assert team.start("retry", team.config).code == 0
    goes_on(team, api, {"a fox": 2})


@remedy("note lost", "command retry --unknown")
def a_row_without_an_answer_is_sent_again(team: Team, api: Sandbox) -> None:
    api.set(lost="next 1")
    team.write("prompt", "a fox")
    noted(team, "check needed", "or ask the person who runs Promptsheet")
    assert team.start("retry", team.config, "--unknown", "--yes").code == 0
    goes_on(team, api, {"a fox": 2})


@remedy("note lost")
def a_row_without_an_answer_is_paid_for_again_in_the_sheet(team: Team, api: Sandbox) -> None:
    api.set(lost="next 1")
    team.write("prompt,take", "a fox,")
    noted(team, "check needed", "To pay for it again, put 2 in the take column")
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})


@remedy("note taken_over", "command retry --unknown")
def a_row_of_another_store_is_sent(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    team.run("--limit", "0")
    team.folder.joinpath("promptsheet.db").unlink()
    held(team, "belongs to another store")
    team.start("doctor", team.config, "--adopt")
    noted(team, "check needed", "or ask the person who runs Promptsheet")
    assert team.start("retry", team.config, "--unknown", "--yes").code == 0
    goes_on(team, api, {"a fox": 1})


@remedy("note overdue")
def a_task_that_does_not_end_is_replaced(team: Team, api: Sandbox) -> None:
    give_up_after(team, "100ms")
    api.set(endless="next 1")
    team.write("prompt,take", "a fox,")
    until(lambda: team.finish() and team.rows()[0]["status"] == "check needed", "it is overdue")
    assert "put 2 in the take column" in team.rows()[0]["note"]
    give_up_after(team, "1s")
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})


@remedy("note unread")
def a_link_that_cannot_be_read_is_corrected(team: Team, api: Sandbox) -> None:
    team.configure('[media]\nsave_to = ""\ninputs = "inputs/"\n')
    gone = f"{api.url}/pictures/gone-1.png"
    team.write("prompt,endpoint,model,image_prompt", f"a fox,flux-imagine,flux-pro,{gone}")
    noted(team, "failed", "Correct that cell")
    change(team, image_prompt="")
    goes_on(team, api, {"a fox": 1})


@remedy("note endpoint_gone")
def the_endpoint_is_put_back(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=3600)
    team.write("prompt,endpoint,model", "a fox,flux-imagine,flux-pro")
    team.run()
    own = without_endpoint(team, "flux-imagine")
    team.run()
    (row,) = team.rows()
    assert row["status"] == "in progress", row
    assert "put the endpoint back" in row["note"]
    own.unlink()
    api.finish()
    api.set(task_seconds=TASK_SECONDS)
    goes_on(team, api, {"a fox": 1})


@remedy("note api_away")
def the_former_key_is_named(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=3600)
    team.write("prompt", "a fox")
    team.run()
    (team.folder / "old").write_text(KEY)
    (team.folder / "new").write_text(f"afk_{KEY}")
    text = team.config.read_text()
    text = text.replace("[provider]\n", '[provider]\napi_key = "file:new"\n')
    team.config.write_text(text)
    noted(team, "check needed", "to add it under [provider.former]")
    # doctor prints the lines to add.
    said = team.start("doctor", team.config).said
    assert "1 task is at apiframe-v1" in said
    lines = [
        "[provider.former]",
        'name = "apiframe-v1"',
        f'base_url = "{team.url}"',
        'api_key = "env:APIFRAME_V1_FORMER_API_KEY"',
    ]
    assert " ".join(lines) in " ".join(said.split())
    lines[-1] = 'api_key = "file:old"'
    team.config.write_text(text + "\n" + "\n".join(lines) + "\n")
    api.finish()
    api.set(task_seconds=TASK_SECONDS)
    goes_on(team, api, {"a fox": 1})


@remedy("note other_key")
def the_earlier_key_of_the_same_version_is_named(team: Team, api: Sandbox) -> None:
    api.set(task_seconds=3600)
    team.write("prompt", "a fox")
    team.run()
    (team.folder / "old").write_text(KEY)
    (team.folder / "new").write_text("a-new-key")
    text = team.config.read_text()
    changed = text.replace("[provider]\n", '[provider]\napi_key = "file:new"\n')
    team.config.write_text(changed)
    noted(team, None, "add the earlier key under [provider.former]")
    former = f'name = "apiframe-v1"\napi_key = "file:old"\nbase_url = "{team.url}"\n'
    team.config.write_text(f"{text}\n[provider.former]\n{former}")
    api.finish()
    api.set(task_seconds=TASK_SECONDS)
    goes_on(team, api, {"a fox": 1})


@remedy("note edited")
def an_edited_row_is_made_again_or_put_back(team: Team, api: Sandbox) -> None:
    team.write("prompt,take", "a fox,1", "an owl,1")
    team.finish()
    with team.editing() as rows:
        rows[0]["prompt"], rows[1]["prompt"] = "a red fox", "a grey owl"
    noted(team, "edited", "put 2 in the take column; or put the old text back")
    with team.editing() as rows:
        rows[0]["take"], rows[1]["prompt"] = "2", "an owl"
    goes_on(team, api, {"a fox": 1, "a red fox": 1, "an owl": 1})


@remedy("note waiting_for")
def a_row_whose_parent_failed_follows_once_that_is_done(team: Team, api: Sandbox) -> None:
    team.write(CHAINED, "a [fail] fox,,fox,,,1", ",upscale-1x,,fox,1,1")
    noted(team, "waiting", "it failed. See the note of that row", place=1)
    change(team, prompt="a fox")
    goes_on(team, api, {"a [fail] fox": 1, "a fox": 1, "/upscale-1x": 1})


@remedy("note parent_changed")
def a_row_whose_parent_was_made_again_is_made_again(team: Team, api: Sandbox) -> None:
    team.write(CHAINED, "a fox,,fox,,,1", ",upscale-1x,,fox,1,1")
    team.finish()
    change(team, take="2")
    noted(team, "edited", "which is now at take 2. To follow it, put 2 in the take", place=1)
    with team.editing() as rows:
        rows[1]["take"] = "2"
    goes_on(team, api, {"a fox": 2, "/upscale-1x": 2})


CHAINED = "prompt,endpoint,name,parent,index,take"


@remedy("note lost_cell")
def a_text_that_was_lost_is_put_back(team: Team, api: Sandbox) -> None:
    team.write("prompt,aspect_ratio", "a fox,16:9")
    team.finish()
    change(team, prompt="")
    noted(team, "waiting", "Put the text back")
    change(team, prompt="a fox")
    goes_on(team, api, {"a fox": 1})


@remedy("command init --drive")
def a_consent_that_ends_soon_is_given_again(team: Team, api: Sandbox) -> None:
    with google_drive() as drive:
        write(team, "client.json", drive.client)
        drive.tokens.consent_ends = 86_400
        address = consent(team, drive).said.split('save_to = "')[1].split('"')[0]
        configure(team, drive, address)
        team.write("prompt", "a fox")
        said = team.start("doctor", team.config).said
        assert "Run promptsheet init --drive again" in said
        drive.tokens.consent_ends = 0
        consent(team, drive)
        assert "The consent of" not in team.start("doctor", team.config).said
        goes_on(team, api, {"a fox": 1})


@remedy("note files_lost", "command doctor --repair")
def pictures_whose_links_were_dead_are_saved(team: Team, api: Sandbox) -> None:
    api.set(dead_links=1)
    team.write("prompt", "a fox")
    noted(team, "check needed", "could be saved")
    assert "Run promptsheet doctor --repair" in team.start("doctor", team.config).said
    api.set(dead_links="off")
    assert team.start("doctor", team.config, "--repair").code == 0
    assert len(list((team.folder / "media").rglob("*.png"))) == 4
    goes_on(team, api, {"a fox": 1})


def pictures_are_made_again(team: Team, api: Sandbox, flaw: str, words: str) -> None:
    api.set(flaw=f"next 1 {flaw}")
    team.write("prompt,take,aspect_ratio", "a fox,,16:9")
    noted(team, "done", f"{words}")
    change(team, take="2")
    goes_on(team, api, {"a fox": 2})
    assert [row["note"] for row in team.rows()] == ["", ""]


@remedy("note blank")
def blank_pictures_are_made_again(team: Team, api: Sandbox) -> None:
    pictures_are_made_again(team, api, "blank", "All 4 pictures are blank: ask Apiframe for a")


@remedy("note not_better")
def a_row_that_failed_when_it_was_made_again_is_made_once_more(team: Team, api: Sandbox) -> None:
    team.configure('[rules]\nremake = ["blank"]\n')
    api.set(flaw="next 1 blank")
    team.write("prompt,take,aspect_ratio", "a fox,,16:9")
    team.run("--limit", "1")
    api.set(fail="next 1")
    noted(team, "done", "made again because every picture was blank, and that failed: ")
    change(team, take="2")
    goes_on(team, api, {"a fox": 3})


@remedy("note damaged")
def damaged_pictures_are_made_again(team: Team, api: Sandbox) -> None:
    pictures_are_made_again(team, api, "damaged", "All 4 pictures are damaged: ask Apiframe for")


@remedy("note other_shape")
def pictures_of_another_shape_are_made_again(team: Team, api: Sandbox) -> None:
    pictures_are_made_again(team, api, "shape", "pixels, but the row asked for 16:9: check its")


@remedy("note same_picture")
def a_picture_of_another_row_is_made_again(team: Team, api: Sandbox) -> None:
    api.set(flaw="next 2 same")
    team.write("prompt,take", "a fox,")
    team.finish()
    first = team.row("a fox")
    with team.editing() as rows:
        rows.append({"prompt": "an owl"})
    noted(team, "done", f"are the same as those of the row {first['row_id']}: change the", 1)
    with team.editing() as rows:
        rows[1]["take"] = "2"
    goes_on(team, api, {"a fox": 1, "an owl": 2})


@remedy("command doctor --repair")
def pictures_that_are_gone_from_disk_are_saved_again(team: Team, api: Sandbox) -> None:
    a_fox_is_done(team)
    saved = sorted((team.folder / "media").rglob("*.png"))
    for picture in saved:
        picture.unlink()
    assert "Run promptsheet doctor --repair" in team.start("doctor", team.config).said
    assert team.start("doctor", team.config, "--repair").code == 0
    assert sorted((team.folder / "media").rglob("*.png")) == saved
    goes_on(team, api, {"a fox": 1})


CHOOSING = "prompt,take,pick,feedback"


@remedy("note bad_pick")
def the_pick_is_no_number_of_a_picture(team: Team, api: Sandbox) -> None:
    team.write(CHOOSING, "a fox,,9,")
    noted(team, "done", 'pick is "9", and this row has the pictures 1 to 4')
    change(team, pick="4")
    noted(team, "done", "")
    goes_on(team, api, {"a fox": 1})


@remedy("note feedback_unused", "note pick_to_start_from")
def the_feedback_is_not_used_yet(team: Team, api: Sandbox) -> None:
    team.write(CHOOSING, "a fox,,9,warmer")
    noted(team, "done", "To use the feedback, put 2 in the take column.")
    change(team, take="2")
    noted(team, "invalid", "take 2 cannot start from pick")
    change(team, pick="")
    goes_on(team, api, {"a fox": 1, "a fox. warmer": 1})


@remedy("note old_feedback")
def the_feedback_is_older_than_its_meaning(team: Team, api: Sandbox) -> None:
    team.write(CHOOSING, "a fox,,,a remark")
    team.finish()
    with closing(sqlite3.connect(team.folder / "promptsheet.db")) as connection, connection:
        connection.execute("update known_rows set old_feedback = feedback")
    change(team, take="2")
    noted(team, "invalid", "feedback holds text from before")
    change(team, feedback="warmer")
    goes_on(team, api, {"a fox": 1, "a fox. warmer": 1})


# -- steps -----------------------------------------------------------------------------------------


def a_fox_is_done(team: Team) -> None:
    team.write("prompt", "a fox")
    assert team.finish().code == 0


def give_up_after(team: Team, span: str) -> None:
    config = team.configure().read_text()
    team.config.write_text(config.replace("[pace]\n", f'[pace]\ngive_up_after = "{span}"\n'))


def change(team: Team, **cells: str) -> None:
    """Change cells of the first row, as a person does."""
    with team.editing() as rows:
        rows[0].update(cells)


def held(team: Team, *words: str, code: int = 1) -> None:
    """Check that a run ends with this code and this message, and sends nothing."""
    ended = team.run("--limit", "5")
    assert ended.code == code, ended.said
    for one in words:
        assert one in ended.said


def noted(team: Team, status: str | None, words: str, place: int = 0) -> None:
    """Check that the row has this note after a run."""
    team.finish()
    row = team.rows()[place]
    assert status in (None, row["status"]), row
    assert words in row["note"]


@remedy("command --plan")
def a_plan_in_a_file_does_not_fit_any_more(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    file = team.folder / "plan.json"
    assert team.run("--plan", "-o", file).code == 0
    team.write("prompt", "an owl")
    refused = team.run("--from-plan", file, "--wait")
    assert (refused.code, tasks_of(api)) == (1, {})
    assert "Make a new plan with run --plan -o FILE." in refused.said
    assert team.run("--plan", "-o", file).code == 0
    assert team.run("--from-plan", file, "--wait").code == 0
    goes_on(team, api, {"an owl": 1})


def tasks_of(api: Sandbox) -> Counter[str]:
    """How many tasks the API has of each prompt; of those without a prompt, of each endpoint."""
    taken: Counter[str] = Counter()
    for prompt, times in api.state()["tasks"].items():
        # The sandbox calls a task without a prompt by its endpoint and body.
        taken[prompt.partition(" ")[0] if prompt.startswith("/") else prompt] += times
    return taken


def goes_on(team: Team, api: Sandbox, paid: dict[str, int], **cells: str) -> None:
    """Check that a run sends all new rows, that all rows are done, and that each is paid as
    expected.
    """
    number = len(team.rows()) + 1
    new = {"prompt": f"a new row {number}", **cells}
    with team.editing() as rows:
        rows.append(new)
    ended = team.finish()
    assert (ended.code, [row["status"] for row in team.rows()]) == (0, ["done"] * number), (
        ended.said,
        team.rows(),
    )
    taken = tasks_of(api)
    assert {prompt: n for prompt, n in taken.items() if "a new row" not in prompt} == paid
    assert taken[new["prompt"]] == 1
    again = team.run()
    assert (again.code, again.said, tasks_of(api)) == (0, "", taken)


@pytest.mark.parametrize("perform", REMEDIES, ids=lambda perform: perform.__name__)
def test_the_recommended_remedy_works(perform: Act, team: Team, api: Sandbox) -> None:
    perform(team, api)
