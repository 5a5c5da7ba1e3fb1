"""What people may do in a sheet, and what happens then: one line for each gesture and moment.

`docs/reference/gestures.md` is made from this table (`tests/gestures/page.py`), and
`test_gestures.py` does every line of it in every kind of sheet.

A gesture has five rows: `fox` and `owl` are done, `cat` failed, `hare` is under way, and `crow` is
not sent yet. `rows` are those at the end, after further runs, in the order of the sheet:

    fox                          as if nothing had been done
    fox: copy                    with this status
    wolf: edited, shows fox      with the pictures made from that prompt
    fox: done, shows fox, new    with pictures made after the gesture
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.gestures import people as do
from tests.gestures.people import MOMENTS, Act

#: The rows of each gesture, and what they are if nothing is done.
ROWS = {"fox": "done", "owl": "done", "cat": "failed", "hare": "done", "crow": "done"}
#: The beginning of the note that comes with each status.
NOTES = {
    "done": "",
    "failed": 'Apiframe could not generate it: "banned word"',
    "copy": "A copy of another row, so it was not sent.",
    "edited": 'prompt was "',
    "invalid": "Not sent",
    "skipped": "Skipped because the skip cell is filled in.",
    "needs approval": "Waiting for approval.",
    "waiting": "Waiting: prompt ",
    "": "",
}
OWN, STOPPED = "", "stopped"
#: The sheets that gestures share -> the cells that all their rows have besides the usual ones. In
#: some people change columns or merge cells. In the last one people do one thing after another that
#: stops the sheet, and undo it.
SHARED: dict[str, dict[str, str]] = {
    "shared": {},
    "approved": {"approved": "TRUE"},
    "columns": {"Owner": "Ann"},
    "merged": {},
    STOPPED: {},
}
CSV, EXCEL, GOOGLE = "csv", "excel", "google"
NO_CSV = (EXCEL, GOOGLE)


@dataclass(frozen=True, slots=True)
class Gesture:
    """One line of the table."""

    #: What people call it.
    name: str
    #: One of `people.MOMENTS`.
    when: str
    #: What is done; a run comes after each step.
    steps: tuple[Act, ...]
    #: What happens then, as a sentence for people.
    happens: str
    rows: tuple[str, ...] = tuple(ROWS)
    #: Animal -> how often its prompt is paid in all, where that is not once.
    paid: Mapping[str, int] = field(default_factory=dict)
    #: Status, or `fox: done` for one row -> the beginning of its note, where that is another one
    #: than in `NOTES`.
    notes: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = (CSV, EXCEL, GOOGLE)
    #: Which sheet it shares with others: one of `SHARED`, or `OWN` if it concerns a whole sheet.
    sheet: str = "shared"
    #: What a run says, as a pattern, where it stops sending.
    stops: str = ""

    @property
    def is_sent(self) -> bool:
        """True if many rows of its sheet are sent, so that a run may leave some to the next one."""
        return self.sheet not in (OWN, STOPPED)

    @property
    def more(self) -> int:
        """How many more rows are paid than if nothing had been done.

        What is not paid for the crow, because the crow is still waiting, saves nothing.
        """
        waits = any(row.startswith("crow:") for row in self.rows) and self.paid.get("crow") == 0
        return sum(self.paid.values()) - len(self.paid.keys() & ROWS) + waits


def _but(**rows: str) -> tuple[str, ...]:
    """All rows as if nothing had been done, but these."""
    return tuple(rows.get(animal, animal) for animal in ROWS)


def _without(*animals: str) -> tuple[str, ...]:
    return tuple(animal for animal in ROWS if animal not in animals)


NEW = "wolf: done, shows wolf, new"
_KEPT = "The pictures follow their rows."
_CORRECTED = "The next run writes the right values again."
_NO_EFFECT = "Nothing changes."
_HOW_TO_USE_IT = "To use the feedback, put 2 in the take column."

TABLE = (
    # -- rows ---------------------------------------------------------------------------------
    Gesture(
        "Add a row at the end",
        "any time",
        (do.add_a_row,),
        "The row is sent.",
        rows=(*ROWS, NEW),
        paid={"wolf": 1},
    ),
    Gesture(
        "Insert a row between others",
        "any time",
        (do.insert_a_row,),
        "The row is sent; all others stay as they are.",
        rows=("fox", NEW, "owl", "cat", "hare", "crow"),
        paid={"wolf": 1},
    ),
    Gesture("Insert an empty row", "any time", (do.insert_an_empty_row,), _NO_EFFECT),
    Gesture(
        "Write a prompt that another row has, too",
        "done",
        (do.add_the_same_prompt,),
        "Both rows get their own pictures.",
        rows=(*ROWS, "fox: done, shows fox, new"),
        paid={"fox": 2},
    ),
    *(
        Gesture(
            "Copy a whole row, and paste it as a new row",
            when,
            (do.copy_the_row,),
            "The new row is a `copy`: it waits until you change it, or raise its `take`.",
            rows=(*ROWS, f"{animal}: copy"),
        )
        for when, animal in MOMENTS.items()
        if when != "any time"
    ),
    Gesture(
        "Insert a copy of a row above it",
        "done",
        (do.insert_a_copy_above,),
        "One of the two keeps the pictures, the other is a `copy`.",
        rows=("fox", "fox: copy", "owl", "cat", "hare", "crow"),
    ),
    Gesture(
        "Copy a whole row, and change the prompt of the new one",
        "done",
        (do.copy_the_row_and_change_it,),
        "The new row is sent.",
        rows=(*ROWS, NEW),
        paid={"wolf": 1},
    ),
    Gesture(
        "Copy a whole row, and change the new one later",
        "done",
        (do.copy_the_row, do.change_the_copy),
        "The new row is a `copy` until you change it; then it is sent.",
        rows=(*ROWS, NEW),
        paid={"wolf": 1},
    ),
    Gesture(
        "Copy a whole row, and raise `take` of the new one to 2",
        "done",
        (do.copy_the_row, do.raise_take_of_the_copy),
        "The same prompt is sent again, for the new row.",
        rows=(*ROWS, "fox: done, shows fox, new"),
        paid={"fox": 2},
    ),
    Gesture(
        "Copy a whole row, and delete the original later",
        "done",
        (do.copy_the_row, do.delete_the_original),
        "The copy becomes the row, with its pictures.",
        rows=("owl", "cat", "hare", "crow", "fox"),
    ),
    Gesture(
        "Copy whole rows, then remove duplicates",
        "done",
        (do.copy_the_row, do.remove_duplicates),
        "The originals stay, with their pictures.",
    ),
    Gesture(
        "Paste a row over another one",
        "done",
        (do.paste_the_row_over_the_owl,),
        "The pasted row is a `copy`. The pictures of the one below it stay in the store, and come "
        "back with its prompt.",
        rows=_but(owl="fox: copy"),
    ),
    Gesture(
        "Copy a whole row, and change the prompt of the original",
        "done",
        (do.copy_the_row_and_change_the_original,),
        "The pictures stay with their prompt; the changed row is sent.",
        rows=(NEW, "owl", "cat", "hare", "crow", "fox"),
        paid={"wolf": 1},
    ),
    Gesture(
        "Cut a row, and paste it over another one",
        "done",
        (do.paste_the_cut_row_over_the_owl,),
        "The pictures follow their row. Those of the other one stay in the store, and come back "
        "with its prompt.",
        rows=("fox", "cat", "hare", "crow"),
    ),
    *(
        Gesture(
            "Clear all cells of a row",
            when,
            (do.empty_the_row,),
            "As if you had deleted it.",
            rows=_without(MOMENTS[when]),
            paid={"crow": 0} if when == "not sent yet" else {},
        )
        for when in ("not sent yet", "under way", "done", "failed")
    ),
    *(
        Gesture("Cut a row, and insert it elsewhere", when, (do.move_the_row_down,), _KEPT, rows)
        for when, rows in {
            "done": ("owl", "cat", "hare", "crow", "fox"),
            "under way": ("fox", "owl", "cat", "crow", "hare"),
        }.items()
    ),
    Gesture(
        "Swap two rows",
        "done",
        (do.swap_fox_and_owl,),
        _KEPT,
        rows=("owl", "fox", "cat", "hare", "crow"),
    ),
    Gesture(
        "Delete a row",
        "not sent yet",
        (do.delete_the_row,),
        "It is not sent.",
        rows=_without("crow"),
        paid={"crow": 0},
    ),
    *(
        Gesture(
            "Delete a row",
            when,
            (do.delete_the_row,),
            "Its result is kept in the store, and comes back with the row.",
            rows=_without(MOMENTS[when]),
        )
        for when in ("under way", "done", "failed")
    ),
    *(
        Gesture(
            "Delete a row, and write its prompt into a new row later",
            when,
            (do.delete_the_row, do.write_it_again),
            "The row is the same as before, with its result.",
            rows=(*_without(MOMENTS[when]), MOMENTS[when]),
        )
        for when in ("under way", "done", "failed")
    ),
    Gesture(
        "Sort the sheet",
        "any time",
        (do.sort_the_sheet,),
        _KEPT,
        rows=("crow", "hare", "cat", "owl", "fox"),
        sheet=OWN,
    ),
    Gesture(
        "Sort the sheet by one of our columns",
        "any time",
        (do.sort_by_status,),
        _KEPT,
        rows=("fox", "owl", "cat", "hare", "crow"),
    ),
    Gesture(
        "Sort the column with the prompts alone",
        "any time",
        (do.sort_prompts_alone,),
        "The pictures follow their prompts.",
        rows=("crow", "hare", "cat", "owl", "fox"),
    ),
    Gesture(
        "Delete all rows, and undo it later",
        "any time",
        (do.delete_all_rows, do.put_all_back),
        "Nothing is sent while they are gone; then all is as before.",
        sheet=STOPPED,
        stops="All rows are gone.",
    ),
    # -- prompts ------------------------------------------------------------------------------
    Gesture(
        "Change a prompt",
        "not sent yet",
        (do.edit,),
        "The new prompt is sent.",
        rows=_but(crow=NEW),
        paid={"crow": 0, "wolf": 1},
    ),
    Gesture(
        "Change a prompt",
        "failed",
        (do.edit,),
        "The new prompt is sent.",
        rows=_but(cat=NEW),
        paid={"wolf": 1},
    ),
    *(
        Gesture(
            "Change a prompt",
            when,
            (do.edit,),
            "The row is `edited` and keeps its pictures; raise `take` for new ones.",
            rows=_but(**{MOMENTS[when]: f"wolf: edited, shows {MOMENTS[when]}"}),
        )
        for when in ("under way", "done")
    ),
    *(
        Gesture(
            "Change a prompt, and change it back later",
            when,
            (do.edit, do.edit_back),
            "All is as before.",
        )
        for when in ("under way", "done")
    ),
    Gesture(
        "Change a prompt, and change it back later",
        "failed",
        (do.edit, do.edit_back),
        "The new prompt was sent in between: the row is `edited`, and shows its pictures.",
        rows=_but(cat="cat: edited, shows wolf, new"),
        paid={"wolf": 1},
    ),
    Gesture("Add spaces around a prompt", "done", (do.add_spaces,), _NO_EFFECT),
    Gesture(
        "Write a prompt with a capital letter",
        "done",
        (do.capitalise,),
        "That is another prompt: the row is `edited` and keeps its pictures.",
        rows=_but(fox="Fox: edited, shows fox"),
    ),
    Gesture(
        "Empty a prompt",
        "not sent yet",
        (do.empty_the_prompt,),
        "It is not sent.",
        rows=_without("crow"),
        paid={"crow": 0},
    ),
    *(
        Gesture(
            "Empty a prompt",
            when,
            (do.empty_the_prompt,),
            "Our cells of the row are emptied; its result is kept in the store.",
            rows=_without(MOMENTS[when]),
        )
        for when in ("under way", "done", "failed")
    ),
    *(
        Gesture(
            "Empty a prompt, and write it again later",
            when,
            (do.empty_the_prompt, do.write_the_prompt_back),
            "All is as before.",
        )
        for when in ("under way", "done", "failed")
    ),
    Gesture(
        "Replace a word everywhere",
        "done",
        (do.replace_fox_by_wolf,),
        "As if you had changed each of the prompts.",
        rows=_but(fox="wolf: edited, shows fox"),
    ),
    Gesture(
        "Drag a prompt down over others",
        "any time",
        (do.fill_down_prompts,),
        "As if you had changed each of the prompts: those that failed or were not sent are sent.",
        rows=(
            "fox",
            "fox: edited, shows owl",
            "fox: done, shows fox, new",
            "fox: edited, shows hare",
            "fox: done, shows fox, new",
        ),
        paid={"fox": 3, "crow": 0},
    ),
    Gesture(
        "Swap the prompts of two rows",
        "done",
        (do.swap_two_prompts,),
        "The pictures follow their prompts.",
        rows=("owl", "fox", "cat", "hare", "crow"),
    ),
    Gesture(
        "Insert a cell above the prompts, so that they move down",
        "any time",
        (do.shift_prompts_down,),
        "The pictures follow their prompts.",
    ),
    Gesture(
        "Delete the cell with a prompt, so that the others move up",
        "any time",
        (do.shift_prompts_up,),
        "The pictures follow their prompts.",
        rows=_without("fox"),
    ),
    Gesture(
        "Drag the cell with a prompt over another prompt",
        "done",
        (do.drag_the_prompt_over_the_owl,),
        "As if you had changed the other prompt: that row is `edited`, and keeps its pictures.",
        rows=("fox: edited, shows owl", "cat", "hare", "crow"),
    ),
    Gesture(
        "Swap the prompts of two rows, one of which is not sent yet",
        "done",
        (do.swap_the_prompts_of_fox_and_crow,),
        "The pictures follow their prompt; the other prompt is sent.",
        rows=("crow", "owl", "cat", "hare", "fox"),
    ),
    Gesture(
        "Swap the prompts of two rows, one of which failed",
        "done",
        (do.swap_the_prompts_of_fox_and_cat,),
        "The results follow their prompts; nothing is sent again.",
        rows=("cat", "owl", "fox", "hare", "crow"),
    ),
    Gesture(
        "Write a line break into a prompt",
        "not sent yet",
        (do.break_the_line,),
        "The prompt is sent with it.",
        rows=_but(crow=NEW),
        paid={"crow": 0, "wolf": 1},
    ),
    Gesture(
        "Begin a prompt with a dash",
        "not sent yet",
        (do.begin_with_a_sign,),
        "The prompt is sent as it is shown.",
        rows=_but(crow="- wolf: done, shows - wolf, new"),
        paid={"crow": 0, "- wolf": 1},
    ),
    Gesture(
        "Drag the cell with a prompt into a new row",
        "done",
        (do.drag_the_prompt_to_a_new_row,),
        "The pictures follow their prompt.",
        rows=("owl", "cat", "hare", "crow", "fox"),
    ),
    Gesture(
        "Write a formula into the prompt",
        "not sent yet",
        (do.write_a_formula,),
        "What the cell shows is sent.",
        rows=_but(crow=NEW),
        paid={"crow": 0, "wolf": 1},
        kinds=(GOOGLE,),
    ),
    Gesture(
        "Write a formula into the prompt, without computing it",
        "not sent yet",
        (do.write_a_formula,),
        "The row waits until a spreadsheet program has computed it.",
        rows=_but(crow='="wolf"&": waiting'),
        paid={"crow": 0},
        kinds=(EXCEL,),
    ),
    Gesture(
        "Write a formula that shows an error into the prompt",
        "not sent yet",
        (do.write_a_broken_formula,),
        "The row waits until you correct it.",
        rows=_but(crow="#DIV/0!: waiting"),
        paid={"crow": 0},
        kinds=(GOOGLE,),
    ),
    # -- our cells ----------------------------------------------------------------------------
    Gesture("Clear our cells", "any time", (do.clear_our_cells,), _CORRECTED),
    Gesture("Clear only the ids", "any time", (do.clear_ids,), _CORRECTED),
    Gesture("Write into our cells", "any time", (do.scribble,), _CORRECTED),
    Gesture(
        "Write `done` into `status`",
        "not sent yet",
        (do.type_done,),
        "The next run writes the right status again; the row is sent.",
    ),
    Gesture("Drag our cells down over others", "any time", (do.fill_down_our_cells,), _CORRECTED),
    Gesture(
        "Drag our cells down as a series",
        "any time",
        (do.fill_down_our_cells_as_a_series,),
        _CORRECTED,
    ),
    Gesture("Drag the ids down over others", "any time", (do.fill_down_ids,), _CORRECTED),
    Gesture(
        "Drag the ids down as a series", "any time", (do.fill_down_ids_as_a_series,), _CORRECTED
    ),
    *(
        Gesture(
            f"Sort the column `{title}` alone",
            "any time",
            (do.sort_our_column_alone(title),),
            _CORRECTED,
        )
        for title in ("row_id", "image_urls")
    ),
    Gesture(
        "Replace letters everywhere in our cells",
        "any time",
        (do.replace_in_our_cells,),
        _CORRECTED,
    ),
    Gesture(
        "Paste whole rows of another sheet",
        "any time",
        (do.paste_rows_of_another_sheet,),
        "They are copies: each waits until you change it, or raise its `take`.",
        rows=(*ROWS, "fox: copy", "owl: copy"),
    ),
    Gesture(
        "Paste ids of another sheet over ours",
        "any time",
        (do.paste_ids_of_another_sheet,),
        _CORRECTED,
    ),
    # -- take, skip, approved -----------------------------------------------------------------
    *(
        Gesture(
            "Raise `take` by one",
            when,
            (do.take_is("2"),),
            "The prompt is sent again; the earlier pictures stay in the store.",
            rows=_but(**{animal: f"{animal}: {ROWS[animal]}, shows {shows}, new"}),
            paid={animal: 2},
        )
        for when, animal, shows in (
            ("under way", "hare", "hare"),
            ("done", "fox", "fox"),
            ("failed", "cat", "nothing"),
        )
    ),
    Gesture(
        "Raise `take` by one",
        "not sent yet",
        (do.take_is("2"),),
        "The prompt is sent once.",
    ),
    Gesture(
        "Raise `take` by one, and lower it later",
        "done",
        (do.take_is("2"), do.take_is("1")),
        "The earlier pictures are shown; the newer ones stay in the store.",
        paid={"fox": 2},
    ),
    Gesture(
        "Raise `take` by more than one",
        "done",
        (do.take_is("7"),),
        "Nothing is sent. The row is `invalid` and keeps its pictures; its note says what to do.",
        rows=_but(fox="fox: invalid, shows fox"),
    ),
    Gesture(
        "Write 0 into `take`",
        "done",
        (do.take_is("0"),),
        "Nothing is sent. The row is `invalid` and keeps its pictures.",
        rows=_but(fox="fox: invalid, shows fox"),
    ),
    Gesture(
        "Write a word into `take`",
        "done",
        (do.take_is("two"),),
        "Nothing is sent. The row is `invalid` and keeps its pictures.",
        rows=_but(fox="fox: invalid, shows fox"),
    ),
    Gesture(
        "Write a word into `take`, and clear it later",
        "done",
        (do.take_is("two"), do.take_is("")),
        "All is as before.",
    ),
    Gesture(
        "Drag `take` down as a series (1, 2, 3 …)",
        "any time",
        (do.drag_take_down,),
        "The row that gets 2 is sent again; those with higher numbers are `invalid`, and their "
        "notes say what to write.",
        rows=(
            "fox",
            "owl: done, shows owl, new",
            "cat: invalid",
            "hare: invalid, shows hare",
            "crow: invalid",
        ),
        paid={"owl": 2, "crow": 0},
    ),
    Gesture(
        "Drag 2 down over the cells of `take`",
        "any time",
        (do.copy_take_down,),
        "All rows that were sent are sent again.",
        rows=(
            "fox: done, shows fox, new",
            "owl: done, shows owl, new",
            "cat: failed, shows nothing, new",
            "hare: done, shows hare, new",
            "crow",
        ),
        paid={"fox": 2, "owl": 2, "cat": 2, "hare": 2},
    ),
    # -- pick, feedback -----------------------------------------------------------------------
    Gesture(
        "Write 2 into `pick`",
        "any time",
        (do.pick_is("2"),),
        "The second picture is picked; nothing is sent.",
    ),
    Gesture(
        "Write something else than a number of a picture into `pick`",
        "done",
        (do.pick_is("the red one"),),
        "Nothing is picked; the note says which numbers there are. The row stays `done`.",
        notes={"fox: done": 'pick is "the red one", and this row has the pictures 1 to 4'},
    ),
    Gesture(
        "Write into `feedback`",
        "not sent yet",
        (do.write_feedback,),
        "The row is sent without it: feedback is for the take after the first. The note says how "
        "to use it.",
        notes={"crow: done": _HOW_TO_USE_IT},
    ),
    Gesture(
        "Write into `feedback`",
        "done",
        (do.write_feedback,),
        "Nothing is sent. The row stays `done`, and its note says how to use the feedback.",
        notes={"fox: done": _HOW_TO_USE_IT},
    ),
    Gesture(
        "Write into `pick` and `feedback`, and raise `take` by one",
        "done",
        (do.pick_and_write_feedback, do.take_is("2")),
        "The next take is made from the prompt and the feedback, and from the picked picture if "
        "the endpoint takes one.",
        rows=_but(fox="fox: done, shows fox, new"),
        paid={"fox": 1, "fox, with feedback": 1},
    ),
    Gesture(
        "Raise `take` by one, and write into `feedback` later",
        "done",
        (do.take_is("2"), do.write_feedback),
        "The take is made without the feedback; the note says how to use it.",
        rows=_but(fox="fox: done, shows fox, new"),
        paid={"fox": 2},
        notes={"fox: done": "To use the feedback, put 3 in the take column."},
    ),
    Gesture(
        "Copy a whole row with feedback",
        "done",
        (do.write_feedback, do.copy_the_row),
        "The new row is a `copy`: nothing is sent.",
        rows=(*ROWS, "fox: copy"),
        notes={"fox: done": _HOW_TO_USE_IT},
    ),
    Gesture(
        "Copy a whole row with feedback, and change the new one",
        "done",
        (do.write_feedback, do.copy_the_row_and_change_it),
        "The new row is sent without the feedback: that is for its next take.",
        rows=(*ROWS, NEW),
        paid={"wolf": 1},
        notes={"fox: done": _HOW_TO_USE_IT, "wolf: done": _HOW_TO_USE_IT},
    ),
    Gesture("Show `take` with decimals (1.00)", "any time", (do.take_with_decimals,), _NO_EFFECT),
    Gesture(
        "Fill in `skip`",
        "not sent yet",
        (do.skip,),
        "It is not sent.",
        rows=_but(crow="crow: skipped"),
        paid={"crow": 0},
    ),
    *(
        Gesture("Fill in `skip`", when, (do.skip,), "The row keeps its result.")
        for when in ("under way", "done", "failed")
    ),
    Gesture(
        "Fill in `skip`, and clear it later",
        "not sent yet",
        (do.skip, do.do_not_skip),
        "It is sent.",
    ),
    Gesture(
        "Untick `approved`",
        "not sent yet",
        (do.untick,),
        "It is not sent.",
        rows=_but(crow="crow: needs approval"),
        paid={"crow": 0},
        sheet="approved",
    ),
    *(
        Gesture(
            "Untick `approved`", when, (do.untick,), "The row keeps its result.", sheet="approved"
        )
        for when in ("under way", "done", "failed")
    ),
    Gesture(
        "Untick `approved`, and tick it later",
        "not sent yet",
        (do.untick, do.tick),
        "It is sent.",
        sheet="approved",
    ),
    Gesture(
        "Change a prompt that is approved",
        "not sent yet",
        (do.edit,),
        "It is not sent: the approval was for the old prompt. Untick it, and tick it after the "
        "next run.",
        rows=_but(crow="wolf: needs approval"),
        paid={"crow": 0},
        notes={"needs approval": "Changed after it was approved."},
        sheet="approved",
    ),
    Gesture(
        "Change a prompt and untick it, and tick it later",
        "not sent yet",
        (do.untick_and_edit, do.tick_the_wolf),
        "The new prompt is sent.",
        rows=_but(crow=NEW),
        paid={"crow": 0, "wolf": 1},
        sheet="approved",
    ),
    Gesture(
        "Copy an approved row, and change the prompt of the new one",
        "done",
        (do.copy_the_row_and_change_it,),
        "The new row waits: a tick that was copied does not approve it. Untick it, and tick it "
        "after the next run.",
        rows=(*ROWS, "wolf: needs approval"),
        notes={"needs approval": "Changed after it was approved. Untick approved"},
        sheet="approved",
    ),
    Gesture(
        "Add a column `approved`",
        "any time",
        (do.add_an_approved_column,),
        "Rows that are not sent yet wait for their tick.",
        rows=_but(crow="crow: needs approval"),
        paid={"crow": 0},
        sheet=OWN,
    ),
    # -- columns ------------------------------------------------------------------------------
    Gesture(
        "Insert a column of your own",
        "any time",
        (do.insert_a_column,),
        _NO_EFFECT,
        sheet="columns",
    ),
    Gesture(
        "Add an empty column for an input, such as `aspect_ratio`, and fill it in later",
        "done",
        (do.add_a_ratio, do.write_a_ratio),
        "Rows that were sent before stay as they are; the input counts from their next take on.",
        sheet=OWN,
    ),
    Gesture(
        "Move the column with the prompts",
        "any time",
        (do.move_the_prompts,),
        _NO_EFFECT,
        sheet="columns",
    ),
    Gesture(
        "Move one of our columns", "any time", (do.move_our_column,), _NO_EFFECT, sheet="columns"
    ),
    Gesture(
        "Delete a column of your own",
        "any time",
        (do.delete_their_column,),
        _NO_EFFECT,
        sheet="columns",
    ),
    Gesture(
        "Delete some of our columns",
        "any time",
        (do.delete_our_columns,),
        "The next run adds them at the right, and fills them.",
        sheet=OWN,
    ),
    Gesture(
        "Delete the column `take`, and undo it later",
        "any time",
        (do.delete_take, do.put_take_back),
        "Nothing is sent until it is back.",
        sheet=STOPPED,
        stops="The column take is gone.",
    ),
    Gesture(
        "Delete the column `skip`",
        "not sent yet",
        (do.skip, do.delete_skip),
        "Nothing is sent until it is back: the rows that were skipped stay unsent.",
        rows=_but(crow="crow: skipped"),
        paid={"crow": 0},
        sheet=OWN,
        stops="The column skip is gone.",
    ),
    Gesture(
        "Duplicate the column with the prompts, and undo it later",
        "any time",
        (do.duplicate_the_prompts, do.delete_the_second_column),
        "Nothing is sent while there are two.",
        sheet=STOPPED,
        stops="Columns B and C have one name, prompt.",
    ),
    Gesture(
        "Duplicate one of our columns, and undo it later",
        "any time",
        (do.duplicate_our_column, do.delete_one_of_the_two),
        "Nothing is sent while there are two.",
        sheet=STOPPED,
        stops="have one name, status.",
    ),
    Gesture(
        "Delete the column with our ids, and sort the sheet",
        "any time",
        (do.delete_ids_and_sort,),
        _KEPT,
        rows=("crow", "hare", "cat", "owl", "fox"),
        sheet=OWN,
    ),
    Gesture(
        "Rename a column of your own",
        "any time",
        (do.rename("Remark", "Remarks"),),
        _NO_EFFECT,
        sheet="columns",
    ),
    Gesture(
        "Rename the column with the prompts, and undo it later",
        "any time",
        (do.rename("prompt", "text"), do.rename("text", "prompt")),
        "Nothing is sent until it is back.",
        sheet=STOPPED,
        stops="prompt",
    ),
    Gesture(
        "Rename one of our columns",
        "any time",
        (do.rename("status", "State"),),
        "The next run adds the column at the right; the renamed one is yours from now on.",
        sheet=OWN,
    ),
    Gesture(
        "Insert a line above the header, and undo it later",
        "any time",
        (do.insert_a_line_above, do.delete_the_line_above),
        "Nothing is sent until the header is the first line again.",
        sheet=STOPPED,
        stops="prompt",
    ),
    Gesture("Repeat the header between the rows", "any time", (do.repeat_the_header,), _NO_EFFECT),
    Gesture(
        "Text to columns, over the prompts",
        "any time",
        (do.text_to_columns,),
        "The second part lands in `take`: nothing is sent, and the rows are `invalid`. They keep "
        "their pictures.",
        rows=(
            "fox: invalid, shows fox",
            "owl: invalid, shows owl",
            "cat: invalid",
            "hare: invalid, shows hare",
            "crow: invalid",
        ),
        paid={"crow": 0},
    ),
    Gesture(
        "Text to columns, over the prompts, and undo it later",
        "any time",
        (do.text_to_columns, do.undo_text_to_columns),
        "All is as before.",
    ),
    # -- the whole sheet ----------------------------------------------------------------------
    Gesture(
        "Hide rows and columns",
        "any time",
        (do.hide_rows_and_columns,),
        "Hidden rows are rows: those that are not sent yet are sent.",
        kinds=NO_CSV,
    ),
    Gesture(
        "Set a filter",
        "any time",
        (do.set_a_filter,),
        "Rows that are filtered out are rows: those that are not sent yet are sent.",
        kinds=NO_CSV,
    ),
    Gesture(
        "Freeze the header, change widths and fonts",
        "any time",
        (do.freeze_and_format,),
        _NO_EFFECT,
        kinds=NO_CSV,
    ),
    Gesture(
        "Merge the cells with two prompts",
        "any time",
        (do.merge_prompts,),
        "Only the first prompt is left: the second row is emptied, and its result is kept in the "
        "store.",
        rows=_without("owl"),
        sheet="merged",
        kinds=NO_CSV,
    ),
    Gesture(
        "Merge cells of your own column",
        "any time",
        (do.merge_remarks,),
        _NO_EFFECT,
        sheet="merged",
        kinds=NO_CSV,
    ),
    *(
        Gesture(
            "Merge our cells",
            "any time",
            (do.merge_our_cells,),
            "Only one of them is shown while they are merged; results are kept.",
            # A workbook has the other text, too, below the merged cells.
            rows=_but(hare=row),
            sheet="merged",
            kinds=(kind,),
        )
        for kind, row in ((EXCEL, "hare"), (GOOGLE, "hare: , shows hare"))
    ),
    Gesture(
        "Clear the whole sheet, and undo it later",
        "any time",
        (do.clear_the_sheet, do.put_all_back),
        "Nothing is sent while it is empty; then all is as before.",
        sheet=STOPPED,
        stops="The sheet is empty|The header must be the first line",
    ),
    Gesture(
        "Sort the sheet with its header, and undo it later",
        "any time",
        (do.sort_with_the_header, do.put_all_back),
        "Nothing is sent until the header is the first line again.",
        sheet=STOPPED,
        stops="header",
    ),
    Gesture(
        "Protect a column of your own",
        "any time",
        (do.protect_their_column,),
        _NO_EFFECT,
        kinds=NO_CSV,
    ),
    Gesture("Rename the tab", "any time", (do.rename_the_tab,), _NO_EFFECT, kinds=NO_CSV),
    Gesture(
        "Duplicate the tab",
        "any time",
        (do.duplicate_the_tab,),
        "Nothing changes; the new tab is not a sheet of ours.",
        kinds=NO_CSV,
    ),
    Gesture(
        "Save the file with semicolons",
        "any time",
        (do.save_with_semicolons,),
        "Nothing changes; the file keeps its semicolons.",
        kinds=(CSV,),
        sheet=OWN,
    ),
    Gesture(
        "Restore the first version of the sheet, without our columns",
        "any time",
        (do.paste_the_first_version,),
        "The next run adds our columns, and fills them.",
        sheet=OWN,
    ),
    Gesture(
        "Import a new export over the sheet",
        "any time",
        (do.import_over_the_sheet,),
        "Prompts that were there keep their results; new ones are sent.",
        rows=(NEW, "fox", "cat", "hare", "crow"),
        paid={"wolf": 1},
        sheet=OWN,
    ),
)
