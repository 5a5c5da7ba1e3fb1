"""What a plan says of money and time, before anything is paid: at the terminal and on the page."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team
from tests.fakes.terminal import terminal
from tests.page.test_approval import desk_with

#: How a quoted time is shown: the times are those of a small run.
TIME = r"\d\d:\d\d:\d\d"
WHEN = rf"(?:between {TIME} and {TIME}|(?:about )?{TIME}, at the latest {TIME})"


def plan_of(team: Team, *words: str) -> dict[str, Any]:
    """The plan, for programs."""
    plan: dict[str, Any] = json.loads(team.run("--plan", "--json", *words).out)
    return plan


def priced(team: Team, price: str) -> None:
    """Set `[provider] credit_price`."""
    text = team.config.read_text()
    team.config.write_text(text.replace("[provider]\n", f'[provider]\ncredit_price = "{price}"\n'))


def test_a_plan_shows_price_balance_and_the_time_of_the_end(team: Team, api: Sandbox) -> None:
    rows = [f"a fox, {number}" for number in range(12)]
    team.write("prompt", *(f'"{row}"' for row in rows))
    priced(team, "0.01 USD")
    unknown = team.run("--plan").said
    assert team.finish().code == 0
    with team.editing() as sheet:
        sheet += [{"prompt": f"an owl, {number}"} for number in range(12)]
    requests = api.state()["requests"]
    said = team.run("--plan").said
    plan = plan_of(team)
    asked = {name: n - requests.get(name, 0) for name, n in api.state()["requests"].items()}
    ended = team.finish()
    after = datetime.now(UTC)

    assert "12 requests, 48 credits (0.48 USD)" in unknown
    assert "When it will be finished is not known yet: no task of imagine has ended." in unknown
    assert "12 requests, 48 credits (0.48 USD) The account has 999,952 credits: enough." in said
    assert re.search(
        rf"Finished {WHEN} \(from 12 earlier tasks\), "
        r"if it starts now\.",
        said,
    )
    assert (plan["credits"], plan["money"]) == (48, [{"amount": "0.48", "currency": "USD"}])
    assert plan["earlier_tasks"] == 12
    assert plan["earliest_at"] <= plan["finished_at"] <= plan["latest_at"]
    assert after.isoformat() > plan["finished_at"]
    # The plan and the sandbox agree about what was sent and paid; each plan read one balance.
    state = api.state()
    assert sum(asked.values()) == 2, asked
    assert (ended.code, state["tasks_taken"], state["tasks_repeated"]) == (0, 24, 0)
    assert state["credits_charged"] == 48 + plan["credits"]
    assert team.statuses() == {"done": 24}


def test_a_balance_that_is_too_small_is_named_with_what_is_missing(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox", "an owl")
    api.set(credits=5)
    try:
        said, plan = team.run("--plan").said, plan_of(team)
    finally:
        api.set(credits=1_000_000)

    assert "The account has only 5 credits: 3 too few for all of these rows." in said
    assert (plan["balances"][0]["left"], plan["balances"][0]["covers"]) == (5, False)


def test_a_plan_without_an_answer_about_the_balance_says_so_and_goes_on(
    team: Team, api: Sandbox
) -> None:
    team.write("prompt", "a fox")
    no_key = plan_of(team)
    wrong = team.run("--plan", key="another")
    keyless = json.loads(team.run("--plan", "--json", key=None).out)
    team.config.write_text(team.config.read_text().replace(api.url, "http://127.0.0.1:9"))
    unreachable = team.run("--plan")

    assert no_key["balances"][0]["covers"] is True
    assert (wrong.code, unreachable.code) == (0, 0)
    assert "The balance at Apiframe is not known: it answers 401" in wrong.said
    assert "The balance at Apiframe is not known: " in unreachable.said
    assert "1 request, 4 credits" in unreachable.said
    assert keyless["balances"] == []


def test_a_sheet_with_nothing_to_send_asks_for_no_balance(team: Team, api: Sandbox) -> None:
    team.write("prompt", "")
    plan = plan_of(team)

    assert (plan["balances"], plan["seconds"], api.state()["requests"]) == ([], None, {})
    assert "Finished" not in team.run("--plan").said


def test_a_chain_takes_the_time_of_all_its_rows(team: Team, api: Sandbox) -> None:
    team.write("prompt,endpoint,name,parent,index", "a fox,,a,,", ",upscale-1x,,a,1")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows += [{"prompt": "an owl", "name": "b"}]
    alone = plan_of(team)
    with team.editing() as rows:
        rows += [{"endpoint": "upscale-1x", "parent": "b", "index": "1", "name": "c"}]
    chain = plan_of(team)

    assert (chain["requests"], chain["requests_after_another_row"]) == (1, 1)
    begins = [datetime.fromisoformat(one["finished_at"]) for one in (alone, chain)]
    assert chain["latest_seconds"] >= alone["latest_seconds"]
    assert begins[1] >= begins[0]


def test_what_the_account_allows_at_once_counts_for_the_time(tmp_path: Path) -> None:
    with sandbox_process(KEY, task_seconds=0.6, max_seconds=0.6, max_concurrent_jobs=2) as api:
        team = Team(tmp_path, api.url, version=2)
        team.configured("promptsheet")
        team.write("prompt", "a fox", "an owl")
        assert team.finish().code == 0
        with team.editing() as rows:
            rows += [{"prompt": f"a cat {number}"} for number in range(20)]
        plan = plan_of(team)

    # Ten rounds of two tasks, which take a little more than they do at the API.
    assert plan["balances"][0]["covers"] is True
    assert plan["seconds"] >= 5


def with_lost_answers(team: Team, api: Sandbox) -> None:
    """A sheet with a row that is done, two rows whose answers were lost, and four new ones."""
    team.write("prompt", "a fox")
    assert team.finish().code == 0
    with team.editing() as rows:
        rows += [{"prompt": "an owl"}, {"prompt": "a hare"}]
    api.set(lost="next 2 rst")
    assert team.run().code == 1
    with team.editing() as rows:
        rows += [{"prompt": f"a cat {number}"} for number in range(4)]


def test_rows_in_doubt_take_their_places_in_the_plan_as_in_the_run(
    team: Team, api: Sandbox
) -> None:
    text = team.config.read_text()
    with_lost_answers(team, api)
    before = api.state()
    team.config.write_text(text.replace("[pace]\n", "[pace]\nin_flight = 2\n"))
    full, shown = plan_of(team), team.run("--plan")
    ended = json.loads(team.run("--json").out)
    sent_while_full = api.state()["tasks_taken"] - before["tasks_taken"]
    team.config.write_text(text.replace("[pace]\n", "[pace]\nin_flight = 3\n"))
    free = plan_of(team)
    assert team.finish().code == 0
    after = api.state()

    assert full["hold"].startswith("2 submissions without an answer may be at work")
    assert (ended["messages"], sent_while_full) == ([full["hold"]], 0)
    assert (shown.code, full["hold"] in shown.said) == (ended["exit_code"], True)
    assert "4 requests, 16 credits" in shown.said
    # They are given up after an hour.
    assert 3_500 < full["seconds"] < 3_700
    assert (free["hold"], free["seconds"] < 60) == ("", True)
    assert after["tasks_taken"] - before["tasks_taken"] == free["requests"] == 4
    assert after["credits_charged"] - before["credits_charged"] == free["credits"]


def test_rows_in_doubt_at_one_account_take_no_places_at_another(
    team: Team, api: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("another")
    with sandbox_process("another", provider="luma", plain_pictures="true") as luma:
        table = f'[providers.luma]\napi_key = "file:key"\nbase_url = "{luma.url}"\n'
        team.configure(f'in_flight = 2\n{table}[media]\nsave_to = ""\n')
        team.write("prompt,endpoint", "a fox,", "an owl,")
        api.set(lost="next 2 rst")
        assert team.run().code == 1
        with team.editing() as rows:
            rows += [{"prompt": "a cat", "endpoint": "luma/photon"}]
        free = plan_of(team)
        ended = json.loads(team.run("--json").out)
        with team.editing() as rows:
            rows += [{"prompt": "a dog", "endpoint": ""}]
        full = plan_of(team)
        taken = luma.state()["tasks_taken"]

    assert (free["hold"], free["requests"], taken) == ("", 1, 1)
    assert ended["messages"] == []
    assert full["hold"].startswith("2 submissions without an answer may be at work")


def test_the_budget_that_rows_in_doubt_hold_is_missing_in_the_plan_as_in_the_run(
    team: Team, api: Sandbox
) -> None:
    with_lost_answers(team, api)
    team.config.write_text(team.config.read_text() + "[budget]\nper_day = 20\n")
    before, plan = api.state(), plan_of(team)
    team.finish()
    after = api.state()

    assert (plan["requests"], plan["rows_over_budget"]) == (2, [7, 8])
    assert after["tasks_taken"] - before["tasks_taken"] == plan["requests"]
    assert after["credits_charged"] - before["credits_charged"] == plan["credits"] == 8


def test_the_page_shows_the_plan_and_pays_nothing(tmp_path: Path) -> None:
    sheet = "prompt,approved\na <b>fox</b>,yes\nan owl,yes\n"
    with desk_with(tmp_path, sheet) as desk:
        text = desk.config.read_text()
        before = desk.team.sheet.read_bytes()
        board, page = desk.client.get("/").text, desk.client.get("/plan/1").text
        paid = desk.paid
        gone = desk.client.get("/plan/2").status_code
        desk.client.cookies.clear()
        stranger = desk.client.get("/plan/1")

    assert 'href="/plan/1"' in board
    assert "2 rows to send, for 8 credits." in page
    assert "When it will be finished is not known yet: no task of imagine has ended." in page
    assert "Row 2, 4 credits: a &lt;b&gt;fox&lt;/b&gt;" in page
    assert (paid, gone, "base_url" in text) == (0, 404, True)
    assert desk.team.sheet.read_bytes() == before
    assert (stranger.status_code, "a fox" in stranger.text) == (303, False)


def test_the_closing_line_compares_the_quote_with_the_result(team: Team, api: Sandbox) -> None:
    team.write("prompt", *(f"a fox {number}" for number in range(6)))
    first = json.loads(team.finish("--json").out)
    with team.editing() as rows:
        rows += [{"prompt": f"an owl {number}"} for number in range(9)]
    second = json.loads(team.finish("--json").out)
    idle = json.loads(team.finish("--json").out)

    assert first["quote"] == "", "no time was quoted, and the price was kept"
    assert re.fullmatch(
        rf"Quoted: {WHEN}, 36 credits\. "
        r"It became: \d\d:\d\d:\d\d, 36 credits\.",
        second["quote"],
    )
    assert idle["quote"] == ""
    assert api.state()["credits_charged"] == 60


def test_over_plain_passes_the_quote_is_that_of_the_first_one(team: Team, api: Sandbox) -> None:
    text = team.config.read_text()
    team.config.write_text(text.replace("[pace]\n", "[pace]\nin_flight = 2\n"))
    team.write("prompt", *(f"a fox {number}" for number in range(5)))
    said: list[str] = []
    until = datetime.now(UTC).timestamp() + 60
    while team.statuses() != {"done": 6}:
        assert datetime.now(UTC).timestamp() < until, said
        said.append(json.loads(team.run("--json").out)["quote"])
        if len(said) == 1:
            with team.editing() as rows:
                rows += [{"prompt": "a late owl"}]
    quotes = [one for one in said if one]

    assert quotes == ["Quoted: 20 credits. It became: 24 credits, 6 rows instead of 5."]
    assert (said[-1], api.state()["tasks_taken"]) == (quotes[0], 6)


def test_a_start_with_a_limit_quotes_only_the_rows_that_it_sends(team: Team, api: Sandbox) -> None:
    team.write("prompt", *(f"a fox {number}" for number in range(5)))

    first = json.loads(team.finish("--limit", "2", "--json").out)
    second = json.loads(team.finish("--json").out)

    assert (first["quote"], api.state()["tasks_taken"]) == ("", 5)
    assert second["quote"] == "Quoted: 8 credits. It became: 20 credits, 5 rows instead of 2."


def test_a_person_at_a_terminal_sees_the_comparison(team: Team, api: Sandbox) -> None:
    team.write("prompt", "a fox", "an owl")
    assert team.finish().out == ""
    with team.editing() as rows:
        rows += [{"prompt": "a hare"}, {"prompt": "no fox [refuse]"}]
    with terminal(team.folder, "run", "promptsheet.toml", "--wait", width=150, key=KEY) as shown:
        shown.end()

    said = " ".join(shown.shown.split())
    assert "2 new, 1 done, 1 refused, 4 credits" in said
    assert re.search(rf"Quoted: {WHEN}, 8 credits\. It became: \S+, 4 credits\.", said)
