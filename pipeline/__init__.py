"""Promptsheet: fill a sheet, get the pictures back in the same rows.

Three things can differ: what the *sheet* asks for, what the *store* knows, and what the *API* has
done. A pass only removes differences, so a crash, a restart or a sorted sheet needs no special
handling:

    rows - jobs    a requested take without a job      -> create a job
    jobs - API     a job whose time has come           -> submit it, or ask about its task
    jobs - cells   a cell that is out of date          -> write the cell

CONTRIBUTING.md follows one row through the code. Where to look first:

    which row is which      core/rows/matching.py
    what to do with a row   core/planning/plan.py
    where money is spent    sync/submissions.py begins an attempt, sync/dispatcher.py sends it
    where a webhook goes    server/webhooks.py receives it, server/webhook_recorder.py records it

The packages, from the highest layer down. Imports go down only; import-linter checks it in CI.

    cli/          the command line
    server/       webhooks and metrics; the commands `serve` and `watch`
    page/         the pictures in a browser, for the marketing team
    notebook/     analysis in pandas
    reports/      results, the gallery, and the summary of a pass, for people
    delivering    builds the deliveries to outlets
    passes        one pass of `run` or `watch`, logged, whatever becomes of it
    wiring        builds the objects of a pass from Settings
    open_sheet    opens the sheet of a configuration, and finds its key in the store
    open_outlets  opens the outlets of a configuration
    open_pictures  opens saved pictures that are on another machine
    sync/         one pass over one sheet: submits, polls, and writes cells
    sheets/       CSV, Excel, Google: read a grid, write a patch
    provider/     one request to the API, one response; downloads
    store/        the only place that keeps the state of jobs
    outlets/      tells results to chats, tables and other programs
    config/       TOML and environment -> Settings
    images        opens pictures safely, and scales them down
    schedule, scheduler    when a pass is due, and the engine of a fleet
    callers, terminal, plain_files    safe text, logs and files
    telemetry         traces and metrics for OpenTelemetry
    event_log         the log of events of rows and passes, for programs
    google_session    sessions for Google's APIs
    core/         decides; pure, standard library only; `core/__init__.py` is its own map
    sandbox/      simulates the API; shares no code with the rest
    templates/    the pages, as HTML
"""

__version__ = "0.1.0"
