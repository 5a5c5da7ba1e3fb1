"""The commands `run`, `status`, `retry`, `pause` and `resume`, as people and cron start them."""

from __future__ import annotations

import json

from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

KEYS_OF_JSON = {
    *(
        "api",
        "sheet",
        "new",
        "made_again",
        "done",
        "refused",
        "failed",
        "without_answer",
        "saved",
        "credits",
        "costs",
        "quote",
        "rows",
        "outlets",
    ),
    *("newly_need_a_person", "need_a_person", "messages", "details", "exit_code"),
}


def test_a_plan_lists_what_would_be_sent_and_changes_nothing(team: Team, api: Sandbox) -> None:
    team.write("prompt,aspect_ratio,skip", "a fox,16:9,", "an owl,wide,", "a cat,,x")
    before = team.traces()
    untouched = team.run("--plan", key=None)
    assert (untouched.code, team.traces()) == (0, before)
    assert untouched.said == (
        "prompts.csv: what a run would do now with Apiframe (API version 1). Nothing was changed. "
        "Read as UTF-8, cells separated by commas. "
        "1 to send row 2: a fox "
        '1 invalid row 3: an owl Not sent, nothing paid: aspect_ratio is "wide"; it must be two '
        "numbers with a colon, such as 16:9. "
        "1 skipped row 4: a cat Skipped because the skip cell is filled in. Clear it to generate "
        "this row. 1 request, 4 credits When it will be finished is not known yet: no task of "
        "imagine has ended. Sent from the sheet: aspect_ratio, prompt."
    )

    assert team.finish().code == 1
    with team.editing() as rows:
        rows.append({"prompt": "a dog"})
    before = team.traces()
    planned = team.start("run", team.config, "--plan", "--json", "--strict")

    assert (planned.code, team.traces()) == (1, before)
    said = json.loads(planned.out)
    assert said.pop("balances")[0]["covers"] is True
    assert said.pop("seconds") >= 1
    assert said.pop("latest_seconds") >= said.pop("earliest_seconds")
    assert said.pop("earliest_at") <= said.pop("finished_at") <= said.pop("latest_at")
    assert said.pop("earlier_tasks") == 1
    assert said == {
        "sheet": "prompts.csv",
        "api": "Apiframe (API version 1)",
        "rows": {"to send": 1, "invalid": 1, "skipped": 1, "done": 1},
        "requests": 1,
        "credits": 4,
        "costs": [{"account": "Apiframe", "unit": "credit", "amount": 4, "is_own": True}],
        "requests_after_another_row": 0,
        "credits_after_another_row": 0,
        "costs_after_another_row": [],
        "requests_once_settled": 0,
        "credits_once_settled": 0,
        "costs_once_settled": [],
        "rows_to_add": 0,
        "credits_to_add": 0,
        "money": [],
        "rows_over_budget": [],
        "hold": "",
        "warnings": [],
        "read_as": "UTF-8, cells separated by commas",
    }
    assert api.state()["tasks"] == {"a fox": 1}


def test_a_run_is_silent_until_a_row_needs_attention_and_reports_it_once(team: Team) -> None:
    team.write("prompt", "a fox")
    quiet = team.start("run", team.config, "--wait", fresh=True)
    with team.editing() as rows:
        rows += [{"prompt": "a bad fox [fail]"}, {"prompt": "no fox [refuse]"}]
    loud = team.finish()
    again = team.finish()
    strict = team.run("--strict")

    assert (quiet.code, quiet.said) == (0, "")
    assert (loud.code, loud.said) == (
        1,
        "prompts.csv: 2 new, 0 done, 1 refused, 1 failed, 4 credits "
        "2 rows need your attention: "
        'row 3, a bad fox [fail]: Apiframe could not generate it: "banned word". Change the '
        "prompt, or ask for a retry. The failed task may have cost 4 credits. "
        'row 4, no fox [refuse]: Apiframe refused the prompt: "banned word in the prompt: refuse". '
        "Change the prompt to send the row again.",
    )
    assert (again.code, again.said) == (0, "")
    assert strict.code == 1
    assert strict.said.startswith(
        "prompts.csv: 0 new, 0 done, 0 credits 2 rows need your attention: row 3, a bad fox [fail]:"
    )
    assert [row["note"] for row in team.rows()] == [
        "",
        'Apiframe could not generate it: "banned word". Change the prompt, or ask for a retry. '
        "The failed task may have cost 4 credits.",
        'Apiframe refused the prompt: "banned word in the prompt: refuse". '
        "Change the prompt to send the row again.",
    ]


def test_several_sheets_run_at_once_and_an_error_of_one_does_not_affect_the_others(
    team: Team,
) -> None:
    team.write("prompt", "a fox")
    other = team.configure('[media]\nsave_to = ""\n', name="other", sheet="other.csv")
    gone = team.configure(name="gone", sheet="gone.csv")
    team.write("prompt", "an owl [fail]", sheet="other.csv")

    ended = team.finish("--json", other, gone)

    reports = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 3
    assert all(set(one) == KEYS_OF_JSON for one in reports)
    assert [(one["sheet"], one["exit_code"], one["rows"]) for one in reports] == [
        ("prompts.csv", 0, {"done": 1}),
        ("other.csv", 1, {"failed": 1}),
        ("gone.csv", 3, {}),
    ]
    assert reports[0]["messages"] == reports[1]["messages"] == []
    assert "gone.csv does not exist. Put it back" in reports[2]["messages"][0]


def test_limit_and_row_restrict_what_is_sent(team: Team, api: Sandbox) -> None:
    team.write("prompt,name", "a fox,f", "an owl,o", "a cat,", "a dog,o")
    assert (team.run("--limit", "0").code, api.state()["tasks"]) == (0, {})

    named = team.run("--row", "f")
    assert (named.code, named.said) == (0, "Row 2: a fox")
    assert set(api.state()["tasks"]) == {"a fox"}

    mark = team.row("a dog")["row_id"]
    assert team.run("--row", mark).said == "Row 5: a dog"
    assert set(api.state()["tasks"]) == {"a fox", "a dog"}

    assert team.finish("--limit", "1").code == 0
    assert team.said_of("a fox", "an owl", "a cat", "a dog") == ["done", "done", "queued", "done"]

    for row, sentence in (
        ("99", 'There is no row "99": give its row_id, name or line number.'),
        ("o", '"o" matches several rows: lines 3, 5. Give one of these numbers.'),
    ):
        ended = team.run("--row", row)
        assert (ended.code, ended.err.strip()) == (2, sentence)


def test_a_plan_with_limit_or_row_lists_only_those_rows(team: Team, api: Sandbox) -> None:
    team.write("prompt,name", "a fox,4", "an owl,o", "a cat,c")

    one, two = team.run("--plan", "--row", "c"), team.run("--plan", "--limit", "2", "--json")
    none = team.run("--plan", "--row", "99")
    several = team.run("--plan", "--row", "4")

    assert "1 to send row 4: a cat 2 queued row 2: a fox row 3: an owl" in one.said
    assert "1 request, 4 credits" in one.said
    plan = json.loads(two.out)
    assert (plan["rows"], plan["requests"]) == ({"to send": 2, "queued": 1}, 2)
    assert (none.code, none.err.strip()) == (
        2,
        'There is no row "99": give its row_id, name or line number.',
    )
    assert (several.code, several.err.strip()) == (
        2,
        '"4" matches several rows: lines 2, 4. Give its row_id, or rename it.',
    )
    assert api.state()["tasks"] == {}


def test_a_budget_limits_what_is_sent_and_the_other_rows_say_over_budget(
    team: Team, api: Sandbox
) -> None:
    team.configure("[budget]\nper_run = 8\nper_day = 12\n")
    team.write("prompt", *(f"fox {number}" for number in range(10)))

    assert team.finish().code == 0
    assert [row["status"] for row in team.rows()] == ["done"] * 2 + ["over budget"] * 8
    assert team.rows()[2]["note"] == (
        "Not enough is left of one run's budget ([budget] per_run). This row is sent by the "
        "next run, or raise the budget."
    )
    # The next run sends one row more, and then the budget of the day is used up.
    assert "[budget] per_day). This row is sent tomorrow" in team.rows()[3]["note"]
    assert team.finish().code == 0
    assert [row["status"] for row in team.rows()] == ["done"] * 3 + ["over budget"] * 7
    assert team.rows()[9]["note"] == (
        "Not enough is left of today's budget ([budget] per_day). This row is sent tomorrow, "
        "or raise the budget."
    )

    assert api.state()["tasks_taken"] == 3
    stood = team.start("status", team.config)
    assert (stood.code, stood.said) == (
        0,
        "prompts.csv: 10 rows 7 over budget 3 done 12 of 12 credits spent today",
    )


def test_a_pause_stops_sending_until_resume(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox")
    paused = team.start("pause", team.config)
    held = team.run()
    plan = team.run("--plan")
    stood = team.start("status", team.config)
    before = api.state()["tasks_taken"]
    resumed = team.start("resume", team.config)
    assert team.finish().code == 0

    assert (paused.code, paused.said) == (0, "prompts.csv is paused; nothing more is sent.")
    assert (held.code, held.said) == (
        1,
        "prompts.csv is paused. Run promptsheet resume to continue. "
        "prompts.csv: 0 new, 0 done, 0 credits",
    )
    assert plan.code == 1
    assert (
        "prompts.csv is paused. Run promptsheet resume to continue. 1 queued row 2: a fox"
        in plan.said
    )
    assert "0 requests, 0 credits" in plan.said
    assert stood.code == 1
    assert (resumed.code, resumed.said) == (
        0,
        "prompts.csv is no longer paused; the next run sends again.",
    )
    assert (before, api.state()["tasks_taken"]) == (0, 1)


def test_a_row_with_a_lost_answer_is_sent_again_only_on_request(team: Team, api: Sandbox) -> None:
    api.set(lost="next 1 fin")
    team.write("prompt,name", "a lost fox,lost")
    first = team.finish()
    with team.editing() as rows:
        rows += [{"prompt": "a bad fox [fail]", "name": "bad"}, {"prompt": "an owl", "name": "o"}]
    assert team.finish().code == 1

    assert (first.code, first.said) == (
        1,
        "prompts.csv: 1 new, 0 done, 1 without an answer, 4 credits "
        "1 row needs your attention: "
        f"row 2, lost: {team.rows()[0]['note']}",
    )
    assert team.rows()[0]["status"] == "check needed"
    assert team.rows()[0]["note"] == (
        "Sent, but no answer came (the connection was closed without an answer); it may have cost "
        "4 credits. Check your Apiframe account. To pay for it again, add a column named take and "
        "put 2 in it, or ask the person who runs Promptsheet."
    )
    for words, sentence in (
        (("lost",), "Row lost may have been paid already. Add --unknown to send it again"),
        (("o",), 'Row o is "done", and only failed rows can be sent again.'),
        (("x",), 'There is no row "x": give its row_id, name or line number.'),
        (("--unknown",), "Some of these may have been paid already. Add --yes to pay for"),
    ):
        ended = team.start("retry", team.config, *words)
        assert ended.code == 2
        assert ended.err.startswith(sentence)

    asked = team.start("retry", team.config, "--unknown", "--yes")
    assert asked.code == 0
    assert "2 rows to send again, 8 credits. The next run sends them." in asked.said
    assert team.finish().code == 1  # the bad fox fails once more

    assert api.state()["tasks"] == {"a lost fox": 2, "a bad fox [fail]": 2, "an owl": 1}
    assert team.said_of("a lost fox", "an owl") == ["done", "done"]


def test_retry_sends_failed_rows_again_with_their_current_prompts(team: Team, api: Sandbox) -> None:
    api.set(fail="next 1")
    team.write("prompt", "a fox", "an owl [refuse]")
    assert team.finish().code == 1
    (failed,) = (row for row in team.rows() if row["task_id"])

    history = team.start("status", team.config, "--row", "2")
    asked = team.start("retry", team.config, failed["row_id"])
    ended = team.finish()
    nothing = team.start("retry", team.configure(name="other", sheet="other.csv"))
    stood = team.start("status", team.config)

    assert history.code == 1
    assert f"row_id {failed['row_id']}, take 1" in history.said
    assert "attempt 1 sent imagine, 4 credits" in history.said
    assert f"attempt 1 failed generation failed, task {failed['task_id']}" in history.said
    assert "1 row to send again, 4 credits. The next run sends it." in asked.said
    assert (ended.code, ended.said) == (0, "")
    assert (nothing.code, "other.csv does not exist" in nothing.said) == (3, True)
    assert api.state()["tasks"] == {"a fox": 2}
    assert stood.code == 1
    assert stood.out.startswith("prompts.csv: 2 rows\n     1  failed\n     1  done\n")
    assert "3  an owl [refuse]" in stood.out
