"""What people do in a sheet: each gesture is one function over rows and columns.

Each gesture has rows of its own (`People.rows`), which are about five animals: the fox and the owl
are done, the cat failed, the hare is under way, and the crow is not sent yet. `People.it` is the
row that the gesture is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from pipeline.core.sheet.header import OURS
from tests.gestures.sheets import CsvSheet, Grid, Sheet

#: The columns of each sheet before the program adds its own.
HEADER = ["Campaign", "prompt", "take", "skip", "Remark", "pick", "feedback"]
#: What people write beside each prompt.
REMARK = 'Zoë says "now", not later'
#: When a gesture is done, by the state of its row -> that row.
MOMENTS = {
    "any time": "fox",
    "not sent yet": "crow",
    "under way": "hare",
    "done": "fox",
    "failed": "cat",
}


@dataclass(frozen=True, slots=True)
class People:
    """People at a sheet, and the rows that one gesture is about."""

    sheet: Sheet
    #: What the rows of this gesture have in the column `Campaign`.
    campaign: str
    #: The number of the gesture, which is in each of its prompts.
    number: int
    #: The animal of the row that the gesture is about.
    animal: str
    #: Finished rows of another sheet of the same team.
    elsewhere: Grid
    #: The whole sheet before the gesture.
    before: Grid

    def about(self, when: str) -> People:
        """The same people, with the row of another moment."""
        return replace(self, animal=MOMENTS[when])

    def words(self, animal: str) -> str:
        """The prompt about an animal. That of the cat fails."""
        return f"{animal}, scene {self.number:02}{' [fail]' if animal == 'cat' else ''}"

    @property
    def it(self) -> int:
        """The number of the row that the gesture is about."""
        return self.at(self.animal)

    def at(self, animal: str) -> int:
        """The number of the first row about this animal."""
        start, column = self.words(animal).partition(" [")[0], self.column("prompt")
        return next(row for row in self.rows() if self.sheet.cell(row, column).startswith(start))

    def rows(self) -> list[int]:
        """The numbers of all rows of this gesture."""
        sheet, column = self.sheet, self.column("Campaign")
        rows = range(1, sheet.size[0])
        return [row for row in rows if sheet.cell(row, column) == self.campaign]

    def column(self, title: str) -> int:
        """The number of the column with this title."""
        return self.sheet.row(0).index(title)

    @property
    def ours(self) -> list[int]:
        """The numbers of the program's columns."""
        return [at for at, title in enumerate(self.sheet.row(0)) if title in OURS]

    def cells(self, row: int) -> list[str]:
        """All cells of a row."""
        return self.sheet.row(row)

    def cell(self, row: int, title: str) -> str:
        """One cell of a row."""
        return self.sheet.cell(row, self.column(title))

    def type(self, row: int, title: str, text: str) -> None:
        """Type into one cell of a row."""
        self.sheet.type(row, self.column(title), text)

    def new_row(self, animal: str, row: int | None = None, **cells: str) -> None:
        """Write a new row, by default below the last one of this gesture."""
        row = self.rows()[-1] + 1 if row is None else row
        self.sheet.insert_rows(row)
        wrote = {"Campaign": self.campaign, "prompt": self.words(animal), "Remark": REMARK}
        for title, text in (wrote | cells).items():
            self.type(row, title, text)

    def paste(self, cells: Iterable[str], row: int | None = None) -> None:
        """Paste a whole row, by default as a new one below the last one of this gesture."""
        if row is None:
            row = self.rows()[-1] + 1
            self.sheet.insert_rows(row)
        self.sheet.paste(row, 0, [list(cells)])

    def fill_down(self, columns: Iterable[int], counts: bool = False) -> None:
        """Drag the cells of the first row down over the others; `counts`: the number at the end of
        each text goes up, as when a spreadsheet fills a series.
        """
        first, *others = self.rows()
        source = self.cells(first)
        for step, row in enumerate(others, 1):
            for column in columns:
                text = source[column]
                self.sheet.type(row, column, _counted_up(text, step) if counts else text)


Act = Callable[[People], object]


def _counted_up(text: str, step: int) -> str:
    found = re.search(r"\d+$", text)
    if not found:
        return text
    return text[: found.start()] + str(int(found[0]) + step).zfill(len(found[0]))


#: What people write into the cell `feedback`.
FEEDBACK = "Make it warmer"


def pick_is(text: str) -> Act:
    return lambda p: p.type(p.it, "pick", text)


def write_feedback(p: People) -> None:
    p.type(p.it, "feedback", FEEDBACK)


def pick_and_write_feedback(p: People) -> None:
    pick_is("2")(p)
    write_feedback(p)


# -- rows ------------------------------------------------------------------------------------------


def add_a_row(p: People) -> None:
    p.new_row("wolf")


def insert_a_row(p: People) -> None:
    p.new_row("wolf", p.at("owl"))


def insert_an_empty_row(p: People) -> None:
    p.sheet.insert_rows(p.at("owl"))


def add_the_same_prompt(p: People) -> None:
    p.new_row(p.animal)


def copy_the_row(p: People) -> None:
    p.paste(p.cells(p.it))


def insert_a_copy_above(p: People) -> None:
    cells, row = p.cells(p.it), p.it
    p.sheet.insert_rows(row)
    p.paste(cells, row)


def copy_the_row_and_change_it(p: People) -> None:
    row = p.rows()[-1] + 1
    copy_the_row(p)
    p.type(row, "prompt", p.words("wolf"))


def change_the_copy(p: People) -> None:
    p.type(p.rows()[-1], "prompt", p.words("wolf"))


def raise_take_of_the_copy(p: People) -> None:
    p.type(p.rows()[-1], "take", "2")


def delete_the_original(p: People) -> None:
    p.sheet.delete_rows(p.it)


def paste_the_row_over_the_owl(p: People) -> None:
    p.paste(p.cells(p.it), p.at("owl"))


def move_the_row_down(p: People) -> None:
    p.sheet.move_row(p.it, p.rows()[-1])


def swap_fox_and_owl(p: People) -> None:
    p.sheet.move_row(p.at("fox"), p.at("owl"))


def delete_the_row(p: People) -> None:
    p.sheet.delete_rows(p.it)


def write_it_again(p: People) -> None:
    p.new_row(p.animal)


def paste_the_cut_row_over_the_owl(p: People) -> None:
    cells, row = p.cells(p.it), p.it
    p.paste(cells, p.at("owl"))
    p.paste([p.campaign, *[""] * (len(cells) - 1)], row)


def empty_the_row(p: People) -> None:
    cells = p.cells(p.it)
    p.paste([p.campaign, *[""] * (len(cells) - 1)], p.it)


def copy_the_row_and_change_the_original(p: People) -> None:
    row = p.it
    copy_the_row(p)
    p.type(row, "prompt", p.words("wolf"))


def remove_duplicates(p: People) -> None:
    column, seen = p.column("prompt"), set()
    for row in p.rows():
        text = p.cells(row)[column]
        if text in seen:
            p.sheet.delete_rows(row)
            remove_duplicates(p)
            return
        seen.add(text)


def sort_the_sheet(p: People) -> None:
    p.sheet.arrange(p.rows()[::-1])


def sort_by_status(p: People) -> None:
    p.sheet.arrange(sorted(p.rows(), key=lambda row: p.cell(row, "status")))


def sort_prompts_alone(p: People) -> None:
    column = p.column("prompt")
    p.sheet.arrange(p.rows()[::-1], column, column + 1)


def sort_our_column_alone(title: str) -> Act:
    def act(p: People) -> None:
        column = p.column(title)
        cells = [p.cells(row)[column] for row in p.rows()]
        for row, text in zip(p.rows(), sorted(cells, reverse=True), strict=True):
            p.sheet.type(row, column, text)

    return act


def delete_all_rows(p: People) -> None:
    p.sheet.delete_rows(1, p.sheet.size[0] - 1)


def put_all_back(p: People) -> None:
    p.sheet.paste(0, 0, p.before)


# -- prompts ---------------------------------------------------------------------------------------


def edit(p: People) -> None:
    p.type(p.it, "prompt", p.words("wolf"))


def edit_back(p: People) -> None:
    p.type(p.at("wolf"), "prompt", p.words(p.animal))


def add_spaces(p: People) -> None:
    p.type(p.it, "prompt", f"  {p.words(p.animal)} ")


def capitalise(p: People) -> None:
    p.type(p.it, "prompt", p.words(p.animal).capitalize())


def empty_the_prompt(p: People) -> None:
    p.type(p.it, "prompt", "")


def write_the_prompt_back(p: People) -> None:
    row = next(row for row in p.rows() if not p.cell(row, "prompt"))
    p.type(row, "prompt", p.words(p.animal))


def replace_fox_by_wolf(p: People) -> None:
    for row in p.rows():
        for column, text in enumerate(p.cells(row)):
            if "fox" in text:
                p.sheet.type(row, column, text.replace("fox", "wolf"))


def fill_down_prompts(p: People) -> None:
    p.fill_down([p.column("prompt")])


def swap_two_prompts(p: People) -> None:
    fox, owl = p.at("fox"), p.at("owl")
    p.type(fox, "prompt", p.words("owl"))
    p.type(owl, "prompt", p.words("fox"))


def drag_the_prompt_to_a_new_row(p: People) -> None:
    row = p.it
    p.new_row(p.animal)
    p.type(row, "prompt", "")


def shift_prompts_down(p: People) -> None:
    """Insert a cell above the first prompt: all prompts move down, and their rows stay."""
    p.new_row("wolf")
    column, rows = p.column("prompt"), p.rows()
    prompts = [p.cell(row, "prompt") for row in rows[:-1]]
    for row, text in zip(rows, ["", *prompts], strict=True):
        p.sheet.type(row, column, text)


def shift_prompts_up(p: People) -> None:
    """Delete the cell with the first prompt: the others move up, and their rows stay."""
    column, rows = p.column("prompt"), p.rows()
    prompts = [p.cell(row, "prompt") for row in rows[1:]]
    for row, text in zip(rows, [*prompts, ""], strict=True):
        p.sheet.type(row, column, text)


def drag_the_prompt_over_the_owl(p: People) -> None:
    row = p.it
    p.type(p.at("owl"), "prompt", p.words(p.animal))
    p.type(row, "prompt", "")


def swap_the_prompts_of_fox_and_crow(p: People) -> None:
    fox, crow = p.at("fox"), p.at("crow")
    p.type(fox, "prompt", p.words("crow"))
    p.type(crow, "prompt", p.words("fox"))


def swap_the_prompts_of_fox_and_cat(p: People) -> None:
    fox, cat = p.at("fox"), p.at("cat")
    p.type(fox, "prompt", p.words("cat"))
    p.type(cat, "prompt", p.words("fox"))


def break_the_line(p: People) -> None:
    p.type(p.it, "prompt", p.words("wolf").replace(", ", ",\n"))


def begin_with_a_sign(p: People) -> None:
    p.type(p.it, "prompt", f"- {p.words('wolf')}")


def write_a_formula(p: People) -> None:
    row, text = p.it, p.words("wolf")
    p.type(row, "prompt", f'="{text[:4]}"&"{text[4:]}"')


def write_a_broken_formula(p: People) -> None:
    p.type(p.it, "prompt", "=1/0")


def text_to_columns(p: People) -> None:
    column = p.column("prompt")
    for row in p.rows():
        first, _, second = p.cells(row)[column].partition(", ")
        p.sheet.paste(row, column, [[first, second]])


def undo_text_to_columns(p: People) -> None:
    column = p.column("prompt")
    for row in p.rows():
        first, second = p.cells(row)[column : column + 2]
        p.sheet.paste(row, column, [[f"{first}, {second}", ""]])


# -- our cells -------------------------------------------------------------------------------------


def clear_our_cells(p: People) -> None:
    for row in p.rows():
        for column in p.ours:
            p.sheet.type(row, column, "")


def clear_ids(p: People) -> None:
    for row in p.rows():
        p.type(row, "row_id", "")


def scribble(p: People) -> None:
    for row in p.rows():
        for title, text in {"status": "nice!", "note": "=1+1", "task_id": "17"}.items():
            p.type(row, title, text)


def fill_down_our_cells(p: People) -> None:
    p.fill_down(p.ours)


def fill_down_our_cells_as_a_series(p: People) -> None:
    p.fill_down(p.ours, counts=True)


def fill_down_ids(p: People) -> None:
    p.fill_down([p.column("row_id")])


def fill_down_ids_as_a_series(p: People) -> None:
    p.fill_down([p.column("row_id")], counts=True)


def type_done(p: People) -> None:
    p.type(p.it, "status", "done")


def replace_in_our_cells(p: People) -> None:
    for row in p.rows():
        for column in p.ours:
            p.sheet.type(row, column, p.cells(row)[column].replace("r_", "row-"))


# -- take, skip, approved --------------------------------------------------------------------------


def take_is(text: str) -> Act:
    return lambda p: p.type(p.it, "take", text)


def drag_take_down(p: People) -> None:
    p.type(p.rows()[0], "take", "1")
    p.fill_down([p.column("take")], counts=True)


def copy_take_down(p: People) -> None:
    p.type(p.rows()[0], "take", "2")
    p.fill_down([p.column("take")])


def take_with_decimals(p: People) -> None:
    for row in p.rows():
        p.type(row, "take", "1.00" if isinstance(p.sheet, CsvSheet) else "1")
    if not isinstance(p.sheet, CsvSheet):
        p.sheet.show_as(p.rows(), p.column("take"), "0.00")


def skip(p: People) -> None:
    p.type(p.it, "skip", "x")


def do_not_skip(p: People) -> None:
    p.type(p.it, "skip", "")


def tick(p: People) -> None:
    p.type(p.it, "approved", "TRUE")


def untick(p: People) -> None:
    p.type(p.it, "approved", "FALSE")


def untick_and_edit(p: People) -> None:
    untick(p)
    edit(p)


def tick_the_wolf(p: People) -> None:
    p.type(p.at("wolf"), "approved", "TRUE")


def add_an_approved_column(p: People) -> None:
    at = p.column("Remark")
    p.sheet.insert_column(at)
    p.sheet.type(0, at, "approved")


def add_a_ratio(p: People) -> None:
    at = p.column("Remark")
    p.sheet.insert_column(at)
    p.sheet.type(0, at, "aspect_ratio")


def write_a_ratio(p: People) -> None:
    p.type(p.it, "aspect_ratio", "3:2")


# -- columns ---------------------------------------------------------------------------------------


def insert_a_column(p: People) -> None:
    at = p.column("take")
    p.sheet.insert_column(at)
    p.sheet.type(0, at, "Budget")
    for row in p.rows():
        p.sheet.type(row, at, "120")


def move_the_prompts(p: People) -> None:
    p.sheet.move_column(p.column("prompt"), p.sheet.size[1] - 1)


def move_our_column(p: People) -> None:
    p.sheet.move_column(p.column("status"), 0)


def delete_their_column(p: People) -> None:
    p.sheet.delete_column(p.column("Owner"))


def delete_our_columns(p: People) -> None:
    for title in ("row_id", "image_urls", "note"):
        p.sheet.delete_column(p.column(title))


def delete_take(p: People) -> None:
    p.sheet.delete_column(p.column("take"))


def put_take_back(p: People) -> None:
    at = p.column("skip")
    p.sheet.insert_column(at)
    p.sheet.type(0, at, "take")


def delete_skip(p: People) -> None:
    p.sheet.delete_column(p.column("skip"))


def duplicate_the_prompts(p: People) -> None:
    column = p.column("prompt")
    p.sheet.insert_column(column)
    for row in range(p.sheet.size[0]):
        p.sheet.type(row, column, p.sheet.cell(row, column + 1))


def delete_the_second_column(p: People) -> None:
    p.sheet.delete_column(1)


def duplicate_our_column(p: People) -> None:
    column = p.column("status")
    p.sheet.insert_column(column)
    for row in range(p.sheet.size[0]):
        p.sheet.type(row, column, p.sheet.cell(row, column + 1))


def delete_one_of_the_two(p: People) -> None:
    p.sheet.delete_column(p.column("status"))


def delete_ids_and_sort(p: People) -> None:
    p.sheet.delete_column(p.column("row_id"))
    sort_the_sheet(p)


def rename(title: str, new: str) -> Act:
    return lambda p: p.sheet.type(0, p.column(title), new)


def insert_a_line_above(p: People) -> None:
    p.sheet.insert_rows(0)
    p.sheet.type(0, 0, "Spring campaign")


def delete_the_line_above(p: People) -> None:
    p.sheet.delete_rows(0)


def repeat_the_header(p: People) -> None:
    p.sheet.insert_rows(p.at("owl"))
    p.paste(p.cells(0), p.at("owl") - 1)


# -- the whole sheet -------------------------------------------------------------------------------


def hide_rows_and_columns(p: People) -> None:
    p.sheet.hide([p.at("owl"), p.at("crow")], [p.column("row_id"), p.column("note")])


def set_a_filter(p: People) -> None:
    p.sheet.filter([p.at("fox"), p.at("hare"), p.at("crow")])


def freeze_and_format(p: People) -> None:
    p.sheet.dress()


def merge_prompts(p: People) -> None:
    assert p.at("owl") == p.at("fox") + 1
    p.sheet.merge(p.at("fox"), 2, p.column("prompt"))


def merge_remarks(p: People) -> None:
    p.sheet.merge(p.at("fox"), 2, p.column("Remark"))


def merge_our_cells(p: People) -> None:
    p.sheet.merge(p.at("cat"), 2, p.column("status"))


def protect_our_column(p: People) -> None:
    p.sheet.protect(p.column("status"))


def clear_the_sheet(p: People) -> None:
    high, wide = p.sheet.size
    p.sheet.paste(0, 0, [[""] * wide] * high)


def sort_with_the_header(p: People) -> None:
    p.sheet.arrange(range(p.sheet.size[0])[::-1])


def protect_their_column(p: People) -> None:
    p.sheet.protect(p.column("Remark"))


def rename_the_tab(p: People) -> None:
    p.sheet.rename_tab("Spring")


def duplicate_the_tab(p: People) -> None:
    p.sheet.duplicate_tab()


def save_with_semicolons(p: People) -> None:
    assert isinstance(p.sheet, CsvSheet)
    p.sheet.separate_by(";")


def paste_the_first_version(p: People) -> None:
    """The sheet as it was before the first run: prompts, and none of our columns."""
    for at in reversed(p.ours):
        p.sheet.delete_column(at)


def import_over_the_sheet(p: People) -> None:
    """Another export of the same plan: a new row at the top, one row fewer, none of our columns."""
    paste_the_first_version(p)
    p.sheet.delete_rows(p.at("owl"))
    p.new_row("wolf", 1)


def paste_rows_of_another_sheet(p: People) -> None:
    """A block with the ids and results of another sheet, as it is there."""
    for cells in p.elsewhere:
        p.paste([p.campaign, *cells[1:]])


def paste_ids_of_another_sheet(p: People) -> None:
    """Ids of another sheet over ours."""
    column = p.column("row_id")
    for row, cells in zip(p.rows(), p.elsewhere, strict=False):
        p.sheet.type(row, column, cells[column])
