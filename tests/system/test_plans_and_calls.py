"""A plan is what happens: without edits, a run makes just the calls of the plan before it.

Random campaigns with templates, styles, choices, samples, budgets of all kinds, approvals, and rows
that follow others. Endpoint, prompt, price and order come from the plan, and from the API's count.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import KEY, call
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

COLUMNS = (
    *("product", "scene", "style", "campaign", "prompt", "endpoint", "model", "type", "name"),
    *("parent", "index", "take", "approved", "skip"),
)
STYLES = "name,text\nstudio,{softbox|window} light\nfilm,35 mm film\n"
#: Endpoint -> path; the first is the one of the configuration.
PATHS = {
    "imagine": "/imagine",
    "flux-imagine": "/flux-imagine",
    "ideogram-imagine": "/ideogram-imagine",
    "upscale-1x": "/upscale-1x",
    "upscale-alt": "/upscale-alt",
}


@dataclass
class Campaign:
    """A random campaign of one team, and what was counted over its runs."""

    team: Team
    sandbox: Sandbox
    chance: Random
    counts: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Write the sheet, the styles and the configuration."""
        chance = self.chance
        (self.team.folder / "styles.csv").write_text(STYLES)
        self.kinds: list[str] = []
        rows = [self._row(number) for number in range(chance.randint(8, 20))]
        if chance.random() < 0.3:
            chance.shuffle(rows)
        self.team.write(",".join(COLUMNS), *rows)
        tables: dict[str, dict[str, object]] = {
            "prompt": {"text": "{a|the} {product}, {scene}. {style}", "styles": "styles.csv"},
            "rules": {"sample": chance.choice([0, 0, 0, 3, 6])},
            "budget": {"per_run": chance.choice([1000, 1000, 13, 30])},
        }
        tables["budget"]["per_day"] = chance.choice([1000, 1000, 25, 50])
        if chance.random() < 0.3:
            tables["budget"]["per_month"] = chance.choice([20, 60])
        if chance.random() < 0.5:
            tables["budget.per"] = {"campaign": chance.choice([9, 20, 40])}
        self.config = self.team.configured(tables=tables, concurrency=chance.choice([1, 1, 6]))
        self.is_in_order = "concurrency = 1" in self.config.read_text()

    def _row(self, number: int) -> str:
        chance = self.chance
        kind = chance.choice(["imagine", "imagine", "imagine", "flux-imagine", "ideogram-imagine"])
        cells = {
            "campaign": chance.choice(["spring", "Spring ", "autumn", ""]),
            "name": f"n{number}",
            "approved": "yes" if chance.random() < 0.95 else "later",
            "skip": "" if chance.random() < 0.95 else "x",
        }
        follows = {"upscale-1x": "imagine", "upscale-alt": "upscale-1x"}
        child = chance.choice([*follows])
        parents = [at for at, one in enumerate(self.kinds) if one == follows[child]]
        if parents and chance.random() < 0.5:
            kind = child
            cells |= {"parent": f"n{chance.choice(parents)}"}
            cells |= {"index": str(chance.randint(1, 4))} if child == "upscale-1x" else {}
            cells |= {"type": "subtle"} if child == "upscale-alt" else {}
        elif chance.random() < 0.15:
            cells["prompt"] = f"an own prompt, number {number}"
        else:
            cells |= {"product": f"fox {number}", "style": chance.choice(["studio", "Film"])}
            cells |= {"scene": "in snow"} if chance.random() < 0.9 else {}
        if kind != "imagine" or chance.random() < 0.5:
            cells["endpoint"] = kind
        if kind == "flux-imagine":
            cells["model"] = chance.choice(["flux-schnell", "flux-pro"])
        self.kinds.append(kind)
        return ",".join(f'"{cells.get(title, "")}"' for title in COLUMNS)

    def run(self) -> bool:
        """Plan, run, and compare. Returns whether anything was sent."""
        file = self.team.folder / "plan.json"
        ended = call("run", self.config, "--plan", "--json", "-o", file)
        assert ended.code == 0, ended.said
        said, plan = json.loads(ended.out), json.loads(file.read_text())["sheets"][0]["rows"]
        before, charged = self._orders(), self.sandbox.state()["credits_charged"]

        from_plan: list[str | Path] = ["--from-plan", file] if self.chance.random() < 0.4 else []
        ended = call("run", self.config, "--wait", *from_plan)

        assert ended.is_plain, ended.said
        assert ended.code in (0, 1), ended.said
        calls = self._calls_since(before)
        planned = [(PATHS[row["endpoint"]], row["prompt"]) for row in plan]
        assert Counter(calls) == Counter(planned), (said, self._story())
        paid = self.sandbox.state()["credits_charged"] - charged
        assert paid == sum(row["credits"] for row in plan)
        assert paid == said["credits"] + said["credits_after_another_row"]
        # Calls without a prompt look alike, and may also be those of rows that follow others.
        at_once = [one for one in planned[: said["requests"]] if one[1]]
        if self.is_in_order:
            first = [one for one in calls if one in at_once]
            assert first == at_once, (said, self._story())
            self.counts["calls in the order of the plan"] += len(first)
        self.counts["calls"] += len(calls)
        self.counts["after another row"] += said["requests_after_another_row"]
        self.counts["over budget"] += len(said["rows_over_budget"])
        self.counts["waiting"] += said["rows"].get("waiting", 0)
        return bool(calls)

    def _orders(self) -> dict[str, int]:
        """How often each request was accepted, in the order of the first of each."""
        orders: dict[str, int] = self.sandbox.state(orders=True)["orders"]
        return orders

    def _calls_since(self, before: dict[str, int]) -> list[tuple[str, str]]:
        """Path and prompt of each call that was accepted since then, in their order.

        Two rows may upscale the same picture alike: such a call counts with the first of them.
        """
        calls = []
        for order, times in self._orders().items():
            path, _, fields = order.partition(" ")
            new = times - before.get(order, 0)
            calls += [(path, json.loads(fields).get("prompt", ""))] * new
        return calls

    def _story(self) -> str:
        rows = [{k: v for k, v in row.items() if v} for row in self.team.rows()]
        return "\n".join([self.config.read_text(), *map(str, rows)])


def campaigns(folder: Path, seeds: range) -> Counter[str]:
    """Run a campaign for each seed to its end. Returns what was counted."""
    counts: Counter[str] = Counter()
    with sandbox_process(KEY, task_seconds=0, plain_pictures="true") as sandbox:
        for seed in seeds:
            sandbox.reset()
            (place := folder / str(seed)).mkdir()
            one = Campaign(Team(place, sandbox.url), sandbox, Random(seed))
            one.begin()
            for _ in range(3):
                if not one.run() and not call("continue", one.config).said.count("sends"):
                    break
            counts += one.counts
    print(f"\nplans and calls differ 0 times; {dict(counts)}")
    return counts


def test_a_run_makes_just_the_calls_of_its_plan(tmp_path: Path) -> None:
    counts = campaigns(tmp_path, range(100, 108))

    assert counts["calls"] > 30
    assert min(counts[name] for name in ("after another row", "over budget", "waiting")) > 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_runs_make_just_the_calls_of_their_plans(tmp_path: Path) -> None:
    counts = campaigns(tmp_path, range(100, 400))

    assert counts["calls"] > 1000
