"""The command `promptsheet report`, with its options.

Slow imports are in the function, as in `commands`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import options as flags

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Where to write it. Default: report.html."),
]
SentSince = Annotated[
    str, typer.Option("--since", metavar="DATE", help="Only jobs sent since this day.")
]
SentUntil = Annotated[
    str, typer.Option("--until", metavar="DATE", help="Only jobs sent until the end of this day.")
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by", metavar="COLUMN", help="Compare jobs by this column; repeat it for several."
    ),
]
Title = Annotated[str, typer.Option(metavar="TEXT", help="The heading. Default: the sheet.")]
OpenIt = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]


def report(
    config: flags.Config = None,
    out: Out = None,
    since: SentSince = "",
    until: SentUntil = "",
    by: By = None,
    title: Title = "",
    open_it: OpenIt = False,
) -> None:
    """Write figures and picked pictures into one HTML file."""
    from pipeline.cli.report import Wanted, print_report
    from pipeline.cli.screen import screen
    from pipeline.config import load

    (path,) = flags.config_paths(config)
    to = out or Path("report.html")
    wanted = Wanted(to, since, until, tuple(by or ()), title, open_it)
    raise typer.Exit(print_report(load(path), screen(), wanted))
