"""A scripted person who edits the sheet between any two of our requests.

    person = Person(book, seed=7, ours=("row_id", "status", "image_1"))
    google.between(person.act)          # up to `most` gestures before each request
    ...
    google.between(None)
    person.look()
    assert person.changed == []         # what somebody else did to people's cells

The same seed gives the same gestures. The ledger: `where(identity)` says which row it is now that
was `rows()[n]` before; a cell's `origin` says in which row its content was entered. `gone` are rows
that the person deleted, `done` counts the gestures.

People's cells are those in columns that are not `ours`. Their content at the last look of the
person must be the same at the next look: each difference is added to `changed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.fakes.google.a1 import Area
from tests.fakes.google.entering import Value
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Identity, Sheet

#: What a person may type over one of our cells.
SCRIBBLES = ("", "done", "please redo", "17", "=1+1", "TRUE")

#: Column and row by their identities, and what was there.
Seen = dict[tuple[Identity, Identity], str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Changed:
    """A cell of a person that was changed by others."""

    row: int
    title: str
    before: Value
    now: Value


@dataclass
class Person:
    """A person who edits the first tab of a book."""

    book: Book
    seed: int = 0
    #: Titles of the columns that belong to the program.
    ours: Collection[str] = ()
    #: The title of the column that is edited; the first that is not ours if it is not there.
    prompt: str = "prompt"
    #: At most so many gestures at a time.
    most: int = 20
    #: Which gestures; by default all of `USUAL`.
    gestures: Sequence[str] = ()
    #: A new prompt, for the gestures that write one; None: inserted rows stay empty.
    new_prompt: Callable[[Random], str] | None = lambda chance: f"a fox {chance.randrange(10**9)}"
    #: Rows above the data.
    header: int = 1
    #: No fewer rows than these are left by deleting, no more made by copying.
    fewest: int = 1
    greatest: int = 100_000
    #: No column is inserted into a sheet whose header is as wide.
    widest: int = 20
    done: Counter[str] = field(default_factory=Counter)
    gone: set[Identity] = field(default_factory=set)
    changed: list[Changed] = field(default_factory=list)
    _seen: Seen | None = None

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.gestures = tuple(self.gestures) or USUAL

    @property
    def sheet(self) -> Sheet:
        return self.book.sheets[0]

    # ------------------------------------------------------------------ looking

    @property
    def last(self) -> int:
        """The index behind the last row that has something in it."""
        return max(self.header, self.sheet.filled)

    def rows(self) -> list[Identity]:
        """The rows of the data, as they stand now."""
        return [row.identity for row in self.sheet.rows[self.header : self.last]]

    def where(self, identity: Identity) -> int | None:
        """The current index (from 0) of the row; None if it was deleted."""
        return self.sheet.where(identity)

    def titles(self) -> list[str]:
        """The titles in the header."""
        row = self.sheet.rows[self.header - 1].cells
        return [str(cell.value or "") for cell in row]

    def columns(self, *, ours: bool) -> list[int]:
        """Columns with a title, ours or people's."""
        found = enumerate(self.titles())
        return [n for n, title in found if title and (title in self.ours) is ours]

    def look(self) -> None:
        """Compare people's cells with how they were left."""
        before, self._seen = self._seen, None
        if before is None:
            return
        now = self._people()
        for key in before.keys() | now.keys():
            if before.get(key) != now.get(key):
                row = self.where(key[1])
                columns = [one.identity for one in self.sheet.columns]
                at = columns.index(key[0]) if key[0] in columns else -1
                titles = self.titles()
                title = titles[at] if 0 <= at < len(titles) else ""
                self.changed.append(
                    Changed(-1 if row is None else row, title, before.get(key), now.get(key))
                )

    def _people(self) -> Seen:
        ours = set(self.columns(ours=True))
        columns = [(n, one.identity) for n, one in enumerate(self.sheet.columns) if n not in ours]
        seen: Seen = {}
        for row in self.sheet.rows[: self.last]:
            cells, identity = row.cells, row.identity
            for n, column in columns:
                if n >= len(cells):
                    break
                cell = cells[n]
                content = cell.value if cell.formula is None else cell.formula
                if content is not None:
                    seen[column, identity] = content
        return seen

    # ------------------------------------------------------------------ acting

    def act(self, asked: object = None) -> None:
        """Check the cells, and then do up to `most` gestures."""
        self.look()
        for _ in range(self.chance.randint(0, self.most)):
            self.do(self.chance.choice(self.gestures))
        self._seen = self._people()

    def do(self, name: str) -> None:
        """One gesture; nothing happens where it makes no sense (in a sheet without rows)."""
        if self.last > self.header and GESTURES[name](self):
            self.done[name] += 1

    def _row(self) -> int:
        return self.chance.randrange(self.header, self.last)

    def _prompt_column(self) -> int | None:
        titles = self.titles()
        if self.prompt in titles:
            return titles.index(self.prompt)
        return next(iter(self.columns(ours=False)), None)

    def sort_rows(self) -> bool:
        """Sort whole rows by any column."""
        columns = self.columns(ours=False) + self.columns(ours=True)
        if not columns:
            return False
        area = Area(self.header, self.last, 0, len(self.sheet.columns))
        self.book.sort(self.sheet, area, [(self.chance.choice(columns), self._coin())])
        return True

    def shuffle_rows(self) -> bool:
        """Put whole rows into any order (as a sort by something we do not know)."""
        order = list(range(self.header, self.last))
        self.chance.shuffle(order)
        area = Area(self.header, self.last, 0, len(self.sheet.columns))
        self.book.rearrange(self.sheet, area, order)
        return True

    def sort_one_column(self) -> bool:
        """Sort one column alone, so that its cells leave their rows."""
        columns = self.columns(ours=self._coin())
        if not columns:
            return False
        column = self.chance.choice(columns)
        area = Area(self.header, self.last, column, column + 1)
        self.book.sort(self.sheet, area, [(column, self._coin())])
        return True

    def insert_row(self) -> bool:
        """A new row somewhere, with a prompt or empty."""
        if self.last - self.header >= self.greatest:
            return False
        at = self._row()
        self.book.insert(self.sheet, ROWS, at, like_before=at > self.header)
        if self.new_prompt and self._coin():
            self._type_prompt(at)
        return True

    def append_row(self) -> bool:
        """A new prompt below the last row."""
        if not self.new_prompt or self.last - self.header >= self.greatest:
            return False
        if self.last >= len(self.sheet.rows):
            self.book.insert(self.sheet, ROWS, self.last, like_before=True)
        self._type_prompt(self.last)
        return True

    def delete_row(self) -> bool:
        """A row goes."""
        if self.last - self.header <= self.fewest:
            return False
        at = self._row()
        self.gone.add(self.sheet.rows[at].identity)
        self.book.delete(self.sheet, ROWS, at, at + 1)
        return True

    def move_rows(self) -> bool:
        """One to three rows are dragged elsewhere."""
        start = self._row()
        end = min(self.last, start + self.chance.randint(1, 3))
        to = self.chance.choice((self._row(), self.header, self.last))
        if start <= to <= end:
            return False
        self.book.move(self.sheet, ROWS, start, end, to)
        return True

    def copy_row(self) -> bool:
        """A row is copied, ids and results and all, into a new row."""
        if self.last - self.header >= self.greatest:
            return False
        source, at = self._row(), self._row()
        self.book.insert(self.sheet, ROWS, at, like_before=at > self.header)
        source += source >= at
        wide = len(self.sheet.columns)
        self.book.paste(
            self.sheet, Area(source, source + 1, 0, wide), self.sheet, Area(at, at + 1, 0, wide)
        )
        return True

    def edit_prompt(self) -> bool:
        """Another prompt in a row."""
        if not self.new_prompt:
            return False
        self._type_prompt(self._row())
        return True

    def scribble(self) -> bool:
        """Type something over one of our cells."""
        columns = self.columns(ours=True)
        if not columns:
            return False
        column = self.chance.choice(columns)
        text = self.chance.choice(SCRIBBLES)
        self.sheet.enter(self._row(), column, text, locale=self.book.locale)
        return True

    def insert_column(self) -> bool:
        """A new column left of any other."""
        filled = len(self.titles())
        if filled >= self.widest:
            return False
        self.book.insert(self.sheet, COLUMNS, self.chance.randint(0, max(0, filled - 1)))
        return True

    def move_column(self) -> bool:
        """A column is dragged elsewhere."""
        filled = len(self.titles())
        start, to = self.chance.randrange(filled), self.chance.randrange(filled)
        if start <= to <= start + 1:
            return False
        self.book.move(self.sheet, COLUMNS, start, start + 1, to)
        return True

    def hide_row(self) -> bool:
        """A row is hidden, or shown again."""
        row = self.sheet.rows[self._row()]
        row.hidden = not row.hidden
        return True

    def set_filter(self) -> bool:
        """A filter over the data, which hides some rows; or it is taken away."""
        wide = len(self.titles())
        is_set = self.sheet.filter is None
        self.sheet.filter = (Area(self.header - 1, self.last, 0, wide), {}) if is_set else None
        for row in self.sheet.rows[self.header : self.last]:
            row.filtered = is_set and self._coin()
        return True

    def rename_tab(self) -> bool:
        """The tab has another name."""
        self.book.rename(self.sheet, f"Prompts {self.chance.randrange(1000)}")
        return True

    def _coin(self) -> bool:
        return self.chance.random() < 0.5

    def _type_prompt(self, row: int) -> None:
        column = self._prompt_column()
        if column is not None and self.new_prompt:
            self.sheet.enter(row, column, self.new_prompt(self.chance), locale=self.book.locale)


#: What a person does, by name.
GESTURES: dict[str, Callable[[Person], bool]] = {
    "sort_rows": Person.sort_rows,
    "shuffle_rows": Person.shuffle_rows,
    "sort_one_column": Person.sort_one_column,
    "insert_row": Person.insert_row,
    "append_row": Person.append_row,
    "delete_row": Person.delete_row,
    "move_rows": Person.move_rows,
    "copy_row": Person.copy_row,
    "edit_prompt": Person.edit_prompt,
    "scribble": Person.scribble,
    "insert_column": Person.insert_column,
    "hide_row": Person.hide_row,
    "set_filter": Person.set_filter,
    "move_column": Person.move_column,
    "rename_tab": Person.rename_tab,
}
#: All but the last two, which only happen where a test asks for them.
USUAL = tuple(GESTURES)[:-2]
