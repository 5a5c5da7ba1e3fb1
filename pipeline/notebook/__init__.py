"""The results of a sheet as tables and charts, for analysis in a notebook.

    from pipeline import notebook

    results = notebook.open("demo/demo.toml")
    results.jobs()                  # a pandas DataFrame with one row for each job
    results.gallery()               # a grid of the saved pictures

`open` reads the sheet and the store, which a pass may be using meanwhile, and changes nothing. No
API key is needed. Only `run(confirm=True)` sends anything. pandas and matplotlib are imported on
first use.

    jobs        all jobs as an Arrow table, of which plain_jobs makes most
                (with columns, saved_files and cells)
    tables      the DataFrames
    pictures    the grid of pictures
    passes      the plan, and a run
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import wiring
from pipeline.config import load
from pipeline.core.errors import ConfigError, PromptsheetError, StoreError
from pipeline.core.text import counted
from pipeline.notebook import jobs, passes, pictures, tables
from pipeline.notebook.columns import fast_memory
from pipeline.open_pictures import Pictures
from pipeline.open_sheet import open_sheet
from pipeline.reports import charts, figures
from pipeline.reports.extras import as_sentence

if TYPE_CHECKING:
    import pyarrow
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pipeline.config import Settings


def open(config: str | Path = "") -> Results:  # noqa: A001 (read as notebook.open, like gzip.open)
    """The results of the sheet of a configuration, in their present state.

    Without `config`, the environment variable PROMPTSHEET_CONFIG names the configuration; else it
    is `promptsheet.toml`, else that of `demo --history`, else the demo's. A relative path is
    searched in the current folder, then in the folder above, because Jupyter starts a notebook in
    the notebook's folder.

    Raises ConfigError if the configuration is missing or invalid, and StoreError if the store
    cannot be read. Jupyter shows these errors as one sentence.
    """
    try:
        settings = load(_found(config or os.environ.get("PROMPTSHEET_CONFIG", "")))
        # Before the first run there is a plan all the same.
        found = jobs.jobs(settings) if settings.has_store else None
    except PromptsheetError as error:
        raise as_sentence(error) from None
    return Results(settings.source.name, found, settings)


def _found(config: str | Path) -> Path:
    """The path of the configuration. Raises ConfigError if there is none."""
    here = Path.cwd()
    names = [config] if config else ["promptsheet.toml", "demo/history.toml", "demo/demo.toml"]
    # Joining a folder and an absolute path gives the absolute path.
    places = [folder / Path(name).expanduser() for name in names for folder in (here, here.parent)]
    for place in places:
        if place.is_file():
            return place
    if config:
        raise ConfigError(
            f"There is no configuration {config} in {here} or in the folder above it."
        )
    raise ConfigError(
        f"There is no configuration in {here} or in the folder above it. Run `promptsheet demo` "
        "there, or put the path of your configuration into PROMPTSHEET_CONFIG."
    )


class Results:
    """All jobs of a sheet at one moment; `events`, `plan` and `run` use the present one.

    Before the first run there are none: all but `plan` and `run` then raise StoreError.
    """

    def __init__(
        self, title: str, found: pyarrow.Table | None, settings: Settings | None = None
    ) -> None:
        self.title = title
        self._found = found
        self._settings = settings
        self._jobs: DataFrame | None = None

    def __repr__(self) -> str:
        if self._found is None:
            return f"<{self.title}, not run yet>"
        return f"<{counted(len(self._found), 'job')} of {self.title}>"

    def jobs(self) -> DataFrame:
        """A DataFrame with one row for each job, earlier takes included, in the order of the sheet.

        Its columns are backed by Arrow, but `status`, which is categorical. After the columns of
        `tables.COLUMNS` comes one for each input of the sheet, as text; an input with the name of
        another column is called `input_…`: `prompt` is the prompt that was sent, `input_prompt` the
        cell. Then come the team's own columns, as the row shows them now: `Owner notes` is called
        `owner_notes`, or `own_…` if there is such a column.

        `status` has no percentage. `duration` is the time from submission to result. `credits` is
        the cost of all attempts, in the `unit` of the `account`; all three are empty if a job was
        paid for at several accounts. Times are in UTC.
        """
        if self._jobs is None:
            self._jobs = tables.jobs_table(self._ran())
        # What is written into one copy is in no other: pandas copies what is changed.
        return self._jobs.copy(deep=False)

    def payments(self) -> DataFrame:
        """A DataFrame with one row for each job and account that it was paid for at.

        Its columns: `row_id`, `take`, `part`, `submitted_at`, `account`, `unit` and `credits`.
        """
        return tables.payments_table(self._ran())

    def files(self) -> DataFrame:
        """A DataFrame with one row for each saved file: `row_id`, `take`, `part`, `number`, `url`.

        `number` counts the results of the job from 1. `file` is the path on this machine or the
        address on another one, `link` a web address that lasts, and `picked` says if it was picked.
        """
        return tables.files_table(self._ran())

    def events(self) -> DataFrame:
        """A DataFrame with one row for each event of each job until now, the oldest first.

        Its columns: `row_id`, `take`, `part`, `attempt`, `at`, `event` and `text`.
        """
        self._ran()
        settings = self._known()
        try:
            with wiring.scratch_store(settings) as store, fast_memory():
                sheet = open_sheet(settings, store)
                note = wiring.rules(settings, sheet.key, store).catalogue.text
                return tables.events_table(store.listings.events(sheet.key), note)
        except PromptsheetError as error:
            raise as_sentence(error) from None

    def compare(self, by: str = "style") -> DataFrame:
        """Outcomes, waits, picks and costs by the text of a column (`figures.compare`)."""
        return figures.compare(self.jobs(), by)

    def outcomes(self) -> Figure:
        """A bar chart of the number of jobs with each status."""
        return charts.outcomes(self.jobs())

    def timings(self) -> Figure:
        """A histogram of the seconds from submission to result, for finished jobs."""
        return charts.waits(self.jobs())

    def spending(self) -> Figure:
        """A chart of the total costs over time, with a line for each account."""
        return charts.spending(self.payments())

    def gallery(self, jobs: DataFrame | None = None, n: int = 12) -> Figure:
        """A grid of `n` saved pictures of these jobs: the first one of each, then the second ones …

        `jobs` are some rows of `jobs()`, else all of them. Of a job with picks, these are shown. A
        picture on another machine is read from there, unless a small version is on this one.

        Raises ConfigError if `jobs` has not the columns of `jobs()`.
        """
        opened = Pictures(self._settings) if self._settings else None
        return pictures.gallery(self.jobs() if jobs is None else jobs, n, opened)

    def plan(self) -> DataFrame:
        """A DataFrame with one row for each request that a run would send now. Nothing is sent.

        `credits` is the listed price, and `when` is `now`, `after another row` or `once settled`.
        """
        return passes.plan(self._known()).table

    def run(self, *, confirm: bool = False) -> Results:
        """Show what a run would send and what it costs; with `confirm=True`, run and pay.

        A run waits until every task has ended, as `promptsheet run --wait` does, within the limits
        of the configuration. An interrupt of the kernel ends it; what is under way is recorded.
        Returns the results after it, or these. Raises ConfigError without the API key.
        """
        settings = self._known()
        if confirm is not True:
            planned = passes.plan(settings)
            sys.stdout.write(f"{planned.sentence}\n")
            if len(planned.table):
                hint = "Nothing was sent. To send and pay this, call run(confirm=True).\n"
                sys.stdout.write(hint)
            return self
        sys.stdout.write(f"{passes.run(settings.path)}\n")
        return open(settings.path)

    def _ran(self) -> pyarrow.Table:
        if self._found is None:
            raise as_sentence(
                StoreError(
                    f"Nothing has been run yet for {self.title}. Run promptsheet run, or "
                    "run(confirm=True) here."
                )
            )
        return self._found

    def _known(self) -> Settings:
        if self._settings is None:
            raise as_sentence(ConfigError("These results come from no configuration."))
        return self._settings
