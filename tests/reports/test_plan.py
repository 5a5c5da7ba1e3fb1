"""A plan of a large sheet takes little longer than a look at it."""

from __future__ import annotations

import io
from time import process_time

import pytest
from rich.console import Console

from pipeline import wiring
from pipeline.cli.plan import show_plan
from pipeline.config import load
from pipeline.reports.plan import narrowed, outlook
from pipeline.sandbox import Sandbox
from tests.fakes.team import Team

#: The most that a plan may cost, as a multiple of the look that it is made from.
MOST = 1.5


@pytest.mark.soak
def test_the_plan_of_100_000_rows_takes_at_most_half_of_a_look_more(
    team: Team, api: Sandbox
) -> None:
    team.configure('[media]\nsave_to = ""\n[budget]\nper_run = 1000000\nper_day = 1000000\n')
    team.write("prompt", *(f"a fox {number}" for number in range(200)))
    assert team.finish().code == 0
    with team.editing() as rows:
        rows += [{"prompt": f"an owl {number}"} for number in range(100_000)]
    settings = load(team.config)
    began = process_time()
    with wiring.previewing(settings) as sync:
        looked = process_time()
        sync.restrict(narrowed(sync, "", None))
        show_plan(Console(file=io.StringIO()), sync, outlook(sync, settings, ask_balance=False))
        ended = process_time()
    look, plan = looked - began, ended - began
    print(f"look {look:.2f} s, plan {plan:.2f} s: {plan / look:.2f}")

    assert plan <= MOST * look
