"""The command line: all commands with their options, and the exit codes.

Slow imports are in the functions that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline import telemetry, terminal
from pipeline.cli import options as flags
from pipeline.cli.exit_codes import exit_code_of, print_error, unusable, worst_code
from pipeline.cli.logs import log_above, set_verbosity
from pipeline.cli.outlet_commands import outlets_app
from pipeline.cli.report_command import report
from pipeline.cli.start import USUAL
from pipeline.cli.store_commands import forget, migrate, store_app
from pipeline.core.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from pipeline.cli.screen import Screen
    from pipeline.config import Settings

app = typer.Typer(
    name="promptsheet",
    cls=flags.Commands,
    help="Fill a sheet, get the pictures back in the same rows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command = partial(app.command, cls=flags.Command)


def main(changed: list[Path] | None = None) -> NoReturn:
    """All commands. Ends the process with the exit code.

    `changed` are the configurations that `run` has to load; None if it has to find out.
    """
    terminal.prepare()
    # The only place that sets the garbage collector. Modules, rows and jobs live until the end, and
    # searching them for reference cycles took 10 % of a run and 0.2 s at exit. With this threshold,
    # loading 100,000 jobs takes no longer than without the collector.
    gc.set_threshold(250_000, 20, 20)
    atexit.register(gc.freeze)
    log_above(logging.ERROR)
    code = exit_code_of(partial(app, obj=changed))
    try:
        terminal.finish()
    except OSError as e:
        terminal.print_error(unusable(e))
        code = max(code, 3)
    sys.exit(code)


def _version(asked: bool) -> None:
    if asked:
        from pipeline import __version__

        terminal.write(f"promptsheet {__version__}")
        raise typer.Exit


@app.callback(help=app.info.help)
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""


@command()
def run(
    context: typer.Context,
    configs: flags.Configs = None,
    wait: flags.Wait = False,
    plan: flags.Plan = False,
    output: flags.Output = None,
    from_plan: flags.FromPlan = None,
    limit: flags.Limit = None,
    row: flags.Row = "",
    accept_columns: flags.AcceptColumns = False,
    strict: flags.Strict = False,
    as_json: flags.AsJson = False,
    verbose: flags.Verbose = False,
    quiet: flags.Quiet = False,
    log_format: flags.LogFormat = flags.LogFormats.TEXT,
) -> None:
    """Send new rows, collect results and write them into the sheet."""
    set_verbosity(verbose, quiet, log_format)
    if output or from_plan:
        from pipeline.cli.plan_file import check_options

        check_options(plan, output, from_plan, is_narrowed=bool(row) or limit is not None)
    paths = context.obj or flags.config_paths(configs)
    attended = sys.stdout.isatty() and not quiet
    is_seen = attended or sys.stderr.isatty() or verbose or as_json
    if not (context.obj or is_seen or plan or row or strict or accept_columns or from_plan):
        # Without a terminal, a sheet that has not changed since the last pass exits early.
        paths = _changed(paths)
        if not paths:
            return
    # Without a terminal, cron would mail the warning with every run. A plan shows it anyway.
    warn = sys.stderr.isatty() and not (plan and not row)
    settings = _loaded(paths, need_key=not plan, warn=warn or bool(plan and row))
    if plan:
        from pipeline.cli.plan import show_plans

        raise typer.Exit(show_plans(settings, _console(), as_json, strict, row, limit, output))
    from pipeline.cli.run import run_all

    telemetry.start()
    raise typer.Exit(
        run_all(
            settings,
            _console(),
            wait=wait,
            limit=limit,
            row=row,
            accept_columns=accept_columns,
            strict=strict,
            as_json=as_json,
            quiet=quiet,
            bars=attended and not verbose,
            from_plan=from_plan,
        )
    )


@command()
def watch(
    configs: flags.Configs = None,
    verbose: flags.Verbose = False,
    quiet: flags.Quiet = False,
    log_format: flags.LogFormat = flags.LogFormats.TEXT,
) -> None:
    """Run on a schedule, with webhooks and the page, until stopped."""
    set_verbosity(verbose, quiet, log_format)
    load = partial(_loaded, flags.config_paths(configs), need_key=True)
    settings = load()
    _require_serve()
    from pipeline.server.watch import watch as watch_sheets

    telemetry.start()
    raise typer.Exit(watch_sheets(settings, _console(), load, quiet=quiet))


@command()
def serve(
    configs: flags.Configs = None,
    verbose: flags.Verbose = False,
    quiet: flags.Quiet = False,
    log_format: flags.LogFormat = flags.LogFormats.TEXT,
) -> None:
    """Serve webhooks and the page without runs, until stopped."""
    set_verbosity(verbose, quiet, log_format)
    settings = _loaded(flags.config_paths(configs))
    _require_serve()
    from pipeline.server.serve import serve as serve_all

    telemetry.start()
    raise typer.Exit(serve_all(settings, _console()))


@command()
def status(
    configs: flags.Configs = None,
    row: flags.RowWithHistory = "",
    as_json: flags.AsJson = False,
) -> None:
    """Show the state of each sheet. Ends with 1 while any row needs your attention."""
    from pipeline.cli import status as status_of

    show = status_of.print_status_json if as_json else status_of.print_status
    raise typer.Exit(worst_code(_settings(configs), lambda one: show(one, _console(), row)))


@command()
def endpoints(
    name: flags.EndpointName = "",
    provider: flags.ProviderName = "apiframe",
    as_json: flags.AsJson = False,
) -> None:
    """Show what can be requested, with columns and credits."""
    from pipeline.cli.endpoints import print_endpoints

    own, today = Path("providers"), datetime.now(UTC).date()
    raise typer.Exit(
        print_endpoints(_console(), provider, name, own=own, as_json=as_json, today=today)
    )


@command()
def expand(
    words: flags.Lists = None,
    plan: flags.OnlyShow = False,
    yes: flags.Yes = False,
    limit: flags.MostRows = None,
) -> None:
    """Add all combinations of some lists as new rows. Sends nothing."""
    from pipeline.cli.expand import Choice, lists_in
    from pipeline.cli.expand import expand as add

    config, lists = lists_in(words or [])
    (path,) = flags.config_paths(config)
    raise typer.Exit(add(path, lists, _console(), Choice(plan, yes, limit)))


@command()
def retry(
    words: flags.ConfigAndRows = None,
    unknown: flags.Unknown = False,
    yes: flags.Yes = False,
    log_format: flags.LogFormat = flags.LogFormats.TEXT,
) -> None:
    """Send failed rows again, with their present content."""
    set_verbosity(verbose=False, log_format=log_format)
    from pipeline.cli import status as status_of

    first, *others = words or [""]
    is_config = first.endswith(".toml") or Path(first).is_file()
    config, rows = (Path(first), others) if is_config else (None, [*filter(None, words or [])])

    def send_again(settings: Settings) -> int:
        return status_of.retry(settings, _console(), rows, unknown, yes)

    raise typer.Exit(worst_code(_settings(config), send_again))


@command()
def pause(configs: flags.Configs = None) -> None:
    """Stop sending. Results still arrive and are written."""
    _set_paused(configs, paused=True)


@command()
def resume(configs: flags.Configs = None) -> None:
    """Send again after a pause, or after a rule stopped the sending."""
    _set_paused(configs, paused=False)


@command("continue")
def continue_(configs: flags.Configs = None) -> None:
    """Send the rows that wait for a look at the sample."""
    from pipeline.cli import status as status_of

    raise typer.Exit(
        worst_code(_settings(configs), lambda one: status_of.sample_seen(one, _console()))
    )


@command()
def doctor(
    config: flags.Config = None,
    repair: flags.Repair = False,
    adopt: flags.AdoptSheet = False,
    verbose: flags.Verbose = False,
) -> None:
    """Compare sheet, store and API. Never pays."""
    set_verbosity(verbose)
    from pipeline.cli.doctor import run as examine

    (settings,) = _loaded(flags.config_paths(config))
    raise typer.Exit(examine(settings, _console(), repair=repair, adopt=adopt))


@command()
def receipt(
    config: flags.Config = None,
    since: flags.Since = "",
    as_json: flags.AsJson = False,
    out: flags.CsvFile = None,
    claim: flags.ClaimFile = None,
) -> None:
    """Match every charge with its row; name refunds that are due.

    It pays nothing.
    """
    from pipeline.cli.receipt import Wanted, print_receipt

    (settings,) = _settings(config)
    raise typer.Exit(print_receipt(settings, _console(), Wanted(since, as_json, out, claim)))


@command()
def gallery(
    config: flags.Config = None,
    out: flags.GalleryFile = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write all pictures into one HTML file to look at or send."""
    from pipeline.cli import status as status_of

    settings = _settings(config)
    raise typer.Exit(
        worst_code(settings, lambda one: status_of.write_gallery(one, _console(), out, open_it))
    )


command()(report)
app.add_typer(outlets_app, name="outlets")
app.add_typer(store_app, name="store")
command()(migrate)
command()(forget)


@command()
def init(
    sheet: flags.Sheet = None,
    google: flags.GoogleUrl = "",
    drive: flags.DriveClient = None,
    tab: flags.Tab = "",
    credentials: flags.Credentials = "",
    base_url: flags.BaseUrl = "",
    config: flags.NewConfig = None,
    endpoint: flags.Endpoint = "",
    aspect_ratio: flags.AspectRatio = None,
    per_day: flags.PerDay = None,
    approval: flags.Approval = False,
    no_save: flags.NoSave = False,
    sandbox: flags.UseSandbox = False,
    adopt: flags.AdoptColumns = False,
) -> None:
    """Create a configuration, and a sheet if there is none."""
    if drive:
        from pipeline.cli.init_drive import init_drive

        if sheet or google or tab or credentials or endpoint or adopt:
            raise ConfigError("--drive is for itself: use it only with --config and --base-url.")
        raise typer.Exit(init_drive(_console(), drive, config or USUAL, base_url))
    from pipeline.cli import init as init_
    from pipeline.config.template import Wanted

    wanted = Wanted(
        aspect_ratio,
        per_day,
        approval=approval or None,
        save=False if no_save else None,
        sandbox=sandbox or None,
    )
    named = init_.Google(google, tab, credentials, base_url)
    raise typer.Exit(init_.init(_console(), sheet, config, adopt, wanted, named, endpoint))


@command()
def demo(
    folder: flags.DemoFolder = Path("demo"),
    serve: flags.ShowInBrowser = False,
    history: flags.DaysOfHistory = 0,
) -> None:
    """Create a sample sheet and fill it. Needs no key and costs nothing."""
    if serve:
        _require_serve()
    from pipeline.cli.demo import demo as show_demo
    from pipeline.cli.next_steps import program

    raise typer.Exit(show_demo(_console(), folder, program(), serve, history))


@command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sandbox(context: typer.Context) -> None:
    """Run only the stand-in for the API; it has many options."""
    from pipeline.sandbox.__main__ import main as serve

    raise typer.Exit(serve(context.args))


def _changed(configs: list[Path]) -> list[Path]:
    """Those whose sheet may have changed since the last pass; messages of the others are delivered.

    The others are not loaded.
    """
    from pipeline.config.sources import sources_of
    from pipeline.sync.quick_check import Found, checked

    found = [(one, checked(sources_of(one), partial(_needed, one))) for one in configs]
    if telling := [one for one, what in found if what is Found.MESSAGES]:
        from pipeline.cli.deliveries import deliver_due

        deliver_due([_needed(one) for one in telling])
    return [one for one, what in found if what is Found.CHANGED]


def _needed(config: Path) -> Settings:
    (settings,) = _loaded([config], need_key=True, warn=False)
    return settings


def _loaded(configs: list[Path], need_key: bool = False, warn: bool = True) -> list[Settings]:
    from pipeline.config import load

    loaded = [load(path, need_key=need_key) for path in configs]
    if warn:
        for warning in dict.fromkeys(warning for one in loaded for warning in one.warnings):
            print_error(warning)
    return loaded


def _require_serve() -> None:
    """Raise MissingExtra, before anything starts, if the libraries of `serve` are missing."""
    from importlib.util import find_spec

    if not all(map(find_spec, ("cronsim", "itsdangerous", "prometheus_client"))):
        raise MissingExtra("This", "serve")


def _set_paused(configs: list[Path] | None, *, paused: bool) -> None:
    from pipeline.cli import status as status_of

    raise typer.Exit(
        worst_code(_settings(configs), lambda one: status_of.set_paused(one, _console(), paused))
    )


def _settings(configs: Path | Sequence[Path] | None) -> list[Settings]:
    """The named configurations, loaded without printing their warnings."""
    return _loaded(flags.config_paths(configs), warn=False)


def _console() -> Screen:
    from pipeline.cli.screen import screen

    return screen()
