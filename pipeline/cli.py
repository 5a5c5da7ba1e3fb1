"""The command line: thin, quiet where nobody looks, and in words that a colleague understands.

Whatever costs time to import is imported where it is used, so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from rich.console import Console

    from pipeline.config import Settings

app = typer.Typer(
    name="promptsheet",
    help="Fill a sheet, get the pictures back in the same rows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Configs = Annotated[
    list[Path],
    typer.Argument(metavar="CONFIG", help="Configuration files.", show_default=False),
]
Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A configuration file.", show_default=False)
]


def main() -> NoReturn:
    """The command `promptsheet`: runs it, and ends the process with its exit code."""
    from pipeline.core.errors import PromptsheetError

    # What is loaded stays until the end. To look through all of it for circles now and then takes
    # a tenth of a run, and once more at the exit a fifth of a second.
    gc.set_threshold(250_000, 20, 20)
    atexit.register(gc.freeze)
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("promptsheet").setLevel(logging.ERROR)
    code = 0
    try:
        # Not standalone, so that our own errors end with their own codes.
        code = app(prog_name="promptsheet", standalone_mode=False) or 0
    except PromptsheetError as e:
        _complain(str(e))
        sys.exit(e.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as e:
        # click's own usage errors know how to show themselves and are ours to end with 2.
        if not hasattr(e, "show"):
            raise
        e.show()
        sys.exit(2)
    sys.exit(code)


def _version(asked: bool) -> None:
    if asked:
        from pipeline import __version__

        sys.stdout.write(f"promptsheet {__version__}\n")
        raise typer.Exit


@app.callback(help=app.info.help)
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which version it is."
        ),
    ] = False,
) -> None:
    """What may stand before the command."""


@app.command()
def run(
    configs: Configs,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until all is there.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would happen and cost.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Send at most so many rows in this start.")
    ] = None,
    row: Annotated[
        str, typer.Option(metavar="R", help="Send this row only: row_id, name or line number.")
    ] = "",
    accept_columns: Annotated[
        bool, typer.Option("--accept-columns", help="Believe a sheet that lost columns or rows.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 as long as any row needs a person.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say what came of it as JSON, a line a sheet.")
    ] = False,
) -> None:
    """Send the new rows, gather what is done, write it back."""
    if plan:
        raise typer.Exit(
            _gravest(configs, lambda one: _show_plan(one, as_json, strict, row, limit))
        )
    from pipeline import glance

    # Under cron, a warning would be mailed with every run.
    settings = _loaded(configs, need_key=True, warn=sys.stderr.isatty())
    if not (sys.stdout.isatty() or as_json or row or strict or accept_columns):
        # Nobody is looking: a sheet that is as the last pass left it costs no more than a glance.
        settings = [one for one in settings if not glance.was_a_pass(one)]
        if not settings:
            return
    from pipeline.running import run_all

    raise typer.Exit(
        run_all(
            settings,
            _console(),
            beside=_receiver(settings) if wait else None,
            wait=wait,
            limit=limit,
            row=row,
            accept_columns=accept_columns,
            strict=strict,
            as_json=as_json,
        )
    )


@app.command()
def watch(configs: Configs) -> None:
    """Run on schedule, with webhook receiver and page, until it is stopped."""
    settings = _loaded(configs, need_key=True)
    _needs_serve()
    from pipeline import watching

    raise typer.Exit(watching.watch(settings, _console()))


@app.command()
def serve(configs: Configs) -> None:
    """Webhook receiver and page alone, until it is stopped."""
    settings = _loaded(configs)
    _needs_serve()
    from pipeline import serving

    raise typer.Exit(serving.serve(settings, _console()))


@app.command()
def status(
    configs: Configs,
    row: Annotated[
        str, typer.Option(metavar="R", help="One row, with its history: row_id, name, line.")
    ] = "",
) -> None:
    """Where things stand. Ends with 1 as long as any row needs a person."""
    from pipeline import standing

    raise typer.Exit(_gravest(configs, lambda one: standing.tell(one, _console(), row)))


@app.command()
def retry(
    config: Config,
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="ROW", help="Rows: row_id, name or line number; else all."),
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Also rows that may have been paid already.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let failed rows be sent once more, as they are now."""
    from pipeline import standing

    def once_more(settings: Settings) -> int:
        return standing.retry(settings, _console(), rows or [], unknown, yes)

    raise typer.Exit(_gravest([config], once_more))


@app.command()
def pause(configs: Configs) -> None:
    """Let nothing more leave; results still come and are written."""
    _set_paused(configs, paused=True)


@app.command()
def resume(configs: Configs) -> None:
    """Go on after a pause."""
    _set_paused(configs, paused=False)


@app.command()
def doctor(
    config: Config,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be put right without paying.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Make this store the sheet's owner; pays nothing.")
    ] = False,
) -> None:
    """Compare sheet, store and API. Never pays."""
    from pipeline import checkup

    (settings,) = _loaded([config])
    raise typer.Exit(checkup.run(settings, _console(), repair=repair, adopt=adopt))


@app.command()
def init(
    sheet: Annotated[
        Path | None,
        typer.Argument(
            metavar="SHEET",
            help="A CSV or Excel file, new or yours: prompts.csv.",
            show_default=False,
        ),
    ] = None,
    google: Annotated[
        str, typer.Option(metavar="URL", help="The address of a Google Sheet.", show_default=False)
    ] = "",
    tab: Annotated[
        str, typer.Option(help="Its tab, if not the one of the address.", show_default=False)
    ] = "",
    credentials: Annotated[
        str,
        typer.Option(
            help="Where the key of its account is: file:PATH or env:NAME.", show_default=False
        ),
    ] = "",
    base_url: Annotated[
        str, typer.Option(help="Something that stands in for Google.", show_default=False)
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="Where to write the configuration.", show_default=False)
    ] = None,
    aspect_ratio: Annotated[
        str | None, typer.Option(help="For rows that have none, such as 16:9.", show_default=False)
    ] = None,
    per_day: Annotated[
        int | None, typer.Option(min=0, help="Credits a day, at most.", show_default=False)
    ] = None,
    approval: Annotated[
        bool, typer.Option("--approval", help="Send only rows that somebody approved.")
    ] = False,
    no_save: Annotated[
        bool, typer.Option("--no-save", help="Do not save the pictures in media/.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over columns that another tool filled.")
    ] = False,
) -> None:
    """Make a configuration, and a sheet if there is none."""
    from pipeline import starting

    wanted = starting.Wanted(
        aspect_ratio, per_day, approval=approval or None, save=False if no_save else None
    )
    named = starting.Google(google, tab, credentials, base_url)
    raise typer.Exit(starting.init(_console(), sheet, config, adopt, wanted, named))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where to put it.")] = Path("demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="With the page in a browser, until it is stopped.")
    ] = False,
) -> None:
    """A sample sheet, filled before your eyes: no key, no cost."""
    if serve:
        _needs_serve()
    from pipeline import starting

    raise typer.Exit(starting.demo(_console(), folder, serve))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sandbox(context: typer.Context) -> None:
    """The stand-in API by itself, with many switches."""
    from pipeline.sandbox.__main__ import main as serve

    raise typer.Exit(serve(context.args))


def _loaded(configs: list[Path], need_key: bool = False, warn: bool = True) -> list[Settings]:
    from pipeline.config import load

    loaded = [load(path, need_key=need_key) for path in configs]
    if warn:
        for warning in dict.fromkeys(warning for one in loaded for warning in one.warnings):
            _complain(warning)
    return loaded


def _receiver(settings: list[Settings]) -> AbstractAsyncContextManager[object] | None:
    """What receives webhooks while a run stays, if any configuration asks for it."""
    if not any(one.webhook.listen for one in settings):
        return None
    from pipeline.serving import receiving

    return receiving(settings)


def _needs_serve() -> None:
    """Say what to install if a part of it is missing, before anything has begun."""
    from importlib.util import find_spec

    from pipeline.core.errors import ConfigError

    if not all(map(find_spec, ("cronsim", "itsdangerous", "prometheus_client"))):
        raise ConfigError(
            'This needs more than is installed. Run pip install "promptsheet[serve]".'
        )


def _set_paused(configs: list[Path], *, paused: bool) -> None:
    from pipeline import wiring

    def set_one(settings: Settings) -> int:
        with wiring.open_store(settings) as store:
            sheet = wiring.open_sheet(settings, store)
            store.update_sheet(sheet.key, paused=paused)
            words = "is paused; nothing more is sent" if paused else "goes on with the next run"
            _console().print(f"{sheet.title} {words}.", highlight=False, markup=False)
        return 0

    raise typer.Exit(_gravest(configs, set_one))


def _show_plan(settings: Settings, as_json: bool, strict: bool, row: str, limit: int | None) -> int:
    from pipeline import show, wiring
    from pipeline.core.plan import NEEDS_A_PERSON
    from pipeline.running import narrowed

    with wiring.previewing(settings) as book:
        book.plan = narrowed(book.plan, row, limit)
        tell = show.plan_as_json if as_json else show.show_plan
        tell(_console(), book)
        needing = sum(book.plan.statuses[status] for status in NEEDS_A_PERSON)
        return 1 if book.hold or (strict and needing) else 0


def _gravest(configs: list[Path], do: Callable[[Settings], int]) -> int:
    """Do it for each sheet, and the gravest exit code: one sheet's trouble is not the others'."""
    from pipeline import show, wiring
    from pipeline.core.errors import ConfigError, PromptsheetError

    code = 0
    for settings in [wiring.load(path) for path in configs]:
        try:
            code = max(code, do(settings))
        except PromptsheetError as e:
            is_usage = isinstance(e, ConfigError)
            _complain(str(e) if is_usage else show.about(settings.source.name, str(e)))
            code = max(code, e.exit_code)
    return code


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _complain(text: str) -> None:
    if not sys.stderr.isatty():
        sys.stderr.write(text.rstrip() + "\n")
        return
    from rich.console import Console

    # A terminal would break a line in the middle of a word.
    Console(stderr=True, highlight=False).print(text.rstrip(), markup=False)
