"""The results of a sheet as tables and charts, for analysis in a notebook.

    from pipeline import notebook

    results = notebook.open("demo/demo.toml")
    results.jobs()                  # a pandas DataFrame with one row for each job
    results.gallery()               # a grid of the saved pictures

`open` reads the store once, so that all tables and charts of a notebook show the same state.
Nothing is changed, and no API key is needed. pandas and matplotlib are imported on first use.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline import wiring
from pipeline.core.errors import ConfigError, NotRead, PromptsheetError
from pipeline.core.statuses import Status
from pipeline.images import NoPicture, opened_picture
from pipeline.open_pictures import Pictures, is_elsewhere, kind_of
from pipeline.reports import charts, figures
from pipeline.reports.extras import as_sentence, needed
from pipeline.reports.results import Shown, results

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

#: Column of the table of jobs -> its type, in order. `list` stands for a list of strings.
COLUMNS: Final = {
    "row_id": "string",
    "line": "int64",
    "name": "string",
    "take": "int64",
    "part": "string",
    "prompt": "string",
    "endpoint": "string",
    "status": "category",
    "note": "string",
    "state": "string",
    "task_id": "string",
    "urls": "list",
    "grid_url": "string",
    "picked": "list",
    "feedback": "string",
    "text": "string",
    "files": "list",
    "credits": "float64",
    "unit": "string",
    "account": "string",
    "attempts": "int64",
    "submitted_at": "moment",
    "finished_at": "moment",
    "duration": "duration",
    "in_sheet": "bool",
}
#: Before the name of an input whose own name is that of a column above.
INPUT: Final = "input_"
#: The same for the team's own columns.
OWN: Final = "own_"


def open(config: str | Path = "") -> Results:  # noqa: A001 (read as notebook.open, like gzip.open)
    """The results of the sheet of a configuration, in their present state.

    Without `config`, the environment variable PROMPTSHEET_CONFIG names the configuration; else it
    is `promptsheet.toml`, else that of `demo --history`, else the demo's. A relative path is
    searched in the current folder, then in the folder above, because Jupyter starts a notebook in
    the notebook's folder.

    Raises ConfigError if the configuration is missing or invalid, and StoreError before the first
    run. Jupyter shows these errors as one sentence.
    """
    try:
        settings = wiring.load(_found(config or os.environ.get("PROMPTSHEET_CONFIG", "")))
        return Results(settings.source.name, results(settings), Pictures(settings))
    except PromptsheetError as error:
        raise as_sentence(error) from None


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
    """All jobs of a sheet at one moment."""

    def __init__(self, title: str, shown: list[Shown], pictures: Pictures | None = None) -> None:
        self.title = title
        self._shown = shown
        self._pictures = pictures

    def __repr__(self) -> str:
        return f"<{len(self._shown)} jobs of {self.title}>"

    def jobs(self) -> pandas.DataFrame:
        """A DataFrame with one row for each job, earlier takes included, in the order of the sheet.

        Its columns are backed by Arrow, but `status`, which is categorical. After the columns of
        COLUMNS comes one for each input of the sheet, as text; an input with the name of another
        column is called `input_…`: `prompt` is the prompt that was sent, `input_prompt` the cell.
        Then come the team's own columns, as the row shows them now: `Owner notes` is called
        `owner_notes`, or `own_…` if there is such a column.

        `status` has no percentage. `duration` is the time from submission to result. `credits` is
        the cost of all attempts, in the `unit` of the `account`; all three are empty if a job was
        paid for at several accounts. Times are in UTC.
        """
        pd = needed("pandas")
        types = _types()
        columns = {
            name: pd.array([_cell(one, name) for one in self._shown], dtype=types[kind])
            for name, kind in COLUMNS.items()
        }
        inputs = dict.fromkeys(name for one in self._shown for name in one.inputs)
        for name in inputs:
            texts = [one.inputs.get(name) for one in self._shown]
            columns[_title(name, INPUT, COLUMNS, inputs)] = pd.array(texts, dtype=types["string"])
        for title in dict.fromkeys(title for one in self._shown for title in one.own):
            texts = [one.own.get(title) for one in self._shown]
            name = _title(re.sub(r"[\s_-]+", "_", title.strip().lower()), OWN, columns)
            columns[name] = pd.array(texts, dtype=types["string"])
        table: pandas.DataFrame = pd.DataFrame(columns)
        return table

    def payments(self) -> pandas.DataFrame:
        """A DataFrame with one row for each job and account that it was paid for at.

        Its columns: `row_id`, `take`, `part`, `submitted_at`, `account`, `unit` and `credits`.
        """
        pd, types = needed("pandas"), _types()
        paid = [(one, cost) for one in self._shown for cost in one.costs]
        columns = {
            name: pd.array([getattr(one, name) for one, _ in paid], dtype=types[COLUMNS[name]])
            for name in ("row_id", "take", "part", "submitted_at")
        }
        string = types["string"]
        columns["account"] = pd.array([cost.account.name for _, cost in paid], dtype=string)
        columns["unit"] = pd.array([cost.account.unit for _, cost in paid], dtype=string)
        amounts = [float(cost.amount) for _, cost in paid]
        columns["credits"] = pd.array(amounts, dtype=types["float64"])
        table: pandas.DataFrame = pd.DataFrame(columns)
        return table

    def outcomes(self) -> Figure:
        """A bar chart of the number of jobs with each status."""
        return charts.outcomes(self.jobs())

    def timings(self) -> Figure:
        """A histogram of the seconds from submission to result, for finished jobs."""
        return charts.waits(self.jobs())

    def spending(self) -> Figure:
        """A chart of the total costs over time, with a line for each account."""
        return charts.spending(self.payments())

    def compare(self, by: str = "style") -> pandas.DataFrame:
        """Outcomes, waits, picks and costs by the text of a column (`figures.compare`)."""
        return figures.compare(self.jobs(), by)

    def gallery(self, jobs: pandas.DataFrame | None = None, n: int = 12) -> Figure:
        """A grid of `n` saved pictures of these jobs: the first one of each, then the second ones …

        `jobs` are some rows of `jobs()`, else all of them. Of a job with picks, these are shown. A
        picture on another machine is read from there, unless a small version is on this one.
        """
        chosen = _chosen(self.jobs() if jobs is None else jobs, n)
        across = min(4, len(chosen)) or 1
        down = -(-len(chosen) // across) or 1
        plt = needed("matplotlib.pyplot")
        figure: Figure
        figure, grid = plt.subplots(
            down, across, figsize=(3 * across, 3.3 * down), squeeze=False, layout="constrained"
        )
        for axes in grid.flat:
            axes.axis("off")
        for axes, (label, file) in zip(grid.flat, chosen, strict=False):
            axes.set_title(label, fontsize=9)
            try:
                axes.imshow(_opened(self._on_this_machine(file)))
            except (NotRead, NoPicture) as error:
                why = textwrap.fill(str(error), 36).replace("$", r"\$")
                axes.text(0.5, 0.5, why, ha="center", va="center", fontsize=8)
        if not chosen:
            grid[0][0].text(0.5, 0.5, "No saved pictures yet", ha="center")
        plt.close(figure)
        return figure

    def _on_this_machine(self, file: str) -> Path:
        """The file, or the small version of one on another machine. Raises NotRead."""
        if not is_elsewhere(file):
            return Path(file)
        if (small := self._pictures.preview(file) if self._pictures else None) is None:
            raise NotRead("This file is no picture.")
        return small


def _types() -> dict[str, Any]:
    """Word of COLUMNS -> type of pandas."""
    pd, pa = needed("pandas"), needed("pyarrow")
    arrow = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "list": pa.list_(pa.string()),
        "moment": pa.timestamp("us", tz="UTC"),
        "duration": pa.duration("us"),
    }
    statuses = pd.CategoricalDtype([status.value for status in charts.STATUSES], ordered=False)
    return {"category": statuses} | {word: pd.ArrowDtype(kind) for word, kind in arrow.items()}


def _title(name: str, before: str, taken: Collection[str], others: Collection[str] = ()) -> str:
    """The name of a column, with `before` in front of it as long as there is such a column."""
    if name not in taken:
        return name
    name = before + name
    while name in taken or name in others:
        name = before + name
    return name


def _cell(one: Shown, name: str) -> object:
    match name:
        case "status":
            return Status.of(one.status).value
        case "state":
            return str(one.state)
        case "urls" | "picked":
            return list(getattr(one, name))
        case "files":
            return [str(place) for _, place in _saved(one)]
        case "credits":
            return float(one.credits) if len(one.costs) < 2 else None
        case "unit" | "account":
            return getattr(one.costs[0].account, _OF_ACCOUNT[name]) if len(one.costs) == 1 else None
        case "duration":
            return None if one.seconds is None else timedelta(seconds=one.seconds)
        case _:
            return getattr(one, name)


_OF_ACCOUNT: Final = {"unit": "unit", "account": "name"}


def _saved(one: Shown) -> list[tuple[str, Path | str]]:
    """URL and saved file, or its address on another machine, in the order of the results."""
    places: dict[str, Path | str] = {**one.files, **one.elsewhere}
    return [(url, places[url]) for url in one.urls if url in places]


def _chosen(jobs: pandas.DataFrame, n: int) -> list[tuple[str, str]]:
    """The label and the file of each picture to show."""
    named = ["name", "prompt", "take", "urls", "picked", "files"]
    # One picture of each job first, so that the grid shows as many rows as possible.
    found: list[tuple[int, str, str]] = []
    for name, prompt, take, urls, picked, files in jobs[named].itertuples(index=False):
        # Results without a saved file are left out of `files`; then it is not known which is which.
        known = len(files) == len(urls)
        its = [f for url, f in zip(urls, files, strict=True) if url in picked] if known else []
        kind = urls[0] if len(urls) else ""
        drawable = [f for f in its or files if _is_picture(f, kind)]
        found += [(at, _label(name or prompt, take), file) for at, file in enumerate(drawable)]
    found.sort(key=lambda one: one[0])
    return [(label, file) for _, label, file in found[:n]]


def _is_picture(file: str, url: str) -> bool:
    return kind_of(file, url if is_elsewhere(file) else "").startswith("image/")


def _opened(file: Path) -> Any:
    with opened_picture(file) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((640, 640))
    return picture


def _label(text: str, take: int) -> str:
    # matplotlib would read text between dollar signs as a formula.
    words = textwrap.shorten(text, 40, placeholder=" …").replace("$", r"\$")
    return words if take == 1 else f"{words} (take {take})"
