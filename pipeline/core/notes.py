"""Every sentence that people read in their sheet: what happened, and what to do next.

One function for each kind of trouble, so that no two share a sentence. Words of the API or of the
person are quoted, cut to a line and never stand first, so that none of our cells can become a
formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.core.approval import EXAMPLES

#: What a spreadsheet may take for the start of a formula (full-width signs included).
_LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


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


def bad_take(text: str) -> str:
    """The take cell holds no number."""
    return f"Not sent: take is {quoted(text, 20)}. Write a whole number from 1, or empty the cell."


def jumped_take(was: int, now: int, again: int = 0) -> str:
    """The take was raised by more than one: dragging a cell down counts up.

    `again` is how much of it was asked for on the page.
    """
    if again:
        return (
            f"Not sent: take is {now - again}, and {again} more asked for on the page makes {now} "
            f"after {was}. Write {max(was + 1 - again, 1)} to make this row again."
        )
    return f"Not sent: take went from {was} to {now}. Write {was + 1} to make this row again."


def no_such_take(take: int, first: int) -> str:
    """The take cell was lowered below the first one."""
    return f"There are no pictures of take {take}: this row began with take {first}."


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
        f"Not approved: {column} says {quoted(text, 20)}. What counts is a ticked box, or {words}."
    )


def needs_approval_again(column: str) -> str:
    """It was approved, and changed afterwards."""
    return f"Changed after it was approved. Untick {column}, wait for a run, tick it again."


def needs_approval_column() -> str:
    """The config asks for approval, and the sheet has no column for it."""
    return "This sheet needs approval. Add a column named approved and tick this row in it."


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


def copy(take: int) -> str:
    """A row copied whole."""
    return f"A copy of another row. Change it, or write {take + 1} into take, to have it made."


def stranger(take: int) -> str:
    """A row with marks that this store did not make."""
    return (
        "Bears an id or results that this store does not know, so nothing is paid for it. "
        f"Run doctor --adopt to take them over, or write {take + 1} into take."
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


def overdue(api: str, task_id: str, after: timedelta, next_take: int) -> str:
    """Taken, and not heard of for longer than one waits."""
    return (
        f"{api} has had task {task_id} for over {spoken(after)}. It is still asked after. "
        f"To pay for another one, write {next_take} into take."
    )


def edited(sent: Mapping[str, str], done: bool, next_take: int) -> str:
    """The words differ from those that the pictures are made from."""
    words = sent.get("prompt") or "; ".join(f"{k}: {v}" for k, v in sent.items())
    made = "These pictures were made from" if done else "Being made from"
    return f"{made} {quoted(words)}. To make the new words, write {next_take} into take."


def second_success(task_id: str, price: int, saved: bool = True) -> str:
    """Two attempts succeeded: the first one heard is shown."""
    cost = in_credits(price)
    files = "its files are saved" if saved else "its files are not saved"
    return f"A second attempt also succeeded (task {task_id}, {cost}); {files}."


def files_missing(count: int, reason: str = "") -> str:
    """Some pictures are not saved yet; `reason` is a sentence."""
    files = "1 picture is" if count == 1 else f"{count} pictures are"
    return f"{files} not saved yet. {reason} Later runs try again.".replace("  ", " ")


def files_lost(numbers: Sequence[int], of: int, reason: str, again: bool, next_take: int) -> str:
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
    return f"{what} {reason} {how}; to pay for new ones, write {next_take} into take."


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
