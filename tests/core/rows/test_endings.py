"""What ends on a known day: it is announced until then, and refused from that day on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.inputs import canonical
from pipeline.core.rows.endings import warnings
from pipeline.core.rows.rules import Rules
from tests.core.build import PROVIDER
from tests.fakes.cases import each

LAST_DAY = date(2026, 12, 1)
MODEL = Field(one_of=("old", "new"), ended={"old": LAST_DAY})
API = replace(
    PROVIDER,
    endpoints={
        "image": Endpoint("/image", {"prompt": Field(), "model": MODEL}),
        "gone": Endpoint("/gone", {"prompt": Field()}, ended=LAST_DAY),
        "fixed": Endpoint("/fixed", {"model": MODEL}, send={"model": "old"}),
    },
)
RULES = Rules("sheet", API, "image")
OLD = canonical({"model": "OLD"})


def said(*inputs: str, rules: Rules = RULES, day: date = LAST_DAY - timedelta(days=1)) -> list[str]:
    return [one.partition(". ")[0] for one in warnings(rules, inputs, day)]


def test_the_rows_that_ask_for_what_ends_are_counted() -> None:
    gone, fixed = canonical({"endpoint": "gone"}), canonical({"endpoint": "fixed"})

    assert said(OLD, canonical({"model": "new"}), gone, gone) == [
        "OLD ends on 2026-12-01, and 1 row to send asks for it",
        "gone ends on 2026-12-01, and 2 rows to send ask for it",
    ]
    assert said(fixed) == ["old ends on 2026-12-01, and 1 row to send asks for it"]


def test_what_the_configuration_asks_for_is_announced_without_rows() -> None:
    rules = replace(RULES, defaults={"model": "old"})

    assert said(rules=rules) == ["old ends on 2026-12-01, and the configuration asks for it"]
    assert said(canonical({}), rules=rules) == [
        "old ends on 2026-12-01, and 1 row to send asks for it"
    ]


@each("days", [0, 1])
def test_from_the_day_on_it_is_no_news(days: int) -> None:
    assert said(OLD, day=LAST_DAY + timedelta(days=days)) == []
