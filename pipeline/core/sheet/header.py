"""Which column of a sheet is what, by the titles in its header, and what its rows say.

Names match without regard to case, spaces, hyphens, underscores and invisible characters. Three
kinds of column matter: *inputs* (named like a field of an endpoint), *controls* (people steer with
them) and *ours* (we write them). All others are left alone.
"""

from __future__ import annotations

import re
import sys
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from pipeline.core.api.fields import INDEX, PARENT
from pipeline.core.cell_errors import input_text
from pipeline.core.inputs import canonical, normalise, ratio
from pipeline.core.invisible import is_blank, visible
from pipeline.core.model import Grid

#: Controls that ask for several generations of a row (see `rows.generations`).
COUNT: Final = "count"
RATIOS: Final = "ratios"
#: The field that takes one ratio.
RATIO: Final = "aspect_ratio"
CONTROLS = (
    *("endpoint", "name", "parent", "take", COUNT, RATIOS, "approved", "skip"),
    *("pick", "feedback"),
)
#: Ours in every sheet; added right of the widest row where they are missing.
ALWAYS = ("row_id", "status", "task_id", "image_urls", "note")
#: Ours where the person has made the column.
IF_THERE = (
    "image_1",
    "image_2",
    "image_3",
    "image_4",
    "grid_url",
    "files",
    "credits",
    "progress",
    "submitted_at",
    "finished_at",
    "preview",
    "text",
    "picked",
)
#: Filled by the kind of sheet that can show a picture in a cell; no text of ours goes there.
PREVIEW = "preview"
#: A common title. It is ours only in sheets whose rows may have results that are text.
TEXT = "text"
OURS = ALWAYS + IF_THERE
#: The shape of an id of ours.
ROW_ID = re.compile(r"r_[a-z0-9]{9}")
#: Controls that belong to the inputs: another endpoint generates another picture.
WRITTEN = ("endpoint", "parent", COUNT, RATIOS)
#: Columns whose loss would change the inputs, or send rows that people held back: a reading without
#: them is not accepted.
LOAD_BEARING = ("approved", "take", "skip", "parent", "endpoint", "feedback")


@dataclass(frozen=True, slots=True)
class Marked:
    """One row of a reading, before it is known which row it is."""

    #: Its row in the grid (the header is 0).
    place: int
    #: What its row_id cell says.
    mark: str
    #: Canonical text of what the person wrote.
    inputs: str
    #: What its take cell says.
    take: str
    #: A number for all else that people wrote there (take included), to tell equal rows apart.
    others: str
    #: True if it shows results (task_id or URLs) / if any of our cells but the id is filled.
    has_results: bool
    has_marks: bool
    #: What its cells `pick` and `feedback` say.
    pick: str = ""
    feedback: str = ""

    @property
    def is_filled(self) -> bool:
        """True if its cells say that it was sent before, by anybody."""
        return bool(self.mark) or self.has_results


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of one sheet has which name. Made by `Header.read`."""

    header: tuple[str, ...]
    #: Name -> column, counted from 0; the first of its name where there are two.
    index: Mapping[str, int]
    #: The input columns of this sheet, sorted: fields, then `endpoint` and `parent` if there.
    inputs: tuple[str, ...]
    #: Names, ours or people's, that occur more than once, and where.
    doubled: Mapping[str, tuple[int, ...]]
    titles: Mapping[str, str]
    #: True if rows that name no endpoint can follow another row / the endpoints whose rows can.
    follows: bool = False
    followers: frozenset[str] = frozenset()
    #: Folded name -> the endpoints that have it.
    spelled: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Folded titles of columns that have a name of ours and are a team's own.
    ignored: frozenset[str] = frozenset()

    def endpoint(self, cell: str) -> str:
        """The name of the endpoint that a cell names in any spelling; else what it says."""
        name = visible(cell)
        same = self.spelled.get(folded(name), ())
        return same[0] if len(same) == 1 else name

    @property
    def ours(self) -> dict[str, int]:
        """Our columns that are in this sheet: name -> column, in the order of `OURS`."""
        return {name: self.index[name] for name in OURS if name in self.index}

    def cell(self, row: Sequence[str], name: str) -> str:
        """The text of a named cell; empty if the sheet has no such column or the row is short."""
        at = self.index.get(name, -1)
        return row[at] if 0 <= at < len(row) else ""

    def has(self, name: str) -> bool:
        """True if a column of this name is there, also if it means nothing to any row now."""
        return name in self.index or self.titled(name) is not None

    def titled(self, name: str) -> int | None:
        """Where the column is whose title is this name, even if it is not used; None if none is."""
        title = folded(self.titles.get(name, name))
        return next((at for at, one in enumerate(self.header) if folded(one) == title), None)

    def control(self, row: Sequence[str], name: str) -> str:
        """The text of a cell that steers the program, without invisible characters."""
        text = self.cell(row, name)
        return visible(text) if text else ""

    def title(self, name: str) -> str:
        """The title of the column in this sheet, or the title that it gets when we add it."""
        at = self.index.get(name)
        return self.titles.get(name, name) if at is None else self.header[at]

    def with_ratios(self) -> Columns:
        """The same for sentences about a row whose ratio is in the column `ratios`."""
        if RATIOS not in self.index:
            return self
        index = {name: at for name, at in self.index.items() if name != RATIO}
        return replace(self, index=index, titles={**self.titles, RATIO: self.title(RATIOS)})

    def filled(self, grid: Grid, name: str) -> bool:
        """Returns whether any cell below the header of that column holds something."""
        return is_filled(grid, self.index[name])

    def surplus(self, row: Sequence[str]) -> bool:
        """True if a cell to the right of all columns that people named is filled, and is not ours.

        A column without a name belongs to the table if a column that people named follows it. A
        row_id does not count: it moves one cell to the left when a person adds the missing
        quotation marks.
        """
        for at, text in enumerate(row):
            if at < len(self.header) and folded(self.header[at]):
                continue
            if is_blank(text) or ROW_ID.fullmatch(text.strip()):
                continue
            following = (one for one in range(at + 1, len(self.header)) if folded(self.header[one]))
            first = next(following, None)
            if first is None or any(self.index.get(name) == first for name in OURS):
                return True
        return False

    def is_row(self, row: Sequence[str]) -> bool:
        """True if a line is a row of ours: the person filled at least one input cell."""
        wrote = {name: text for name in self.inputs if (text := normalise(self.cell(row, name)))}
        return self._asks(wrote) and not self._repeats_header(row)

    def _asks(self, wrote: dict[str, str]) -> bool:
        """True if the cells of a line ask for something.

        The name of a parent is enough where the row can follow one. An index without a parent
        chooses nothing: it is left out, because it may be a number of the team's own.
        """
        if PARENT in self.index and self._can_follow(wrote):
            if PARENT in wrote:
                return True
            wrote.pop(INDEX, None)
        return not wrote.keys() <= _NOT_ENOUGH

    def _can_follow(self, wrote: Mapping[str, str]) -> bool:
        if (name := wrote.get("endpoint")) is None:
            return self.follows
        its = self.endpoint(name)
        # A name that no endpoint has is a mistake, which the row is to say.
        return its in self.followers or its not in self.spelled.get(folded(its), ())

    def rows(self, grid: Grid, among: Iterable[int] | None = None) -> Iterator[Marked]:
        """The rows of ours: those in which the person filled at least one input cell.

        `among` says which places of the grid to look at, where not all are asked for.
        """
        inputs_of, others_of = self.reader_of_inputs(), self.reader_of_others()
        results = [self.index[n] for n in ("task_id", "image_urls") if n in self.index]
        marks = [at for name, at in self.ours.items() if name != "row_id"]
        row_id, take = self.index.get("row_id", _NOWHERE), self.index.get("take", _NOWHERE)
        pick, feedback = self.index.get("pick", _NOWHERE), self.index.get("feedback", _NOWHERE)
        for place in range(1, len(grid)) if among is None else among:
            row = grid[place]
            wide = len(row)
            inputs = inputs_of(row)
            if not inputs or self._repeats_header(row):
                continue
            yield Marked(
                place,
                visible(row[row_id]) if row_id < wide else "",
                inputs,
                visible(input_text(row[take])) if take < wide else "",
                others_of(row),
                _holds_text([row[at] for at in results if at < wide and not _is_note(row[at])]),
                _holds_text([row[at] for at in marks if at < wide]),
                visible(row[pick]) if pick < wide else "",
                normalise(input_text(row[feedback])) if feedback < wide else "",
            )

    def reader_of_inputs(self) -> Callable[[Sequence[str]], str]:
        """Returns a function that gives the canonical text of what a line asks for.

        It is empty if the line asks for nothing.
        """
        places = [(name, self.index[name]) for name in self.inputs]
        chosen = [name for name in (*WRITTEN, RATIO) if name in self.inputs]

        def inputs_of(row: Sequence[str]) -> str:
            wide = len(row)
            wrote = {
                n: v for n, at in places if at < wide and (v := normalise(input_text(row[at])))
            }
            if not self._asks(wrote):
                return ""
            for name in chosen:
                if name in wrote:
                    wrote[name] = self._spelled(name, wrote[name])
            return canonical(wrote)

        return inputs_of

    def reader_of_others(self) -> Callable[[Sequence[str]], str]:
        """Returns a function that gives the number of all else that people wrote in a line."""
        known = {at for name, at in self.index.items() if name in OURS or name in self.inputs}
        others = [at for at in range(len(self.header)) if at not in known]

        def others_of(row: Sequence[str]) -> str:
            wide = len(row)
            return _number_of([row[at] for at in others if at < wide])

        return others_of

    def compared(self, name: str, cell: str) -> str:
        """The text of a cell in the column `name`, as inputs are compared."""
        return self._spelled(name, normalise(input_text(cell)))

    def _spelled(self, name: str, text: str) -> str:
        match name:
            case "endpoint":
                return self.endpoint(text)
            case "parent":
                return visible(text)
            case "aspect_ratio":
                return ratio(text)
        return text

    def _repeats_header(self, row: Sequence[str]) -> bool:
        """True if each filled cell of a line is the title of its column (files put together)."""
        header = self.header
        for at, cell in enumerate(row):
            if not cell:
                continue
            title = header[at] if at < len(header) else ""
            # The last letter is checked first: this runs for every row, and folding takes longer.
            if cell[-1].casefold() != title[-1:].casefold() or folded(cell) != folded(title):
                return False
        return True


#: The place of a column that is not there: no row is so wide.
_NOWHERE: Final = sys.maxsize
#: A line with only these inputs does not ask for anything yet; see `Columns._asks`.
_NOT_ENOUGH = frozenset(WRITTEN)


@dataclass(frozen=True, slots=True)
class Header:
    """The configured columns. They determine the meaning of each column of a sheet."""

    #: The names of cells for rows that name no endpoint (`api.fields.columns_of` their endpoint).
    fields: frozenset[str]
    #: `[columns]`: our name -> the sheet's title.
    titles: Mapping[str, str] = field(default_factory=dict)
    #: Titles of columns that have a name of ours and are a team's own.
    ignore: Sequence[str] = ()
    #: Endpoint -> the same, for rows that name one.
    endpoints: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: True if rows that name no endpoint have results that are text / the endpoints that do.
    gives_text: bool = False
    text_endpoints: frozenset[str] = frozenset()

    def read(self, grid: Grid) -> Columns:
        """The meaning of the columns of a grid, by its first line.

        A column named like a field of another endpoint is an input if a row names that endpoint;
        in all other sheets it is a column of the team's own. The same is true of `text`, if a row
        names an endpoint whose result is text.
        """
        columns = self.read_line(grid[0] if grid else ())
        at = columns.index.get("endpoint")
        if at is None or not self.endpoints:
            return columns
        cells = {*map(columns.endpoint, {row[at] for row in grid[1:] if at < len(row)})}
        named = [self.endpoints[name] for name in cells if name in self.endpoints]
        if not named:
            return columns
        gives_text = self.gives_text or not cells.isdisjoint(self.text_endpoints)
        return replace(self, gives_text=gives_text).read_line(grid[0], named)

    def read_line(self, line: Sequence[str], named: Iterable[frozenset[str]] = ()) -> Columns:
        """The meaning of the columns if this line is the header.

        `named` holds the cells of further endpoints that rows are for.
        """
        fields = frozenset().union(*(self._in(line, cells) for cells in (self.fields, *named)))
        ours = OURS if self.gives_text else (name for name in OURS if name != TEXT)
        names = (*ours, *CONTROLS, *fields)
        wanted = {folded(self.titles.get(name, name)): name for name in names}
        free = frozenset(map(folded, self.ignore))
        found: dict[str, list[int]] = defaultdict(list)
        for at, title in enumerate(line):
            name = wanted.get(folded(title))
            if name and folded(title) not in free:
                found[name].append(at)
        inputs = tuple(sorted(name for name in found if name in fields or name in WRITTEN))
        return Columns(
            header=tuple(line),
            index={name: places[0] for name, places in found.items()},
            inputs=inputs,
            doubled={name: tuple(places) for name, places in found.items() if len(places) > 1},
            titles=self.titles,
            follows=PARENT in self.fields,
            followers=frozenset(n for n, cells in self.endpoints.items() if PARENT in cells),
            spelled=_spelled(tuple(self.endpoints)),
            ignored=free,
        )

    def _in(self, line: Sequence[str], cells: frozenset[str]) -> frozenset[str]:
        """Those of an endpoint's cells that can be columns of a sheet with this header.

        A column `index` chooses one of the parent's results. Without a column `parent` it is the
        team's own: many sheets number their rows.
        """
        title = folded(self.titles.get(PARENT, PARENT))
        has_parent = title in map(folded, line) and title not in map(folded, self.ignore)
        return cells if has_parent or PARENT not in cells else cells - {INDEX}


@lru_cache(maxsize=16)
def _spelled(names: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[folded(name)].append(name)
    return dict(found)


def believed(columns: Columns) -> tuple[str, ...]:
    """The columns whose loss would change the inputs, or send rows that people held back."""
    return tuple(sorted({*columns.inputs, *(n for n in LOAD_BEARING if n in columns.index)}))


@lru_cache(maxsize=4096)
def is_filled(grid: Grid, at: int) -> bool:
    """Returns whether any cell below the header of this column holds something."""
    return any(at < len(row) and not is_blank(row[at]) for row in grid[1:])


def folded(title: str) -> str:
    """A column title as it is compared: without case, spaces, hyphens, underscores and invisible
    characters.
    """
    if not title.isascii():
        title = unicodedata.normalize("NFC", title)
    return _NOT_COUNTED.sub("", visible(title).casefold())


_NOT_COUNTED = re.compile(r"[\s_-]")


def _is_note(cell: str) -> bool:
    """True if it is a note of ours, which moved to another column when the row was repaired."""
    return cell.startswith("Not sent: ")


def _holds_text(cells: list[str]) -> bool:
    return not is_blank("".join(cells))


def _number_of(cells: list[str]) -> str:
    # Not a secret and not proof of anything: it only breaks ties between rows with equal inputs.
    text = "\x1f".join(cells)
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}" if text.strip("\x1f") else ""
