"""Every sentence that people read in their sheet: what happened, and what to do next.

One function for each kind of trouble, so that no two share a sentence. Words of the API or of the
person are quoted, cut to a line and never stand first, so that none of our cells can become a
formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.core.approval import EXAMPLES
from pipeline.core.cell_errors import is_unfinished
from pipeline.core.model import State

#: What a spreadsheet may take for the start of a formula (full-width signs included).
_LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")
#: What people call the signs that separate the cells of a CSV file.
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


def as_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever it was that came from outside."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    clean = text.strip(" ")
    return "'" + clean if clean.startswith(_LIVE) else clean


def quoted(words: str, most: int = 120) -> str:
    """Somebody's words in quotation marks, on one line."""
    line = " ".join(words.split())
    return f'"{line if len(line) <= most else line[: most - 1] + "…"}"'


def incomplete(problems: list[str]) -> str:
    """The row cannot be sent as it is."""
    return f"Not sent, nothing paid: {'; '.join(problems)}."


def or_ignore(title: str) -> str:
    """What else to do if a column of the team's own has one of our names."""
    return f', or set [columns] ignore = ["{title.strip()}"] if that column is not for us'


def write_take(take: int, column: str = "take", *, is_there: bool = True) -> str:
    """How to ask for a take: what to write, and which column to add where there is none."""
    if is_there:
        return f"write {take} into {column}"
    return f"add a column named {column} and write {take} into it"


def bad_take(column: str, text: str, *, is_new: bool) -> str:
    """The take cell holds no number; `is_new`: the row was never made."""
    cure = "Write a whole number from 1, or empty the cell"
    return f"Not sent: {column} is {quoted(text, 20)}. {cure}{or_ignore(column) if is_new else ''}."


def jumped_take(column: str, was: int, now: int, again: int = 0) -> str:
    """The take was raised by more than one: dragging a cell down counts up.

    `again` is how much of it was asked for on the page.
    """
    if again:
        return (
            f"Not sent: {column} is {now - again}, and {again} more asked for on the page makes "
            f"{now} after {was}. Write {max(was + 1 - again, 1)} to make this row again."
        )
    return (
        f"Not sent: {column} went from {was} to {now}. Write {was + 1} to make this row again, or "
        f"{was} to leave it as it is."
    )


def no_such_take(take: int, first: int, again: int = 0) -> str:
    """The take cell was lowered below the first one."""
    return (
        f"There are no pictures of take {take}: this row began with take {first}. "
        f"Write {max(first - again, 1)} to see those."
    )


def asked_on_the_page(take: int) -> str:
    """The page asked for a take that the row's own cell does not ask for."""
    return f"Take {take} was asked for on the page."


def no_price(endpoint: str) -> str:
    """The provider file lists no credits for the endpoint."""
    return f"Not sent: the provider file lists no credits for {endpoint}. Add them there."


def needs_approval(column: str) -> str:
    """Nobody approved it yet."""
    return f"Tick {column} to have this row made."


def not_approved(column: str, text: str) -> str:
    """The cell holds a text that is not known to mean yes."""
    words = ", ".join(EXAMPLES)
    return (
        f"Not approved: {column} says {quoted(text, 20)}. Tick it, or write one of these: {words}."
    )


def needs_approval_again(column: str, is_another_take: bool) -> str:
    """It was approved, and changed afterwards, or only its take was."""
    why = (
        "The approval was for another take."
        if is_another_take
        else "Changed after it was approved."
    )
    return f"{why} Untick {column}, wait for a run, tick it again."


def needs_approval_column(column: str) -> str:
    """The config asks for approval, and the sheet has no column for it."""
    return f"This sheet needs approval. Add a column named {column} and write yes into it."


def skipped(column: str) -> str:
    """The person wants it left out."""
    return f"Left out, because {column} is filled. Empty that cell to have the row made."


def settling(settle: timedelta) -> str:
    """It has just been typed."""
    return f"Waiting until the row has stayed as it is for {spoken(settle)}."


def unfinished_cell(name: str) -> str:
    """A formula in an input cell is not computed yet, or came to 0 over an empty cell."""
    return (
        f"Waiting: {name} holds a formula that is not computed yet, or shows 0 because a cell that "
        "it refers to is empty. If it stays so, open the sheet and save it."
    )


def broken_cell(name: str, text: str) -> str:
    """A formula in an input cell shows an error."""
    return f"Waiting: {name} shows {text}. Repair that cell."


def not_a_value(name: str, text: str) -> str:
    """A cell shows no value (see `cell_errors.is_value`): an error, or a formula not computed."""
    return unfinished_cell(name) if is_unfinished(text) else broken_cell(name, text)


def too_many_cells(delimiter: str) -> str:
    """A row of a CSV file has more cells than the header has names."""
    sign = DELIMITER_NAMES[delimiter]
    return (
        "Not sent: this row has more cells than the header has names. Put quotation marks around "
        f'a text with a {sign}: "a fox{delimiter} in snow". If the last cell is a column of its '
        "own, give that column a name."
    )


def copy(redo: str) -> str:
    """A row copied whole; `redo` says how to ask for the next take."""
    return (
        "A copy of another row, so nothing was sent for it. Change its prompt to have the new one "
        f"made. To have the same made once more, {redo}."
    )


def stranger(redo: str) -> str:
    """A row with marks that this store did not make."""
    return (
        "This row shows an id or results that this store does not know, so nothing is paid for it. "
        f"Run doctor --adopt to take them over. To have it made, {redo}."
    )


def over_budget(cap: str) -> str:
    """`cap` is `per_run` or `per_day`."""
    when = "with the next run" if cap == "per_run" else "tomorrow"
    return f"The budget is used up ([budget] {cap}). This row goes {when}, or raise the budget."


def beyond_budget(cap: str, allowed: int, price: int) -> str:
    """One row costs more than `cap` allows in all, so that waiting would be in vain."""
    return (
        f"This row costs {in_credits(price)}, and [budget] {cap} allows {allowed}. "
        f"Raise {cap} to have it made."
    )


def refused(api: str, reason: str) -> str:
    """The API took nothing and said why."""
    why = f": {quoted(reason)}" if reason else ""
    return f"{api} refused the prompt{why}. Change the prompt; the row then runs again."


def failed(api: str, reason: str, price: int) -> str:
    """A task was made and came to nothing."""
    # A task that was taken over from another store has no price here.
    cost = f"The failed task may have cost {in_credits(price)}." if price else ""
    why = f"{api} could not make it: {quoted(reason)}. Change the prompt, or ask for a retry."
    return f"{why} {cost}".strip()


def lost(api: str, reason: str, price: int) -> str:
    """Sent, and no answer says whether it was taken."""
    return (
        f"Sent, but no answer came ({' '.join(reason.split())}); "
        f"it may have cost {in_credits(price)}. Look into your {api} account. "
        "Nothing is sent again unless you run retry --unknown."
    )


def taken_over(api: str) -> str:
    """The sheet was another store's, which may have sent the row."""
    return (
        "The sheet was taken over from another store, which may have sent this row. "
        f"Look into your {api} account. It is not sent unless you run retry --unknown."
    )


def overdue(api: str, task_id: str, after: timedelta, redo: str) -> str:
    """Taken, and not heard of for longer than one waits."""
    return (
        f"{api} has had task {task_id} for over {spoken(after)}. Its result is still collected if "
        f"it comes. To pay for another one, {redo}."
    )


def made_from(changes: Mapping[str, str], state: State) -> str:
    """What the row said when it was sent, if it says something else now; else ""."""
    if not changes:
        return ""
    was = [f"{name} was {quoted(text) if text else 'empty'}" for name, text in changes.items()]
    some = "; ".join([*was[:MOST_CHANGES], *(["…"] if len(was) > MOST_CHANGES else [])])
    is_made = state is State.SUCCEEDED
    return f"{some} when {'these pictures were made' if is_made else 'this row was sent'}."


#: The most changed cells that a note names.
MOST_CHANGES = 3


def edited(made: str, redo: str) -> str:
    """The row was changed after it was sent; `made` says what it was then."""
    return f"{made} To make the row as it is now, {redo}; or put the old text back."


def lost_cell(name: str, text: str) -> str:
    """A value that was sent is no longer in its cell, and no new one is."""
    says = f"says {quoted(text, 20)}" if text else "is empty"
    return f"Waiting: {name} {says} now. Put the text back."


def warning(doubts: Sequence[str]) -> str:
    """The prompt looks like a mistake, and is sent as it is."""
    return f"Check this: {'; '.join(doubts)}." if doubts else ""


def second_success(task_id: str, price: int, saved: bool = True) -> str:
    """Two attempts succeeded: the first one heard is shown."""
    cost = in_credits(price)
    files = "its files are saved" if saved else "its files are not saved"
    return f"A second attempt also succeeded (task {task_id}, {cost}); {files}."


def left_out(kept: int, more: int) -> str:
    """The API delivered more results than are kept of one task."""
    return f"The API delivered {kept + more} results; the first {kept} are kept."


def files_missing(count: int, reason: str = "") -> str:
    """Some pictures are not saved yet; `reason` is a sentence."""
    files = "1 picture is" if count == 1 else f"{count} pictures are"
    return f"{files} not saved yet. {reason} Later runs try again.".replace("  ", " ")


def files_lost(numbers: Sequence[int], of: int, reason: str, again: bool, redo: str) -> str:
    """The pictures with these numbers, of so many, cannot be saved; `reason` is a sentence.

    `again` says whether later runs still try.
    """
    if of == 1:
        what = "The picture could not be saved."
    elif len(numbers) == of:
        what = f"None of the {of} pictures could be saved."
    else:
        pictures = "Picture" if len(numbers) == 1 else "Pictures"
        what = f"{pictures} {listed(numbers)} of {of} could not be saved."
    how = "Later runs try again" if again else "To try again, run doctor --repair"
    return f"{what} {reason} {how}; to pay for new ones, {redo}."


def listed(numbers: Sequence[int]) -> str:
    """Numbers as people write them in a sentence: 1, 2 and 4; at most ten of them."""
    if len(numbers) > 10:
        return f"{', '.join(map(str, numbers[:10]))} and {len(numbers) - 10} more"
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def in_credits(number: int) -> str:
    """A number of credits, in words."""
    return "1 credit" if number == 1 else f"{number} credits"


def spoken(span: timedelta) -> str:
    """A span of time as people say it: 30 s, 60 min, 2 h."""
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def charged_otherwise(api: str, charged: Sequence[tuple[int, int]]) -> str:
    """The API charged other amounts than listed; `charged` has price and charge of each task."""
    listed, said = (sum(prices) for prices in zip(*charged, strict=True))
    tasks = "1 task" if len(charged) == 1 else f"{len(charged)} tasks"
    return (
        f"{api} charged {said} credits for {tasks}; the provider file lists {listed}. The budget "
        "counts what was charged. Correct the prices in the provider file."
    )


def account_differs(api: str, fell: int, spent: int, since: str) -> str:
    """The account lost other credits than were counted; `since` is when it was seen before."""
    return (
        f"The account at {api} went down by {in_credits(fell)} since {since}; Promptsheet counted "
        f"{spent}. If nothing else used the account, correct the prices in the provider file."
    )
