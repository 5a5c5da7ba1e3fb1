"""The command `doctor`: compares sheet, store and API, and repairs what is safe. Never pays.

    checks      the one list of what it looks at, what it says, and what a repair does
    case        the configuration under examination, opened once for all checks
    accounts    what the accounts say when they are asked
    repair      the repairs, and the taking over of a sheet

The other modules have the checks themselves. Prints the findings and returns an exit code. Raises
ConfigError if a repair cannot start.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pipeline.cli.doctor.case import Case, Sign, store_trouble
from pipeline.cli.doctor.checks import findings
from pipeline.cli.doctor.repair import adopt as adopt_sheet
from pipeline.cli.doctor.repair import repair as repair_sheet
from pipeline.config import Settings
from pipeline.core.errors import ConfigError
from pipeline.core.text import one_line

_SIGNS: dict[Sign, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "person": ("!", "yellow"),
    "unusable": ("✗", "red"),
    "reach": ("✗", "red"),
}
_CODES: dict[Sign, int] = {"ok": 0, "person": 1, "unusable": 2, "reach": 3}


def run(settings: Settings, console: Console, *, repair: bool, adopt: bool) -> int:
    """Make the requested repairs, then check, and return the exit code.

    0: no problem. 1: something needs attention. 2: the header cannot be used. 3: the sheet, the
    store or the API cannot be reached. Nothing is repaired in a store that is damaged.
    """
    if repair and settings.api_key is None:
        raise ConfigError("--repair asks the API about open tasks. Set the API key first.")
    if adopt:
        adopt_sheet(settings, console)
    is_repaired = repair and not store_trouble(settings)
    lost = repair_sheet(settings, console) if is_repaired else {}
    worst = 0
    with Case(settings, is_repaired, lost) as case:
        for sign, sentence, lines in findings(case):
            mark, colour = _SIGNS[sign]
            console.print(Text(f"{mark} ", style=colour) + Text(one_line(sentence)))
            for line in lines:
                console.print(Text(f"    {one_line(line)}"), soft_wrap=True)
            worst = max(worst, _CODES[sign])
    return worst
