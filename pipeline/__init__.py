"""Promptsheet: fill a sheet, get the pictures back in the same rows.

Three things can differ: what the *sheet* asks, what the *store* knows, what the *API* has done. The
program only removes differences, so that a crash, a restart or a sorted sheet is no special case:

    rows - jobs    a take that no job answers for      -> write down a job
    jobs - API     a job whose time has come           -> send it, or ask about it
    jobs - cells   a cell that is out of date          -> write the cell

The modules, from the lowest layer up. Imports go down only; import-linter checks it in CI.

    core/         decides, and does nothing: pure functions over frozen values
      model         the nouns
      states        what can happen to an attempt, as one table
      invisible     characters that show nothing
      columns       which column is what, and what the person wrote in a row
      cell_errors   texts that a spreadsheet shows instead of a value
      approval      which words approve a row, and what an approval covers
      identity      who is who: rows of a reading -> rows that the store knows
      takes         which take a row asks for, and what is wrong with it
      prompt_checks  signs that a prompt is not what its writer meant
      near_misses   columns that are not used, and the names that may be meant
      plan          where each row stands, and what may be sent
      cells         what our cells should say
      resting       which rows are as the last pass left them, and are not looked at
      placing       which cells of a moving sheet were hit, and what to put back
      preview       the picture in a cell
      filenames     what a saved picture is called
      filetypes     what kind a saved file is
      attention     which rows need a person
      repeats       which lasting troubles are reported again, and when
      endpoint      requests for an API, and what its answers mean
      asking        when to ask about which tasks, learnt from earlier ones
      webhook       where an API calls back, and whether it really is the API
      notes         every sentence that people read in their sheet
      errors        all exceptions, grouped by who has to act

    store/        what is known of every job, and the only place where it is kept
    sheets/       the kinds of sheet: a grid to read, a patch to write
    api, media    one request out, one response back; saved files
    config/       TOML and environment -> Settings
    trust         whose certificates count
    images        opens saved pictures safely
    plain_files   reads files that are no links and no pipes; access to the files that we make
    scheduler     when the next pass is due
    loop          the event loop that everything async runs in
    callers       the key under which a stranger is counted, and a limit for log lines
    output        standard output and standard error, safe for any text and encoding

    glance        whether a pass could find anything new, before anything heavy is loaded
    known         what is known of a sheet: rows, jobs, and which rows are at rest
    holding       which store owns the sheet, and why nothing may be sent
    parting       which rows of a reading need a look
    book, clerk   a sheet and its store kept in step, in one worker thread
    sending       what leaves, and when it must not
    following     asking about tasks
    saving        saving the pictures of those that succeeded
    intake        what the API calls us with, many calls in one commit
    reporting     rows as a run, `status` and JSON report them
    outcome       the options of a pass, its progress, and its result
    runner        one pass, from the first look to the last
    adopting      taking over a sheet without paying
    campaign      a configured sheet with its open store
    lazy          the API and the folder of pictures, made when they are first needed
    wiring        Settings -> running parts; with `lazy`, the only place that names concrete classes

    results, gallery, notebook      what came of it, for people to look at
    screen, show, running, standing, checkup, connecting, starting, demo    the command line
    options, cli                    its flags and its commands
    web           all that is served to others
    connections   how many connections there may be, and how long a request may take
    hooks         where the API calls back, and who is refused
    page/         the pictures in a browser, for the people of the sheet
    metrics       numbers for Prometheus
    serving       receiver, page and metrics over real sockets: the command `serve`
    watching      passes on schedule beside them: the command `watch`

    sandbox/      a stand-in for the API, which shares no code with the rest
"""

__version__ = "0.1.0"
