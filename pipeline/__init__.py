"""Promptsheet: fill a sheet, get the pictures back in the same rows.

Three things can differ: what the *sheet* asks, what the *store* knows, what the *API* has done. The
program only removes differences, so that a crash, a restart or a sorted sheet is no special case:

    rows - jobs    a take that no job answers for      -> write down a job
    jobs - API     a job whose time has come           -> send it, or ask about it
    jobs - cells   a cell that is out of date          -> write the cell

The rooms, from the highest layer down. Imports go down only; import-linter checks it in CI.

    cli/          the command line
    server/       webhooks and metrics; the commands `serve` and `watch`
    page/         the pictures in a browser, for the people of the sheet
    notebook      analysis in pandas
    reports/      results, the gallery, and what came of a pass, for people
    wiring        Settings -> objects, and nothing else
    open_sheet    which class reads the sheet, and under which key the store knows it
    sync/         one pass over one sheet: where requests are sent and cells are written
    sheets/       CSV, Excel, Google: a grid to read, a patch to write
    provider/     one request out, one response back; downloads
    store/        what is known of every job, and the only place where it is kept
    config/       TOML and environment -> Settings
    scheduler, callers, terminal, plain_files    when a pass is due; safe text, logs and files
    core/         decides: row matching, planning, states; pure, standard library only
    sandbox/      a stand-in for the API, which shares no code with the rest
    templates/    the pages, as HTML
"""

__version__ = "0.1.0"
