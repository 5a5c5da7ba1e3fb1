"""Arguments and options that several commands share, with their help texts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.cli.start import USUAL
from pipeline.core.errors import ConfigError


class LogFormats(StrEnum):
    """The forms of the log."""

    TEXT = "text"
    JSON = "json"


class Command(TyperCommand):
    """A command whose help shows only the metavar of an argument, without its Python type."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **settings)
        for one in self.params:
            if one.param_type_name == "argument":
                # typer adds "<list[Path]>" to the name even if there is a metavar.
                vars(one)["display_type_rich"] = lambda ctx: ""


class Commands(TyperGroup):
    """All commands, in the order of the help: typer puts groups like `outlets` at the end."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands. `outlets` is beside the commands for the rows of a sheet."""
        names = [name for name in super().list_commands(ctx) if name not in ("outlets", "store")]
        names.insert(names.index("resume") + 1, "outlets")
        names.insert(names.index("migrate"), "store")
        return names


def config_paths(configs: Path | Sequence[Path] | None) -> list[Path]:
    """The named configurations, else the usual one.

    Raises ConfigError if none was named and the usual one does not exist.
    """
    if isinstance(configs, Path):
        return [configs]
    if configs:
        return [*configs]
    if not USUAL.exists():
        raise ConfigError(
            f"There is no {USUAL} in this folder. Name a configuration file, or create "
            "one with promptsheet init."
        )
    return [USUAL]


_OR_USUAL = f"If none is named: {USUAL} in this folder."

Configs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="CONFIG", help=f"Configuration files. {_OR_USUAL}", show_default=False),
]
Config = Annotated[
    Path | None,
    typer.Argument(metavar="CONFIG", help=f"A configuration file. {_OR_USUAL}", show_default=False),
]
ConfigAndRows = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG|ROW",
        help=f"A configuration file ({USUAL} if none is named), then rows: row_id, name or row "
        "number. Without rows: all failed rows.",
        show_default=False,
    ),
]

Lists = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG|LIST",
        help=f"A configuration file ({USUAL} if none is named), then lists: product=fox,owl or "
        "product=@FILE:COLUMN or product,image=@FILE. Each file has a header.",
        show_default=False,
    ),
]
OnlyShow = Annotated[
    bool, typer.Option("--plan", help="Only show the rows and what they would cost.")
]
MostRows = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Allow up to N new rows. Default: 10000."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Unknown = Annotated[
    bool, typer.Option("--unknown", help="Include rows that may have been paid already.")
]
EndpointName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="An endpoint. Without it: all of them.", show_default=False
    ),
]
ProviderName = Annotated[
    str, typer.Option(metavar="PROVIDER", help="The API, as in [provider] name.")
]
DemoFolder = Annotated[Path, typer.Option(metavar="DIR", help="Where to create it.")]
ShowInBrowser = Annotated[
    bool, typer.Option("--serve", help="Show it in the browser, until stopped.")
]
DaysOfHistory = Annotated[
    int,
    typer.Option(
        metavar="DAYS",
        min=0,
        max=365,
        show_default=False,
        help="Instead, make a sheet with a past of so many days, to analyse.",
    ),
]

Outlet = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of an outlet.", show_default=False)
]
OnlyOutlet = Annotated[
    str, typer.Option("--only", metavar="NAME", help="Only this outlet; otherwise all.")
]

WithoutAsking = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

EndedSince = Annotated[
    str, typer.Option("--since", metavar="DATE", help="Only rows that ended since this day.")
]

Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Report each step, with the time, on standard error."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Report only what went wrong.")]
LogFormat = Annotated[
    LogFormats,
    typer.Option(
        help="How to write the log on standard error: text for people, or json with one line for "
        "each event of a row and each pass.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line for each sheet.")]

Wait = Annotated[bool, typer.Option("--wait", help="Wait until every picture has arrived.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Only show what would be sent and what it would cost.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="With --plan: write the plan into this file, too."
    ),
]
FromPlan = Annotated[
    Path | None,
    typer.Option(
        "--from-plan",
        metavar="FILE",
        help="Send exactly the rows of this plan, or nothing if anything has changed since.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Send at most N rows of each sheet; 0: none."),
]
Row = Annotated[
    str, typer.Option(metavar="R", help="Send only this row: row_id, name or row number.")
]
AcceptColumns = Annotated[
    bool, typer.Option("--accept-columns", help="Accept deleted columns or rows.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="End with 1 while any row needs your attention.")
]

Repair = Annotated[
    bool, typer.Option("--repair", help="Repair what can be repaired without paying.")
]
AdoptSheet = Annotated[
    bool, typer.Option("--adopt", help="Make this store the owner of the sheet. Pays nothing.")
]
GalleryFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Where to write it. Default: gallery.html."),
]
Since = Annotated[
    str,
    typer.Option(metavar="DATE", help="Only charges since this day, such as 2026-11-01."),
]
CsvFile = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE.csv", help="Write every charge into a CSV file."),
]
ClaimFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the claim for refunds, to send to the API's support; -: print it.",
    ),
]

Before = Annotated[
    str,
    typer.Option(metavar="DATE", help="Rows that ended before this day, such as 2026-01-01."),
]
AndFiles = Annotated[
    bool, typer.Option("--files", help="Delete their saved files, too, if no other row uses them.")
]

RowWithHistory = Annotated[
    str, typer.Option(metavar="R", help="One row and its history: row_id, name or row number.")
]

Sheet = Annotated[
    Path | None,
    typer.Argument(
        metavar="SHEET",
        help="A CSV or Excel file; it is created if it does not exist. Default: prompts.csv.",
        show_default=False,
    ),
]
GoogleUrl = Annotated[
    str, typer.Option("--google", metavar="URL", help="The address of a Google Sheet.")
]
Tab = Annotated[
    str,
    typer.Option(
        metavar="TAB", help="The tab, if it is not the first one, or the one in the address."
    ),
]
Credentials = Annotated[
    str,
    typer.Option(
        metavar="REF", help="Where the key of the service account is: file:PATH or env:NAME."
    ),
]
DriveClient = Annotated[
    Path | None,
    typer.Option(
        "--drive",
        metavar="FILE",
        help="Ask for your consent to save pictures in your Google Drive; FILE is the JSON of an "
        "OAuth client.",
        show_default=False,
    ),
]
BaseUrl = Annotated[str, typer.Option(metavar="URL", help="A stand-in for Google, for tests.")]
NewConfig = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Where to write the configuration."),
]
AspectRatio = Annotated[
    str | None,
    typer.Option(metavar="R", help="The aspect ratio of rows that have none, such as 16:9."),
]
Endpoint = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What the rows are for: an endpoint, or PROVIDER/NAME for another vendor. It decides "
        "which columns the sheet has.",
    ),
]
PerDay = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="The most credits to spend in a day.")
]
Approval = Annotated[bool, typer.Option("--approval", help="Send only rows that are approved.")]
NoSave = Annotated[
    bool, typer.Option("--no-save", help="Do not save the pictures in the folder media.")
]
UseSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Use a stand-in for the API, which costs nothing.")
]
AdoptColumns = Annotated[
    bool, typer.Option("--adopt", help="Take over columns that another tool filled.")
]
